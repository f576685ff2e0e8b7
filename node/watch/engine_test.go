package watch

import (
	"context"
	"slices"
	"testing"
	"time"

	"sayso"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(t.Context()))
}

// TestWhatIsToldAndHow reads a whole message, and the rule of cooling down.
func TestWhatIsToldAndHow(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	id := w.hook(app, Signals, "vss.speed", "value > 100", 60)
	w.send(1, noon, speed(90))
	w.heard(0)
	at := noon.Add(time.Second)
	w.send(1, at, speed(130))
	m := w.heard(1)[0]
	asset := sayso.NFT(testChain.ID, testChain.Vehicle, car).String()
	if m.ID == "" || m.Source != "vehicle-triggers-api" || m.Producer != id || m.SpecVersion != "1.0" || m.Subject != asset || m.Type != "dimo.trigger" ||
		m.DataContentType != "application/json" || m.DataVersion != "signals/v1.0" || m.Time != noon.Format(time.RFC3339Nano) {
		t.Errorf("the envelope: %+v", m)
	}
	d := m.Data
	if d.Service != Signals || d.Metric != "vss.speed" || d.Hook != id || d.HookName != id || d.Asset != asset || d.Condition != "value > 100" || d.Event != nil {
		t.Errorf("the data: %+v", d)
	}
	s := d.Signal
	if s.Name != "speed" || s.Unit != "km/h" || s.Time != at.Format(time.RFC3339Nano) || s.Source != device.String() || s.Type != "float64" || s.Value != 130.0 ||
		s.Producer != sayso.NFT(testChain.ID, sayso.Address{19: 0xad}, 3).String() {
		t.Errorf("the signal: %+v", s)
	}
	w.send(1, noon.Add(2*time.Second), speed(140))
	w.heard(0) // cooling down
	w.clock.Advance(60 * time.Second)
	w.send(1, noon.Add(3*time.Second), speed(150))
	if got := values(w.heard(1)); got[0] != 150.0 {
		t.Error(got)
	}
}

// TestThePreviousValue: a change is seen, also over a restart, and the first
// value has the one that the vault held before.
func TestThePreviousValue(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	w.send(1, noon, speed(50))
	w.hook(app, Signals, "vss.speed", "hasPrevious && value > previousValue", 0)
	for i, v := range []float64{40, 45, 45, 46} {
		w.send(1, noon.Add(time.Duration(i+1)*time.Second), speed(v))
	}
	if got := values(w.heard(2)); !slices.Equal(got, []any{45.0, 46.0}) {
		t.Error(got)
	}
	w.shut()
	w.open()
	w.send(1, noon.Add(10*time.Second), speed(47))
	if got := values(w.heard(1)); !slices.Equal(got, []any{47.0}) {
		t.Error(got)
	}
	// What the former owner drove is nothing that the new one's app may compare with.
	w.grant(app, car, 2, located)
	w.send(2, noon.Add(11*time.Second), speed(99))
	w.send(2, noon.Add(12*time.Second), speed(100))
	if got := values(w.heard(1)); !slices.Equal(got, []any{100.0}) {
		t.Error(got)
	}
}

// TestEventsAndPlaces fires on events and on positions, each under its rights.
func TestEventsAndPlaces(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	w.hook(app, "telemetry.events", "behavior.harshBraking", "durationNs >= 100", 0)
	w.hook(app, Signals, "currentLocationCoordinates", "geoDistance(value.latitude, value.longitude, 52.5, 13.4) < 1.0", 0)
	place := map[string]sayso.Value{"currentLocationCoordinates": sayso.LocationValue(sayso.Location{Latitude: 52.5, Longitude: 13.401, HDOP: 1})}
	brake := sayso.Event{Name: "behavior.harshBraking", DurationNS: 100, Metadata: `{"g":0.6}`}
	w.send(1, noon, place, brake, sayso.Event{Name: "behavior.harshAcceleration", DurationNS: 100}, sayso.Event{Name: "behavior.harshBraking", DurationNS: 99})
	for _, m := range w.heard(2) {
		switch e := m.Data.Event; {
		case e != nil && (e.Name != brake.Name || e.Duration != 100 || e.Metadata != brake.Metadata || m.DataVersion != "events/v1.0" || m.Data.Signal != nil):
			t.Errorf("%+v", m)
		case e == nil && m.Data.Signal.Type != "vss.Location":
			t.Errorf("%+v", m)
		}
	}
	// Without the right to all positions, neither is told.
	w.grant(app, car, 1, sayso.PermissionSet(sayso.NonLocationHistory, sayso.ApproximateLocation, sayso.CurrentLocation))
	w.send(1, noon.Add(time.Second), place, brake)
	w.heard(0)
}

// TestNobodyIsToldWithoutTheRight: a right that ends, that is of another
// ownership, or of another app, tells nothing; given back, it tells again.
func TestNobodyIsToldWithoutTheRight(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	id := w.hook(app, Signals, "vss.speed", "true", 0)
	w.grant(app, car, 1, sayso.Permissions{})
	w.grant(otherApp, car, 1, located)
	w.send(1, noon, speed(1))
	w.heard(0)
	w.grant(app, car, 2, located) // the new owner's, while the old one's reading comes late
	w.send(1, noon.Add(time.Second), speed(2))
	w.heard(0)
	w.send(2, noon.Add(2*time.Second), speed(3))
	if got := values(w.heard(1)); !slices.Equal(got, []any{3.0}) {
		t.Error(got)
	}
	w.deposit(2, noon.Add(-90*24*time.Hour), true, speed(4)) // from the past
	w.heard(0)
	// Another licence can neither see nor change it.
	if _, err := w.engine.Hook(otherApp, id); sayso.FaultOf(err) != sayso.NotFound {
		t.Error("another licence sees it:", err)
	}
	if err := w.engine.Delete(otherApp, id); sayso.FaultOf(err) != sayso.NotFound {
		t.Error("another licence deletes it:", err)
	}
	if _, err := w.engine.Subscribe(Caller{Licence: otherApp}, id, []uint64{car}); sayso.FaultOf(err) != sayso.NotFound {
		t.Error("another licence subscribes:", err)
	}
	if refused, err := w.engine.Subscribe(Caller{Licence: app}, id, []uint64{car + 1}); err != nil || refused[car+1] == "" {
		t.Error("a car that is not shared:", refused, err)
	}
}

// TestARevocationEmptiesTheLine: what waits for a slow target is not told once
// the right is gone.
func TestARevocationEmptiesTheLine(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	id := w.hook(app, Signals, "vss.speed", "true", 0)
	hold := make(chan struct{})
	w.answer(200, hold)
	slow := w.target.URL + "/slow"
	if _, err := w.engine.Update(t.Context(), Caller{Licence: app}, id, Change{Target: &slow}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		w.send(1, noon.Add(time.Duration(i)*time.Second), speed(float64(i)))
	}
	for w.waiting() < 5 {
		time.Sleep(time.Millisecond)
	}
	w.grant(app, car, 1, sayso.Permissions{})
	close(hold)
	if got := values(w.heard(1)); !slices.Equal(got, []any{0.0}) { // that one was on its way
		t.Error(got)
	}
	if n := w.count(revoked); n != 4 {
		t.Error(n, "firings were taken back, not 4")
	}
}

func (w *world) count(outcome string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[outcome]
}

func (w *world) waiting() (n int) {
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	for _, h := range w.engine.hooks {
		n += len(h.waiting)
	}
	return n
}

// TestATargetThatFails: ten failures in a row and the webhook rests; a success
// in between counts them anew, an update wakes it.
func TestATargetThatFails(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	id := w.hook(app, Signals, "vss.speed", "true", 0)
	n := 0
	send := func(times, status int) {
		w.answer(status, nil)
		for range times {
			n++
			w.send(1, noon.Add(time.Duration(n)*time.Second), speed(float64(n)))
		}
		w.settle()
	}
	send(9, 500)
	send(1, 200)
	send(9, 404)
	h, err := w.engine.Hook(app, id)
	w.must(err)
	if h.Status != Enabled || h.Failures != 9 {
		t.Errorf("after nine failures: %+v", h)
	}
	send(1, 302)
	if h, _ = w.engine.Hook(app, id); h.Status != Failed || h.Failures != 10 {
		t.Errorf("after ten failures: %+v", h)
	}
	w.heard(20)
	send(3, 200)
	w.heard(0)
	w.shut()
	w.open()
	if h, _ = w.engine.Hook(app, id); h.Status != Failed {
		t.Errorf("after a restart: %+v", h)
	}
	condition := "value > 0"
	h, err = w.engine.Update(t.Context(), Caller{Licence: app}, id, Change{Condition: &condition})
	if err != nil || h.Status != Enabled || h.Failures != 0 || h.Condition != condition {
		t.Errorf("after an update: %+v %v", h, err)
	}
	send(1, 200)
	w.heard(1)
}

// TestNothingIsLostOverARestart: what was kept while the engine was down, and
// what waited when it ended, is told after the start, once.
func TestNothingIsLostOverARestart(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	w.hook(app, Signals, "vss.speed", "true", 0)
	w.send(1, noon, speed(0))
	w.heard(1)
	w.shut()
	var want []any
	for i := range 7 {
		want = append(want, float64(i+1))
		w.send(1, noon.Add(time.Duration(i+1)*time.Second), speed(float64(i+1)))
	}
	w.open()
	list := w.heard(7)
	if got := values(list); !slices.Equal(got, want) {
		t.Error(got)
	}
	ids := map[string]bool{}
	for _, m := range list {
		ids[m.ID] = true
	}
	if len(ids) != 7 {
		t.Error("ids are not of one firing each:", ids)
	}
	w.shut()
	w.open()
	w.heard(0)
}

// TestNothingIsLostWhenKilled: an engine that does not come to its end loses
// neither webhooks nor what was to be told.
func TestNothingIsLostWhenKilled(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	w.hook(app, Signals, "vss.speed", "true", 0)
	for i := range 5 {
		w.send(1, noon.Add(time.Duration(i)*time.Second), speed(float64(i)))
		if i == 0 {
			w.heard(1)
		}
		w.stop()
		w.engine.cancel()
		w.engine.workers.Wait()
		w.must(w.engine.store.close())
		w.open()
	}
	w.settle()
	w.mu.Lock()
	defer w.mu.Unlock()
	told := map[any]int{}
	for _, v := range values(w.told) {
		told[v]++
	}
	for i := 1; i < 5; i++ {
		if n := told[float64(i)]; n < 1 || n > 2 {
			t.Errorf("%d was told %d times", i, n)
		}
	}
	if told[0.0] > 0 {
		t.Error("what was told and noted is told again")
	}
}

// TestATargetThatHangsHoldsNobodyUp: while one target hangs, another is told.
func TestATargetThatHangsHoldsNobodyUp(t *testing.T) {
	w := newWorld(t)
	w.grant(app, car, 1, located)
	w.grant(otherApp, car, 1, located)
	w.hook(app, Signals, "vss.speed", "true", 0)
	id := w.hook(otherApp, Signals, "vss.speed", "true", 0)
	slow := w.target.URL + "/slow"
	if _, err := w.engine.Update(t.Context(), Caller{Licence: otherApp}, id, Change{Target: &slow}); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	w.answer(200, hold)
	for i := range 20 {
		w.send(1, noon.Add(time.Duration(i)*time.Second), speed(float64(i)))
	}
	for w.count(delivered) < 20 {
		time.Sleep(time.Millisecond)
	}
	if n := w.waiting(); n != 20 {
		t.Error(n, "wait for the target that hangs, not 20")
	}
	close(hold)
	w.heard(40)
}

// TestWhatIsRefused: a webhook that could never work is not made.
func TestWhatIsRefused(t *testing.T) {
	w := newWorld(t)
	ok := w.target.URL + "/hook"
	for _, c := range []struct{ service, metric, condition, target, token, name string }{
		{"signal", "vss.speed", "true", ok, "secret", ""},
		{Signals, "vss.nothing", "true", ok, "secret", ""},
		{Signals, "vss.currentLocationApproximateCoordinates", "true", ok, "secret", ""},
		{Events, "no event", "true", ok, "secret", ""},
		{Signals, "vss.speed", "value", ok, "secret", ""},
		{Signals, "vss.speed", "true", "https://127.0.0.1/", "secret", ""},
		{Signals, "vss.speed", "true", ok, "another", ""},
		{Signals, "vss.speed", "true", ok, "", ""},
		{Signals, "vss.speed", "", ok, "secret", ""},
	} {
		_, err := w.engine.Create(t.Context(), Caller{Licence: app}, Change{Service: &c.service, Metric: &c.metric, Condition: &c.condition, Target: &c.target, Verification: &c.token})
		if sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if list := w.engine.Hooks(app); len(list) != 0 {
		t.Error(list)
	}
	service, metric, condition, token, name := Signals, "vss.speed", "true", "secret", "mine"
	change := Change{Service: &service, Metric: &metric, Condition: &condition, Target: &ok, Verification: &token, Name: &name}
	if _, err := w.engine.Create(t.Context(), Caller{Licence: app}, change); err != nil {
		t.Fatal(err)
	}
	if _, err := w.engine.Create(t.Context(), Caller{Licence: app}, change); sayso.FaultOf(err) != sayso.Invalid {
		t.Error("a name is used twice:", err)
	}
	if _, err := w.engine.Create(t.Context(), Caller{Licence: otherApp}, change); err != nil {
		t.Error("a name is taken by another licence:", err)
	}
}

// BenchmarkEvaluate is one condition that does not hold.
func BenchmarkEvaluate(b *testing.B) {
	cond, err := SignalCondition("value > 120 && previousValue <= 120", sayso.Number)
	if err != nil {
		b.Fatal(err)
	}
	before := number(100)
	for b.Loop() {
		if held, _ := cond.Holds(number(110), &before); held {
			b.Fatal("it holds")
		}
	}
}
