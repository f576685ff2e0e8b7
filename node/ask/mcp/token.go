package mcp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"sayso"
)

// wanted is what a token for a vehicle is asked for, as far as the owner gives
// it.
var wanted = []sayso.Permission{
	sayso.NonLocationHistory, sayso.CurrentLocation, sayso.LocationHistory, sayso.VINCredential, sayso.RawData, sayso.ApproximateLocation,
}

// vehicle names one in either dialect.
type vehicle struct {
	token uint64 // where the DID is empty
	did   string
}

// forVehicle turns a developer token into one for the vehicle, with all that the
// owner grants. A vehicle token stays what it is.
func (a *asker) forVehicle(ctx context.Context, bearer string, v vehicle) (string, error) {
	if ofVehicle(bearer) {
		return bearer, nil
	}
	ask := wanted
	for {
		token, missing, err := a.exchange(ctx, bearer, v, ask)
		if err != nil || token != "" {
			return token, err
		}
		less := slices.DeleteFunc(slices.Clone(ask), func(p sayso.Permission) bool { return slices.Contains(missing, p.String()) })
		if len(less) == len(ask) {
			return "", sayso.Fail(sayso.Denied, "mcp", "the owner of this vehicle has shared nothing with the caller")
		}
		ask = less
	}
}

// exchange asks for a token. missing are the permissions that the owner does not
// give.
func (a *asker) exchange(ctx context.Context, bearer string, v vehicle, ask []sayso.Permission) (token string, missing []string, err error) {
	if len(ask) == 0 {
		return "", nil, nil
	}
	names := make([]string, len(ask))
	for i, p := range ask {
		names[i] = p.String()
	}
	if v.did == "" {
		if v.did, err = a.didOf(ctx, v.token); err != nil {
			return "", nil, err
		}
	}
	body := map[string]any{"asset": v.did, "permissions": names}
	raw, _, err := a.send(ctx, question{http.MethodPost, "/v1/tokens/exchange", body}, bearer)
	if err != nil {
		return "", nil, err
	}
	var out struct {
		Token   string   `json:"token"`
		Missing []string `json:"missing"`
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return "", nil, sayso.Fail(sayso.Unauthorized, "mcp", "the token was not exchanged")
	}
	if out.Token == "" && len(out.Missing) == 0 {
		return "", nil, refusal(http.StatusForbidden, raw)
	}
	return out.Token, out.Missing, nil
}

// didOf finds the DID of a vehicle.
func (a *asker) didOf(ctx context.Context, token uint64) (string, error) {
	raw, _, err := a.send(ctx, graphQL(identityPath, `query($id: Int!) { vehicle(tokenId: $id) { tokenDID } }`, map[string]any{"id": token}), "")
	if err != nil {
		return "", err
	}
	var out struct {
		Data struct {
			Vehicle *struct {
				DID string `json:"tokenDID"`
			}
		}
	}
	if err := json.Unmarshal(raw, &out); err != nil || out.Data.Vehicle == nil {
		return "", sayso.Fail(sayso.NotFound, "mcp", "there is no such vehicle")
	}
	return out.Data.Vehicle.DID, nil
}

// ofVehicle says whether a token names a vehicle. It is not checked here: the
// node that it is shown to does that.
func ofVehicle(bearer string) bool {
	parts := strings.Split(bearer, ".")
	if len(parts) != 3 {
		return true // no token at all; the node says so
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Asset    string `json:"asset"`
		Contract string `json:"contract_address"`
	}
	return err != nil || json.Unmarshal(raw, &claims) != nil || claims.Asset != "" || claims.Contract != ""
}
