package token_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// station is a world whose issuers go by its clock. The libraries of others
// reach it over HTTP.
type station struct {
	world
	issuers [2]*token.Issuer
}

var issuerPaths = [2]string{"/auth", "/roles"}

func newStation(t *testing.T) *station {
	t.Helper()
	w := newWorld(t)
	s := &station{world: *w}
	mux := http.NewServeMux()
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	s.keys = t.TempDir()
	for n, name := range []string{token.DeveloperKeys, token.VehicleKeys} {
		i, err := token.OpenIssuer(s.keys, name, s.server.URL+issuerPaths[n])
		s.must(err)
		i.Clock = s.clock
		s.issuers[n] = i
	}
	s.issuers[1].Term = token.VehicleTerm
	s.developers, s.vehicles = token.NewDeveloperVerifier(s.issuers[0]), token.NewVehicleVerifier(s.issuers[1])
	signIn := &token.SignIn{Issuer: s.issuers[0], State: s.registry, Clock: s.clock, Home: home}
	exchange := &token.Exchange{Issuer: s.issuers[1], Callers: s.developers, State: s.registry, Clock: s.clock, Chain: testChain.ID, Vehicle: testChain.Vehicle}
	token.Routes(mux, signIn, exchange, issuerPaths)
	return s
}

// pass lets time go by; the chain is looked at meanwhile.
func (s *station) pass(d time.Duration) {
	s.clock.Advance(d)
	s.registry.Looked(s.clock.Now())
}

// tokens is a fresh pair: of a developer, with the id token, and of a vehicle.
func (s *station) tokens() (access, id, vehicle string) {
	s.t.Helper()
	r := s.signIn(app())
	access, _ = r.body["access_token"].(string)
	id, _ = r.body["id_token"].(string)
	x := s.exchange(access, fmt.Sprintf(`{"asset":"%s","privileges":[1]}`, sayso.NFT(testChain.ID, testChain.Vehicle, ownerID)))
	vehicle, _ = x.body["token"].(string)
	if id == "" || vehicle == "" {
		s.t.Fatalf("sign-in %s, exchange %s", r.raw, x.raw)
	}
	return access, id, vehicle
}

// kid is the key that a token says it is signed with.
func kid(t *testing.T, raw string) string { return fmt.Sprint(part(t, raw, 0)["kid"]) }

// The issuers are found and their tokens verified by a library that knows
// nothing but OpenID Connect, before and after the keys have changed.
func TestAForeignLibraryVerifiesBothIssuers(t *testing.T) {
	s := newStation(t)
	ctx := oidc.ClientContext(t.Context(), s.server.Client())
	verifier := func(n int, client string) *oidc.IDTokenVerifier {
		p, err := oidc.NewProvider(ctx, s.server.URL+issuerPaths[n])
		s.must(err)
		return p.VerifierContext(ctx, &oidc.Config{ClientID: client, Now: s.clock.Now})
	}
	// These are kept over both changes of keys, as a service would.
	developers, vehicles := verifier(0, licence.String()), verifier(1, token.Audience)
	for round := range 3 {
		access, id, vehicle := s.tokens()
		for what, raw := range map[string]string{"access": access, "id": id} {
			got, err := developers.Verify(ctx, raw)
			if err != nil {
				t.Fatalf("round %d: %s token: %v", round, what, err)
			}
			var claims struct{ Ethereum_address sayso.Address }
			if s.must(got.Claims(&claims)); claims.Ethereum_address != licence {
				t.Errorf("address %s", claims.Ethereum_address)
			}
			if what == "id" {
				s.must(got.VerifyAccessToken(access))
			}
		}
		got, err := vehicles.Verify(ctx, vehicle)
		if err != nil {
			t.Fatalf("round %d: vehicle token: %v", round, err)
		}
		var claims token.Vehicle
		if s.must(got.Claims(&claims)); claims.Asset != sayso.NFT(testChain.ID, testChain.Vehicle, ownerID).String() || claims.Set() != sayso.PermissionSet(1) {
			t.Errorf("claims %+v", claims)
		}
		for name, bad := range map[string]struct {
			v   *oidc.IDTokenVerifier
			raw string
		}{
			"a vehicle token at the developers' issuer": {developers, vehicle},
			"a developer token at the vehicles' issuer": {vehicles, access},
			"for another audience":                      {verifier(1, "other.zone"), vehicle},
			"for another client":                        {verifier(0, "0x1"), access},
			"bent":                                      {vehicles, vehicle[:len(vehicle)-8] + "AAAAAAAA"},
		} {
			if _, err := bad.v.Verify(ctx, bad.raw); err == nil {
				t.Errorf("round %d: accepted a token %s", round, name)
			}
		}
		for _, name := range []string{token.DeveloperKeys, token.VehicleKeys} {
			_, err := token.Rotate(s.keys, name, s.clock.Now(), false)
			s.must(err)
		}
		s.pass(token.Lead + time.Second)
		if a, _, v := s.tokens(); kid(t, a) == kid(t, access) || kid(t, v) == kid(t, vehicle) {
			t.Errorf("round %d: the old keys still sign", round)
		}
	}
}

// keySet is what an issuer publishes, and for how long it may be kept.
func (s *station) keySet(n int) (jose.JSONWebKeySet, time.Duration) {
	s.t.Helper()
	r := s.call("GET", issuerPaths[n]+"/keys", "", "", "")
	var set jose.JSONWebKeySet
	s.must(json.Unmarshal([]byte(r.raw), &set))
	var seconds int
	_, err := fmt.Sscanf(r.header.Get("Cache-Control"), "max-age=%d", &seconds)
	s.must(err)
	return set, time.Duration(seconds) * time.Second
}

// Whoever keeps the key set for as long as it may be kept can verify every
// token, whenever the set was read; and nothing else verifies it.
func TestAKeyIsPublishedBeforeItSigns(t *testing.T) {
	s := newStation(t)
	type kept struct {
		at  time.Time
		set jose.JSONWebKeySet
	}
	var sets []kept
	signed := map[string]int{}
	for step := range 80 { // 20 minutes
		if step == 10 {
			from, err := token.Rotate(s.keys, token.DeveloperKeys, s.clock.Now(), false)
			if s.must(err); from.Sub(s.clock.Now()) != token.Lead {
				t.Errorf("begins at %s", from)
			}
		}
		set, age := s.keySet(0)
		if age < 2*time.Minute {
			t.Fatalf("may be kept for %s", age)
		}
		sets = append(sets, kept{s.clock.Now(), set})
		access, _, _ := s.tokens()
		signed[kid(t, access)]++
		tested := 0
		for _, k := range sets {
			if s.clock.Now().Sub(k.at) > age {
				continue
			}
			tested++
			if keys := k.set.Key(kid(t, access)); len(keys) != 1 {
				t.Fatalf("step %d: a set of %s ago has not the key %s: %v", step, s.clock.Now().Sub(k.at), kid(t, access), k.set.Keys)
			}
		}
		if tested == 0 {
			t.Fatal("nothing tested")
		}
		s.pass(15 * time.Second)
	}
	if len(signed) != 2 {
		t.Errorf("signed by %v, want two keys", signed)
	}
}

// A token is good until it expires, whichever key signed it. After that the key
// is gone from the set, and from the folder at the next change.
func TestOldKeysVerifyUntilTheirTokensHaveExpired(t *testing.T) {
	s := newStation(t)
	access, _, _ := s.tokens()
	_, err := token.Rotate(s.keys, token.DeveloperKeys, s.clock.Now(), false)
	s.must(err)
	s.pass(token.Lead - 2*time.Second)
	last, _, _ := s.tokens() // by the old key still
	if kid(t, last) != kid(t, access) {
		t.Fatal("the new key signs too soon")
	}
	s.pass(token.DeveloperTerm - time.Second)
	if _, err := s.developers.Verify(last, "", s.clock.Now()); err != nil {
		t.Errorf("a second before it expires: %v", err)
	}
	if set, _ := s.keySet(0); len(set.Keys) != 2 {
		t.Errorf("%d keys while tokens of both stand", len(set.Keys))
	}
	s.pass(2 * time.Minute)
	if set, _ := s.keySet(0); len(set.Keys) != 1 || set.Keys[0].KeyID == kid(t, last) {
		t.Errorf("keys %v after every token of the old one has expired", set.Keys)
	}
	s.pass(token.Lead)
	for range 2 {
		_, err = token.Rotate(s.keys, token.DeveloperKeys, s.clock.Now(), false)
		s.must(err)
	}
	if _, err := os.Stat(filepath.Join(s.keys, token.DeveloperKeys+".pem")); !os.IsNotExist(err) {
		t.Errorf("the file of a key that verifies nothing is still there: %v", err)
	}
	s.pass(token.Lead + time.Minute)
	fresh, _, _ := s.tokens()
	if _, err := s.developers.Verify(fresh, "", s.clock.Now()); err != nil {
		t.Error(err)
	}
	// Another process opens the same folder and sees the same keys.
	again, err := token.OpenIssuer(s.keys, token.DeveloperKeys, s.issuers[0].URL)
	s.must(err)
	again.Clock = s.clock
	if _, err := token.NewDeveloperVerifier(again).Verify(fresh, "", s.clock.Now()); err != nil {
		t.Error(err)
	}
}

// When a key was stolen every token that it signed ends, also one that was
// verified before.
func TestAStolenKeyEndsAtOnce(t *testing.T) {
	s := newStation(t)
	access, _, _ := s.tokens()
	if _, err := s.developers.Verify(access, "", s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	_, err := token.Rotate(s.keys, token.DeveloperKeys, s.clock.Now(), true)
	s.must(err)
	s.pass(10 * time.Second)
	if _, err := s.developers.Verify(access, "", s.clock.Now()); err == nil {
		t.Error("a token of a stolen key is still good")
	}
	fresh, _, _ := s.tokens()
	if set, _ := s.keySet(0); len(set.Keys) != 1 || set.Keys[0].KeyID != kid(t, fresh) {
		t.Errorf("keys %v", set.Keys)
	}
	files, _ := filepath.Glob(filepath.Join(s.keys, token.DeveloperKeys+"*"))
	if len(files) != 1 {
		t.Errorf("files %v", files)
	}
}

// A folder that cannot be read, or holds something that is no key, leaves a
// running issuer as it is; at the start it is told.
func TestABrokenKeyFolder(t *testing.T) {
	s := newStation(t)
	access, _, _ := s.tokens()
	bad := filepath.Join(s.keys, token.DeveloperKeys+".20990101T000000Z.pem")
	s.must(os.WriteFile(bad, []byte("no key"), 0o600))
	s.pass(time.Minute)
	if _, err := s.developers.Verify(access, "", s.clock.Now()); err != nil {
		t.Errorf("a bad file ends good tokens: %v", err)
	}
	if _, err := token.OpenIssuer(s.keys, token.DeveloperKeys, "http://x"); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("opened with a bad file: %v", err)
	}
	s.must(os.Rename(bad, filepath.Join(s.keys, token.DeveloperKeys+".tomorrow.pem")))
	if _, err := token.OpenIssuer(s.keys, token.DeveloperKeys, "http://x"); err == nil || !strings.Contains(err.Error(), "tomorrow") {
		t.Errorf("opened with a name that says no time: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(s.keys, "*"))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s may be read by others: %v %v", f, info.Mode(), err)
		}
	}
}

// Tokens are issued and verified while the keys change.
func TestKeysChangeUnderLoad(t *testing.T) {
	dir := t.TempDir()
	wall := clock.NewManual(noon)
	issuer, err := token.OpenIssuer(dir, token.DeveloperKeys, "http://x")
	if err != nil {
		t.Fatal(err)
	}
	issuer.Clock = wall
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int)
	for range 4 {
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				if set := issuer.KeySet(); len(set.Keys) == 0 {
					t.Error("no keys")
				}
			}
			done <- n
		}()
	}
	for range 5 {
		if _, err := token.Rotate(dir, token.DeveloperKeys, wall.Now(), false); err != nil {
			t.Error(err)
		}
		wall.Advance(time.Hour)
	}
	stop()
	for range 4 {
		if <-done == 0 {
			t.Error("a reader never came to its turn")
		}
	}
	if set := issuer.KeySet(); len(set.Keys) != 6 {
		t.Errorf("%d keys, want the first and five more", len(set.Keys))
	}
}

// A key that is taken off a licence is of no use from that block on: the tokens
// that it got buy nothing, and what they bought reads nothing.
func TestTokensEndWithTheirSigner(t *testing.T) {
	w := newWorld(t)
	asset := fmt.Sprintf(`{"asset":"%s","privileges":[1]}`, sayso.NFT(testChain.ID, testChain.Vehicle, ownerID))
	first := w.access(app())
	got := w.exchange(first, asset)
	claims, err := w.vehicles.Verify(fmt.Sprint(got.body["token"]), "", w.clock.Now())
	if err != nil || claims.Signer == nil || *claims.Signer != account("signer") {
		t.Fatalf("%s: %+v %v", got.raw, claims, err)
	}
	stands := func() bool { return token.Speaks(w.registry, claims.Grantee, claims.Signer, w.clock.Now()) }
	if !stands() {
		t.Fatal("the token does not stand while its signer does")
	}
	w.fold(func(tx *registry.Tx) {
		l, _ := tx.Licence(1)
		l.Signers = map[sayso.Address]int64{account("new signer"): noon.Unix()}
		tx.PutLicence(l)
	})
	if r := w.exchange(first, asset); r.status != http.StatusUnauthorized {
		t.Errorf("the developer token of the old key: %d %s", r.status, r.raw)
	}
	if stands() {
		t.Error("the vehicle token of the old key stands")
	}
	again := app()
	again.sign = personal("new signer")
	if r := w.exchange(w.access(again), asset); r.status != http.StatusOK {
		t.Errorf("the new key: %d %s", r.status, r.raw)
	}
	asPerson := person("frank")
	r := w.exchange(w.access(asPerson), asset)
	people, err := w.vehicles.Verify(fmt.Sprint(r.body["token"]), "", w.clock.Now())
	if err != nil || people.Signer != nil || !token.Speaks(w.registry, people.Grantee, people.Signer, w.clock.Now()) {
		t.Errorf("a person has no signer: %+v %v", people, err)
	}
}
