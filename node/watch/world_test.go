package watch

import (
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

const car = 7

var (
	noon      = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	app       = sayso.Address{19: 0xa1}
	otherApp  = sayso.Address{19: 0xa2}
	device    = sayso.Address{19: 0xde}
	testChain = registry.ChainInfo{ID: 31337, Vehicle: sayso.Address{19: 0xca}}
	located   = sayso.PermissionSet(sayso.NonLocationHistory, sayso.LocationHistory)
)

// world is an engine over a real vault, with a target that notes what it is told.
type world struct {
	t      *testing.T
	cat    *catalogue.Catalogue
	vault  *vault.Vault
	clock  *clock.Manual
	engine *Engine
	path   string
	root   RootKey
	target *httptest.Server
	stop   func()

	mu      sync.Mutex
	granted map[sayso.Address]map[uint64][]consent.Right
	told    []message
	status  int           // that the target answers
	hold    chan struct{} // where there is one, /slow waits for it
	sent    int           // deposits
	counts  map[string]int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewManual(noon), path: filepath.Join(t.TempDir(), "watch.db"), status: 200,
		granted: map[sayso.Address]map[uint64][]consent.Right{}, counts: map[string]int{}}
	var err error
	w.cat, err = catalogue.Load()
	w.must(err)
	w.root, err = rootkey.New([32]byte{9})
	w.must(err)
	w.vault, err = vault.Open(vault.Config{
		FS: vfs.NewMem(), Dir: "vault", RootKey: w.root, Clock: w.clock, SegmentBytes: 1 << 20, MemTableBytes: 1 << 20,
		CacheBytes: 4 << 20, MinFreeBytes: 1, CommitTimeout: time.Minute,
	})
	w.must(err)
	w.target = httptest.NewServer(http.HandlerFunc(w.receive))
	w.open()
	t.Cleanup(func() {
		w.shut()
		w.target.Close()
		w.vault.Close()
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// open starts an engine, shut ends it.
func (w *world) open() {
	w.t.Helper()
	u, err := url.Parse(w.target.URL)
	w.must(err)
	reach, err := NewReach([]string{u.Host})
	w.must(err)
	w.engine, err = Open(Config{
		Path: w.path, RootKey: w.root, Catalogue: w.cat, Vault: w.vault, Chain: testChain, Clock: w.clock,
		Log: slog.New(slog.DiscardHandler), Reach: reach, Decide: w.decide, Shared: w.shared,
		Count: func(outcome string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.counts[outcome]++
		},
	})
	w.must(err)
	ctx, cancel := contextOf(w.t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.engine.Run(ctx)
	}()
	w.stop = func() {
		cancel()
		<-done
	}
}

func (w *world) shut() {
	w.stop()
	w.must(w.engine.Close())
}

func (w *world) decide(by Caller, vehicle uint64) consent.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	return consent.Verdict{Vehicle: vehicle, Rights: w.granted[by.Licence][vehicle]}
}

func (w *world) shared(licence sayso.Address) iter.Seq[uint64] {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []uint64
	for v := range w.granted[licence] {
		list = append(list, v)
	}
	return slices.Values(list)
}

// grant lets a licence see so much of an ownership of a vehicle; an empty set
// takes it back.
func (w *world) grant(licence sayso.Address, vehicle uint64, epoch uint32, set sayso.Permissions) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.granted[licence] == nil {
		w.granted[licence] = map[uint64][]consent.Right{}
	}
	w.granted[licence][vehicle] = []consent.Right{{Epoch: epoch, Permissions: set}}
	if set.Empty() {
		delete(w.granted[licence], vehicle)
	}
}

func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if string(body) == `{"verification": "test"}` {
		io.WriteString(rw, " secret\n")
		return
	}
	w.mu.Lock()
	hold := w.hold
	w.mu.Unlock()
	if hold != nil && r.URL.Path == "/slow" {
		<-hold
	}
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, m)
	rw.WriteHeader(w.status)
}

func (w *world) answer(status int, hold chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.hold = status, hold
}

// hook makes a webhook of a licence that listens to the car.
func (w *world) hook(licence sayso.Address, service, metric, condition string, coolDown int64) string {
	w.t.Helper()
	token, target := "secret", w.target.URL+"/hook"
	h, err := w.engine.Create(w.t.Context(), Caller{Licence: licence}, Change{
		Service: &service, Metric: &metric, Condition: &condition, CoolDown: &coolDown, Target: &target, Verification: &token,
	})
	w.must(err)
	refused, err := w.engine.Subscribe(Caller{Licence: licence}, h.ID, []uint64{car})
	w.must(err)
	if len(refused) > 0 {
		w.t.Fatal(refused)
	}
	return h.ID
}

// send keeps a message of the car.
func (w *world) send(epoch uint32, at time.Time, readings map[string]sayso.Value, events ...sayso.Event) {
	w.t.Helper()
	w.deposit(epoch, at, false, readings, events...)
}

func (w *world) deposit(epoch uint32, at time.Time, backfill bool, readings map[string]sayso.Value, events ...sayso.Event) {
	w.t.Helper()
	w.sent++
	d := vault.Deposit{Vehicle: car, Epoch: epoch, Body: [32]byte{byte(w.sent), byte(w.sent >> 8)}, Backfill: backfill, Envelope: sayso.CloudEvent{
		Type: sayso.TypeStatus, Source: device, ID: firingID("message", mark{uint64(w.sent), 0}), Time: at, Data: []byte(`{}`),
		Subject: sayso.NFT(testChain.ID, testChain.Vehicle, car), Producer: sayso.NFT(testChain.ID, sayso.Address{19: 0xad}, 3),
	}}
	for name, v := range readings {
		d.Readings = append(d.Readings, sayso.Reading{Signal: w.cat.Signal(name).ID, Epoch: epoch, Time: sayso.At(at), Value: v})
	}
	for _, e := range events {
		e.Epoch, e.Time = epoch, sayso.At(at)
		d.Events = append(d.Events, e)
	}
	_, err := w.vault.Commit(w.t.Context(), &d)
	w.must(err)
}

func speed(f float64) map[string]sayso.Value {
	return map[string]sayso.Value{"speed": sayso.NumberValue(f)}
}

// heard waits until so many messages were told, and that no more come with what
// was kept so far, and takes them.
func (w *world) heard(n int) []message {
	w.t.Helper()
	w.settle()
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.told
	w.told = nil
	if len(list) != n {
		w.t.Fatalf("told %d times, not %d: %+v", len(list), n, list)
	}
	return list
}

// settle waits until the engine has looked at everything and nothing waits.
func (w *world) settle() {
	w.t.Helper()
	for range 2000 {
		if w.engine.Reached() == w.vault.Seq() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatal("the engine does not come to an end")
}

// values are the values that were told of.
func values(list []message) (out []any) {
	for _, m := range list {
		out = append(out, m.Data.Signal.Value)
	}
	return out
}
