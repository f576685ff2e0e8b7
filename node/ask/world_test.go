package ask

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// The world of the tests: vehicle 3 belonged to anna, then to ben, on two
// sources. Ben granted what the names say, on 2026-03-02. Vehicle 4 is anna's
// and never spoke. Vehicle 5 belonged to anna, then to ben, and was lent back:
// ben granted anna all but locations.
var people = map[string]byte{
	"anna": 1, "ben": 2, "all": 3, "nonlocation": 4, "location": 5, "approximate": 6, "both": 7, "expired": 8, "revoked": 9, "stranger": 10, "raw": 11,
}

var grants = []struct {
	to          string
	permissions []sayso.Permission
	expires     time.Time
}{
	{"all", []sayso.Permission{1, 3, 4, 5, 7, 8}, time.Time{}},
	{"nonlocation", []sayso.Permission{1}, time.Time{}},
	{"location", []sayso.Permission{4}, time.Time{}},
	{"approximate", []sayso.Permission{8}, time.Time{}},
	{"both", []sayso.Permission{1, 8}, time.Time{}},
	{"expired", []sayso.Permission{1, 4}, at("11:00:00")},
	{"revoked", nil, time.Time{}},
	{"raw", []sayso.Permission{7}, time.Time{}},
}

var (
	testChain = registry.ChainInfo{ID: 137, Vehicle: who("vehicles")}
	sold      = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	testNow   = at("12:00:00")
	sourceA   = sayso.Address{1: 0xa}
	sourceB   = sayso.Address{1: 0xb}
)

func who(name string) sayso.Address { return sayso.Address{0: 0xcc, 19: people[name]} }

// at is a time on 2026-03-02, when ben owns the vehicle.
func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2026-03-02T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return t
}

func testRegistry(t testing.TB) *registry.Registry {
	r, err := registry.Open(registry.Config{Path: filepath.Join(t.TempDir(), "registry.db"), Chain: testChain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	err = r.Fold(registry.Block{Number: 1, Time: sold.Unix()}, func(tx *registry.Tx) error {
		anna := registry.Ownership{Owner: who("anna"), From: sold.Unix() - 1e6, Block: 1}
		ben := registry.Ownership{Owner: who("ben"), From: sold.Unix(), Block: 1}
		tx.PutVehicle(registry.Vehicle{ID: 3, Owners: []registry.Ownership{anna, ben}})
		tx.PutVehicle(registry.Vehicle{ID: 4, Owners: []registry.Ownership{anna}})
		tx.PutVehicle(registry.Vehicle{ID: 5, Owners: []registry.Ownership{anna, ben}})
		for _, g := range grants {
			expires := registry.Forever
			if !g.expires.IsZero() {
				expires = g.expires.Unix()
			}
			bits := fmt.Sprintf("0x%x", sayso.PermissionSet(g.permissions...).Bits())
			tx.PutGrant(registry.Grant{Vehicle: 3, Grantee: who(g.to), Right: registry.Right{Permissions: bits, Expires: expires}, Block: 1})
		}
		tx.PutGrant(registry.Grant{Vehicle: 5, Grantee: who("anna"), Right: registry.Right{Permissions: "0xc", Expires: registry.Forever}, Block: 1})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Looked(testNow)
	return r
}

func testVault(t testing.TB) *vault.Vault {
	key, err := rootkey.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(vault.Config{
		FS: vfs.NewMem(), Dir: "vault", RootKey: key, Clock: clock.NewManual(testNow),
		SegmentBytes: 1 << 20, MemTableBytes: 1 << 20, CacheBytes: 1 << 20, MinFreeBytes: 1, CommitTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// said is one thing a vehicle said.
type said struct {
	at     time.Time
	signal string
	value  any // float64, string, [3]float64 of latitude, longitude, hdop
	source sayso.Address
	epoch  uint32
}

var loaded, loadErr = catalogue.Load()

// keep commits each thing by itself, the events with the first.
func keep(t testing.TB, v *vault.Vault, vehicle uint64, list []said, events ...sayso.Event) {
	t.Helper()
	for i, s := range list {
		commit(t, v, vehicle, fmt.Sprint(vehicle, "-", i), list[i:i+1], s.source, events)
		events = nil
	}
}

// keepTogether commits all things in one deposit.
func keepTogether(t testing.TB, v *vault.Vault, vehicle uint64, list []said) {
	t.Helper()
	commit(t, v, vehicle, fmt.Sprint(vehicle), list, list[0].source, nil)
}

func commit(t testing.TB, v *vault.Vault, vehicle uint64, id string, list []said, source sayso.Address, events []sayso.Event) {
	t.Helper()
	d := &vault.Deposit{Vehicle: vehicle, Epoch: max(list[0].epoch, 1), Events: events, Envelope: sayso.CloudEvent{
		Type: sayso.TypeStatus, Source: source, Subject: sayso.NFT(137, testChain.Vehicle, vehicle), ID: id, Time: list[0].at,
	}}
	for _, s := range list {
		if s.epoch == 0 {
			s.epoch = 2
		}
		var value sayso.Value
		switch x := s.value.(type) {
		case float64:
			value = sayso.NumberValue(x)
		case string:
			value = sayso.TextValue(x)
		case [3]float64:
			value = sayso.LocationValue(sayso.Location{Latitude: x[0], Longitude: x[1], HDOP: x[2], Heading: 123})
		}
		d.Readings = append(d.Readings, sayso.Reading{Signal: loaded.Signal(s.signal).ID, Epoch: s.epoch, Time: sayso.At(s.at), Value: value})
	}
	if _, err := v.Commit(context.Background(), d); err != nil {
		t.Fatal(err)
	}
}

// The story of vehicle 3. Every number is unlike all others, so that finding it
// in an answer means that the value was seen.
func drive(t testing.TB, v *vault.Vault) {
	before := sold.Add(-time.Hour)
	keep(t, v, 3, []said{
		{at: before, signal: "speed", value: 11.25, source: sourceA, epoch: 1},
		{at: before.Add(time.Second), signal: "currentLocationCoordinates", value: [3]float64{52.520008, 13.404954, 1.5}, source: sourceA, epoch: 1},
		{at: at("10:00:00"), signal: "speed", value: 50.5, source: sourceA},
		{at: at("10:00:10"), signal: "speed", value: 60.5, source: sourceA},
		{at: at("10:00:20"), signal: "speed", value: 90.5, source: sourceB},
		{at: at("10:01:10"), signal: "speed", value: 0.0, source: sourceA},
		{at: at("10:00:05"), signal: "powertrainType", value: "ELECTRIC", source: sourceA},
		{at: at("10:00:15"), signal: "powertrainType", value: "HYBRID", source: sourceA},
		{at: at("10:00:25"), signal: "powertrainType", value: "HYBRID", source: sourceA},
		{at: at("10:02:01"), signal: "currentLocationCoordinates", value: [3]float64{48.137154, 11.576124, 0.75}, source: sourceA},
		{at: at("10:07:31"), signal: "currentLocationCoordinates", value: [3]float64{48.207154, 11.676124, 1.625}, source: sourceA},
		{at: at("10:07:32"), signal: "currentLocationCoordinates", value: [3]float64{0, 0, 0}, source: sourceA},
		{at: at("10:02:03"), signal: "currentLocationAltitude", value: 521.125, source: sourceA},
		{at: at("10:02:04"), signal: "currentLocationHeading", value: 77.125, source: sourceA},
	},
		sayso.Event{Name: "behavior.harshBraking", Epoch: 2, Time: sayso.At(at("10:08:41"))},
	)
	keep(t, v, 5, []said{
		{at: before, signal: "speed", value: 21.5, source: sourceA, epoch: 1},
		{at: before, signal: "currentLocationCoordinates", value: [3]float64{52.520008, 13.404954, 1.5}, source: sourceA, epoch: 1},
		{at: at("10:00:00"), signal: "speed", value: 31.5, source: sourceA, epoch: 2},
		{at: at("10:00:00"), signal: "currentLocationCoordinates", value: [3]float64{48.137154, 11.576124, 0.75}, source: sourceA, epoch: 2},
	})
}

// world serves both dialects.
type world struct {
	registry *registry.Registry
	vault    *vault.Vault
	servers  map[catalogue.Dialect]*graphql.Server
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if loadErr != nil {
		t.Fatal(loadErr)
	}
	w := &world{registry: testRegistry(t), vault: testVault(t), servers: map[catalogue.Dialect]*graphql.Server{}}
	drive(t, w.vault)
	for _, d := range []catalogue.Dialect{catalogue.Telemetry, catalogue.Subject} {
		w.servers[d] = serve(t, w.registry, w.vault, d)
	}
	return w
}

func serve(t testing.TB, r *registry.Registry, v Vault, d catalogue.Dialect) *graphql.Server {
	t.Helper()
	return serveWithin(t, r, v, d, 0)
}

// serveWithin sets the deadline of requests; the default for 0.
func serveWithin(t testing.TB, r *registry.Registry, v Vault, d catalogue.Dialect, deadline time.Duration) *graphql.Server {
	t.Helper()
	s, err := New(Config{Catalogue: loaded, Vault: v, Chain: testChain, Clock: clock.NewManual(testNow), Limits: graphql.Limits{Deadline: deadline}, Authorise: func(req *http.Request) (*Session, error) {
		return session(r, req.Header.Get("Authorization"))
	}}, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// session reads "name", "name vehicle" or "name vehicle permissions": who asks,
// the vehicle of the token (any for 0), and what the token carries.
func session(r *registry.Registry, header string) (*Session, error) {
	if header == "" {
		return nil, nil
	}
	if header == "bad" {
		return nil, sayso.Fail(sayso.Unauthorized, "token", "JWT is invalid.")
	}
	parts := strings.Fields(header + " 3 -")
	s := &Session{Who: who(parts[0]), Claims: sayso.AllPermissions()}
	if _, known := people[parts[0]]; !known {
		panic("nobody is called " + parts[0])
	}
	var vehicle uint64
	fmt.Sscan(parts[1], &vehicle)
	if vehicle != 0 {
		did := sayso.NFT(137, testChain.Vehicle, vehicle)
		s.Asset = &did
	}
	if len(parts) > 4 {
		s.Claims = sayso.Permissions{}
		for n := range strings.SplitSeq(parts[2], ",") {
			var p sayso.Permission
			fmt.Sscan(n, &p)
			s.Claims = s.Claims.With(p)
		}
	}
	s.Decide = func(vehicle uint64) consent.Verdict { return consent.Decide(r, s.Who, vehicle, testNow) }
	return s, nil
}

// subject is the argument that names a vehicle in a dialect.
func subject(d catalogue.Dialect, vehicle uint64) string {
	if d == catalogue.Telemetry {
		return fmt.Sprintf("tokenId: %d", vehicle)
	}
	return fmt.Sprintf("subject: %q", sayso.NFT(137, testChain.Vehicle, vehicle).String())
}

// ask sends a query in a dialect; $3 stands for the argument naming vehicle 3.
func (w *world) ask(t testing.TB, d catalogue.Dialect, as, query string) string {
	t.Helper()
	for n := range uint64(10) {
		query = strings.ReplaceAll(query, fmt.Sprintf("$%d", n), subject(d, n))
	}
	body, _ := json.Marshal(map[string]string{"query": query})
	r := httptest.NewRequest("POST", "/query", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", as)
	rec := httptest.NewRecorder()
	w.servers[d].ServeHTTP(rec, r)
	if !json.Valid(rec.Body.Bytes()) {
		t.Fatalf("not JSON: %s", rec.Body)
	}
	return rec.Body.String()
}

// both runs a test in each dialect.
func both(t *testing.T, f func(t *testing.T, d catalogue.Dialect)) {
	t.Run("token id", func(t *testing.T) { f(t, catalogue.Telemetry) })
	t.Run("subject", func(t *testing.T) { f(t, catalogue.Subject) })
}

const day = `from: "2026-03-02T00:00:00Z", to: "2026-03-03T00:00:00Z"`
const always = `from: "2026-01-01T00:00:00Z", to: "2026-12-31T00:00:00Z"`

// revoke takes a grant of vehicle 3 away in the next block.
func revoke(t *testing.T, w *world, name string) {
	t.Helper()
	if err := w.registry.Fold(registry.Block{Number: 2, Hash: [32]byte{2}, Time: sold.Unix() + 1}, func(tx *registry.Tx) error {
		tx.DeleteGrant(3, who(name))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
