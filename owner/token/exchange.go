package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// Exchange turns a developer token into a vehicle token, on the owner's grant
// (spec api 1.5).
type Exchange struct {
	Issuer  *Issuer
	Callers *Verifier[Developer]
	State   State
	Clock   clock.Clock
	Chain   uint64
	Vehicle sayso.Address   // the vehicle contract
	Aliases []sayso.Address // contracts that published SDKs name instead of it
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
	Missing []string `json:"missing"`
	Reason  string   `json:"reason"`
	Ask     string   `json:"ask"`
	text    string
}

func (r *Refusal) Error() string { return r.text }

// Trade answers an exchange.
func (x *Exchange) Trade(raw string, body Body) (string, error) {
	const op = "token.Exchange"
	now := x.Clock.Now()
	caller, err := x.Callers.Verify(raw, "", now)
	if err != nil {
		return "", err
	}
	sub, err := x.responseSubject(caller)
	if err != nil {
		return "", err
	}
	if caller.Address == nil {
		return "", sayso.Fail(sayso.Unauthorized, op, "No Ethereum address claim found.")
	}
	if Revoked(x.State, *caller.Address) {
		return "", sayso.Fail(sayso.Denied, op, "not a dev license: "+caller.Address.String()+" is revoked")
	}
	vehicle, asset, err := x.asset(body)
	if err != nil {
		return "", err
	}
	want, err := wanted(body)
	if err != nil {
		return "", err
	}
	who := *caller.Address
	verdict := consent.Decide(x.State, who, vehicle, now)
	if missing := want.Without(verdict.Permissions()); !missing.Empty() {
		return "", refusal(who, asset, missing, verdict)
	}
	audience := body.Audience
	if len(audience) == 0 {
		audience = []string{Audience}
	}
	return x.Issuer.vehicleToken(sub, audience, asset, who, want, now)
}

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

// Revoked says whether an account is the client id of a licence that is no more.
// A signer of a licence may also sign in through the clients without one, and
// such a token ends with the licence too.
func Revoked(s interface {
	LicenceByClient(sayso.Address) (registry.Licence, bool)
}, account sayso.Address) bool {
	licence, ok := s.LicenceByClient(account)
	return ok && licence.Revoked
}

// asset finds the vehicle that is asked about, in either form.
func (x *Exchange) asset(body Body) (uint64, sayso.DID, error) {
	const op = "token.Exchange"
	if body.Asset != "" {
		d, err := sayso.ParseDID(body.Asset)
		if err != nil {
			return 0, d, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("Invalid asset DID %q: %s", body.Asset, err))
		}
		id, ok := x.vehicle(d)
		if !ok {
			return 0, d, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("Invalid asset DID %q: not a vehicle of this node, whose vehicles are did:erc721:%d:%s:<token>", body.Asset, x.Chain, x.Vehicle))
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
func wanted(body Body) (sayso.Permissions, error) {
	const op = "token.Exchange"
	var want sayso.Permissions
	if len(body.CloudEvents) > 0 && string(body.CloudEvents) != "null" {
		return want, sayso.Fail(sayso.Invalid, op, "cloudEvents filters are granted by a grant document, and this node does not evaluate grant documents: ask for permissions instead")
	}
	asked := 0
	for _, name := range body.Permissions {
		p, ok := sayso.ParsePermission(name)
		if !ok {
			return want, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("unknown privileges [%s]", name))
		}
		want, asked = want.With(p), asked+1
	}
	if asked == 0 {
		for _, n := range body.Privileges {
			if n < 0 || n > 127 {
				return want, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("unknown privileges [%d]", n))
			}
			if p := sayso.Permission(n); p.Enum() != "" {
				want, asked = want.With(p), asked+1
			}
		}
	}
	if asked == 0 {
		return want, sayso.Fail(sayso.Invalid, op, "Please provide at least one privilege or cloudevent")
	}
	return want, nil
}

// refusal words a denial so that its reader can act on it.
func refusal(who sayso.Address, asset sayso.DID, missing sayso.Permissions, v consent.Verdict) error {
	var names, short []string
	for _, p := range missing.List() {
		names = append(names, p.String())
		short = append(short, strings.TrimPrefix(p.String(), "privilege:"))
	}
	reason := v.Reason
	if reason == "" {
		reason = "the owner's grant does not include them"
	}
	r := &Refusal{Missing: names, Reason: string(reason)}
	r.Ask = fmt.Sprintf("sayso grant --vehicle %s --to %s --permissions %s", asset.Token, who, strings.Join(short, ","))
	r.text = fmt.Sprintf("Address %s lacks permissions [%s] for asset %s", who, strings.Join(names, " "), asset)
	return &sayso.Error{Op: "token.Exchange", Fault: sayso.Denied, Subject: asset.String(), Message: r.text, Err: r}
}
