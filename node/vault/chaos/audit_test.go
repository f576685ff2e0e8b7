package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"path"
	"reflect"
	"slices"

	"sayso"
	"sayso/node/vault"
)

const ever = sayso.Instant(1 << 60)

// part is what a message brings under one epoch.
type part struct {
	m     *message
	epoch uint32
}

// sight is what a store shows of a part.
type sight struct {
	seq    uint64
	has    facets
	twice  bool // something is there twice
	values int  // readings and events
}

// see notes a facet.
func (s *sight) see(f facets) {
	s.twice = s.twice || s.has&f != 0
	s.has |= f
	if f != facetOf(envelope) {
		s.values++
	}
}

// audit compares an opened store with the history.
type audit struct {
	w       *world
	v       *vault.Vault
	sights  map[part]*sight
	faults  []string
	broken  bool           // a read has met the fault of the nemesis
	due     horizons       // before which nothing is there that may go with time
	counted map[uint64]int // numbers, by hours, of a vehicle
}

// kinds of faults, which are counted.
const (
	lost     = "lost"
	invented = "invented"
	altered  = "altered"
	order    = "out of order"
	undead   = "erased and there"
	wrong    = "wrong answer"
)

func (a *audit) fault(kind, format string, args ...any) {
	a.w.fig.fault(kind)
	a.faults = append(a.faults, kind+": "+fmt.Sprintf(format, args...))
}

func (a *audit) check(err error) {
	switch {
	case a.w.broken(err):
		a.broken = true
	case err != nil:
		a.fault(wrong, "%v", err)
	}
}

// run reads everything in every way and judges it.
func (a *audit) run() {
	a.sights = make(map[part]*sight)
	for _, c := range a.w.cars {
		for e := uint32(1); e <= c.epoch; e++ {
			a.epoch(c, e)
		}
	}
	a.follow()
	for _, c := range a.w.cars {
		for e := uint32(1); e <= c.epoch; e++ {
			a.hours(c, e)
		}
		a.summary(c)
	}
	if a.broken {
		a.faults = nil
		return
	}
	a.judgeMessages()
	a.judgeErasures()
	a.judgeOrder()
	a.keys()
}

// at gives the sight of a part, for whatever names a sequence.
func (a *audit) at(m *message, epoch uint32, seq uint64) *sight {
	s := a.sights[part{m, epoch}]
	if s == nil {
		s = &sight{seq: seq}
		a.sights[part{m, epoch}] = s
	}
	if s.seq != seq {
		a.fault(wrong, "message %d of car %d has sequences %d and %d", m.n, m.Vehicle, s.seq, seq)
	}
	return s
}

// known finds the message of a canary, if it was sent.
func (a *audit) known(id string) *message {
	m := a.w.h.byID[id]
	if m == nil || m.begun == 0 && !m.settled {
		a.fault(invented, "message %q was not sent", id)
		return nil
	}
	return m
}

// epoch reads one ownership through export, scan, events and latest.
func (a *audit) epoch(c *car, e uint32) {
	ctx, view := context.Background(), vault.View{Vehicle: c.vehicle, Epochs: []uint32{e}}
	a.check(a.v.Export(ctx, view, func(s vault.Stored) bool {
		if m := a.known(s.Envelope.ID); m != nil {
			a.at(m, e, s.Seq).see(facetOf(envelope))
			if s.Epoch != m.Epoch || s.Epoch != e || !reflect.DeepEqual(s.Envelope, m.Envelope) {
				a.fault(altered, "the envelope of message %d of car %d", m.n, c.vehicle)
			}
		}
		return true
	}))
	last := make(map[sayso.SignalID]vault.Row)
	a.check(a.v.Scan(ctx, view, nil, -ever, ever, func(r vault.Row) bool {
		m := c.sent(numberOf(r.Time))
		if m == nil || m.begun == 0 && !m.settled {
			a.fault(invented, "row %+v", r)
			return true
		}
		if !m.has(r, e) {
			a.fault(altered, "row %+v of message %d", r, m.n)
		}
		a.at(m, e, r.Seq).see(facetOfSignal(r.Signal))
		last[r.Signal] = r
		return true
	}))
	a.latest(c, e, last)
	a.check(a.v.Events(ctx, view, -ever, ever, func(r vault.EventRow) bool {
		m := c.sent(numberOf(r.Time))
		if m == nil || m.begun == 0 && !m.settled || len(m.Events) != 1 || !reflect.DeepEqual(r.Event, m.Events[0]) {
			a.fault(invented, "event %+v", r)
			return true
		}
		a.at(m, e, r.Seq).see(facetOf(event))
		return true
	}))
}

// summary must count what the scans and the hours gave.
func (a *audit) summary(c *car) {
	view := vault.View{Vehicle: c.vehicle}
	for e := uint32(1); e <= c.epoch; e++ {
		view.Epochs = append(view.Epochs, e)
	}
	s, err := a.v.Summary(context.Background(), view)
	a.check(err)
	count := uint64(0)
	for _, x := range s.Signals {
		if x.Signal == signalNumber {
			count -= uint64(a.counted[c.vehicle])
		}
		count += x.Count
	}
	for _, x := range s.Events {
		count += x.Count
	}
	for p, s := range a.sights {
		if p.m.Vehicle == c.vehicle {
			if count -= uint64(s.values); s.has&facetOf(number) != 0 {
				count++
			}
		}
	}
	if count != 0 {
		a.fault(wrong, "car %d: the summary counts %d more than there are", c.vehicle, int64(count))
	}
}

// follow must give the same, each message once and in order.
func (a *audit) follow() {
	shown := make(map[part]facets)
	last := uint64(0)
	a.check(a.v.Follow(context.Background(), 0, func(e vault.Entry) bool {
		if e.Seq <= last {
			a.fault(order, "sequence %d follows %d", e.Seq, last)
		}
		last = e.Seq
		var m *message
		switch {
		case e.Envelope.ID != "":
			m = a.known(e.Envelope.ID)
		case len(e.Readings) > 0:
			m = a.w.car(e.Vehicle).sent(numberOf(e.Readings[0].Time))
		case len(e.Events) > 0:
			m = a.w.car(e.Vehicle).sent(numberOf(e.Events[0].Time))
		}
		if m == nil {
			a.fault(invented, "entry %+v", e)
			return true
		}
		a.entry(m, &e, shown)
		return true
	}))
	for p, s := range a.sights {
		if s.has != shown[p] {
			a.fault(wrong, "message %d of car %d, epoch %d: the cursor shows %b, the views %b", p.m.n, p.m.Vehicle, p.epoch, shown[p], s.has)
		}
	}
	if a.v.Seq() < last || a.v.Seq() < a.w.floor {
		a.fault(lost, "Seq is %d, the last entry %d, and %d was there", a.v.Seq(), last, a.w.floor)
	}
}

// entry notes what an entry of the cursor shows of its message.
func (a *audit) entry(m *message, e *vault.Entry, shown map[part]facets) {
	see := func(epoch uint32, f facets, fine bool) {
		p := part{m, epoch}
		if a.at(m, epoch, e.Seq); !fine || shown[p]&f != 0 {
			a.fault(altered, "entry of message %d of car %d: %+v", m.n, m.Vehicle, e)
		}
		shown[p] |= f
	}
	if e.Envelope.ID != "" {
		see(e.Epoch, facetOf(envelope), reflect.DeepEqual(e.Envelope, m.Envelope))
	}
	for _, r := range e.Readings {
		see(r.Epoch, facetOfSignal(r.Signal), slices.Contains(m.Readings, r))
	}
	for i := range e.Events {
		see(e.Events[i].Epoch, facetOf(event), reflect.DeepEqual(e.Events, m.Events))
	}
}

// touched says whether an erasure of this life may have taken a part, and
// whether one must have.
func (a *audit) touched(m *message, epoch uint32) (may, must bool) {
	for _, x := range a.w.h.erasures {
		if x.vehicle != m.Vehicle || x.epoch != epoch || !m.settled && x.done != 0 && x.done < m.begun {
			continue
		}
		may = true
		if x.told && (m.settled || m.done != 0 && m.done < x.begun) {
			must = true
		}
	}
	return may, must
}

// judgeMessages: what is known to be kept is there and whole but for what has gone
// with time, what is erased or due to go is not, and what was under way is whole or
// absent.
func (a *audit) judgeMessages() {
	for _, m := range a.w.h.messages {
		kept, seen := m.settled || m.done != 0, false
		for _, e := range m.epochs {
			seen = seen || a.sights[part{m, e}] != nil
		}
		for _, e := range m.epochs {
			s := a.sights[part{m, e}]
			may, must := a.touched(m, e)
			switch {
			case s == nil && (kept || seen) && !m.gone[e] && !may && !a.excused(m, e):
				a.fault(lost, "message %d of car %d, epoch %d: sequence %d, known %v, the rest of it there %v", m.n, m.Vehicle, e, m.seq, kept, seen)
			case s == nil:
			case m.gone[e] || must:
				a.fault(undead, "message %d of car %d, epoch %d: known to be erased before %v, now %v; %+v", m.n, m.Vehicle, e, m.gone[e], must, m.state())
			case m.seq != 0 && m.seq != s.seq:
				a.fault(order, "message %d of car %d was answered %d and is %d", m.n, m.Vehicle, m.seq, s.seq)
			default:
				a.judgeFacets(m, e, s)
			}
		}
	}
}

// judgeFacets looks whether all of a part is there that must be, once, and nothing
// that must have gone.
func (a *audit) judgeFacets(m *message, epoch uint32, s *sight) {
	all, may, must := m.brings(epoch), a.w.went.goes(m), a.due.goes(m)
	if miss := all &^ s.has; miss&^may != 0 || s.has&^all != 0 || s.twice {
		a.fault(altered, "message %d of car %d, epoch %d is torn: %b of %b, %b may have gone, %v twice", m.n, m.Vehicle, epoch, s.has, all, may, s.twice)
	}
	if s.has&must != 0 {
		a.fault(wrong, "message %d of car %d, epoch %d: %b is there and must have gone with time", m.n, m.Vehicle, epoch, s.has&must)
	}
	a.w.fig.went.Add(int64(bits.OnesCount8(uint8(all &^ s.has))))
	a.w.fig.held.Add(int64(bits.OnesCount8(uint8(all & must))))
}

// judgeErasures: an erasure that was under way took all or nothing of what was
// there before it.
func (a *audit) judgeErasures() {
	of := make(map[owned][]*erasure)
	for _, x := range a.w.h.erasures {
		k := owned{x.vehicle, x.epoch}
		of[k] = append(of[k], x)
	}
	for k, list := range of {
		if len(list) != 1 {
			continue
		}
		there, away := 0, 0
		for _, m := range a.w.h.messages {
			if m.Vehicle != k.vehicle || !slices.Contains(m.epochs, k.epoch) || m.gone[k.epoch] || !m.settled && (m.done == 0 || m.done > list[0].begun) {
				continue
			}
			if a.sights[part{m, k.epoch}] != nil {
				there++
			} else if !a.excused(m, k.epoch) {
				away++
			}
		}
		if there > 0 && away > 0 {
			a.fault(altered, "an erasure of epoch %d of car %d took %d messages and left %d", k.epoch, k.vehicle, away, there)
		}
	}
}

// judgeOrder: what this life has added stands behind what was there, in the
// order in which it was sent, without a hole.
func (a *audit) judgeOrder() {
	var fresh []*message
	for _, m := range a.w.h.messages {
		if !m.settled && m.begun != 0 && !m.refused {
			fresh = append(fresh, m)
		}
	}
	slices.SortFunc(fresh, func(x, y *message) int { return x.begun - y.begun })
	last, hole := a.w.floor, (*message)(nil)
	for _, m := range fresh {
		var s *sight
		covered := true
		for _, e := range m.epochs {
			if have := a.sights[part{m, e}]; have != nil {
				s = have
			}
			may, _ := a.touched(m, e)
			covered = covered && (may || a.excused(m, e))
		}
		switch {
		case s == nil && !covered && !m.maybe && hole == nil:
			hole = m
		case s == nil:
		case m.maybe: // it may be older
		case hole != nil:
			a.fault(order, "message %d of car %d is kept, message %d of car %d before it is not", m.n, m.Vehicle, hole.n, hole.Vehicle)
		case s.seq <= last:
			a.fault(order, "message %d of car %d has sequence %d behind %d", m.n, m.Vehicle, s.seq, last)
		default:
			last = s.seq
		}
	}
}

// keys: the keys of what was erased are in no file; every eighth time all files
// are searched, otherwise the one where keys are.
func (a *audit) keys() {
	needles := a.w.destroyed
	for _, x := range a.w.h.erasures {
		if x.told {
			needles = append(needles, x.keys...)
		}
	}
	a.w.audits++
	var look func(dir string)
	look = func(name string) {
		info, err := a.w.d.mem.Stat(name)
		if err != nil {
			return // Pebble removes what it does not need any more
		}
		if info.IsDir() {
			names, err := a.w.d.mem.List(name)
			a.check(err)
			for _, n := range names {
				look(path.Join(name, n))
			}
			return
		}
		f, err := a.w.d.mem.Open(name)
		if err != nil {
			return
		}
		content := make([]byte, info.Size())
		n, _ := f.ReadAt(content, 0)
		a.check(f.Close())
		for _, key := range needles {
			if bytes.Contains(content[:n], key) {
				a.fault(undead, "%s holds the key of an erased epoch", name)
			}
		}
	}
	if a.w.audits%8 == 0 {
		look(dir)
	} else {
		look(path.Join(dir, "keys"))
	}
}

// took gives what an erasure is known to have taken by what else is away of the
// ownership, though it may have gone with time itself.
func (a *audit) took() map[part]bool {
	out := make(map[part]bool)
	for _, x := range a.w.h.erasures {
		some := func(m *message) bool { return m.settled && m.Vehicle == x.vehicle && m.brought(x.epoch) }
		if slices.ContainsFunc(a.w.h.messages, func(m *message) bool {
			return some(m) && !m.gone[x.epoch] && a.sights[part{m, x.epoch}] == nil && !a.excused(m, x.epoch)
		}) {
			for _, m := range a.w.h.messages {
				if some(m) {
					out[part{m, x.epoch}] = true
				}
			}
		}
	}
	return out
}

// settle takes over what the audit has seen as known, and makes the cars send
// again what is not there.
func (a *audit) settle() {
	w, h := a.w, a.w.h
	h.Lock()
	defer h.Unlock()
	h.tick++
	took := a.took()
	for _, m := range h.messages {
		seen := false
		for _, e := range m.epochs {
			if s := a.sights[part{m, e}]; s != nil {
				seen, m.seq = true, s.seq
			}
		}
		if may := m.settled || m.done != 0 || seen; may {
			for _, e := range m.epochs {
				if may, must := a.touched(m, e); a.sights[part{m, e}] == nil {
					m.gone[e] = m.gone[e] || must || took[part{m, e}] || !a.excused(m, e)
					m.doubt[e] = m.doubt[e] || may || m.maybe
				}
			}
			m.settled, m.maybe, m.done = true, false, max(m.done, 1)
			continue
		}
		covered := m.begun != 0
		for _, e := range m.epochs {
			may, _ := a.touched(m, e)
			covered = covered && (may || a.excused(m, e))
		}
		m.maybe = m.maybe || covered
		m.begun, m.refused = 0, false
	}
	for _, x := range h.erasures {
		if x.told {
			w.destroyed = append(w.destroyed, x.keys...)
		}
	}
	h.erasures = nil
	w.floor = a.v.Seq()
	for _, c := range w.cars {
		c.pending = slices.DeleteFunc(slices.Clone(c.messages), func(m *message) bool { return m.settled })
	}
}
