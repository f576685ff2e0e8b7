package vault_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/vault"
	"sayso/node/vault/naive"
)

var start = sayso.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

const (
	second = sayso.Instant(1_000_000)
	hour   = 3600 * second
	ever   = sayso.Instant(1 << 60)
)

func config(t testing.TB, fs vfs.FS) vault.Config {
	t.Helper()
	k, err := rootkey.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	return vault.Config{
		FS: fs, Dir: "data/vault", RootKey: k, Clock: clock.NewManual(start.Time()),
		SegmentBytes: 32 << 10, MemTableBytes: 256 << 10, CacheBytes: 1 << 20, ShelfBytes: 3 << 10, LatestEntries: 4, KeyEntries: 4,
		CommitTimeout: time.Minute, MinFreeBytes: 1,
		PackBytes: 256, PackEvery: 2 * time.Millisecond, Chunk: vault.ChunkSizes{Inline: 64, Rollup: 4, Rows: 300},
		Fatal: func(err error) { panic(err) },
	}
}

func open(t testing.TB, cfg vault.Config) *vault.Vault {
	t.Helper()
	v, err := vault.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// engines runs a test on both implementations.
func engines(t *testing.T, f func(*testing.T, vault.Engine)) {
	for name, make := range map[string]func() vault.Engine{
		"vault": func() vault.Engine { return open(t, config(t, vfs.NewMem())) },
		"naive": func() vault.Engine { return naive.New(clock.NewManual(start.Time())) },
	} {
		t.Run(name, func(t *testing.T) {
			e := make()
			f(t, e)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func source(n byte) sayso.Address { return sayso.Address{19: n} }

func message(vehicle uint64, epoch uint32, from byte, id string) *vault.Deposit {
	return &vault.Deposit{
		Vehicle: vehicle, Epoch: epoch, Body: [32]byte{31: 1, 0: from, 1: byte(len(id))},
		Envelope: sayso.CloudEvent{
			Type: sayso.TypeStatus, Source: source(from), Subject: sayso.NFT(137, sayso.Address{5}, vehicle),
			Producer: sayso.NFT(137, sayso.Address{6}, 77), ID: id, Time: start.Time(), Data: []byte(`{"id":"` + id + `"}`),
		},
	}
}

func (m *msg) number(s sayso.SignalID, epoch uint32, at sayso.Instant, v float64) *msg {
	m.Readings = append(m.Readings, sayso.Reading{Signal: s, Epoch: epoch, Time: at, Value: sayso.NumberValue(v)})
	return m
}

func (m *msg) value(s sayso.SignalID, at sayso.Instant, v sayso.Value) *msg {
	m.Readings = append(m.Readings, sayso.Reading{Signal: s, Epoch: m.Epoch, Time: at, Value: v})
	return m
}

// msg builds deposits in tests.
type msg struct{ *vault.Deposit }

func newMsg(vehicle uint64, epoch uint32, from byte, id string) *msg {
	return &msg{message(vehicle, epoch, from, id)}
}

func (m *msg) keep(t testing.TB, e vault.Engine) uint64 {
	t.Helper()
	k, err := e.Commit(context.Background(), m.Deposit)
	if err != nil || k.Duplicate {
		t.Fatalf("commit of %s: %+v, %v", m.Envelope.ID, k, err)
	}
	return k.Seq
}

func view(vehicle uint64, epochs ...uint32) vault.View {
	return vault.View{Vehicle: vehicle, Epochs: epochs}
}

func from(v vault.View, n byte) vault.View {
	s := source(n)
	v.Source = &s
	return v
}

func scan(t testing.TB, e vault.Engine, v vault.View, signals []sayso.SignalID, a, b sayso.Instant) (out []vault.Row) {
	t.Helper()
	if err := e.Scan(context.Background(), v, signals, a, b, func(r vault.Row) bool { out = append(out, r); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

func latest(t testing.TB, e vault.Engine, v vault.View, signals []sayso.SignalID) []vault.Row {
	t.Helper()
	rows, err := e.Latest(context.Background(), v, signals)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// brief writes rows as text that a table can hold.
func brief(rows []vault.Row) string {
	s := ""
	for _, r := range rows {
		v := fmt.Sprint(r.Value.Number)
		switch r.Value.Kind {
		case sayso.Text:
			v = r.Value.Text
		case sayso.Position:
			v = fmt.Sprint(r.Value.Location.Latitude)
		}
		s += fmt.Sprintf("[%d +%d s%d %s] ", r.Signal, (r.Time-start)/second, r.Source[19], v)
	}
	return s
}

func TestFirstCommittedWins(t *testing.T) {
	engines(t, func(t *testing.T, e vault.Engine) {
		newMsg(1, 1, 1, "a").number(5, 1, start, 10).number(5, 1, start, 11).keep(t, e)
		newMsg(1, 1, 1, "b").number(5, 1, start, 12).number(6, 1, start, 1).keep(t, e)
		newMsg(1, 1, 2, "c").number(5, 1, start, 13).number(5, 1, start+second, 14).keep(t, e)
		newMsg(2, 1, 1, "d").number(5, 1, start, 99).keep(t, e)
		for _, c := range []struct {
			name string
			view vault.View
			want string
		}{
			{"all sources", view(1, 1), "[5 +0 s1 10] [6 +0 s1 1] [5 +1 s2 14] "},
			{"one source", from(view(1, 1), 2), "[5 +0 s2 13] [5 +1 s2 14] "},
			{"no such source", from(view(1, 1), 3), ""},
			{"another epoch", view(1, 2), ""},
			{"another vehicle", view(2, 1), "[5 +0 s1 99] "},
			{"no epoch", view(1), ""},
		} {
			if got := brief(scan(t, e, c.view, nil, 0, ever)); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
		if got := brief(latest(t, e, view(1, 1), nil)); got != "[5 +1 s2 14] [6 +0 s1 1] " {
			t.Errorf("latest %s", got)
		}
		if got := brief(latest(t, e, from(view(1, 1), 1), []sayso.SignalID{5})); got != "[5 +0 s1 10] " {
			t.Errorf("latest of source 1 %s", got)
		}
	})
}

func TestKeysAreCheckedBeforeAnythingIsKept(t *testing.T) {
	engines(t, func(t *testing.T, e vault.Engine) {
		ctx := context.Background()
		seq := newMsg(1, 1, 1, "a").number(5, 1, start, 10).keep(t, e)
		again := newMsg(1, 1, 1, "a").number(5, 1, start+second, 11)
		if k, err := e.Commit(ctx, again.Deposit); err != nil || !k.Duplicate || k.Seq != seq {
			t.Errorf("the same key and body gave %+v, %v", k, err)
		}
		again.Body = [32]byte{9}
		if _, err := e.Commit(ctx, again.Deposit); sayso.FaultOf(err) != sayso.Conflict {
			t.Errorf("the same key with another body gave %v", err)
		}
		if got := brief(scan(t, e, view(1, 1), nil, 0, ever)); got != "[5 +0 s1 10] " {
			t.Errorf("repetitions changed the rows to %s", got)
		}
		newMsg(1, 1, 2, "a").keep(t, e) // another source, another key
		if e.Seq() != seq+1 {
			t.Errorf("sequence %d after two commits from %d on", e.Seq(), seq)
		}
	})
}

func TestLatestLooksAtEpochsAndSkipsNowhere(t *testing.T) {
	engines(t, func(t *testing.T, e vault.Engine) {
		fix := func(lat float64) sayso.Value {
			return sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lat, HDOP: 1.5})
		}
		newMsg(1, 1, 1, "a").value(9, start, fix(48)).number(5, 1, start+9*second, 1).keep(t, e)
		newMsg(1, 2, 1, "b").value(9, start+second, fix(0)).number(5, 2, start+second, 2).number(5, 1, start+second, 3).keep(t, e)
		for _, c := range []struct {
			view vault.View
			want string
		}{
			{view(1, 1), "[5 +9 s1 1] [9 +0 s1 48] "},
			{view(1, 2), "[5 +1 s1 2] "},
			{view(1, 1, 2), "[5 +9 s1 1] [9 +0 s1 48] "},
			{view(1, 2, 1), "[5 +9 s1 1] [9 +0 s1 48] "},
		} {
			if got := brief(latest(t, e, c.view, nil)); got != c.want {
				t.Errorf("epochs %v: %s, want %s", c.view.Epochs, got, c.want)
			}
		}
	})
}

func buckets(t testing.TB, e vault.Engine, v vault.View, cols []vault.Column, a, b, interval sayso.Instant) []vault.Bucket {
	t.Helper()
	out, err := e.Buckets(context.Background(), v, cols, a, b, interval)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAggregations(t *testing.T) {
	engines(t, func(t *testing.T, e vault.Engine) {
		m := newMsg(1, 1, 1, "a")
		for i, f := range []float64{4, 1, 7, 2} {
			m.number(5, 1, start+sayso.Instant(i)*second, f)
		}
		for i, s := range []string{"b", "a", "b", "a", "c"} {
			m.value(6, start+sayso.Instant(i)*second, sayso.TextValue(s))
		}
		for i, lat := range []float64{0, 10, 20} {
			m.value(9, start+sayso.Instant(i)*second, sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lat, HDOP: 2, Heading: 90}))
		}
		m.keep(t, e)
		num := sayso.NumberValue
		at := func(lat, heading float64) sayso.Value {
			return sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lat, HDOP: 2, Heading: heading})
		}
		for _, c := range []struct {
			signal sayso.SignalID
			agg    vault.Agg
			want   sayso.Value
		}{
			{5, vault.Avg, num(3.5)}, {5, vault.Med, num(3)}, {5, vault.Max, num(7)}, {5, vault.Min, num(1)},
			{5, vault.First, num(4)}, {5, vault.Last, num(2)}, {5, vault.Count, num(4)}, {5, vault.Sum, num(14)},
			{6, vault.Top, sayso.TextValue("a")}, {6, vault.Unique, sayso.TextValue("a,b,c")},
			{6, vault.First, sayso.TextValue("b")}, {6, vault.Last, sayso.TextValue("c")}, {6, vault.Count, num(5)},
			{9, vault.Avg, at(15, 0)}, {9, vault.First, at(10, 90)}, {9, vault.Last, at(20, 90)}, {9, vault.Count, num(2)},
		} {
			got := buckets(t, e, view(1, 1), []vault.Column{{Signal: c.signal, Agg: c.agg}}, start, start+hour, hour)
			if len(got) != 1 || !got[0].Has[0] || got[0].Values[0] != c.want || got[0].Start != start {
				t.Errorf("aggregation %d of signal %d: %+v, want %+v", c.agg, c.signal, got, c.want)
			}
		}
		for _, c := range []vault.Column{{Signal: 5, Agg: vault.Top}, {Signal: 6, Agg: vault.Avg}, {Signal: 7, Agg: vault.Last},
			{Signal: 5, Agg: vault.Avg, Keep: func(v sayso.Value) bool { return v.Number > 100 }}} {
			if got := buckets(t, e, view(1, 1), []vault.Column{c}, start, start+hour, hour); len(got) != 0 {
				t.Errorf("column %+v has rows: %+v", c, got)
			}
		}
		seen := make(map[float64]bool)
		for range 300 {
			got := buckets(t, e, view(1, 1), []vault.Column{{Signal: 5, Agg: vault.Rand}}, start, start+hour, hour)
			seen[got[0].Values[0].Number] = true
		}
		if len(seen) != 4 || !seen[4] || !seen[1] || !seen[7] || !seen[2] {
			t.Errorf("300 random picks gave %v", seen)
		}
	})
}

func TestBucketsAreAnchoredAtFrom(t *testing.T) {
	engines(t, func(t *testing.T, e vault.Engine) {
		m := newMsg(1, 1, 1, "a")
		for _, s := range []sayso.Instant{0, 9, 10, 35, 39} {
			m.number(5, 1, start+s*second, float64(s))
		}
		m.number(6, 1, start+36*second, 1).keep(t, e)
		cols := []vault.Column{{Signal: 5, Agg: vault.Count}, {Signal: 6, Agg: vault.Count}}
		got := buckets(t, e, view(1, 1), cols, start-second, start+39*second, 10*second)
		want := []vault.Bucket{
			{Start: start - second, Values: []sayso.Value{sayso.NumberValue(1), {}}, Has: []bool{true, false}},
			{Start: start + 9*second, Values: []sayso.Value{sayso.NumberValue(2), {}}, Has: []bool{true, false}},
			{Start: start + 29*second, Values: []sayso.Value{sayso.NumberValue(1), sayso.NumberValue(1)}, Has: []bool{true, true}},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
		for _, c := range []struct{ from, to, interval sayso.Instant }{
			{start, start - 1, second}, {start, start + hour, 0}, {start, start + hour, -1}, {start, start + 100_001, 1},
		} {
			if _, err := e.Buckets(context.Background(), view(1, 1), cols, c.from, c.to, c.interval); sayso.FaultOf(err) != sayso.Invalid {
				t.Errorf("window %+v: %v", c, err)
			}
		}
		if got, err := e.Buckets(context.Background(), view(1, 1), cols, start, start+100_000, 1); err != nil || len(got) != 1 {
			t.Errorf("the largest window: %+v, %v", got, err)
		}
	})
}

func TestEventsCloudEventsAndSummary(t *testing.T) {
	engines(t, func(t *testing.T, e vault.Engine) {
		ctx := context.Background()
		a := newMsg(1, 1, 1, "a").number(5, 1, start, 1).number(5, 1, start+second, 1)
		a.Envelope.Tags, a.Envelope.Extras = []string{"x", "y"}, map[string][]byte{"k": []byte(`{"z":1}`)}
		a.Envelope.Time = start.Time().Add(123 * time.Nanosecond)
		a.Envelope.Signature, a.Envelope.DataSchema, a.Envelope.Base64 = "0xsig", "schema", true
		a.Rejected = []sayso.Rejection{{Name: "speed", Reason: "not a number"}}
		a.Backfill = true
		brake := sayso.Event{Name: "behavior.harshBraking", Epoch: 1, Time: start, DurationNS: 5, Metadata: `{"g":0.5}`, Tags: []string{"t"}}
		other := sayso.Event{Name: "safety.collision", Epoch: 2, Time: start + second}
		a.Events = []sayso.Event{brake, other, {Name: brake.Name, Epoch: 1, Time: start, DurationNS: 6}}
		a.keep(t, e)
		b := newMsg(1, 1, 1, "b")
		b.Envelope.Time = start.Time().Add(-time.Hour)
		b.Events = []sayso.Event{{Name: brake.Name, Epoch: 1, Time: start, DurationNS: 7}, {Name: brake.Name, Epoch: 1, Time: start - second}}
		b.keep(t, e)

		var events []vault.EventRow
		if err := e.Events(ctx, view(1, 1), 0, ever, func(r vault.EventRow) bool { events = append(events, r); return true }); err != nil {
			t.Fatal(err)
		}
		if len(events) != 2 || !reflect.DeepEqual(events[0], vault.EventRow{Event: brake, Source: source(1), Seq: 1}) || events[1].Time != start-second {
			t.Errorf("events %+v", events)
		}
		var stored []vault.Stored
		if err := e.CloudEvents(ctx, view(1, 1), 0, ever, func(s vault.Stored) bool { stored = append(stored, s); return true }); err != nil {
			t.Fatal(err)
		}
		want := vault.Stored{Seq: 1, Epoch: 1, Envelope: a.Envelope, Rejected: a.Rejected, Backfill: true, KeptAt: start}
		if len(stored) != 2 || !reflect.DeepEqual(stored[0], want) || stored[1].Envelope.ID != "b" {
			t.Errorf("cloud events %+v, want %+v", stored, want)
		}
		sum, err := e.Summary(ctx, view(1, 1, 2))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(sum, vault.Summary{
			Signals: []vault.SignalSummary{{Signal: 5, Count: 2, First: start, Last: start + second}},
			Events: []vault.EventSummary{
				{Name: brake.Name, Count: 2, First: start - second, Last: start},
				{Name: other.Name, Count: 1, First: start + second, Last: start + second}},
		}) {
			t.Errorf("summary %+v", sum)
		}
	})
}

func TestEraseTakesOneEpochAndNothingElse(t *testing.T) {
	engines(t, func(t *testing.T, e vault.Engine) {
		ctx := context.Background()
		a := newMsg(1, 1, 1, "a").number(5, 1, start, 1).number(5, 2, start+second, 2)
		a.keep(t, e)
		newMsg(1, 2, 1, "b").number(5, 2, start+2*second, 3).keep(t, e)
		newMsg(2, 1, 1, "c").number(5, 1, start, 4).keep(t, e)
		if err := e.Erase(ctx, 1, 1); err != nil {
			t.Fatal(err)
		}
		if got := brief(scan(t, e, view(1, 1, 2), nil, 0, ever)); got != "[5 +1 s1 2] [5 +2 s1 3] " {
			t.Errorf("after the erasure %s", got)
		}
		if got := latest(t, e, view(1, 1), nil); len(got) != 0 {
			t.Errorf("latest after the erasure %+v", got)
		}
		if got := brief(scan(t, e, view(2, 1), nil, 0, ever)); got != "[5 +0 s1 4] " {
			t.Errorf("another vehicle after the erasure %s", got)
		}
		if k, err := e.Commit(ctx, a.Deposit); err != nil || !k.Duplicate {
			t.Errorf("an erased message came back: %+v, %v", k, err)
		}
		newMsg(1, 1, 1, "d").number(5, 1, start+3*second, 5).keep(t, e)
		if got := brief(scan(t, e, view(1, 1), nil, 0, ever)); got != "[5 +3 s1 5] " {
			t.Errorf("what came after the erasure %s", got)
		}
		var seqs []uint64
		if err := e.Follow(ctx, 0, func(en vault.Entry) bool { seqs = append(seqs, en.Seq); return true }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(seqs) != "[1 2 3 5]" { // 1 has a reading of epoch 2 left; 4 is the erasure
			t.Errorf("commits %v", seqs)
		}
	})
}

func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	ctx := context.Background()
	early := newMsg(1, 1, 1, "early").number(5, 1, -1<<62, 1)
	for name, c := range map[string]struct {
		m    *msg
		want sayso.Fault
	}{
		"a time before year 1": {early, sayso.Invalid},
		"not a number":         {newMsg(1, 1, 1, "nan").number(5, 1, start, math.NaN()), sayso.Invalid},
		"infinite":             {newMsg(1, 1, 1, "inf").number(5, 1, start, math.Inf(-1)), sayso.Invalid},
		"a value of no kind":   {newMsg(1, 1, 1, "kind").value(5, start, sayso.Value{}), sayso.Invalid},
	} {
		if _, err := v.Commit(ctx, c.m.Deposit); sayso.FaultOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Commit(ctx, newMsg(1, 1, 1, "late").Deposit); sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("after Close: %v", err)
	}
	if _, err := v.Latest(ctx, view(1, 1), nil); err == nil {
		t.Error("a read after Close answered")
	}
	var e *sayso.Error
	if _, err := v.Commit(cancelledContext(), newMsg(1, 1, 1, "gone").Deposit); !errors.As(err, &e) || e.Fault != sayso.Cancelled {
		t.Errorf("with a cancelled context: %v", err)
	}
}

func cancelledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestOnDisk runs on the real file system, with the default sizes.
func TestOnDisk(t *testing.T) {
	cfg := config(t, vfs.Default)
	cfg.Dir = t.TempDir() + "/a/vault"
	cfg.SegmentBytes, cfg.MemTableBytes, cfg.CacheBytes = 0, 0, 0
	v := open(t, cfg)
	newMsg(1, 1, 1, "a").number(5, 1, start, 10).keep(t, v)
	if second, err := vault.Open(cfg); err == nil {
		t.Error("the directory was opened twice at the same time")
		check(t, second.Close())
	}
	check(t, v.Close())
	v = open(t, cfg)
	newMsg(1, 1, 1, "b").number(5, 1, start+second, 11).keep(t, v)
	if got := brief(scan(t, v, view(1, 1), nil, 0, ever)); got != "[5 +0 s1 10] [5 +1 s1 11] " {
		t.Errorf("rows %s", got)
	}
	if s := v.Stats(); s.Seq != 2 || s.Segments != 1 || s.DataKeys != 4 || s.Waiting != 0 || s.DiskBytes == 0 {
		t.Errorf("stats %+v", s)
	}
	check(t, v.Close())
}
