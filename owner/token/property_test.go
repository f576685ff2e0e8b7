package token

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/consent"
	"sayso/owner/document"
	"sayso/owner/registry"
)

var deals = flag.Int("deals", 20_000, "how many random exchanges to judge; 1,000,000 is the long form")

// The small world of the random exchanges.
var (
	here     = registry.ChainInfo{ID: 137, Vehicle: sayso.Address{1, 19: 1}}
	stranger = sayso.Address{2, 19: 2}
	seller   = sayso.Address{2, 19: 3}
	holder   = sayso.Address{2, 19: 4} // owns the vehicles
	lent     = sayso.Address{2, 19: 5} // is granted something
	maker    = sayso.Address{2, 19: 6} // of templates
	moment   = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

	types, sources = []string{"type-a", "type-b"}, []string{"0x00000000000000000000000000000000000000Ab", "source-b"}
	ids, tags      = []string{"id-a", "id-b"}, []string{"tag-a", "tag-b"}
)

// tuple is a cloud event; "other" stands for whatever is not in the small world.
type tuple struct{ kind, source, id, tag string }

const other = "other"

// facts is the state of one random case. It is the oracle's record too: what
// was granted is noted as it is granted.
type facts struct {
	vehicle   registry.Vehicle
	grant     *registry.Grant
	papers    map[string]*document.Document
	templates map[string]registry.Template
	final     bool

	bits   sayso.Permissions // what the record on chain gives
	names  sayso.Permissions // what the document adds, if it counts
	events map[tuple]bool
	counts bool
}

func (f *facts) Chain() registry.ChainInfo                                        { return here }
func (f *facts) LicenceByClient(sayso.Address) (l registry.Licence, ok bool)      { return l, false }
func (f *facts) SyntheticByAddress(sayso.Address) (d registry.Synthetic, ok bool) { return d, false }
func (f *facts) DeviceByAddress(sayso.Address) (d registry.Device, ok bool)       { return d, false }
func (f *facts) Vehicle(id uint64) (registry.Vehicle, bool)                       { return f.vehicle, id == f.vehicle.ID }
func (f *facts) Final(block uint64) bool                                          { return block < 10 || f.final }
func (f *facts) Fresh(time.Time) bool                                             { return true }
func (f *facts) AccountGrant(_, _ sayso.Address) (registry.Grant, bool) {
	return registry.Grant{}, false
}

func (f *facts) Grant(v uint64, to sayso.Address) (registry.Grant, bool) {
	if f.grant == nil || v != f.grant.Vehicle || to != f.grant.Grantee {
		return registry.Grant{}, false
	}
	return *f.grant, true
}
func (f *facts) Document(source string) (*document.Document, bool) {
	d, ok := f.papers[source]
	return d, ok
}
func (f *facts) Template(id string) (registry.Template, bool) {
	t, ok := f.templates[id]
	return t, ok
}

type dice struct{ *rand.Rand }

func (r dice) once(n int) bool { return r.IntN(n) == 0 }

func (r dice) some(list []string) (out []string) {
	for _, s := range list {
		if r.once(2) {
			out = append(out, s)
		}
	}
	return out
}

func pick[T any](r dice, list ...T) T { return list[r.IntN(len(list))] }

func (r dice) set() (s sayso.Permissions) {
	for p := sayso.Permission(1); p <= 8; p++ {
		if r.once(2) {
			s = s.With(p)
		}
	}
	return s
}

func names(s sayso.Permissions) (out []string) {
	for _, p := range s.List() {
		out = append(out, p.String())
	}
	return out
}

// window is one that holds, or not.
func (r dice) window(holds bool) document.Window {
	past, future := moment.Add(-time.Duration(r.IntN(3))*time.Hour), moment.Add(time.Duration(1+r.IntN(3))*time.Hour)
	if holds {
		return document.Window{From: pick(r, time.Time{}, past), Until: pick(r, time.Time{}, future)}
	}
	return pick(r, document.Window{From: future}, document.Window{Until: past}, document.Window{From: future, Until: past})
}

// filter is a random filter: each member one value, some, or the star.
func (r dice) filter() document.Filter {
	list := func(all []string) []string {
		if r.once(3) {
			return []string{document.Any}
		}
		return r.some(all)
	}
	return document.Filter{
		EventType: pick(r, append(types, document.Any)...), Source: pick(r, append(sources, document.Any)...), IDs: list(ids), Tags: list(tags),
	}
}

// tuples is every event that a filter picks.
func tuples(f document.Filter) (out []tuple) {
	spread := func(values, all []string) []string {
		if slices.Contains(values, document.Any) {
			return append([]string{other}, all...)
		}
		return values
	}
	source := f.Source
	if strings.EqualFold(source, sources[0]) {
		source = sources[0] // an address in another case
	}
	for _, k := range spread([]string{f.EventType}, types) {
		for _, s := range spread([]string{source}, sources) {
			for _, i := range spread(f.IDs, ids) {
				for _, t := range spread(f.Tags, tags) {
					out = append(out, tuple{k, s, i, t})
				}
			}
		}
	}
	return out
}

// state makes a random state.
func (r dice) state() *facts {
	f := &facts{papers: map[string]*document.Document{}, templates: map[string]registry.Template{}, final: !r.once(8), events: map[tuple]bool{}}
	f.vehicle = registry.Vehicle{ID: 7, Owners: []registry.Ownership{{Owner: seller, Block: 1}, {Owner: holder, Block: 2}}}
	f.vehicle.Burned = r.once(60)
	if r.once(10) {
		return f
	}
	block, expires := pick(r, uint64(5), 5, 11), pick(r, registry.Forever, registry.Forever, moment.Unix()+1, moment.Unix()+1, moment.Unix(), moment.Unix()-9)
	f.grant = &registry.Grant{Vehicle: 7, Grantee: lent, Block: block, Right: registry.Right{Permissions: fmt.Sprintf("0x%x", r.set().Bits()), Expires: expires}}
	stands := expires > moment.Unix() && !f.vehicle.Burned
	settled := block < 10 || f.final
	if settled {
		f.grant.Before = f.grant.Right
	} else { // what the final state has
		f.grant.Before = registry.Right{Permissions: fmt.Sprintf("0x%x", r.set().Bits()), Expires: pick(r, registry.Forever, moment.Unix())}
	}
	if stands && f.grant.Before.Expires > moment.Unix() {
		f.bits = f.grant.Set().And(f.grant.Before.Set())
	}
	if !r.once(4) {
		f.counts = stands && settled
		r.paper(f)
	}
	return f
}

// paper puts a random document behind the grant, with a defect or without.
func (r dice) paper(f *facts) {
	car := sayso.NFT(here.ID, here.Vehicle, 7).String()
	content := []byte{1}
	f.grant.Source = document.Of(content).Source()
	d := &document.Document{Type: document.TypeGrant, Grantor: holder, Grantee: lent, Window: r.window(true), Asset: pick(r, "", car)}
	for range r.IntN(4) {
		holds := !r.once(4)
		a := document.Agreement{Asset: pick(r, car, strings.ToLower(car)), Window: r.window(holds)}
		if r.once(2) {
			set := r.set()
			a.Kind, a.Permissions = document.KindPermission, append(names(set), "privilege:Unknown", "")
			if holds {
				f.names = f.names.Or(set)
			}
		} else {
			a.Kind, a.Filter = document.KindCloudEvent, r.filter()
			for _, t := range tuples(a.Filter) {
				f.events[t] = f.events[t] || holds
			}
		}
		d.Agreements = append(d.Agreements, a)
	}
	f.papers[f.grant.Source] = d
	if r.once(4) {
		r.template(f, d)
	}
	if r.once(4) {
		r.spoil(f, d)
		f.counts = false
	}
}

// template lets the document follow one that it includes, or not.
func (r dice) template(f *facts, d *document.Document) {
	need := f.names
	for _, p := range need.List() {
		if r.once(2) {
			need = need.Without(sayso.PermissionSet(p))
		}
	}
	owner := sayso.Account(here.ID, here.Vehicle).String()
	t := registry.Template{ID: "77", Creator: maker, Owner: pick(r, maker, stranger), Asset: here.Vehicle, Permissions: fmt.Sprintf("0x%x", need.Bits()), CID: document.Of([]byte{2}).String(), Active: true, Block: 3}
	form := &document.Document{Type: document.TypeTemplate, Grantor: maker, Agreements: []document.Agreement{{Kind: document.KindPermission, Asset: owner, Permissions: names(need)}}}
	d.Template, f.grant.Template = "77", pick(r, "", "77")
	if r.once(3) {
		f.counts = false
		missing := sayso.PermissionSet(1, 2, 3, 4, 5, 6, 7, 8).Without(f.names).List()
		if len(missing) == 0 {
			missing = append(missing, 9)
		}
		switch r.IntN(9) {
		case 0:
			t.Active = false
		case 1:
			t.Asset = stranger
		case 2:
			t.Creator = stranger
		case 3:
			t.Permissions = fmt.Sprintf("0x%x", need.With(missing[0]).Bits())
		case 4:
			form.Agreements[0].Permissions = append(form.Agreements[0].Permissions, "privilege:Unheard")
		case 5:
			form.Agreements[0].Asset = sayso.Account(here.ID+1, here.Vehicle).String()
		case 6:
			form.Type = document.TypeGrant
		case 7:
			f.grant.Template = "78"
		case 8:
			t.CID = document.Of([]byte{3}).String()
		}
	}
	f.templates["77"], f.papers[document.Of([]byte{2}).Source()] = t, form
}

// spoil makes a document not count.
func (r dice) spoil(f *facts, d *document.Document) {
	wrong := []string{
		sayso.NFT(here.ID+1, here.Vehicle, 7).String(), sayso.NFT(here.ID, stranger, 7).String(), sayso.NFT(here.ID, here.Vehicle, 8).String(),
		sayso.Account(here.ID, holder).String(), "*", "",
	}
	switch r.IntN(9) {
	case 0:
		d.Grantor = pick(r, seller, stranger, lent)
	case 1:
		d.Grantee = pick(r, stranger, holder, sayso.Address{})
	case 2:
		d.Window = r.window(false)
	case 3:
		d.Asset = wrong[r.IntN(len(wrong)-1)]
	case 4:
		d.Agreements = append(d.Agreements, document.Agreement{Kind: pick(r, document.KindPermission, document.KindCloudEvent), Asset: pick(r, wrong...)})
	case 5:
		d.Type = document.TypeTemplate
	case 6:
		delete(f.papers, f.grant.Source)
	case 7:
		f.grant.Source = pick(r, "", "https://a/"+document.Of([]byte{1}).String(), document.Of([]byte{9}).Source())
	case 8:
		f.grant.Template = "79"
	}
}

// TestIssuedIsWhatWasGrantedOrNothing judges random exchanges over random
// grants and documents. The oracle adds up what was granted while it is made up,
// event by event; it knows nothing of filters, windows or templates.
func TestIssuedIsWhatWasGrantedOrNothing(t *testing.T) {
	r := dice{rand.New(rand.NewPCG(20260501, 7))}
	wall := clock.NewManual(moment)
	keys := t.TempDir()
	issuer, err := OpenIssuer(keys, VehicleKeys, "http://node.test/roles")
	if err != nil {
		t.Fatal(err)
	}
	verifier := NewVehicleVerifier(issuer)
	var issued, refused, withPaper, withEvents int
	for n := range *deals {
		f := r.state()
		x := &Exchange{Issuer: issuer, State: f, Clock: wall, Chain: here.ID, Vehicle: here.Vehicle}
		who := pick(r, lent, lent, lent, lent, holder, seller, stranger)
		body, want, wantEvents := r.request(f)
		caller := &Developer{Claims: jwt.Claims{Audience: jwt.Audience{DriverClient}}, Address: &who}
		d, err := x.judge(t.Context(), caller, body, moment)
		may, paper := f.allowed(who, want, wantEvents)
		if (err == nil) != may {
			t.Fatalf("case %d: %s asks for %+v\nof %+v\ngrant %+v\ndocuments %v\nissued %v (%v), want %v", n, who, body, f.vehicle, f.grant, f.papers, err == nil, err, may)
		}
		if err != nil {
			refused++
			continue
		}
		issued++
		if paper {
			withPaper++
		}
		if len(d.events) > 0 {
			withEvents++
		}
		if d.set != want || d.grantee != who || d.asset.String() != sayso.NFT(here.ID, here.Vehicle, 7).String() {
			t.Fatalf("case %d: issued %+v for %+v", n, d, body)
		}
		if issued%100 == 1 {
			checkReads(t, r, f, x, verifier, d, who)
		}
	}
	t.Logf("%d issued (%d only by the document, %d with cloud events), %d refused", issued, withPaper, withEvents, refused)
	if issued < *deals/20 || withPaper < *deals/100 || withEvents < *deals/100 || refused < *deals/4 {
		t.Error("the cases are too much alike")
	}
}

// request is a random request about the vehicle: half of them close to what was
// granted.
func (r dice) request(f *facts) (body Body, want sayso.Permissions, events []document.Filter) {
	body = Body{Asset: sayso.NFT(here.ID, here.Vehicle, 7).String()}
	from := sayso.PermissionSet(1, 2, 3, 4, 5, 6, 7, 8)
	close := r.once(2)
	if close {
		from = f.bits.Or(f.names)
	}
	for _, p := range from.List() {
		if r.once(3) {
			want = want.With(p)
		}
	}
	body.Permissions = names(want)
	if want.Empty() || r.once(3) {
		var list []string
		for range 1 + r.IntN(2) {
			e := r.filter()
			if close && f.grant != nil {
				e = r.granted(f, e)
			}
			if r.once(6) {
				e.EventType = ""
			}
			list = append(list, fmt.Sprintf(`{"eventType":%q,"source":%q,"ids":[%s],"tags":[%s]}`, e.EventType, flip(r, e.Source), quoted(e.IDs), quoted(e.Tags)))
			events = append(events, e.Whole())
		}
		body.CloudEvents = []byte(`{"events":[` + strings.Join(list, ",") + `]}`)
	}
	return body, want, events
}

// granted is the filter of an agreement, where there is one.
func (r dice) granted(f *facts, e document.Filter) document.Filter {
	if d := f.papers[f.grant.Source]; d != nil {
		for _, a := range d.Agreements {
			if a.Kind == document.KindCloudEvent && r.once(2) {
				return a.Filter
			}
		}
	}
	return e
}

// flip changes the case of an address.
func flip(r dice, s string) string {
	if strings.HasPrefix(s, "0x") && r.once(2) {
		return strings.ToLower(s)
	}
	return s
}

func quoted(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return `"` + strings.Join(list, `","`) + `"`
}

// allowed is the oracle: whether everything asked for was granted, and whether
// the document was needed for it.
func (f *facts) allowed(who sayso.Address, want sayso.Permissions, events []document.Filter) (may, paper bool) {
	switch who {
	case seller: // of the time when it was theirs
		return true, false
	case holder: // a burned vehicle has no owner, but its owner still has had it
		return true, false
	case lent:
	default:
		return false, false
	}
	all := f.bits
	if f.counts {
		all = all.Or(f.names)
	}
	may = want.Without(all).Empty()
	for _, e := range events {
		for _, t := range tuples(e) {
			may = may && f.counts && f.events[t]
		}
	}
	return may, may && (len(events) > 0 || !want.Without(f.bits).Empty())
}

// checkReads mints the token and reads with it: events that it claims and the
// owner granted, and no other; nothing once the record is gone.
func checkReads(t *testing.T, r dice, f *facts, x *Exchange, verifier *Verifier[Vehicle], d deal, who sayso.Address) {
	t.Helper()
	raw, err := x.Issuer.vehicleToken(d, moment)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verifier.Verify(raw, Audience, moment)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Set() != d.set || len(claims.Filters()) != len(d.events) {
		t.Fatalf("issued %+v, claimed %+v", d, claims)
	}
	decide := func() consent.Verdict {
		return consent.Decide(f, claims.Grantee, 7, moment).Limit(claims.Set()).LimitEvents(claims.Filters())
	}
	claimed := map[tuple]bool{}
	for _, c := range claims.Filters() {
		for _, e := range tuples(c) {
			claimed[e] = true
		}
	}
	v := decide()
	for _, e := range tuples(document.Filter{EventType: "*", Source: "*", IDs: []string{"*"}, Tags: []string{"*"}}) {
		want := claimed[e] && (who != lent || f.counts && f.events[e])
		if sight, epochs := v.Event(e.kind, flip(r, e.source), e.id, []string{e.tag}); (sight == consent.Allow) != want || want != (len(epochs) > 0) {
			t.Fatalf("event %v of token %+v: %v in %v, want %v", e, claims, sight, epochs, want)
		}
	}
	if who == lent {
		f.grant = nil
		if v := decide(); len(v.Rights) > 0 || len(v.Events) > 0 {
			t.Fatalf("after the revocation %+v", v)
		}
	}
}

// The full cross product of chains, contracts and tokens: a document and a
// request of one of them are good for that one alone.
func TestNothingIsGoodForAnotherAsset(t *testing.T) {
	var assets []sayso.DID
	for _, chain := range []uint64{1, 137, 80002, 31337} {
		for _, contract := range []sayso.Address{here.Vehicle, stranger, {}} {
			for _, token := range []uint64{0, 1, 7, 8, 1 << 40} {
				assets = append(assets, sayso.NFT(chain, contract, token))
			}
			assets = append(assets, sayso.Account(chain, contract))
		}
	}
	wall := clock.NewManual(moment)
	caller := &Developer{Claims: jwt.Claims{Audience: jwt.Audience{DriverClient}}, Address: &lent}
	issued := 0
	for _, written := range assets {
		for _, asked := range assets {
			content := []byte{1}
			f := &facts{final: true, vehicle: registry.Vehicle{ID: 7, Owners: []registry.Ownership{{Owner: holder, Block: 1}}}}
			f.grant = &registry.Grant{Vehicle: 7, Grantee: lent, Block: 1, Source: document.Of(content).Source(), Right: registry.Right{Permissions: "0x3", Expires: registry.Forever}}
			f.papers = map[string]*document.Document{f.grant.Source: {Type: document.TypeGrant, Grantor: holder, Grantee: lent, Agreements: []document.Agreement{
				{Kind: document.KindPermission, Asset: written.String(), Permissions: []string{sayso.RawData.String()}},
			}}}
			x := &Exchange{State: f, Clock: wall, Chain: here.ID, Vehicle: here.Vehicle}
			_, err := x.judge(t.Context(), caller, Body{Asset: asked.String(), Permissions: []string{sayso.RawData.String()}}, moment)
			want := sayso.NFT(here.ID, here.Vehicle, 7).String()
			if may := written.String() == want && asked.String() == want; (err == nil) != may {
				t.Errorf("a document about %s, asked about %s: %v", written, asked, err)
			}
			if err == nil {
				issued++
			}
		}
	}
	if issued != 1 {
		t.Errorf("%d of %d pairs are good, want 1", issued, len(assets)*len(assets))
	}
}

func TestNoTokenIsForEverybody(t *testing.T) {
	f := &facts{final: true, vehicle: registry.Vehicle{ID: 7, Owners: []registry.Ownership{{Owner: holder, Block: 1}}}}
	x := &Exchange{State: f, Clock: clock.NewManual(moment), Chain: here.ID, Vehicle: here.Vehicle}
	caller := &Developer{Claims: jwt.Claims{Audience: jwt.Audience{DriverClient}}, Address: &holder}
	for name, audience := range map[string][]string{"empty": {""}, "a star": {"*"}, "a domain of stars": {"*.zone"}, "one of two": {"dimo.zone", "*"}, "many": slices.Repeat([]string{"a"}, 17)} {
		_, err := x.judge(t.Context(), caller, Body{Asset: sayso.NFT(137, here.Vehicle, 7).String(), Privileges: []int{1}, Audience: audience}, moment)
		if sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("audience %s: %v", name, err)
		}
	}
}
