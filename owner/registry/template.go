package registry

import (
	"math/big"
	"strings"

	"sayso"
)

// Template is a set of permissions that grants can promise to include, with the
// document that describes it.
type Template struct {
	ID          string        `json:"id"` // decimal, up to 256 bits
	Creator     sayso.Address `json:"creator"`
	Owner       sayso.Address `json:"owner"`
	Asset       sayso.Address `json:"asset"`       // the contract whose tokens it is for
	Permissions string        `json:"permissions"` // as in [Right]
	CID         string        `json:"cid"`
	CreatedAt   int64         `json:"createdAt"`
	Active      bool          `json:"active"`
	Block       uint64        `json:"block"` // the one that made it, or that gave it to its owner
}

// Set decodes the permissions.
func (t *Template) Set() sayso.Permissions { return Right{Permissions: t.Permissions}.Set() }

// Source is how the document of the template is named.
func (t *Template) Source() string { return "ipfs://" + strings.TrimPrefix(t.CID, "ipfs://") }

// templateKey is the number without leading zeros.
func templateKey(id string) string {
	n, ok := new(big.Int).SetString(id, 10)
	if !ok {
		return ""
	}
	return n.String()
}

// Template finds a permission template by its decimal number.
func (r *Registry) Template(id string) (Template, bool) {
	return get[Template](r, templates, templateKey(id))
}

// TemplateByCID finds the template that a document describes.
func (r *Registry) TemplateByCID(cid string) (Template, bool) {
	return textUnder[Template](r, templates, mark{templatesByCID, cid}, same)
}

// key is where the template stands in a list: the newest first, then by number.
func (t *Template) key() string { return TemplatePlace(t.CreatedAt, t.ID) }

// TemplatePlace is where a template stands in a list of templates.
func TemplatePlace(createdAt int64, id string) string { return inTime(createdAt, flipped(id32(id))) }

// TemplateList is all templates, by [TemplatePlace].
func (r *Registry) TemplateList() List[string, Template] {
	return List[string, Template]{r: r, sets: under(textsOf, mark{by: allTemplates}), read: func(s *state, place string) (Template, bool) {
		return row[Template](s, templates, new(big.Int).SetBytes(flipped([]byte(place[8:]))).String())
	}}
}

// Template reads a template as it stands in the block so far.
func (tx *Tx) Template(id string) (Template, bool) {
	return read[Template](tx, templates, templateKey(id))
}

// PutTemplate writes a template.
func (tx *Tx) PutTemplate(t Template) { change(tx, templates, templateKey(t.ID), &t) }
