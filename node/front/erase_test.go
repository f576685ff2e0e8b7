package front_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/erasure"
	"sayso/node/vault"
	"sayso/owner/registry"
)

// erasing is what a request to erase was answered.
type erasing struct {
	status       int
	body         string
	Certificates []string
}

func (w *world) erase(who, query string) (e erasing) {
	w.t.Helper()
	bearer := ""
	if who != "anonymous" {
		bearer = w.login(who)
	}
	e.status, e.body = w.call("DELETE", fmt.Sprintf("/v1/vehicles/%d/data%s", car, query), bearer, "", "")
	json.Unmarshal([]byte(e.body), &e)
	return e
}

// kept is how many messages are kept of each ownership, and whether its values
// can be read.
func (w *world) kept() (list [4]uint64) {
	w.t.Helper()
	for epoch := uint32(1); epoch <= 3; epoch++ {
		n, err := w.vault.CountEvents(w.t.Context(), car, epoch)
		w.must(err)
		list[epoch] = n
		rows, err := w.vault.Latest(w.t.Context(), vault.View{Vehicle: car, Epochs: []uint32{epoch}}, nil)
		w.must(err)
		if (len(rows) > 0) != (n > 0) {
			w.t.Errorf("ownership %d has %d messages and %d latest values", epoch, n, len(rows))
		}
	}
	return list
}

// certificate verifies a certificate as a stranger would, with the published keys
// and another library.
func (w *world) certificate(text string) (c erasure.Certificate) {
	w.t.Helper()
	_, body := w.call("GET", "/certificates/keys", "", "", "")
	var set jose.JSONWebKeySet
	w.must(json.Unmarshal([]byte(body), &set))
	claims := jwt.MapClaims{}
	tok, err := jwt.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		keys := set.Key(t.Header["kid"].(string))
		if len(keys) != 1 || !keys[0].IsPublic() {
			return nil, fmt.Errorf("%d keys in %s", len(keys), body)
		}
		return keys[0].Key, nil
	}, jwt.WithValidMethods([]string{"RS256"}))
	w.must(err)
	if tok.Header["typ"] != erasure.CertificateType {
		w.t.Errorf("type %v", tok.Header["typ"])
	}
	text, _ = strings.CutSuffix(text, "."+strings.Split(text, ".")[2])
	raw, err := jwt.NewParser().DecodeSegment(strings.Split(text, ".")[1])
	w.must(err)
	w.must(json.Unmarshal(raw, &c))
	return c
}

// TestWhoMayErase has everybody try to erase every ownership, as the policy says.
func TestWhoMayErase(t *testing.T) {
	p := readPolicy(t)
	cat, err := catalogue.Load()
	if err != nil || len(p.erases) < 9 {
		t.Fatalf("%d rows, %v", len(p.erases), err)
	}
	w := newWorld(t)
	w.speak(cat, p, car)
	w.fold(func(tx *registry.Tx) {
		tx.PutGrant(grant(car, "app", sayso.AllPermissions(), registry.Forever, tx.Block.Number))
		tx.PutGrant(grant(car, "person", sayso.AllPermissions(), registry.Forever, tx.Block.Number))
	})
	w.final()
	whole := w.kept()
	for who, cells := range p.erases { // first whatever must be refused
		for n, query := range []string{"?ownership=1", "?ownership=2", "?ownership=3", ""} {
			if cells[n] != "no" && cells[n] != "-" {
				continue
			}
			want := http.StatusForbidden
			if who == "anonymous" {
				want = http.StatusUnauthorized
			}
			if e := w.erase(who, query); e.status != want || e.Certificates != nil || strings.Contains(e.body, "canary") {
				t.Errorf("%s %q: %d %s", who, query, e.status, e.body)
			}
		}
	}
	if now := w.kept(); now != whole || whole != [4]uint64{0, 2, 4, 6} {
		t.Fatalf("refused erasures left %v of %v", now, whole)
	}
	for who, cells := range p.erases {
		for n := range 3 {
			if cells[n] != "yes" {
				continue
			}
			e := w.erase(who, "")
			if e.status != http.StatusOK || len(e.Certificates) != 1 {
				t.Fatalf("%s: %d %s", who, e.status, e.body)
			}
			c := w.certificate(e.Certificates[0])
			if fmt.Sprint(c.Ownership) != cells[3] || c.Events != whole[c.Ownership] || c.Owner != account(who).String() || c.Sequence <= 12 ||
				c.Subject != sayso.NFT(testChain.ID, testChain.Vehicle, car).String() || c.ErasedAt != noon.Format(time.RFC3339) || c.Issuer != home+"/certificates" {
				t.Errorf("%s: the certificate says %+v", who, c)
			}
			whole[c.Ownership] = 0
			if now := w.kept(); now != whole {
				t.Errorf("after %s: %v is left, want %v", who, now, whole)
			}
			w.shown(p, who, e.Certificates)
		}
	}
}

// shown looks who is shown a certificate, and that it is good for nothing else.
func (w *world) shown(p *policy, owner string, certificates []string) {
	w.t.Helper()
	path := fmt.Sprintf("/v1/vehicles/%d/erasures", car)
	for who := range p.erases {
		bearer := ""
		if who != "anonymous" {
			bearer = w.login(who)
		}
		status, body := w.call("GET", path, bearer, "", "")
		var list struct{ Certificates []string }
		json.Unmarshal([]byte(body), &list)
		if found := slices.Equal(list.Certificates, certificates); found != (who == owner) || (who == "anonymous") != (status == http.StatusUnauthorized) {
			w.t.Errorf("the certificates of %s are shown to %s: %d %s", owner, who, status, body)
		}
	}
	for _, request := range [][2]string{{"GET", path}, {"DELETE", fmt.Sprintf("/v1/vehicles/%d/data", car)}, {"POST", "/v1/tokens/exchange"}} {
		if status, body := w.call(request[0], request[1], certificates[0], "application/json", "{}"); status != http.StatusUnauthorized {
			w.t.Errorf("a certificate as a token of %v: %d %s", request, status, body)
		}
	}
}

// TestErasingWithoutSightOfTheChain: who cannot be told to be the owner is told to
// come again.
func TestErasingWithoutSightOfTheChain(t *testing.T) {
	w, p := newWorld(t), readPolicy(t)
	cat, err := catalogue.Load()
	w.must(err)
	w.speak(cat, p, car)
	w.login("owner")
	w.wall.Advance(2 * registry.Horizon)
	if e := w.erase("owner", ""); e.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", e.status, e.body)
	}
	w.look()
	for query, want := range map[string]int{"?ownership=0": 400, "?ownership=x": 400, "?ownership=7": 403, "?ownership=-1": 400} {
		if e := w.erase("owner", query); e.status != want {
			t.Errorf("%s: %d %s", query, e.status, e.body)
		}
	}
	if status, body := w.call("DELETE", "/v1/vehicles/999999/data", w.login("owner"), "", ""); status != http.StatusNotFound {
		t.Errorf("a vehicle that is not there: %d %s", status, body)
	}
	if now := w.kept(); now != [4]uint64{0, 2, 4, 6} {
		t.Errorf("left %v", now)
	}
}
