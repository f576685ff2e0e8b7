package consent

import (
	"slices"
	"time"

	"sayso"
	"sayso/owner/document"
	"sayso/owner/registry"
)

// Papers is what a [State] may know besides: the documents that grants point
// to. A document is one that its grantor signed; whatever else must be true of
// it is decided here.
type Papers interface {
	// Chain is the chain that the vehicles live on, and their contract.
	Chain() registry.ChainInfo
	// Document is what the source of a grant names, where it is known.
	Document(source string) (*document.Document, bool)
	// Template is a permission template by its decimal number.
	Template(id string) (registry.Template, bool)
}

// The reasons why the document behind a grant adds nothing to it.
const (
	NotHere       Reason = "the document behind the grant is not known to this node"
	NotAGrant     Reason = "the document behind the grant is not a grant"
	NotTheOwners  Reason = "the document behind the grant is not signed by the vehicle's owner"
	NotTheCallers Reason = "the document behind the grant is made out to somebody else"
	NotNow        Reason = "the document behind the grant does not count at this time"
	NotThisCar    Reason = "the document behind the grant is about something else"
	NotTheForm    Reason = "the document behind the grant does not follow its template"
)

// EventRight says which cloud events may be seen of one ownership of a vehicle.
type EventRight struct {
	Epoch   uint32
	All     bool                // the owner's own: every event
	Allowed []document.Filter   // else those that one of these picks
	Limits  [][]document.Filter // and one of each of these too
}

// matter is what a grant is about: a vehicle in an ownership, or everything of an
// account, where the vehicle is 0.
type matter struct {
	vehicle uint64
	grantor sayso.Address
	epoch   uint32
}

// asset is how documents name it.
func (m matter) asset(chain registry.ChainInfo) sayso.DID {
	if m.vehicle == 0 {
		return sayso.Account(chain.ID, m.grantor)
	}
	return sayso.NFT(chain.ID, chain.Vehicle, m.vehicle)
}

// form is the contract that templates for it name.
func (m matter) form(chain registry.ChainInfo) sayso.Address {
	if m.vehicle == 0 {
		return sayso.Address{}
	}
	return chain.Vehicle
}

// paper adds to a verdict what the document behind the grant of a vehicle gives
// besides the record on chain.
func (v *Verdict) paper(s State, car *registry.Vehicle, who sayso.Address, now time.Time) sayso.Permissions {
	g, ok := s.Grant(car.ID, who)
	if !ok || car.Burned {
		return sayso.Permissions{}
	}
	return v.written(s, matter{car.ID, car.Owner(), car.Epoch()}, &g, now)
}

// written adds what the document behind a grant gives. It counts if all of this
// holds:
//
//   - The record points to it, in the final state and at the head, and has not
//     expired.
//   - It is signed by the grantor, of a vehicle the present owner, and made out to
//     the caller.
//   - Its time has come and has not passed, and so for each agreement.
//   - It is about this vehicle or account, and so is every agreement that grants
//     something.
//   - Where it follows a template, it grants all of it; and the record names no
//     other template.
func (v *Verdict) written(s State, m matter, g *registry.Grant, now time.Time) sayso.Permissions {
	p, ok := s.(Papers)
	if !ok {
		return sayso.Permissions{}
	}
	if _, ok := document.ParseSource(g.Source); !ok {
		return sayso.Permissions{}
	}
	d, why := counts(s, p, m, g, now)
	if why != "" {
		v.Paper = why
		return sayso.Permissions{}
	}
	names, filters := agreed(d, now)
	if !follows(s, p, m, d, g, names) {
		v.Paper = NotTheForm
		return sayso.Permissions{}
	}
	if n := len(v.Events); len(filters) > 0 && n > 0 && v.Events[n-1].Epoch == m.epoch {
		v.Events[n-1].Allowed = append(v.Events[n-1].Allowed, filters...)
	} else if len(filters) > 0 {
		v.Events = append(v.Events, EventRight{Epoch: m.epoch, Allowed: filters})
	}
	return permissions(names)
}

// counts finds the document of a grant, if it counts now.
func counts(s State, p Papers, m matter, g *registry.Grant, now time.Time) (*document.Document, Reason) {
	switch {
	case now.Unix() >= g.Expires:
		return nil, Expired
	case !s.Final(g.Block) && (g.SourceBefore != g.Source || now.Unix() >= g.Before.Expires):
		return nil, NotFinal
	}
	d, ok := p.Document(g.Source)
	want := m.asset(p.Chain()).String()
	here := func(asset string) bool {
		did, err := sayso.ParseDID(asset)
		return err == nil && did.String() == want
	}
	switch {
	case !ok:
		return nil, NotHere
	case d.Type != document.TypeGrant:
		return nil, NotAGrant
	case d.Grantor != m.grantor:
		return nil, NotTheOwners
	case d.Grantee != g.Grantee:
		return nil, NotTheCallers
	case !d.Holds(now):
		return nil, NotNow
	case d.Asset != "" && !here(d.Asset):
		return nil, NotThisCar
	}
	for _, a := range d.Agreements {
		if grants(a) && !here(a.Asset) {
			return nil, NotThisCar
		}
	}
	return d, ""
}

func grants(a document.Agreement) bool {
	return a.Kind == document.KindPermission || a.Kind == document.KindCloudEvent
}

// agreed is what the agreements of a document give now.
func agreed(d *document.Document, now time.Time) (names []string, filters []document.Filter) {
	for _, a := range d.Agreements {
		switch {
		case !a.Holds(now):
		case a.Kind == document.KindPermission:
			names = append(names, a.Permissions...)
		case a.Kind == document.KindCloudEvent:
			filters = append(filters, a.Filter)
		}
	}
	return names, filters
}

// permissions are the numbers of names; a name without a number gives nothing.
func permissions(names []string) (set sayso.Permissions) {
	for _, n := range names {
		if p, ok := sayso.ParsePermission(n); ok {
			set = set.With(p)
		}
	}
	return set
}

// follows says whether a document that names a template grants all that the
// template does, which must stand on chain and be signed by whoever made it: a
// template changes hands, and its text cannot be signed again.
func follows(s State, p Papers, m matter, d *document.Document, g *registry.Grant, names []string) bool {
	if g.Template != "" && g.Template != d.Template {
		return false
	}
	if d.Template == "" {
		return true
	}
	chain := p.Chain()
	t, ok := p.Template(d.Template)
	contract := m.form(chain)
	if !ok || !t.Active || !s.Final(t.Block) || t.Asset != contract {
		return false
	}
	form, ok := p.Document(t.Source())
	if !ok || form.Type != document.TypeTemplate || form.Grantor != t.Creator {
		return false
	}
	for _, a := range form.Agreements {
		if !grants(a) {
			continue
		}
		if did, err := sayso.ParseDID(a.Asset); err != nil || did.Method != sayso.MethodEthr || did.Chain != chain.ID || did.Address != contract {
			return false
		}
		for _, n := range a.Permissions {
			if !slices.Contains(names, n) {
				return false
			}
		}
	}
	return t.Set().Without(permissions(names)).Empty()
}
