package ask

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
)

// fuse is a context that ends at the n-th time it is asked, and counts how often
// it is asked after that.
type fuse struct {
	context.Context
	left  atomic.Int64
	after atomic.Int64
}

func newFuse(n int64) *fuse {
	f := &fuse{Context: context.Background()}
	f.left.Store(n)
	return f
}

func (f *fuse) Err() error {
	if f.left.Add(-1) >= 0 {
		return nil
	}
	f.after.Add(1)
	return context.Canceled
}

// Every read of the vault asks often whether somebody still waits, and stops
// when nobody does.
func TestReadsStopWithTheRequest(t *testing.T) {
	v := testVault(t)
	busy(t, v)
	view := vault.View{Vehicle: 3, Epochs: []uint32{2}}
	from, to := sayso.At(at("00:00:00")), sayso.At(at("12:00:00"))
	speed := loaded.Signal("speed").ID
	rows := 0
	reads := map[string]func(ctx context.Context) error{
		"Scan": func(ctx context.Context) error {
			return v.Scan(ctx, view, nil, from, to, func(vault.Row) bool { rows++; return true })
		},
		"Buckets": func(ctx context.Context) error {
			_, err := v.Buckets(ctx, view, []vault.Column{{Signal: speed, Agg: vault.Avg}}, from, to, 1e6)
			return err
		},
		"Summary": func(ctx context.Context) error {
			_, err := v.Summary(ctx, view)
			return err
		},
		"Events": func(ctx context.Context) error {
			return v.Events(ctx, view, from, to, func(vault.EventRow) bool { return true })
		},
	}
	for name, read := range reads {
		whole := newFuse(1 << 40)
		if err := read(whole); err != nil {
			t.Fatal(err)
		}
		asked := 1<<40 - whole.left.Load()
		if (name == "Scan" || name == "Buckets") && asked < 4 { // the others have nothing to decode
			t.Errorf("%s of six hours asks %d times", name, asked)
		}
		for n := range asked {
			rows = 0
			f := newFuse(n)
			if err := read(f); sayso.FaultOf(err) != sayso.Cancelled {
				t.Errorf("%s ended at %d of %d: %v", name, n, asked, err)
			}
			if after := f.after.Load(); after > 3 {
				t.Errorf("%s went on for %d looks", name, after)
			}
			if most := int(n) * 12 * 3600; rows > most {
				t.Errorf("%s gave %d rows within %d hours", name, rows, n)
			}
		}
	}
}

// A filter that takes long does not outlast the request: within one hour of
// readings it looks up too.
func TestFiltersStopWithTheRequest(t *testing.T) {
	f := newFuse(10)
	c := &graphql.Call{Context: f}
	asked := 0
	keep := patient(c, 1000, func(sayso.Value) bool { asked++; return true })
	for range 100_000 {
		keep(sayso.NumberValue(1))
	}
	if most := 12 * comparisons / 1000; asked > most {
		t.Errorf("compared %d times, want at most %d", asked, most)
	}
}

// A request that meets its deadline says so, and its answer holds no part of
// what was read by then.
func TestDeadline(t *testing.T) {
	both(t, func(t *testing.T, d catalogue.Dialect) {
		w := newWorld(t)
		slow := &waiting{Vault: w.vault}
		w.servers[d] = serveWithin(t, w.registry, slow, d, 20*time.Millisecond)
		got := w.ask(t, d, "all", `{signals($3, interval:"1h", `+day+`){timestamp speed(agg:AVG)}}`)
		code := map[catalogue.Dialect]string{catalogue.Telemetry: "BAD_REQUEST", catalogue.Subject: "SERVICE_UNAVAILABLE"}[d]
		if want := `{"errors":[{"message":"` + graphql.DeadlineMessage + `","path":["signals"],"extensions":{"code":"` + code + `"}}],"data":{"signals":null}}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A search for segments ends with the request: no read begins after it, in
// whichever of them it ends.
func TestSearchesStopWithTheRequest(t *testing.T) {
	w := journeys(t)
	busy(t, w.vault)
	for name, query := range map[string]string{
		"ignition": `segments($3, ` + theDay + `, mechanism:$ignition)` + segmentFields, "frequency": `segments($3, from:"2026-03-02T00:00:00Z", to:"2026-03-02T03:00:00Z", mechanism:$frequency)` + segmentFields,
		"days": `dailyActivity($3, from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition){` + dayFields + `}`, "recharge": `segments($3, ` + theDay + `, mechanism:$recharge)` + segmentFields,
	} {
		v := &counting{Vault: w.vault}
		w.servers[catalogue.Telemetry] = serve(t, w.registry, v, catalogue.Telemetry)
		whole := w.askSegments(t, catalogue.Telemetry, "all", "{"+query+"}")
		if strings.Contains(whole, "errors") {
			t.Fatal(name, whole)
		}
		for n := range v.reads.Load() {
			ending := &endsAt{counting: counting{Vault: w.vault}, at: n + 1}
			w.servers[catalogue.Telemetry] = serve(t, w.registry, ending, catalogue.Telemetry)
			got := w.askSegments(t, catalogue.Telemetry, "all", "{"+query+"}")
			if !strings.Contains(got, "failed to query db") || !strings.HasSuffix(got, `"data":null}`) {
				t.Errorf("%s, read %d fails: %s", name, n+1, got)
			}
			if ending.reads.Load() > n+1 {
				t.Errorf("%s goes on after read %d failed: %d reads", name, n+1, ending.reads.Load())
			}
		}
	}
}

// endsAt is a vault of which one read fails, and every later one.
type endsAt struct {
	counting
	at int64
}

func (v *endsAt) fails() error {
	if v.reads.Load()+1 >= v.at {
		v.reads.Add(1)
		return errors.New("page 7 of file x")
	}
	return nil
}

func (v *endsAt) Latest(ctx context.Context, w vault.View, s []sayso.SignalID) ([]vault.Row, error) {
	if err := v.fails(); err != nil {
		return nil, err
	}
	return v.counting.Latest(ctx, w, s)
}

func (v *endsAt) Scan(ctx context.Context, w vault.View, s []sayso.SignalID, from, to sayso.Instant, yield func(vault.Row) bool) error {
	if err := v.fails(); err != nil {
		return err
	}
	return v.counting.Scan(ctx, w, s, from, to, yield)
}

func (v *endsAt) Buckets(ctx context.Context, w vault.View, cols []vault.Column, from, to, interval sayso.Instant) ([]vault.Bucket, error) {
	if err := v.fails(); err != nil {
		return nil, err
	}
	return v.counting.Buckets(ctx, w, cols, from, to, interval)
}

func (v *endsAt) Events(ctx context.Context, w vault.View, from, to sayso.Instant, yield func(vault.EventRow) bool) error {
	if err := v.fails(); err != nil {
		return err
	}
	return v.counting.Events(ctx, w, from, to, yield)
}

// waiting is a vault that answers once the request has ended.
type waiting struct{ Vault }

func (v *waiting) Buckets(ctx context.Context, w vault.View, cols []vault.Column, from, to, interval sayso.Instant) ([]vault.Bucket, error) {
	<-ctx.Done()
	return v.Vault.Buckets(context.Background(), w, cols, from, to, interval)
}
