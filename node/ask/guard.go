package ask

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// access is what the schema says about reading a signal.
type access struct {
	signal *catalogue.Signal
	all    []sayso.Permission // all of these
	one    []sayso.Permission // or, for the approximate position, one of these
}

// The directives that guard.
const (
	vehicleToken = "requiresVehicleToken"
	allOf        = "requiresAllOfPrivileges"
	oneOf        = "requiresOneOfPrivilege"
)

// guards are the executor's: the token of a root field, and the permissions of
// a signal, which were decided when the root field planned its read. Those of a
// root field are decided by [answers.open].
func (a *answers) guards() map[string]graphql.Guard {
	return map[string]graphql.Guard{
		vehicleToken: func(c *graphql.Call, _ *ast.Directive, _ any, f *graphql.Field) error {
			if subjects[f.Name] {
				return nil
			}
			_, _, err := a.vehicle(c, f)
			return err
		},
		allOf:            planned,
		oneOf:            planned,
		"isSignal":       nil,
		"hasAggregation": nil,
	}
}

// planned lets a field through that was allowed when the read was planned.
// What was refused, or never planned, has no slot. A field of the root has no
// parent, and plans.
func planned(_ *graphql.Call, _ *ast.Directive, parent any, f *graphql.Field) error {
	if parent == nil || f.Slot > 0 && !f.Refused {
		return nil
	}
	if l, ok := parent.(*latest); ok {
		return l.refused(f)
	}
	return graphql.ErrNull
}

// bind reads the permissions of every signal from the schema. Both types that
// list the signals must ask for the same.
func (a *answers) bind(schema *ast.Schema) error {
	a.access = map[string]*access{}
	for _, s := range a.Catalogue.Signals() {
		var both [2]*access
		for i, name := range []string{"SignalCollection", "SignalAggregations"} {
			d := schema.Types[name].Fields.ForName(s.Name)
			if d == nil {
				return fmt.Errorf("%s has no field %s", name, s.Name)
			}
			x, err := accessOf(s, d.Directives)
			if err != nil {
				return err
			}
			both[i] = x
		}
		x := both[0]
		switch {
		case !slices.Equal(x.all, both[1].all) || !slices.Equal(x.one, both[1].one):
			return fmt.Errorf("%s needs other permissions when aggregated", s.Name)
		case len(x.all) == 0 && len(x.one) == 0:
			return fmt.Errorf("%s needs no permission", s.Name)
		case s.Computed() != (len(x.one) > 0):
			return fmt.Errorf("%s: only what is computed may need one of several permissions", s.Name)
		}
		a.access[s.Name] = x
		a.list = append(a.list, x)
	}
	a.roots = map[string]*access{}
	for _, f := range schema.Query.Fields {
		x, err := accessOf(nil, f.Directives)
		if err != nil {
			return err
		}
		if len(x.all)+len(x.one) > 0 {
			a.roots[f.Name] = x
		}
	}
	return nil
}

// accessOf reads what directives ask for.
func accessOf(s *catalogue.Signal, list ast.DirectiveList) (*access, error) {
	all, err := privileges(list.ForName(allOf))
	if err != nil {
		return nil, err
	}
	one, err := privileges(list.ForName(oneOf))
	return &access{s, all, one}, err
}

// privileges are the permissions that a directive lists.
func privileges(d *ast.Directive) ([]sayso.Permission, error) {
	if d == nil {
		return nil, nil
	}
	var out []sayso.Permission
	for _, v := range d.Arguments.ForName("privileges").Value.Children {
		p, ok := sayso.ParsePermission(v.Value.Raw)
		if !ok {
			return nil, fmt.Errorf("there is no permission %s", v.Value.Raw)
		}
		out = append(out, p)
	}
	return out, nil
}

// vehicle checks that the token is for the vehicle that the query names.
func (a *answers) vehicle(c *graphql.Call, f *graphql.Field) (*Session, uint64, error) {
	s, _ := c.Caller.(*Session)
	if s == nil {
		return nil, 0, unauthorised(sayso.Unauthorized, "jwt missing")
	}
	if a.dialect == catalogue.Subject {
		text, _ := graphql.Arg[string](f.Args, "subject")
		did, err := sayso.ParseDID(text)
		if err != nil || s.Asset != nil && did.String() != s.Asset.String() {
			return nil, 0, unauthorised(sayso.Denied, "DID in query does not match token claim")
		}
		id, ok := did.Is(a.Chain.ID, a.Chain.Vehicle)
		if !ok {
			return nil, 0, unauthorised(sayso.Denied, "the DID in the query is not of a vehicle of this node")
		}
		return s, id, nil
	}
	n, ok := graphql.Arg[int64](f.Args, "tokenId")
	if !ok {
		n, _ = graphql.Arg[int64](f.Args, "tokenID")
	}
	if s.Asset == nil {
		return s, uint64(n), nil
	}
	if s.Asset.Address != a.Chain.Vehicle || s.Asset.Chain != a.Chain.ID {
		return nil, 0, unauthorised(sayso.Denied, "unauthorized: contract in claim is "+s.Asset.Address.String()+" instead of the required "+a.Chain.Vehicle.String())
	}
	if id, ok := s.Asset.Is(a.Chain.ID, a.Chain.Vehicle); !ok || n < 0 || id != uint64(n) {
		return nil, 0, unauthorised(sayso.Denied, "unauthorized: token id does not match")
	}
	return s, uint64(n), nil
}

// reader is who reads of which vehicle, decided for one field of the root.
type reader struct {
	a       *answers
	session *Session
	vehicle uint64
	source  *sayso.Address
	granted consent.Verdict // what the owner lets the caller see
	verdict consent.Verdict // what of it the token carries
	epochs  []uint32        // the ownerships that the root field itself may be answered of, where it needs permissions
}

// open decides, at this moment, what the caller may see of the vehicle that a
// root field names, and whether the field itself may be answered. Where nothing
// may be seen, it says which permissions to ask for: those of the field, or of
// the signals selected below, if any.
func (a *answers) open(c *graphql.Call, f *graphql.Field, below []*graphql.Field) (*reader, error) {
	session, vehicle, err := a.vehicle(c, f)
	if err != nil {
		return nil, err
	}
	r := &reader{a: a, session: session, vehicle: vehicle}
	if r.source, err = a.source(f); err != nil {
		return nil, err
	}
	r.granted = session.Decide(vehicle)
	r.verdict = r.granted.Limit(session.Claims)
	wanted := a.roots[f.Name]
	if wanted == nil && len(r.verdict.Rights) > 0 {
		return r, nil
	}
	if r.granted.Reason == consent.ChainStale {
		return nil, sayso.Fail(sayso.Busy, "ask", string(consent.ChainStale))
	}
	if wanted != nil {
		sight, epochs := r.see(wanted)
		if r.epochs = epochs; sight == consent.Refuse {
			return nil, r.refuse(wanted)
		}
		return r, nil
	}
	wanted = &access{}
	for _, s := range below {
		if x := a.access[s.Name]; x != nil {
			wanted = wanted.join(x)
		}
	}
	if len(wanted.all)+len(wanted.one) == 0 {
		wanted.all = []sayso.Permission{sayso.NonLocationHistory}
	}
	return nil, r.refuse(wanted)
}

// join is the access to both.
func (x *access) join(y *access) *access {
	merge := func(a, b []sayso.Permission) []sayso.Permission {
		out := append(slices.Clone(a), b...)
		slices.Sort(out)
		return slices.Compact(out)
	}
	return &access{all: merge(x.all, y.all), one: merge(x.one, y.one)}
}

// see is how a signal may be seen, and of which ownerships.
func (r *reader) see(x *access) (consent.Sight, []uint32) {
	if len(x.one) > 0 {
		return r.verdict.Approximate()
	}
	return r.verdict.Field(&catalogue.Signal{Need: x.all})
}

func (r *reader) view(epochs []uint32) vault.View {
	return vault.View{Vehicle: r.vehicle, Epochs: epochs, Source: r.source}
}

// sourceNames are what published clients send in place of a DID; they choose
// nothing (spec api 12.2).
var sourceNames = []string{"autopi", "macaron", "smartcar", "tesla", "ruptela", "compass"}

// source reads SignalFilter.
func (a *answers) source(f *graphql.Field) (*sayso.Address, error) {
	filter, _ := graphql.Arg[graphql.Args](f.Args, "filter")
	text, ok := graphql.Arg[string](filter, "source")
	if !ok || a.dialect == catalogue.Telemetry && slices.Contains(sourceNames, text) {
		return nil, nil
	}
	did, err := sayso.ParseDID(text)
	if err != nil || did.Method != sayso.MethodEthr {
		return nil, invalid("invalid argument: source '" + text + "' is not a valid ethr DID")
	}
	return &did.Address, nil
}

// refusal is an error that says what is missing and how to get it.
type refusal struct {
	message    string
	extensions map[string]any
	fault      sayso.Fault
}

func (r *refusal) Error() string { return r.message }

// Unwrap gives the refusal a kind, so that it is not logged as our failure.
func (r *refusal) Unwrap() error { return sayso.Fail(r.fault, "ask", r.message) }

func unauthorised(fault sayso.Fault, message string) *refusal {
	return &refusal{"unauthorized: " + message, map[string]any{"code": fault.Code()}, fault}
}

// refuse says that a signal may not be seen: which permissions are missing,
// why, and what the owner would have to run to grant them.
func (r *reader) refuse(x *access) error {
	have := r.verdict.Permissions()
	missing := sayso.PermissionSet(x.all...).Without(have).List()
	message := "missing required privilege(s) " + join(missing, ", ", sayso.Permission.String)
	if r.a.dialect == catalogue.Subject {
		message = "missing required privilege " + join(missing, ", ", sayso.Permission.String)
	}
	if len(missing) == 0 {
		missing = x.one
		message = "requires at least one of the following privileges [" + join(missing, " ", sayso.Permission.String) + "]"
		missing = []sayso.Permission{least(missing)}
	}
	e := unauthorised(sayso.Denied, message)
	e.extensions["missing"] = claims(missing)
	granted := r.granted.Permissions()
	switch {
	case r.granted.Reason != "":
		e.extensions["reason"] = string(r.granted.Reason)
	case sayso.PermissionSet(missing...).Without(granted).Empty():
		e.extensions["reason"] = "the token was issued without it; exchange a new one that asks for it"
		return e
	default:
		e.extensions["reason"] = "the owner's grant does not include it"
	}
	switch r.granted.Reason {
	case "", consent.NotShared, consent.Expired:
		ask := append(slices.DeleteFunc(granted.List(), func(p sayso.Permission) bool { return p.Enum() == "" }), missing...)
		slices.Sort(ask)
		e.extensions["ask"] = "sayso grant --vehicle " + strconv.FormatUint(r.vehicle, 10) + " --to " + r.session.Who.String() +
			" --permissions " + join(slices.Compact(ask), ",", short)
	}
	return e
}

// least is the permission, of several that would do, that tells least.
func least(list []sayso.Permission) sayso.Permission {
	if slices.Contains(list, sayso.ApproximateLocation) {
		return sayso.ApproximateLocation
	}
	return list[0]
}

func claims(list []sayso.Permission) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}

// short is the name of a permission on the command line.
func short(p sayso.Permission) string { return strings.TrimPrefix(p.String(), "privilege:") }

func join(list []sayso.Permission, with string, name func(sayso.Permission) string) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = name(p)
	}
	return strings.Join(out, with)
}
