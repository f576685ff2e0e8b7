package chaos

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/vault"
)

const dir = "data/vault"

// car is a vehicle whose device sends its messages in order, the ones that were
// not acknowledged first.
type car struct {
	vehicle  uint64
	epoch    uint32
	next     int
	messages []*message
	pending  []*message
	shown    float64 // by latest in this life, of the present epoch
}

// sent is a message by its number, of which some are left out.
func (c *car) sent(n int) *message {
	i, ok := slices.BinarySearchFunc(c.messages, n, func(m *message, n int) int { return m.n - n })
	if !ok {
		return nil
	}
	return c.messages[i]
}

// world is a store, its senders and its nemesis, over many lives.
type world struct {
	t         testing.TB
	seed      uint64
	life      int
	rng       *rand.Rand
	h         *history
	mem       *vfs.MemFS
	d         *disk
	cars      []*car
	fig       *figures
	plan      *plan
	floor     uint64   // the sequence at the beginning of this life
	destroyed [][]byte // wrapped keys that must be nowhere
	audits    int
	stopped   bool // the vault has failed, as it must after some faults
	opens     bool // the vault was opened in this life
	clock     *clock.Manual
	steps     int // of a life, at most
	patience  time.Duration
	past      []string
	why       atomic.Value   // why the vault has stopped
	between   func(step int) // called after every step
	packs     packing        // those that wait for space, longer than a step
	keeping   keeping        // what goes with time in this life
	went      horizons       // what may have gone in any
	ticks     bool           // retention acts by itself in this life, all the time
}

func newWorld(t testing.TB, seed uint64, fig *figures) *world {
	w := &world{t: t, seed: seed, h: newHistory(seed), mem: vfs.NewCrashableMem(), fig: fig, steps: 24, patience: 20 * time.Second, clock: clock.NewManual(start.Time())}
	for kind := range w.went {
		w.went[kind] = -ever
	}
	for i := range 3 {
		w.cars = append(w.cars, &car{vehicle: uint64(i + 1), epoch: 1})
	}
	return w
}

func (w *world) car(vehicle uint64) *car {
	for _, c := range w.cars {
		if c.vehicle == vehicle {
			return c
		}
	}
	return &car{}
}

func (w *world) config(fatal func(error)) vault.Config {
	k, err := rootkey.New([32]byte{7})
	must(err)
	often := time.Hour
	if w.ticks {
		often = 2 * time.Millisecond
	}
	return vault.Config{
		FS: w.d, Dir: dir, RootKey: k, Clock: w.clock, Fatal: fatal,
		SegmentBytes: 12 << 10, MemTableBytes: 32 << 10, CacheBytes: 64 << 10, ShelfBytes: 3 << 10, LatestEntries: 3, KeyEntries: 3,
		CommitTimeout: w.patience, CheckpointEvery: 2 * time.Millisecond, MinFreeBytes: 1,
		Retain: w.keeping.policy(), RetainEvery: often,
		PackBytes: 300, PackEvery: time.Millisecond, Chunk: vault.ChunkSizes{Rows: 16, Inline: 64, Rollup: 2, Columns: 1 + w.life%2*1000}, // by column in every other life
	}
}

// fail ends the test with all that is needed to look into it.
func (w *world) fail(faults []string) {
	for _, f := range faults {
		w.t.Error(f)
	}
	where := ""
	if *images != "" {
		where = filepath.Join(*images, fmt.Sprintf("seed-%d-life-%d", w.seed, w.life))
		save(w.mem, "data", where)
		where = ", files in " + where
	}
	w.t.Fatalf("seed %d, life %d, %v%s\nbefore:\n%s\nlast operations:\n%s", w.seed, w.life, w.plan, where, strings.Join(w.past[max(0, len(w.past)-4):], "\n"), w.d.trace())
}

// save copies a file system to a folder.
func save(fs vfs.FS, from, to string) {
	names, err := fs.List(from)
	must(err)
	must(os.MkdirAll(to, 0o755))
	for _, n := range names {
		info, err := fs.Stat(path.Join(from, n))
		must(err)
		if info.IsDir() {
			save(fs, path.Join(from, n), filepath.Join(to, n))
		} else {
			must(os.WriteFile(filepath.Join(to, n), contentOf(fs, path.Join(from, n)), 0o644))
		}
	}
}

// phases of a life in which the nemesis may strike.
const (
	opening = iota
	running
	closing
)

// live opens the store, looks at it, works until the nemesis has struck, and
// leaves what the next life finds.
func (w *world) live(p *plan, phase int) {
	w.life++
	w.rng = rand.New(rand.NewPCG(w.seed, uint64(w.life)))
	w.d = newDisk(w.mem, rand.New(rand.NewPCG(w.seed, ^uint64(w.life))))
	w.keeping, w.ticks = keepings(w.rng), w.rng.IntN(3) == 0
	w.went.raise(w.keeping.horizons(w.clock.Now()))
	w.d.before = func() { w.h.cutAt = w.h.now() }
	w.d.after = func() { w.h.meantAt = w.h.now() }
	rest := &plan{name: "rest", percent: p.percent, kill: p.kill}
	if phase == opening {
		w.d.arm(p)
	}
	w.plan, w.stopped, w.opens = p, false, true
	began := now()
	v, err := vault.Open(w.config(func(err error) { w.why.Store(err.Error()) }))
	w.fig.opened(now().Sub(began))
	if err != nil {
		if p.err == nil || !w.d.met.Load() {
			w.fail([]string{fmt.Sprintf("does not open: %v", err)})
		}
		w.stopped, w.opens = true, false
		w.d.cutNow(rest)
	} else {
		w.lived(v, p, phase, rest)
	}
	w.fig.cut(p, w.d.met.Load())
	w.past = append(w.past, fmt.Sprintf("life %d: %v, struck %v, opens %v", w.life, p, w.d.met.Load(), err == nil))
	if w.t.Failed() {
		w.fail(nil)
	}
	w.mem = w.d.left
	w.h.rewind()
}

func (w *world) lived(v *vault.Vault, p *plan, phase int, rest *plan) {
	if p.err != nil || !w.d.met.Load() {
		w.audit(v)
		w.again(v)
	}
	if phase == running {
		w.d.arm(p)
	}
	for i := 0; i < w.steps && w.going(); i++ {
		w.step(v)
		if w.between != nil {
			w.between(i)
		}
	}
	w.packed(&w.packs)
	if p.name == last && w.going() {
		w.whole(v)
	}
	if phase == closing {
		w.d.arm(p)
	} else if p.err == nil {
		w.d.cutNow(rest)
	}
	err := v.Close()
	if err != nil && p.err == nil {
		w.fail([]string{fmt.Sprintf("does not close: %v", err)})
	}
	if err != nil {
		w.stopped = true
		w.why.Store(err.Error())
	}
	w.d.cutNow(rest)
}

// going says whether this life goes on.
func (w *world) going() bool { return w.d.unhurt() && !w.stopped }

// audit looks at the store; what it sees becomes known unless the nemesis has
// struck meanwhile.
func (w *world) audit(v *vault.Vault) {
	a := &audit{w: w, v: v, counted: make(map[uint64]int)}
	for kind := range a.due {
		a.due[kind] = -ever
	}
	if w.ticks && w.plan.err == nil { // nothing goes while this looks
		a.retain()
	}
	a.run()
	if len(a.faults) > 0 {
		w.fail(a.faults)
	}
	if a.broken {
		return
	}
	w.d.unlessCut(a.settle)
	for _, c := range w.cars {
		c.shown = -1
	}
}

// again sends some messages once more, as devices do that have not seen the
// answer, and one with another body.
func (w *world) again(v *vault.Vault) {
	ctx := context.Background()
	for range 3 {
		if len(w.h.messages) == 0 {
			return
		}
		m := w.h.messages[w.rng.IntN(len(w.h.messages))]
		if !m.settled {
			continue
		}
		other := *m.Deposit
		other.Body[0] ^= 1
		w.check(v, m)
		_, cerr := v.Commit(ctx, &other)
		if w.broken(cerr) {
			return
		}
		if sayso.FaultOf(cerr) != sayso.Conflict {
			w.fig.fault(wrong)
			w.fail([]string{fmt.Sprintf("another body under a kept key: %v", cerr)})
		}
	}
}

// broken says whether an error is one that the armed fault explains.
func (w *world) broken(err error) bool {
	if err == nil || w.plan.err == nil {
		return false
	}
	switch f := sayso.FaultOf(err); {
	case f == sayso.Busy: // of a slow machine, too
	case !w.d.met.Load():
		return false
	case f == sayso.Full:
	case f == sayso.Internal:
		w.stopped = true
		w.why.Store(err.Error())
	default:
		return false
	}
	return true
}

// sending is a message on its way.
type sending struct {
	m    *message
	wait func(context.Context) (vault.Kept, error)
}

// step lets some cars send, with an erasure among them now and then, while
// somebody reads.
func (w *world) step(v *vault.Vault) {
	w.pass()
	ctx := context.Background()
	var wg sync.WaitGroup
	packs := &packing{}
	if w.plan.stays {
		packs = &w.packs
	} else {
		defer w.packed(packs)
	}
	defer wg.Wait()
	if reader := w.cars[w.rng.IntN(len(w.cars))]; w.rng.IntN(2) == 0 {
		wg.Go(func() { w.read(v, reader) })
	}
	if w.rng.IntN(8) == 0 {
		packs.ask(v, &w.d.packing)
	}
	eraseAt := w.rng.IntN(24)
	var list []sending
	for i := range 1 + w.rng.IntN(5) {
		if i == eraseAt {
			x := w.erasure()
			wg.Go(func() { w.erase(v, x) })
		}
		c := w.cars[w.rng.IntN(len(w.cars))]
		if w.rng.IntN(60) == 0 && c.epoch < 5 {
			wg.Wait() // whoever reads this car
			c.epoch++
			c.shown = -1
		}
		var m *message
		if len(c.pending) > 0 {
			m, c.pending = c.pending[0], c.pending[1:]
		} else {
			if now := numberOf(sayso.At(w.clock.Now())); now > c.next && w.rng.IntN(2) == 0 {
				c.next = now // it was parked, or is late
			}
			m = w.h.compose(w.rng, c)
			c.messages = append(c.messages, m)
		}
		w.h.mean(m)
		wait, err := v.Begin(ctx, m.Deposit)
		if err != nil {
			w.answered(m, vault.Kept{}, err)
			break
		}
		list = append(list, sending{m, wait})
	}
	for _, s := range list {
		k, err := s.wait(ctx)
		w.answered(s.m, k, err)
	}
	w.repeat(v)
}

// packing is what was asked to pack, and has not been answered.
type packing struct {
	sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (p *packing) ask(v *vault.Vault, at *atomic.Int32) {
	at.Add(1)
	p.Go(func() {
		defer at.Add(-1)
		if err := v.Pack(context.Background()); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.errs = append(p.errs, err)
		}
	})
}

// packed waits for the answers.
func (w *world) packed(p *packing) {
	p.Wait()
	for _, err := range p.errs {
		if !w.broken(err) {
			w.t.Errorf("seed %d: packing: %v", w.seed, err)
		}
	}
	p.errs = nil
}

// repeat sends a message again whose answer was seen: nothing may change.
func (w *world) repeat(v *vault.Vault) {
	m := w.h.messages[w.rng.IntN(len(w.h.messages))]
	w.h.Lock()
	kept := m.done != 0
	w.h.Unlock()
	if !kept || m.refused {
		return
	}
	w.check(v, m)
}

// check sends a message that is known to be kept.
func (w *world) check(v *vault.Vault, m *message) {
	k, err := v.Commit(context.Background(), m.Deposit)
	if w.broken(err) {
		return
	}
	if err != nil || !k.Duplicate || !w.h.learn(m, k.Seq) {
		w.fig.fault(wrong)
		w.fail([]string{fmt.Sprintf("message %d of car %d, kept as %d, sent again: %+v, %v", m.n, m.Vehicle, m.seq, k, err)})
	}
}

// answered takes in what a sender was told.
func (w *world) answered(m *message, k vault.Kept, err error) {
	switch {
	case w.broken(err):
		w.fig.refusals.Add(1)
		if m.refused = true; sayso.FaultOf(err) == sayso.Full {
			c := w.car(m.Vehicle)
			c.pending = append(c.pending, m)
		}
	case err != nil:
		w.fail([]string{fmt.Sprintf("message %d of car %d: %v", m.n, m.Vehicle, err)})
	case k.Duplicate && !m.maybe:
		w.fig.fault(invented)
		w.fail([]string{fmt.Sprintf("message %d of car %d is not kept and answered as known", m.n, m.Vehicle)})
	case k.Duplicate: // kept, and all of it erased, or gone with time
		m.settled = true
		for _, e := range m.epochs {
			m.gone[e] = m.gone[e] || m.brings(e)&^w.went.goes(m) != 0
			m.doubt[e] = true
		}
		fallthrough
	default:
		w.fig.acked.Add(1)
		if !w.h.learn(m, k.Seq) {
			w.fig.fault(order)
			w.fail([]string{fmt.Sprintf("message %d of car %d is seen as %d and answered %d", m.n, m.Vehicle, m.seq, k.Seq)})
		}
	}
}

// read looks at the latest values: what is shown once is kept, and later values
// do not come before earlier ones.
func (w *world) read(v *vault.Vault, c *car) {
	rows, err := v.Latest(context.Background(), vault.View{Vehicle: c.vehicle, Epochs: []uint32{c.epoch}}, []sayso.SignalID{signalNumber})
	if err != nil || len(rows) == 0 {
		return // erased, or the vault has stopped
	}
	w.h.Lock()
	m := w.h.byID[w.h.canary(c.vehicle, c.epoch, int(rows[0].Value.Number))]
	erased := false
	for _, x := range w.h.erasures {
		erased = erased || x.vehicle == c.vehicle && x.epoch == c.epoch
	}
	w.h.Unlock()
	switch {
	case m == nil: // of a message of the next epoch
	case rows[0].Value.Number < c.shown && !erased:
		w.fig.fault(order)
		w.t.Errorf("seed %d: latest of car %d went back from %v to %v", w.seed, c.vehicle, c.shown, rows[0].Value.Number)
	default:
		c.shown = rows[0].Value.Number
		if !w.h.learn(m, rows[0].Seq) {
			w.t.Errorf("seed %d: message %d of car %d is seen as %d and was answered %d", w.seed, m.n, c.vehicle, rows[0].Seq, m.seq)
		}
	}
}

// erasure chooses an ownership and notes the keys that it has.
func (w *world) erasure() *erasure {
	c := w.cars[w.rng.IntN(len(w.cars))]
	x := &erasure{vehicle: c.vehicle, epoch: 1 + uint32(w.rng.IntN(int(c.epoch)))}
	all := contentOf(w.d.mem, path.Join(dir, "keys"))
	for s := range len(all) / 128 {
		b := all[s*128:][:128]
		if b[0] == 2 && binary.LittleEndian.Uint32(b[4:]) == x.epoch && binary.LittleEndian.Uint64(b[8:]) == x.vehicle {
			x.keys = append(x.keys, b[16:16+int(b[1])])
		}
	}
	w.h.Lock()
	defer w.h.Unlock()
	w.h.tick++
	x.begun = w.h.tick
	w.h.erasures = append(w.h.erasures, x)
	return x
}

func (w *world) erase(v *vault.Vault, x *erasure) {
	w.d.erasing.Store(true)
	err := v.Erase(context.Background(), x.vehicle, x.epoch)
	if err != nil {
		if w.plan.err == nil || !w.d.met.Load() && sayso.FaultOf(err) != sayso.Busy {
			w.t.Errorf("seed %d: erasing: %v", w.seed, err)
		}
		return
	}
	w.fig.erased.Add(1)
	done := w.h.now()
	w.h.Lock()
	defer w.h.Unlock()
	x.done = done
}
