package token_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sayso"
	"sayso/owner/registry"
)

func did(id int) string { return sayso.NFT(testChain.ID, testChain.Vehicle, uint64(id)).String() }

func TestExchange(t *testing.T) {
	w := newWorld(t)
	mine := did(ownerID)
	canonical := fmt.Sprintf(`"asset":%q`, mine)
	for _, c := range []struct {
		name, body string
		status     int
		want       string // of the claims, or of the message
	}{
		{"new form", `{"asset":"` + mine + `","permissions":["privilege:GetNonLocationHistory"]}`, 200, `"permissions":["privilege:GetNonLocationHistory"]`},
		{"enum names", `{"asset":"` + mine + `","permissions":["VEHICLE_ALL_TIME_LOCATION"]}`, 200, `"privilege_ids":[4]`},
		{"old form", `{"nftContractAddress":"` + testChain.Vehicle.String() + `","tokenId":41,"privileges":[1,4,8]}`, 200, `"privilege_ids":[1,4,8]`},
		{"old form with a text", `{"nftContractAddress":"` + testChain.Vehicle.Lower() + `","tokenId":"41","privileges":[1]}`, 200, canonical},
		{"a published contract", `{"nftContractAddress":"` + alias.String() + `","tokenId":41,"privileges":[1]}`, 200, canonical},
		{"a published contract as a DID of its chain", `{"asset":"did:erc721:137:` + alias.String() + `:41","permissions":["privilege:GetNonLocationHistory"]}`, 200, canonical},
		{"the legacy DID", fmt.Sprintf(`{"asset":"did:nft:%d:%s_41","permissions":["privilege:GetNonLocationHistory"]}`, testChain.ID, testChain.Vehicle), 200, canonical},
		{"lower case", `{"asset":"` + strings.ToLower(mine) + `","permissions":["privilege:GetNonLocationHistory"]}`, 200, canonical},
		{"asset wins", `{"asset":"` + mine + `","nftContractAddress":"0x00","tokenId":99,"privileges":[1]}`, 200, canonical},
		{"permissions win", `{"asset":"` + mine + `","permissions":["privilege:GetNonLocationHistory"],"privileges":[2]}`, 200, `"privilege_ids":[1]`},
		{"numbers without a name are left out", `{"asset":"` + mine + `","privileges":[0,9,1,101,127]}`, 200, `"privilege_ids":[1]`},
		{"the usual audience", `{"asset":"` + mine + `","privileges":[1]}`, 200, `"aud":["dimo.zone"]`},
		{"another audience", `{"asset":"` + mine + `","privileges":[1],"audience":["a.test","b.test"]}`, 200, `"aud":["a.test","b.test"]`},
		{"an unknown member", `{"asset":"` + mine + `","privileges":[1],"headers":{"Authorization":"x"}}`, 200, canonical},

		{"all or nothing", `{"asset":"` + mine + `","permissions":["privilege:GetNonLocationHistory","privilege:GetVINCredential"]}`, 403, "lacks permissions [privilege:GetVINCredential]"},
		{"not granted", `{"asset":"` + mine + `","privileges":[2]}`, 403, "lacks permissions [privilege:ExecuteCommands]"},
		{"another vehicle", `{"asset":"` + did(42) + `","privileges":[1]}`, 403, "lacks permissions"},
		{"no body", ``, 400, "Couldn't parse request body."},
		{"no JSON", `{`, 400, "Couldn't parse request body."},
		{"a list", `[]`, 400, "Couldn't parse request body."},
		{"nothing asked for", `{"asset":"` + mine + `"}`, 400, "Please provide at least one privilege or cloudevent"},
		{"only numbers without a name", `{"asset":"` + mine + `","privileges":[0,9]}`, 400, "Please provide at least one privilege or cloudevent"},
		{"a name that is none", `{"asset":"` + mine + `","permissions":["privilege:Everything"]}`, 400, "unknown privileges [privilege:Everything]"},
		{"a number that is none", `{"asset":"` + mine + `","privileges":[128]}`, 400, "unknown privileges [128]"},
		{"a negative number", `{"asset":"` + mine + `","privileges":[-1]}`, 400, "unknown privileges [-1]"},
		{"another chain", fmt.Sprintf(`{"asset":"did:erc721:1:%s:41","privileges":[1]}`, testChain.Vehicle), 400, "Invalid asset DID"},
		{"another contract", `{"asset":"` + sayso.NFT(testChain.ID, testChain.AftermarketDevice, 41).String() + `","privileges":[1]}`, 400, "Invalid asset DID"},
		{"another contract, old form", `{"nftContractAddress":"` + testChain.AftermarketDevice.String() + `","tokenId":41,"privileges":[1]}`, 400, "Invalid NFT contract address"},
		{"an account that shares all it has", fmt.Sprintf(`{"asset":"did:ethr:%d:%s","privileges":[1]}`, testChain.ID, account("sharer")), 200, fmt.Sprintf(`{"asset":"did:ethr:%d:%s","aud"`, testChain.ID, account("sharer"))},
		{"an account that shares something else", fmt.Sprintf(`{"asset":"did:ethr:%d:%s","privileges":[1,4]}`, testChain.ID, account("sharer")), 403, "lacks permissions [privilege:GetLocationHistory]"},
		{"an account that shared until now", fmt.Sprintf(`{"asset":"did:ethr:%d:%s","privileges":[1]}`, testChain.ID, account("expired")), 403, "lacks permissions [privilege:GetNonLocationHistory]"},
		{"an account that shares nothing", fmt.Sprintf(`{"asset":"did:ethr:%d:%s","privileges":[1]}`, testChain.ID, account("anna")), 403, "lacks permissions"},
		{"an account of another chain", fmt.Sprintf(`{"asset":"did:ethr:1:%s","privileges":[1]}`, account("sharer")), 400, "Invalid asset DID"},
		{"the account of nobody", fmt.Sprintf(`{"asset":"did:ethr:%d:%s","privileges":[1]}`, testChain.ID, sayso.Address{}), 400, "Invalid asset DID"},
		{"no DID", `{"asset":"41","privileges":[1]}`, 400, "Invalid asset DID"},
		{"a token over 64 bits", fmt.Sprintf(`{"asset":"did:erc721:%d:%s:18446744073709551657","privileges":[1]}`, testChain.ID, testChain.Vehicle), 400, "Invalid asset DID"},
		{"a token over 64 bits, old form", `{"nftContractAddress":"` + testChain.Vehicle.String() + `","tokenId":18446744073709551657,"privileges":[1]}`, 400, "Invalid token id"},
		{"a token that is a fraction", `{"nftContractAddress":"` + testChain.Vehicle.String() + `","tokenId":41.0,"privileges":[1]}`, 400, "Invalid token id"},
		{"a token with an exponent", `{"nftContractAddress":"` + testChain.Vehicle.String() + `","tokenId":41e0,"privileges":[1]}`, 400, "Invalid token id"},
		{"a negative token", `{"nftContractAddress":"` + testChain.Vehicle.String() + `","tokenId":-41,"privileges":[1]}`, 400, "Invalid token id"},
		{"no token", `{"nftContractAddress":"` + testChain.Vehicle.String() + `","privileges":[1]}`, 400, "Invalid token id"},
		{"no contract", `{"tokenId":41,"privileges":[1]}`, 400, "Invalid NFT contract address"},
	} {
		for _, who := range []attempt{app(), person("frank")} {
			t.Run(c.name+" "+who.client, func(t *testing.T) {
				r := w.exchange(w.access(who), c.body)
				if r.status != c.status {
					t.Fatalf("%d %s", r.status, r.raw)
				}
				if r.status != 200 {
					if errorShape(t, r, c.want); r.status == 403 && (r.body["missing"] == nil || r.body["reason"] == nil || r.body["ask"] == nil) {
						t.Errorf("the refusal does not say what is missing, why and how to ask: %s", r.raw)
					}
					return
				}
				claims, _ := json.Marshal(part(t, r.body["token"].(string), 1))
				if !strings.Contains(string(claims), c.want) {
					t.Errorf("%s, want %s", claims, c.want)
				}
			})
		}
	}
}

// A token for an account names no vehicle, and an account needs nobody's grant for
// its own.
func TestAccountClaims(t *testing.T) {
	w := newWorld(t)
	for name, at := range map[string]sayso.Address{"frank": account("frank"), "frank too": account("sharer")} {
		raw, _ := w.exchange(w.access(person("frank")), fmt.Sprintf(`{"asset":"did:ethr:%d:%s","privileges":[1]}`, testChain.ID, at)).body["token"].(string)
		if raw == "" {
			t.Fatalf("%s gets no token", name)
		}
		c := part(t, raw, 1)
		for _, absent := range []string{"token_id", "contract_address"} {
			if _, there := c[absent]; there {
				t.Errorf("%s: %v", absent, c[absent])
			}
		}
	}
}

func TestVehicleClaims(t *testing.T) {
	w := newWorld(t)
	for who, want := range map[string]string{"app": licence.String(), "person": "dimo-driver"} {
		a, address := app(), licence
		if who == "person" {
			a, address = person("frank"), account("frank")
		}
		raw := w.exchange(w.access(a), `{"asset":"`+did(ownerID)+`","privileges":[1,4]}`).body["token"].(string)
		c := part(t, raw, 1)
		for name, want := range map[string]any{
			"iss": w.server.URL + "/roles", "sub": want, "iat": float64(noon.Unix()), "exp": float64(noon.Unix() + 600), "asset": did(ownerID),
			"contract_address": testChain.Vehicle.Lower(), "token_id": "41", "ethereum_address": address.String(),
		} {
			if c[name] != want {
				t.Errorf("%s: %s: %v, want %v", who, name, c[name], want)
			}
		}
		if h := part(t, raw, 0); h["alg"] != "RS256" || h["kid"] == part(t, w.access(a), 0)["kid"] {
			t.Errorf("%s: header %v: want RS256 with another key than sign-in", who, h)
		}
	}
}

// Who may exchange at all.
func TestWhoExchanges(t *testing.T) {
	w := newWorld(t)
	body := `{"asset":"` + did(ownerID) + `","privileges":[1]}`
	plain := app()
	plain.scope = "openid"
	through := app()
	through.address, through.sign = account("frank").String(), personal("frank")
	device := person("device")
	device.client = "sayso-device"
	for _, c := range []struct {
		name    string
		attempt attempt
		status  int
		says    string
	}{
		{"the owner", person("anna"), 200, ""},
		{"a person without a grant", person("eve"), 403, "lacks permissions"},
		{"no address in the token", plain, 401, "No Ethereum address claim found."},
		{"a person through an app", through, 403, "not a dev license"},
		{"a device", device, 403, "not a dev license"},
	} {
		if r := w.exchange(w.access(c.attempt), body); r.status != c.status || r.status != 200 && !strings.Contains(r.raw, c.says) {
			t.Errorf("%s: %d %s", c.name, r.status, r.raw)
		}
	}
	for _, c := range []struct {
		bearer string
		status int
		text   string
	}{
		{"", 400, "Missing or malformed JWT"}, {"Bearer", 400, "Missing or malformed JWT"}, {"Basic x", 400, "Missing or malformed JWT"},
		{"Bearer x", 401, "Invalid or expired JWT"}, {"Bearer a.b.c", 401, "Invalid or expired JWT"},
	} {
		if r := w.call("POST", "/v1/tokens/exchange", "application/json", c.bearer, body); r.status != c.status || r.body["message"] != c.text || r.body["code"] != float64(c.status) {
			t.Errorf("%q: %d %s", c.bearer, r.status, r.raw)
		}
	}
	if r := w.exchange(w.access(person("anna")), strings.Repeat(" ", 11<<20)+body); r.status == http.StatusOK {
		t.Error("a body over the limit was read")
	}
}

// A licence that is revoked buys no more tokens, in whatever way its signer
// signed in before.
func TestARevokedLicence(t *testing.T) {
	w := newWorld(t)
	asPerson := person("x")
	asPerson.address, asPerson.sign = licence.String(), personal("signer")
	tokens := []string{w.access(app()), w.access(asPerson)}
	body := `{"asset":"` + did(ownerID) + `","privileges":[1]}`
	for _, raw := range tokens {
		if r := w.exchange(raw, body); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.raw)
		}
	}
	w.fold(func(tx *registry.Tx) {
		l, _ := tx.Licence(1)
		l.Revoked = true
		tx.PutLicence(l)
	})
	for _, raw := range tokens {
		if r := w.exchange(raw, body); r.status != 403 || !strings.Contains(r.raw, "not a dev license") {
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
}

// What is issued is what was asked for where all of it is granted, else
// nothing.
func TestIssuedIsWhatWasAskedOfWhatIsGranted(t *testing.T) {
	w := newWorld(t)
	raw := w.access(app())
	issued, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		set := func(name string) (list []int) {
			for n := 1; n <= 8; n++ {
				if rapid.Bool().Draw(t, fmt.Sprint(name, n)) {
					list = append(list, n)
				}
			}
			return list
		}
		granted, asked := set("granted"), set("asked")
		var g, a sayso.Permissions
		for _, n := range granted {
			g = g.With(sayso.Permission(n))
		}
		for _, n := range asked {
			a = a.With(sayso.Permission(n))
		}
		w.fold(func(tx *registry.Tx) {
			tx.PutGrant(registry.Grant{Vehicle: ownerID, Grantee: licence, Block: tx.Block.Number, Right: registry.Right{Permissions: fmt.Sprintf("0x%x", g.Bits()), Expires: registry.Forever}})
		})
		body, _ := json.Marshal(map[string]any{"asset": did(ownerID), "privileges": asked})
		r := w.exchange(raw, string(body))
		switch {
		case len(asked) == 0:
			if r.status != 400 {
				t.Fatalf("nothing asked: %d %s", r.status, r.raw)
			}
		case !a.Without(g).Empty():
			if refused++; r.status != 403 || r.body["token"] != nil || len(r.body["missing"].([]any)) != len(a.Without(g).List()) {
				t.Fatalf("asked %v of %v: %d %s", asked, granted, r.status, r.raw)
			}
		default:
			if issued++; r.status != 200 {
				t.Fatalf("asked %v of %v: %d %s", asked, granted, r.status, r.raw)
			}
			c, err := w.vehicles.Verify(r.body["token"].(string), "dimo.zone", w.clock.Now())
			if err != nil || c.Set() != a || !slices.Equal(c.Privileges, asked) {
				t.Fatalf("asked %v, got %v %v", asked, c, err)
			}
		}
	})
	t.Logf("%d issued, %d refused", issued, refused)
}
