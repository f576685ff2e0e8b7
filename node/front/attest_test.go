package front_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/internal/h3"
	"sayso/node/vault"
	"sayso/owner/registry"
)

const testVIN = "1HGCM82633A004352"

// hear keeps a cloud event about a vehicle as if it had come in.
func (w *world) hear(vehicle uint64, epoch uint32, e sayso.CloudEvent, readings []sayso.Reading, rejected ...sayso.Rejection) {
	w.t.Helper()
	if e.Source.IsZero() {
		e.Source, e.Producer = account("device"), sayso.NFT(testChain.ID, testChain.AftermarketDevice, 5)
	}
	e.Subject = sayso.NFT(testChain.ID, testChain.Vehicle, vehicle)
	_, err := w.vault.Commit(context.Background(), &vault.Deposit{
		Vehicle: vehicle, Epoch: epoch, Envelope: e, Body: sha256.Sum256([]byte(e.ID)), Readings: readings, Rejected: rejected,
	})
	w.must(err)
}

// witnessed has the car say all that credentials are made of, in the time of its
// owner.
func (w *world) witnessed(cat *catalogue.Catalogue) {
	at := noon.Add(-30 * time.Minute)
	var readings []sayso.Reading
	for name, v := range map[string]sayso.Value{
		"powertrainTransmissionTravelledDistance": sayso.NumberValue(123456.5), "obdDTCList": sayso.TextValue(`["P0101","U0100","B1000"]`),
		"chassisAxleRow1WheelLeftTirePressure": sayso.NumberValue(120), "chassisAxleRow1WheelRightTirePressure": sayso.NumberValue(240),
		"currentLocationCoordinates": sayso.LocationValue(sayso.Location{Latitude: 48.137, Longitude: 11.575}),
	} {
		readings = append(readings, sayso.Reading{Signal: cat.Signal(name).ID, Epoch: 2, Time: sayso.At(at), Value: v})
	}
	readings = append(readings, sayso.Reading{Signal: cat.Signal("currentLocationCoordinates").ID, Epoch: 2, Time: sayso.At(at.Add(-2 * time.Hour)), Value: sayso.LocationValue(sayso.Location{Latitude: 48.4, Longitude: 11.7})})
	w.hear(car, 2, sayso.CloudEvent{Type: sayso.TypeStatus, ID: "said", Time: at, Data: []byte(`{}`)}, readings)
	w.hear(car, 2, sayso.CloudEvent{Type: sayso.TypeFingerprint, ID: "vin", Time: at, DataVersion: "default/v1.0", DataContentType: "application/json", Data: []byte(`{"vin":"` + testVIN + `"}`)}, nil)
}

// attestations are the calls that make a credential, with what opens each.
var attestations = []struct{ path, body, column, version string }{
	{"/v2/attestation/vin/%d", "", "vin", "vin/v1.0"},
	{"/v2/attestation/odometer-statement/%d", `{}`, "other", "vehicleodometer/v1.0.0"},
	{"/v2/attestation/vehicle-health/%d", `{"startTime":"2026-03-01T12:00:00Z","endTime":"2026-03-02T12:00:00Z"}`, "events", "vehiclehealth/v1.0.0"},
	{"/v2/attestation/vehicle-position/%d", `{"timestamp":"2026-03-02T11:40:00Z"}`, "location", "vehicleposition/v1.0.0"},
	{"/v1/vc/pom/%d", "", "location", "pom/v1.0"},
}

// published is what anybody can fetch of a node's key: the account that signs.
func (w *world) published() string {
	w.t.Helper()
	status, body := w.call("GET", "/.well-known/did.json", "", "", "")
	var document struct {
		ID                 string
		VerificationMethod []struct{ ID, BlockchainAccountID string }
		AssertionMethod    []string
	}
	if w.must(json.Unmarshal([]byte(body), &document)); status != 200 || len(document.VerificationMethod) != 1 || document.ID != "did:web:node.test" {
		w.t.Fatalf("the DID document: %d %s", status, body)
	}
	key := document.VerificationMethod[0]
	if len(document.AssertionMethod) != 1 || document.AssertionMethod[0] != key.ID {
		w.t.Fatalf("the key may not attest: %s", body)
	}
	return strings.TrimPrefix(key.BlockchainAccountID, fmt.Sprintf("eip155:%d:", testChain.ID))
}

// signedBy finds who signed a text, with nothing of this program.
func signedBy(t *testing.T, text, signature string) string {
	t.Helper()
	sig, err := hex.DecodeString(strings.TrimPrefix(signature, "0x"))
	if err != nil || len(sig) != 65 || sig[64] < 27 {
		t.Fatalf("the signature %s: %v", signature, err)
	}
	sig[64] -= 27
	key, err := crypto.SigToPub(accounts.TextHash([]byte(text)), sig)
	if err != nil {
		return err.Error()
	}
	return crypto.PubkeyToAddress(*key).Hex()
}

// Every credential can be read back, and verified with nothing but what the node
// publishes.
func TestCredentialsAreVerifiedWithWhatIsPublished(t *testing.T) {
	w := newWorld(t)
	cat, err := catalogue.Load()
	w.must(err)
	w.witnessed(cat)
	bearer, body := w.exchange("owner", car, everything.With(sayso.VINCredential))
	if bearer == "" {
		t.Fatal(body)
	}
	for _, a := range append(attestations, attestations[0]) {
		if status, body := w.call("POST", fmt.Sprintf(a.path, car), bearer, "application/json", a.body); status != 200 || !strings.Contains(body, "VC generated successfully") {
			t.Fatalf("%s: %d %s", a.path, status, body)
		}
	}
	signer := w.published()
	got := w.ask("telemetry", bearer, fmt.Sprintf(`{attestations(tokenId: %d){attestation signature source dataVersion type producer tags} vinVCLatest(tokenId: %d){vin vehicleTokenId validFrom validTo recordedBy rawVC}}`, car, car))
	list, _ := got.data["attestations"].([]any)
	if len(list) != len(attestations) {
		t.Fatalf("%d credentials, want %d (an unexpired one about the number is not made again): %s", len(list), len(attestations), got.raw)
	}
	said := map[string]string{
		"vin/v1.0": `"vehicleIdentificationNumber":"` + testVIN + `"`, "vehicleodometer/v1.0.0": `"value":123456.5,"unit":"km"`,
		"vehiclehealth/v1.0.0": `"healthScore":30,"isHealthy":false`, "vehicleposition/v1.0.0": fmt.Sprintf(`"cellId":"%x"`, h3.Cell(48.137, 11.575)),
		"pom/v1.0": fmt.Sprintf(`"locations":[{"locationType":"h3Cell","locationValue":{"cellId":"%x"},"timestamp":"2026-03-02T09:30:00Z"},{"locationType":"h3Cell","locationValue":{"cellId":"%x"}`, h3.Cell(48.4, 11.7), h3.Cell(48.137, 11.575)),
	}
	for _, e := range list {
		e := e.(map[string]any)
		text, signature := e["attestation"].(string), e["signature"].(string)
		if by := signedBy(t, text, signature); by != signer || e["source"] != signer {
			t.Errorf("%s is signed by %s, published is %s", e["dataVersion"], by, signer)
		}
		if by := signedBy(t, strings.Replace(text, "2026", "2027", 1), signature); by == signer {
			t.Errorf("%s can be changed", e["dataVersion"])
		}
		if want := said[e["dataVersion"].(string)]; want == "" || !strings.Contains(text, want) {
			t.Errorf("%s does not say %s: %s", e["dataVersion"], want, text)
		}
		if strings.Contains(text, "48.13") || e["producer"] != deviceDID(5) {
			t.Errorf("%s tells the position, or not who measured: %s %s", e["dataVersion"], e["producer"], text)
		}
	}
	vc, _ := got.data["vinVCLatest"].(map[string]any)
	var raw struct {
		Data      json.RawMessage
		Signature string
	}
	w.must(json.Unmarshal([]byte(fmt.Sprint(vc["rawVC"])), &raw))
	if vc["vin"] != testVIN || vc["validTo"] != "2026-03-08T00:00:00Z" || signedBy(t, string(raw.Data), raw.Signature) != signer {
		t.Errorf("vinVCLatest: %v", vc)
	}
}

// Who may not see what a credential tells cannot have it made, learns nothing from
// the refusal, and nothing is kept.
func TestWhoMayHaveItAttested(t *testing.T) {
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	p := readPolicy(t)
	x := &exam{world: newWorld(t), cat: cat, p: p}
	x.witnessed(cat)
	cells := 0
	for _, r := range p.who {
		for _, set := range x.sets(r) {
			sc := x.play(r, set)
			for _, a := range attestations {
				before := x.vault.Seq()
				code, body := x.call("POST", fmt.Sprintf(a.path, car), sc.bearer[car], "application/json", a.body)
				seen := p.seen(r.values, a.column, sc.grant, sc.token)
				may := seen != [4]string{}
				switch {
				case !may && (code == 200 || code == 429 || code == 404 || x.vault.Seq() != before):
					t.Errorf("%s %s %v: %s is made: %d %s", r.who, r.state, set.List(), a.version, code, body)
				case may && seen[2] != "" && code != 200 && code != 429:
					t.Errorf("%s %s %v: %s is not made: %d %s", r.who, r.state, set.List(), a.version, code, body)
				case may && seen[2] == "" && code != 404 && code != 429: // of another time, in which the car said nothing
					t.Errorf("%s %s %v: %s is made of what is not theirs: %d %s", r.who, r.state, set.List(), a.version, code, body)
				}
				if code != 200 && (strings.Contains(body, "123456") || strings.Contains(body, testVIN) || strings.Contains(body, "P0101")) {
					t.Errorf("%s %s: the refusal tells: %s", r.who, r.state, body)
				}
				cells++
			}
		}
	}
	t.Logf("%d cells", cells)
}

// A tombstone hides what its author took back, from the lists and the counts, and
// nobody else's; the owner can still ask for it.
func TestTombstones(t *testing.T) {
	w := newWorld(t)
	note := func(who, id, kind, data string, minute int) {
		w.hear(car, 2, sayso.CloudEvent{Type: kind, ID: id, Source: account(who), Time: noon.Add(time.Duration(minute-60) * time.Minute), Signature: "0x00", Data: []byte(data)}, nil)
	}
	note("maker", "one", sayso.TypeAttestation, `{"note":"one"}`, 1)
	note("maker", "two", sayso.TypeAttestation, `{"note":"two"}`, 2)
	note("stranger", "one", sayso.TypeAttestation, `{"note":"theirs"}`, 3)
	note("maker", "t1", sayso.TypeTombstone, `{"voidsId":"one"}`, 0)
	note("stranger", "t2", sayso.TypeTombstone, `{"voidsId":"two"}`, 5)
	bearer, _ := w.exchange("owner", car, everything)
	ids := func(dialect, field, query string) string {
		var out []string
		list, _ := w.ask(dialect, bearer, query).data[field].([]any)
		for _, e := range list {
			out = append(out, fmt.Sprint(e.(map[string]any)["data"]))
		}
		return strings.Join(out, " ")
	}
	theirs, two, one := "map[note:theirs]", "map[note:two]", "map[note:one]"
	for query, want := range map[string]string{
		fmt.Sprintf(`{cloudEvents(subject:%q){data}}`, carDID(car)):                                                              strings.Join([]string{theirs, two}, " "),
		fmt.Sprintf(`{cloudEvents(did:%q, filter:{type:"dimo.attestation"}){data}}`, carDID(car)):                                strings.Join([]string{theirs, two}, " "),
		fmt.Sprintf(`{cloudEvents(did:%q, includeDeleted:true, filter:{type:"dimo.attestation"}){data}}`, carDID(car)):           strings.Join([]string{theirs, two, one}, " "),
		fmt.Sprintf(`{cloudEvents(did:%q, filter:{types:["dimo.attestation"],source:%q}){data}}`, carDID(car), account("maker")): two,
		fmt.Sprintf(`{cloudEvents(did:%q, filter:{type:"dimo.tombstone"}){data}}`, carDID(car)):                                  "map[voidsId:two] map[voidsId:one]",
	} {
		dialect := "fetch"
		if strings.Contains(query, "subject") {
			dialect = "subject"
		}
		if got := ids(dialect, "cloudEvents", query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := w.ask("subject", bearer, fmt.Sprintf(`{availableCloudEventTypes(subject:%q){type count}}`, carDID(car))).raw; !strings.Contains(got, `[{"type":"dimo.attestation","count":2}]`) {
		t.Errorf("counted: %s", got)
	}
}

// What a device said is found under its own DID with the vehicle in which it was,
// and with no other.
func TestDevicesAsSubjects(t *testing.T) {
	w := newWorld(t)
	w.fold(func(tx *registry.Tx) {
		d, _ := tx.Device(5)
		d.Pairings = []registry.Pairing{{Vehicle: twin, From: bought[1].Unix(), To: bought[2].Unix()}, {Vehicle: car, From: bought[2].Unix()}}
		tx.PutDevice(d)
		tx.PutDevice(registry.Device{ID: 6, Manufacturer: 1, Address: account("device six"), Owner: account("owner"), Pairings: []registry.Pairing{{Vehicle: elsewhere, From: bought[1].Unix()}}})
	})
	w.final()
	w.hear(twin, 2, sayso.CloudEvent{Type: sayso.TypeStatus, ID: "in the twin", Time: noon.Add(-4 * time.Hour), Data: []byte(`{}`)}, nil)
	w.hear(car, 2, sayso.CloudEvent{Type: sayso.TypeStatus, ID: "in the car", Time: noon.Add(-time.Hour), Data: []byte(`{}`)}, nil)
	w.hear(car, 2, sayso.CloudEvent{Type: sayso.TypeAttestation, ID: "by another", Source: account("maker"), Time: noon, Data: []byte(`{}`)}, nil)
	for vehicle, want := range map[uint64]string{car: "in the car", twin: "in the twin"} {
		bearer, _ := w.exchange("owner", vehicle, everything)
		for _, dialect := range []string{"subject", "fetch"} {
			argument := map[string]string{"subject": "subject", "fetch": "did"}[dialect]
			got := w.ask(dialect, bearer, fmt.Sprintf(`{cloudEvents(%s:%q){header{id subject}}}`, argument, deviceDID(5)))
			if list, _ := got.data["cloudEvents"].([]any); len(list) != 1 || !strings.Contains(got.raw, want) {
				t.Errorf("%s of %d: %s", dialect, vehicle, got.raw)
			}
			for _, other := range []string{deviceDID(6), deviceDID(7), carDID(elsewhere), sayso.Account(testChain.ID, account("device")).String(), "x"} {
				if got := w.ask(dialect, bearer, fmt.Sprintf(`{cloudEvents(%s:%q){header{id}}}`, argument, other)); !strings.Contains(got.errors, "token does not have access to this subject") || strings.Contains(got.raw, "in the car") || strings.Contains(got.raw, "in the twin") {
					t.Errorf("%s: %s is told of: %s", dialect, other, got.raw)
				}
			}
		}
		if got, err := w.rpc("ListCloudEvents", bearer, fmt.Sprintf(`{"options":{"subject":%q},"limit":9}`, deviceDID(5))); err != nil || strings.Count(got, `"header"`) != 1 || !strings.Contains(got, want) {
			t.Errorf("gRPC of %d: %s %v", vehicle, got, err)
		}
	}
}

// What was refused is shown to the owner of its time and to its sender, and to
// nobody else by any way.
func TestWhatWasRefused(t *testing.T) {
	w := newWorld(t)
	w.fold(func(tx *registry.Tx) { tx.PutGrant(grant(car, "app", everything, registry.Forever, tx.Block.Number)) })
	w.final()
	w.hear(car, 2, sayso.CloudEvent{Type: sayso.TypeStatus, ID: "mostly good", Time: noon, Data: []byte(`{"secret":1}`)}, nil, sayso.Rejection{Name: "speed", Reason: "out of range"})
	w.hear(car, 2, sayso.CloudEvent{Type: door.TypeRefused, ID: "refused/1", Time: noon, Data: []byte("hidden words"), Base64: true}, nil, sayso.Rejection{Name: "message", Reason: "nobody can read it"})
	w.hear(car, 2, sayso.CloudEvent{Type: sayso.TypeStatus, ID: "x/0011", Time: noon, Data: []byte(`{"used":1}`)}, nil, sayso.Rejection{Name: "id", Reason: door.UsedID + "x"})
	w.hear(car, 2, sayso.CloudEvent{Type: sayso.TypeStatus, ID: "good", Time: noon, Data: []byte(`{}`)}, nil)
	path := fmt.Sprintf("/v1/vehicles/%d/refused", car)
	for who, want := range map[string]int{"owner": 200, "device": 200, "prior-owner": 200, "app": 403, "other-app": 403, "person": 403, "maker": 403, "": 401} {
		bearer := ""
		if who != "" {
			bearer = w.login(who)
		}
		code, body := w.call("GET", path, bearer, "", "")
		shown := strings.Contains(body, "mostly good") && strings.Contains(body, "out of range") && strings.Contains(body, "refused/1") && strings.Contains(body, "x/0011") && !strings.Contains(body, `"good"`)
		if any := strings.Contains(body, "refused/1") || strings.Contains(body, "speed"); code != want || (who == "owner" || who == "device") != shown || any && !shown {
			t.Errorf("%s: %d %s", who, code, body)
		}
	}
	for who, want := range map[string]int{"owner": 4, "app": 2} {
		bearer, _ := w.exchange(who, car, everything)
		got := w.ask("subject", bearer, fmt.Sprintf(`{cloudEvents(subject:%q, limit:100){header{id} data dataBase64}}`, carDID(car)))
		list, _ := got.data["cloudEvents"].([]any)
		if len(list) != want || (who == "app") == strings.Contains(got.raw, "refused/1") || (who == "app") == strings.Contains(got.raw, "x/0011") {
			t.Errorf("%s sees %d: %s", who, len(list), got.raw)
		}
	}
}

// Forged tokens open nothing over gRPC and REST.
func TestForgedTokensOnEveryListener(t *testing.T) {
	w := newWorld(t)
	cat, err := catalogue.Load()
	w.must(err)
	w.witnessed(cat)
	good, _ := w.exchange("owner", car, everything)
	parts := strings.Split(good, ".")
	login := w.login("owner")
	other := newWorld(t)
	foreign, _ := other.exchange("owner", car, everything)
	flip := func(s string, i int) string {
		b := []byte(s)
		b[i] ^= 1
		return string(b)
	}
	for name, bad := range map[string]string{
		"no signature": parts[0] + "." + parts[1] + ".", "another node": foreign, "a developer token": login, "alg none": "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"claims changed": parts[0] + "." + flip(parts[1], 40) + "." + parts[2], "signature changed": parts[0] + "." + parts[1] + "." + flip(parts[2], 10),
		"two parts": parts[0] + "." + parts[1], "words": "let me in",
	} {
		for _, method := range []string{"GetLatestIndex", "ListIndexes", "GetLatestCloudEvent", "ListCloudEvents", "AccessCheck"} {
			if name == "a developer token" && method == "AccessCheck" {
				continue
			}
			if got, err := w.rpc(method, bad, `{}`); status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s with %s: %s %v", method, name, got, err)
			}
		}
		for _, a := range attestations {
			if code, body := w.call("POST", fmt.Sprintf(a.path, car), bad, "application/json", a.body); code != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d %s", a.path, name, code, body)
			}
		}
		if code, body := w.call("GET", fmt.Sprintf("/v1/vehicles/%d/refused", car), bad, "", ""); name != "a developer token" && code != http.StatusUnauthorized {
			t.Errorf("what was refused, with %s: %d %s", name, code, body)
		}
	}
	if _, err := w.rpc("ListCloudEvents", good, `{"limit":5}`); err != nil {
		t.Errorf("the genuine token: %v", err)
	}
}
