package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"sayso"
	"sayso/node/vault"
)

const (
	hour = 3600 * second
	six  = 6 * hour // readings go by these
	gap  = 300 * second
)

// facets are what a message brings under an epoch, each of which may go with time
// for itself.
type facets uint8

// The facets, and behind them what stays of numbers for a while.
const (
	number = iota
	text
	place
	envelope
	event
	hourly
	kinds
)

func facetOf(kind int) facets { return 1 << kind }

// facetOfSignal gives the facet of a reading.
func facetOfSignal(s sayso.SignalID) facets {
	switch s {
	case signalNumber:
		return facetOf(number)
	case signalText:
		return facetOf(text)
	}
	return facetOf(place)
}

// brings is all of a part.
func (m *message) brings(epoch uint32) facets {
	f := facetOf(number) | facetOf(text) | facetOf(place)
	if m.Epoch == epoch {
		f |= facetOf(envelope)
		if len(m.Events) > 0 {
			f |= facetOf(event)
		}
	}
	return f
}

// at is when the n-th message of a car was made.
func at(n int) sayso.Instant { return start + sayso.Instant(n)*gap }

// numberOf is the message in which something of a time was.
func numberOf(t sayso.Instant) int { return int((t - start) / gap) }

// horizons say, per facet, before which time something goes: messages by
// their own time, readings by the end of their six hours.
type horizons [kinds]sayso.Instant

// goes gives what of a message is before the horizons.
func (h *horizons) goes(m *message) (f facets) {
	end := at(m.n)/six*six + six
	for kind := range kinds {
		t := end
		if kind == event || kind == envelope {
			t = at(m.n)
		}
		if t < h[kind] && (kind != envelope || m.Envelope.Type == sayso.TypeStatus) {
			f |= facetOf(kind)
		}
	}
	return f
}

// raise takes the later of each.
func (h *horizons) raise(other horizons) {
	for kind := range h {
		h[kind] = max(h[kind], other[kind])
	}
}

// keeping is what goes with time in a life of a store, and after how long.
// Nothing goes of what is zero.
type keeping struct {
	raw      [3]time.Duration
	hours    [3]time.Duration
	messages time.Duration
}

// keepings draws what is true for a life.
func keepings(rng *rand.Rand) (k keeping) {
	hours := func() time.Duration { return time.Duration(max(0, rng.IntN(16)-3)) * time.Hour }
	for i := range k.raw {
		k.raw[i], k.hours[i] = hours(), 2*hours()
	}
	k.messages = 2 * hours()
	return k
}

func (k *keeping) policy() vault.Policy {
	return vault.Policy{
		Readings: func(_ uint64, s sayso.SignalID) vault.Retention {
			i := map[sayso.SignalID]int{signalNumber: number, signalText: text, signalPlace: place}[s]
			return vault.Retention{Raw: k.raw[i], Hourly: k.hours[i]}
		},
		Messages: func(uint64) time.Duration { return k.messages },
	}
}

// horizons are those of a moment.
func (k *keeping) horizons(now time.Time) (h horizons) {
	before := func(d time.Duration) sayso.Instant {
		if d == 0 {
			return -ever
		}
		return sayso.At(now.Add(-d))
	}
	for i, raw := range k.raw {
		h[i] = before(raw)
	}
	h[envelope], h[event], h[hourly] = before(k.messages), before(k.messages), -ever
	if k.raw[number] > 0 && k.hours[number] > 0 {
		h[hourly] = before(max(k.raw[number], k.hours[number]))
	}
	return h
}

// pass lets time go by, sometimes hours of it.
func (w *world) pass() {
	d := time.Duration(w.rng.IntN(15)) * time.Minute
	if w.rng.IntN(24) == 0 {
		d += time.Duration(w.rng.IntN(6)) * time.Hour
	}
	w.clock.Advance(d)
	w.went.raise(w.keeping.horizons(w.clock.Now()))
}

// retain packs all and lets go what is to go, after which nothing of it may be
// there.
func (a *audit) retain() {
	if err := a.v.Pack(context.Background()); err != nil {
		a.check(err)
		return
	}
	a.due = a.w.keeping.horizons(a.w.clock.Now())
}

// excused says whether all of a part may have gone with time.
func (a *audit) excused(m *message, epoch uint32) bool {
	return m.brings(epoch)&^a.w.went.goes(m) == 0
}

// hoursOf is how many numbers an hour has, and what they are.
type hoursOf struct {
	n, most      int // at least, at most
	sum, mostSum float64
	low, high    float64
	scanned      int
	may, must    bool // the roll-up may, and must, have gone
	tested       bool
}

// hours asks for the numbers of an ownership hour by hour: they are there by their
// values or by their roll-ups, each once.
func (a *audit) hours(c *car, e uint32) {
	of := make(map[sayso.Instant]*hoursOf)
	for _, m := range c.messages {
		if m.brought(e) {
			a.hour(of, m, e)
		}
	}
	cols := []vault.Column{{Signal: signalNumber, Agg: vault.Count}, {Signal: signalNumber, Agg: vault.Sum}, {Signal: signalNumber, Agg: vault.Min}, {Signal: signalNumber, Agg: vault.Max}}
	list, err := a.v.Buckets(context.Background(), vault.View{Vehicle: c.vehicle, Epochs: []uint32{e}}, cols, start, start+50_000*hour, hour)
	a.check(err)
	if a.broken {
		return
	}
	for _, b := range list {
		count, sum := int(b.Values[0].Number), b.Values[1].Number
		a.counted[c.vehicle] += count
		h := of[b.Start]
		if h == nil {
			a.fault(invented, "car %d, epoch %d: %d numbers in the hour from %v: %s", c.vehicle, e, count, b.Start.Time(), c.inHour(b.Start))
			continue
		}
		h.tested = true
		switch low := h.least(); {
		case h.must && count > h.scanned:
			a.fault(wrong, "car %d, epoch %d: roll-ups of the hour from %v must have gone: %d numbers, %d have values", c.vehicle, e, b.Start.Time(), count, h.scanned)
		case count < low:
			a.fault(lost, "car %d, epoch %d: %d numbers in the hour from %v, of %d", c.vehicle, e, count, b.Start.Time(), low)
		case count > h.most:
			a.fault(invented, "car %d, epoch %d: %d numbers in the hour from %v, of %d", c.vehicle, e, count, b.Start.Time(), h.most)
		case count == h.most && (sum != h.mostSum || h.n == h.most && (b.Values[2].Number != h.low || b.Values[3].Number != h.high)):
			a.fault(altered, "car %d, epoch %d: the hour from %v has sum %v, least %v, greatest %v and not %+v", c.vehicle, e, b.Start.Time(), sum, b.Values[2].Number, b.Values[3].Number, *h)
		}
		a.w.fig.rolled.Add(int64(max(0, count-h.scanned)))
	}
	for from, h := range of {
		if low := h.least(); !h.tested && low > 0 {
			a.fault(lost, "car %d, epoch %d: no numbers in the hour from %v, of %d: %s", c.vehicle, e, from.Time(), low, c.inHour(from))
		}
	}
}

// inHour tells what is known of the messages of an hour.
func (c *car) inHour(from sayso.Instant) string {
	var b strings.Builder
	for _, m := range c.messages {
		if at(m.n)/hour*hour == from {
			fmt.Fprintf(&b, " message %d of epochs %v, %s;", m.n, m.epochs, m.state())
		}
	}
	return b.String()
}

// state tells what is known of a message.
func (m *message) state() string {
	return fmt.Sprintf("begun %d done %d settled %v maybe %v refused %v gone %v doubt %v", m.begun, m.done, m.settled, m.maybe, m.refused, m.gone, m.doubt)
}

// least is how many numbers must be counted.
func (h *hoursOf) least() int {
	if h.may {
		return h.scanned
	}
	return h.n
}

// hour counts a message in its hour.
func (a *audit) hour(of map[sayso.Instant]*hoursOf, m *message, e uint32) {
	s := a.sights[part{m, e}]
	may, must := a.touched(m, e)
	if s == nil && (m.gone[e] || must || m.begun == 0 && !m.settled && !m.maybe) {
		return
	}
	h := of[at(m.n)/hour*hour]
	if h == nil {
		went, due := a.w.went.goes(m), a.due.goes(m)
		h = &hoursOf{may: went&facetOf(hourly) != 0, must: due&facetOf(hourly) != 0}
		of[at(m.n)/hour*hour] = h
	}
	v := float64(m.n)
	h.most, h.mostSum = h.most+1, h.mostSum+v
	if s != nil && s.has&facetOf(number) != 0 {
		h.scanned++
	}
	kept := m.settled || m.done != 0
	for _, other := range m.epochs {
		kept = kept || a.sights[part{m, other}] != nil
	}
	if s == nil && (may || !kept || m.doubt[e]) {
		return
	}
	if h.n == 0 {
		h.low, h.high = v, v
	}
	h.n, h.sum, h.low, h.high = h.n+1, h.sum+v, min(h.low, v), max(h.high, v)
}

// latest compares the latest values with the rows, by signal, and with what is
// known to be kept. A latest value stays when its reading goes with time.
func (a *audit) latest(c *car, e uint32, last map[sayso.SignalID]vault.Row) {
	rows, err := a.v.Latest(context.Background(), vault.View{Vehicle: c.vehicle, Epochs: []uint32{e}}, nil)
	a.check(err)
	shown := make(map[sayso.SignalID]vault.Row)
	for _, r := range rows {
		shown[r.Signal] = r
		have, ok := last[r.Signal]
		if ok && have == r {
			continue
		}
		m := c.sent(numberOf(r.Time))
		switch {
		case ok && have.Time >= r.Time:
			a.fault(wrong, "car %d epoch %d: latest says %+v, the rows %+v", c.vehicle, e, r, have)
		case m == nil || m.begun == 0 && !m.settled || !m.has(r, e):
			a.fault(invented, "car %d epoch %d: latest says %+v", c.vehicle, e, r)
		case a.w.went.goes(m)&facetOfSignal(r.Signal) == 0:
			a.fault(wrong, "car %d epoch %d: latest says %+v, which is not in the rows", c.vehicle, e, r)
		default:
			a.at(m, e, r.Seq)
		}
	}
	for s, r := range last {
		if _, ok := shown[s]; !ok {
			a.fault(wrong, "car %d epoch %d: no latest value, the rows have %+v", c.vehicle, e, r)
		}
	}
	if a.broken {
		return
	}
	newest := (*message)(nil)
	for _, m := range c.messages {
		if may, _ := a.touched(m, e); !may && !m.gone[e] && !m.doubt[e] && m.brought(e) && (m.settled || m.done != 0) && (newest == nil || m.n > newest.n) {
			newest = m
		}
	}
	for _, s := range [...]sayso.SignalID{signalNumber, signalText, signalPlace} {
		if r, ok := shown[s]; newest != nil && (!ok || numberOf(r.Time) < newest.n) {
			a.fault(lost, "car %d epoch %d: latest says %+v, message %d is kept", c.vehicle, e, r, newest.n)
		}
	}
}

// whole fails if a verification, or the comparison of what is derived, finds
// something in a store that nobody has damaged, whatever the policy was and is.
func (w *world) whole(v *vault.Vault) {
	verified, err := v.Verify(context.Background(), 0, nil)
	if err != nil || verified.Faults > 0 {
		w.fig.fault(wrong)
		w.t.Errorf("seed %d: verified: %+v, %v", w.seed, verified.Findings, err)
	}
	silent := func(*vault.Stored) ([]sayso.Reading, []sayso.Event, bool) { return nil, nil, false }
	rebuilt, err := v.Rebuild(context.Background(), silent, false, nil)
	if err != nil || rebuilt.Faults > 0 {
		w.fig.fault(wrong)
		w.t.Errorf("seed %d: derived: %+v, %v", w.seed, rebuilt, err)
	}
}
