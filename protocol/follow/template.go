package follow

import (
	"fmt"

	"sayso/owner/registry"
)

// templateTable returns the rows for a chain that has permission templates. A mint
// emits Transfer from the zero address, which the creation covers.
func templateTable() []event {
	return []event{
		{onTemplates, "TemplateCreated(uint256 indexed templateId, address indexed creator, address indexed asset, uint256 permissions, string cid)", templateCreated},
		{onTemplates, "TemplateDeactivated(uint256 indexed templateId)", template("templateId", func(tx *registry.Tx, t *registry.Template, _ args) { t.Active = false })},
		{onTemplates, transfer, templateMoved},
	}
}

func templateCreated(tx *registry.Tx, a args) error {
	tx.PutTemplate(registry.Template{
		ID: a.number("templateId").String(), Creator: a.address("creator"), Owner: a.address("creator"), Asset: a.address("asset"),
		Permissions: fmt.Sprintf("0x%x", a.number("permissions")), CID: a.text("cid"), CreatedAt: tx.Block.Time, Active: true, Block: tx.Block.Number,
	})
	return nil
}

// template changes a template that is there.
func template(id string, change func(*registry.Tx, *registry.Template, args)) func(*registry.Tx, args) error {
	return func(tx *registry.Tx, a args) error {
		t, ok := tx.Template(a.number(id).String())
		if !ok {
			return errSkip("there is no template " + a.number(id).String())
		}
		change(tx, &t, a)
		tx.PutTemplate(t)
		return nil
	}
}

// templateMoved gives a template to its next owner; the zero address ends it.
func templateMoved(tx *registry.Tx, a args) error {
	if a.address("from").IsZero() {
		return nil
	}
	return template("tokenId", func(tx *registry.Tx, t *registry.Template, a args) {
		t.Owner, t.Block = a.address("to"), tx.Block.Number
		t.Active = t.Active && !t.Owner.IsZero()
	})(tx, a)
}
