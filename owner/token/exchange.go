package token

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/consent"
	"sayso/owner/document"
	"sayso/owner/registry"
)

// Exchange turns a developer token into a vehicle token, on the owner's grant
// (spec api 1.5).
type Exchange struct {
	Issuer  *Issuer
	Callers *Verifier[Developer]
	State   State // if it has documents (consent.Papers), they count
	Clock   clock.Clock
	Chain   uint64
	Vehicle sayso.Address   // the vehicle contract
	Aliases []sayso.Address // contracts that published SDKs name instead of it
	// Fetch gets the document behind a grant, where that is not here and would
	// decide; nil where there is nowhere to get it from.
	Fetch func(ctx context.Context, asset sayso.DID, grantee sayso.Address)
}

// Body is the request: the newer asset and permissions, or the older contract,
// token id and privileges, or a mix in which the newer win.
type Body struct {
	Asset       string          `json:"asset"`
	Permissions []string        `json:"permissions"`
	CloudEvents json.RawMessage `json:"cloudEvents"`
	Audience    []string        `json:"audience"`
	Contract    string          `json:"nftContractAddress"`
	TokenID     json.Number     `json:"tokenId"`
	Privileges  []int           `json:"privileges"`
}

// Refusal is a denied exchange: what is missing, why, and how to ask for it.
type Refusal struct {
	Missing []string      `json:"missing"`
	Events  []EventFilter `json:"missingEvents,omitempty"`
	Reason  string        `json:"reason"`
	Ask     string        `json:"ask"`
	text    string
}

func (r *Refusal) Error() string { return r.text }

// Trade answers an exchange: everything that is asked for, or nothing.
func (x *Exchange) Trade(ctx context.Context, raw string, body Body) (string, error) {
	now := x.Clock.Now()
	caller, err := x.Callers.Verify(raw, "", now)
	if err != nil {
		return "", err
	}
	d, err := x.judge(ctx, caller, body, now)
	if err != nil {
		return "", err
	}
	t, err := x.Issuer.vehicleToken(d, now)
	if err == nil && len(t) > maxTokenBytes {
		return "", sayso.Fail(sayso.TooLarge, "token.Exchange", "a token for all of this would be too long: ask for less")
	}
	return t, err
}

// deal is what a vehicle token will say.
type deal struct {
	subject  string
	audience []string
	asset    sayso.DID
	grantee  sayso.Address
	signer   *sayso.Address
	asked
}

// asked is what an exchange asks for.
type asked struct {
	set    sayso.Permissions
	events []document.Filter
}

// judge decides an exchange of a caller who has proven who it is.
func (x *Exchange) judge(ctx context.Context, caller *Developer, body Body, now time.Time) (deal, error) {
	const op = "token.Exchange"
	sub, err := x.responseSubject(caller)
	if err != nil {
		return deal{}, err
	}
	if caller.Address == nil {
		return deal{}, sayso.Fail(sayso.Unauthorized, op, "No Ethereum address claim found.")
	}
	who := *caller.Address
	if Revoked(x.State, who) {
		return deal{}, sayso.Fail(sayso.Denied, op, "not a dev license: "+who.String()+" is revoked")
	}
	if !Speaks(x.State, who, caller.Signer, now) {
		return deal{}, sayso.Fail(sayso.Unauthorized, op, "the key that signed in is no signer of the licence "+who.String()+" any more: sign in with one that is")
	}
	vehicle, asset, err := x.asset(body)
	if err != nil {
		return deal{}, err
	}
	want, err := wanted(body)
	if err != nil {
		return deal{}, err
	}
	d := deal{subject: sub, audience: body.Audience, asset: asset, grantee: who, signer: caller.Signer, asked: want}
	if len(d.audience) == 0 {
		d.audience = []string{Audience}
	}
	if len(d.audience) > maxAudiences || slices.ContainsFunc(d.audience, func(a string) bool { return a == "" || strings.Contains(a, "*") }) {
		return deal{}, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("audience must be 1 to %d names without a *", maxAudiences))
	}
	verdict := x.decide(who, vehicle, asset, now)
	missing := want.without(verdict)
	if x.Fetch != nil && !missing.empty() && (verdict.Paper == consent.NotHere || verdict.Paper == consent.NotTheForm) {
		x.Fetch(ctx, asset, who)
		verdict = x.decide(who, vehicle, asset, now)
		missing = want.without(verdict)
	}
	if !missing.empty() {
		return deal{}, refusal(who, asset, missing, verdict)
	}
	return d, nil
}

// decide says what somebody may see of a vehicle, or of everything that an account
// has.
func (x *Exchange) decide(who sayso.Address, vehicle uint64, asset sayso.DID, now time.Time) consent.Verdict {
	if asset.Method == sayso.MethodEthr {
		return consent.Account(x.State, who, asset.Address, now)
	}
	return consent.Decide(x.State, who, vehicle, now)
}

// without is what a verdict does not give.
func (a asked) without(v consent.Verdict) asked {
	out := asked{set: a.set.Without(v.Permissions())}
	for _, f := range a.events {
		if !v.Covers(f) {
			out.events = append(out.events, f)
		}
	}
	return out
}

func (a asked) empty() bool { return a.set.Empty() && len(a.events) == 0 }

// responseSubject is who the vehicle token is issued to: the licence that asks,
// or the drivers' client.
func (x *Exchange) responseSubject(caller *Developer) (string, error) {
	const op = "token.Exchange"
	if slices.Contains(caller.Audience, DriverClient) {
		return DriverClient, nil
	}
	user, err := subjectAddress(caller.Subject)
	if err != nil {
		return "", sayso.Fail(sayso.Unauthorized, op, err.Error())
	}
	licence, ok := x.State.LicenceByClient(user)
	if !ok || licence.Revoked {
		return "", sayso.Fail(sayso.Denied, op, "not a dev license: "+user.String())
	}
	return licence.ClientID.String(), nil
}

// licences finds the licence of a client id.
type licences interface {
	LicenceByClient(sayso.Address) (registry.Licence, bool)
}

// Revoked says whether an account is the client id of a licence that is no more.
// A signer of a licence may also sign in through the clients without one, and
// such a token ends with the licence too.
func Revoked(s licences, account sayso.Address) bool {
	licence, ok := s.LicenceByClient(account)
	return ok && licence.Revoked
}

// Speaks says whether the key that signed in for an account may still do so: a
// key that is taken off a licence ends, with every token that it got, when that
// is seen on chain. There is no such key where the account signed for itself.
func Speaks(s licences, account sayso.Address, signer *sayso.Address, now time.Time) bool {
	if signer == nil {
		return true
	}
	licence, ok := s.LicenceByClient(account)
	return ok && licence.Signs(*signer, now)
}

// asset finds the vehicle that is asked about, in either form, or the account,
// whose vehicle is 0.
func (x *Exchange) asset(body Body) (uint64, sayso.DID, error) {
	const op = "token.Exchange"
	if body.Asset != "" {
		d, err := sayso.ParseDID(body.Asset)
		if err != nil {
			return 0, d, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("Invalid asset DID %q: %s", body.Asset, err))
		}
		if d.Method == sayso.MethodEthr && d.Chain == x.Chain && !d.Address.IsZero() {
			return 0, d, nil
		}
		id, ok := x.vehicle(d)
		if !ok {
			return 0, d, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("Invalid asset DID %q: not a vehicle or an account of this node, whose vehicles are did:erc721:%d:%s:<token>", body.Asset, x.Chain, x.Vehicle))
		}
		return id, sayso.NFT(x.Chain, x.Vehicle, id), nil
	}
	contract, err := sayso.ParseAddress(body.Contract)
	if err != nil || (contract != x.Vehicle && !slices.Contains(x.Aliases, contract)) {
		return 0, sayso.DID{}, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("Invalid NFT contract address %q.", body.Contract))
	}
	d, err := sayso.ParseDID(fmt.Sprintf("did:erc721:%d:%s:%s", x.Chain, contract, body.TokenID))
	if err != nil || !d.Token.IsUint64() {
		return 0, d, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("Invalid token id %q.", body.TokenID))
	}
	id := d.Token.Uint64()
	return id, sayso.NFT(x.Chain, x.Vehicle, id), nil
}

// vehicle resolves a DID of our contract, or of an alias on whatever chain.
func (x *Exchange) vehicle(d sayso.DID) (uint64, bool) {
	if id, ok := d.Is(x.Chain, x.Vehicle); ok {
		return id, true
	}
	if d.Method == sayso.MethodERC721 && slices.Contains(x.Aliases, d.Address) && d.Token.IsUint64() {
		return d.Token.Uint64(), true
	}
	return 0, false
}

// wanted reads what is asked for. Numbers without a name are left out: SDKs ask
// for every bit that the chain shows.
func wanted(body Body) (want asked, err error) {
	const op = "token.Exchange"
	if want.events, err = wantedEvents(body.CloudEvents); err != nil {
		return want, err
	}
	for _, name := range body.Permissions {
		p, ok := sayso.ParsePermission(name)
		if !ok {
			return want, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("unknown privileges [%s]", name))
		}
		want.set = want.set.With(p)
	}
	if len(body.Permissions) == 0 {
		for _, n := range body.Privileges {
			if n < 0 || n > 127 {
				return want, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("unknown privileges [%d]", n))
			}
			if p := sayso.Permission(n); p.Enum() != "" {
				want.set = want.set.With(p)
			}
		}
	}
	if want.empty() {
		return want, sayso.Fail(sayso.Invalid, op, "Please provide at least one privilege or cloudevent")
	}
	return want, nil
}

// Limits of one exchange.
const (
	maxAudiences = 16
	maxPairs     = 1000 // of an id and a tag, over all filters
)

// wantedEvents reads the filters on cloud events. What a filter leaves out
// stands for everything.
func wantedEvents(raw json.RawMessage) (out []document.Filter, err error) {
	const op = "token.Exchange"
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var body struct {
		Events []struct {
			EventType, Source string
			IDs, Tags         []string
		}
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, sayso.Fail(sayso.Invalid, op, `cloudEvents must be {"events":[{"eventType","source","ids","tags"}]}`)
	}
	pairs := 0
	for _, e := range body.Events {
		f := document.Filter{EventType: e.EventType, Source: e.Source, IDs: e.IDs, Tags: e.Tags}.Whole()
		if pairs += len(f.IDs) * len(f.Tags); pairs > maxPairs {
			return nil, sayso.Fail(sayso.TooLarge, op, fmt.Sprintf("cloudEvents asks for over %d pairs of an id and a tag: ask for less at once", maxPairs))
		}
		out = append(out, f)
	}
	return out, nil
}

// refusal words a denial so that its reader can act on it.
func refusal(who sayso.Address, asset sayso.DID, missing asked, v consent.Verdict) error {
	names, short := []string{}, []string{}
	for _, p := range missing.set.List() {
		names = append(names, p.String())
		short = append(short, strings.TrimPrefix(p.String(), "privilege:"))
	}
	r := &Refusal{Missing: names, Reason: string(v.Reason)}
	if r.Reason == "" {
		r.Reason = "the owner's grant does not include them"
	}
	if v.Paper != "" && v.Paper != v.Reason {
		r.Reason += "; " + string(v.Paper)
	}
	r.Ask = fmt.Sprintf("sayso grant --vehicle %s --to %s", asset.Token, who)
	if asset.Token == nil {
		r.Ask = fmt.Sprintf("sayso grant --account --to %s", who)
	}
	if len(names) > 0 {
		r.Ask += " --permissions " + strings.Join(short, ",")
	}
	r.text = fmt.Sprintf("Address %s lacks permissions [%s] for asset %s", who, strings.Join(names, " "), asset)
	if len(missing.events) > 0 {
		r.Events = eventFilters(missing.events)
		list, _ := json.Marshal(r.Events)
		and := ""
		if len(names) > 0 {
			and = fmt.Sprintf("permissions [%s] and ", strings.Join(names, " "))
		}
		r.text = fmt.Sprintf("Address %s lacks %scloud events %s for asset %s", who, and, list, asset)
		r.Ask += " --document --event <type>"
	}
	return &sayso.Error{Op: "token.Exchange", Fault: sayso.Denied, Subject: asset.String(), Message: r.text, Err: r}
}
