package chaos

import (
	"bytes"
	"context"
	"fmt"
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
	seq              uint64
	envelope         bool
	readings, events int
}

// audit compares an opened store with the history.
type audit struct {
	w      *world
	v      *vault.Vault
	sights map[part]*sight
	faults []string
	broken bool // a read has met the fault of the nemesis
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
		a.summary(c)
	}
	a.follow()
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
			a.at(m, e, s.Seq).envelope = true
			if s.Epoch != m.Epoch || s.Epoch != e || !reflect.DeepEqual(s.Envelope, m.Envelope) {
				a.fault(altered, "the envelope of message %d of car %d", m.n, c.vehicle)
			}
		}
		return true
	}))
	last := make(map[sayso.SignalID]vault.Row)
	a.check(a.v.Scan(ctx, view, nil, -ever, ever, func(r vault.Row) bool {
		m := c.sent(int((r.Time - start) / (50 * second)))
		if m == nil || m.begun == 0 && !m.settled {
			a.fault(invented, "row %+v", r)
			return true
		}
		want := sayso.Reading{Signal: r.Signal, Epoch: e, Time: r.Time, Value: r.Value}
		if !slices.Contains(m.Readings, want) || r.Source != m.Envelope.Source {
			a.fault(altered, "row %+v of message %d", r, m.n)
		}
		a.at(m, e, r.Seq).readings++
		last[r.Signal] = r
		return true
	}))
	rows, err := a.v.Latest(ctx, view, nil)
	a.check(err)
	if len(rows) != len(last) {
		a.fault(wrong, "car %d epoch %d: %d latest values of %d signals", c.vehicle, e, len(rows), len(last))
	}
	for _, r := range rows {
		if r != last[r.Signal] {
			a.fault(wrong, "car %d epoch %d: latest says %+v, the rows %+v", c.vehicle, e, r, last[r.Signal])
		}
	}
	a.check(a.v.Events(ctx, view, -ever, ever, func(r vault.EventRow) bool {
		m := c.sent(int((r.Time - start) / (50 * second)))
		if m == nil || len(m.Events) != 1 || !reflect.DeepEqual(r.Event, m.Events[0]) {
			a.fault(invented, "event %+v", r)
			return true
		}
		a.at(m, e, r.Seq).events++
		return true
	}))
}

// summary must count what the scans gave.
func (a *audit) summary(c *car) {
	view := vault.View{Vehicle: c.vehicle}
	for e := uint32(1); e <= c.epoch; e++ {
		view.Epochs = append(view.Epochs, e)
	}
	s, err := a.v.Summary(context.Background(), view)
	a.check(err)
	count := uint64(0)
	for _, x := range s.Signals {
		count += x.Count
	}
	for _, x := range s.Events {
		count += x.Count
	}
	for p, s := range a.sights {
		if p.m.Vehicle == c.vehicle {
			count -= uint64(s.readings + s.events)
		}
	}
	if count != 0 {
		a.fault(wrong, "car %d: the summary counts %d more than there are", c.vehicle, int64(count))
	}
}

// follow must give the same, each message once and in order.
func (a *audit) follow() {
	shown := make(map[part]bool)
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
			m = a.w.car(e.Vehicle).sent(int((e.Readings[0].Time - start) / (50 * second)))
		}
		if m == nil {
			a.fault(invented, "entry %+v", e)
			return true
		}
		for _, epoch := range m.epochs {
			want := make([]sayso.Reading, 0, 3)
			for _, r := range m.Readings {
				if r.Epoch == epoch {
					want = append(want, r)
				}
			}
			have := slices.DeleteFunc(slices.Clone(e.Readings), func(r sayso.Reading) bool { return r.Epoch != epoch })
			if len(have) > 0 {
				shown[part{m, epoch}] = true
				if a.at(m, epoch, e.Seq); !slices.Equal(have, want) {
					a.fault(altered, "entry of message %d of car %d: %+v", m.n, m.Vehicle, have)
				}
			}
		}
		return true
	}))
	if len(shown) != len(a.sights) {
		a.fault(wrong, "the cursor shows %d parts, the views %d", len(shown), len(a.sights))
	}
	if a.v.Seq() < last || a.v.Seq() < a.w.floor {
		a.fault(lost, "Seq is %d, the last entry %d, and %d was there", a.v.Seq(), last, a.w.floor)
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

// judgeMessages: what is known to be kept is there and whole, what is erased is
// not, and what was under way is whole or absent.
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
			case s == nil && (kept || seen) && !m.gone[e] && !may:
				a.fault(lost, "message %d of car %d, epoch %d: sequence %d, known %v, the rest of it there %v", m.n, m.Vehicle, e, m.seq, kept, seen)
			case s == nil:
			case m.gone[e] || must:
				a.fault(undead, "message %d of car %d, epoch %d", m.n, m.Vehicle, e)
			case m.seq != 0 && m.seq != s.seq:
				a.fault(order, "message %d of car %d was answered %d and is %d", m.n, m.Vehicle, m.seq, s.seq)
			case !a.whole(m, e, s):
				a.fault(altered, "message %d of car %d, epoch %d is torn: %+v", m.n, m.Vehicle, e, *s)
			}
		}
	}
}

func (a *audit) whole(m *message, epoch uint32, s *sight) bool {
	events := 0
	if m.Epoch == epoch {
		events = len(m.Events)
	}
	return s.readings == 3 && s.events == events && s.envelope == (m.Epoch == epoch)
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
			if a.sights[part{m, k.epoch}] == nil {
				away++
			} else {
				there++
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
		covered := m.maybe
		for _, e := range m.epochs {
			if have := a.sights[part{m, e}]; have != nil {
				s = have
			}
			may, _ := a.touched(m, e)
			covered = covered || may
		}
		switch {
		case s == nil && !covered && hole == nil:
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

// settle takes over what the audit has seen as known, and makes the cars send
// again what is not there.
func (a *audit) settle() {
	w, h := a.w, a.w.h
	h.Lock()
	defer h.Unlock()
	h.tick++
	for _, m := range h.messages {
		seen := false
		for _, e := range m.epochs {
			if s := a.sights[part{m, e}]; s != nil {
				seen, m.seq = true, s.seq
			}
		}
		if may := m.settled || m.done != 0 || seen; may {
			m.settled, m.maybe, m.done = true, false, max(m.done, 1)
			for _, e := range m.epochs {
				m.gone[e] = a.sights[part{m, e}] == nil
			}
			continue
		}
		covered := m.begun != 0
		for _, e := range m.epochs {
			may, _ := a.touched(m, e)
			covered = covered && may
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
