package door

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sayso"
	"sayso/internal/clock"
)

// Limited is the error of a device that sent too much: 429 over HTTP. After is
// when it may go on.
type Limited struct {
	After time.Duration
	Err   error
}

// Error says how long to wait.
func (l *Limited) Error() string { return l.Err.Error() }

// Unwrap gives the [sayso.Busy] error.
func (l *Limited) Unwrap() error { return l.Err }

// Rates is a token bucket for each device. A message is let through while the
// bucket is not empty, whatever it costs, so that a batch larger than the
// bucket is taken and paid for later.
type Rates struct {
	rate, burst float64
	mu          sync.Mutex
	buckets     map[sayso.Address]bucket
	sweepAt     int
}

type bucket struct {
	tokens float64
	at     time.Time
}

// sweepFrom is the number of buckets from which full ones are thrown away.
const sweepFrom = 4096

// NewRates lets each device send so many events per second, and five times as
// many at once. Zero is no bound, and nil.
func NewRates(perSecond int) *Rates {
	if perSecond <= 0 {
		return nil
	}
	return &Rates{rate: float64(perSecond), burst: 5 * float64(perSecond), buckets: map[sayso.Address]bucket{}, sweepAt: sweepFrom}
}

// take takes n events of a device, or answers a [*Limited].
func (r *Rates) take(device sayso.Address, n int, now time.Time) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.buckets[device]
	if !ok {
		b = bucket{r.burst, now}
		r.sweep(now)
	}
	b = r.filled(b, now)
	if b.tokens <= 0 {
		wait := time.Duration((1 - b.tokens) / r.rate * float64(time.Second))
		return &Limited{wait, sayso.Fail(sayso.Busy, op, fmt.Sprintf("the device sent more than %g events per second: wait %s", r.rate, wait.Round(time.Millisecond)))}
	}
	b.tokens -= float64(n)
	r.buckets[device] = b
	return nil
}

func (r *Rates) filled(b bucket, now time.Time) bucket {
	if d := now.Sub(b.at); d > 0 {
		b.tokens, b.at = math.Min(r.burst, b.tokens+d.Seconds()*r.rate), now
	}
	return b
}

// sweep forgets buckets that are full, which are as good as none.
func (r *Rates) sweep(now time.Time) {
	if len(r.buckets) < r.sweepAt {
		return
	}
	for a, b := range r.buckets {
		if r.filled(b, now).tokens >= r.burst {
			delete(r.buckets, a)
		}
	}
	r.sweepAt = max(sweepFrom, 2*len(r.buckets))
}

// Gate bounds what is under way at once, so that a flood is turned away while
// what was let in is kept as fast as ever. Who has not proven to be a device yet
// takes no place of those who have.
type Gate struct {
	devices, strangers places
	large              int64 // bytes for large messages
	reserved           atomic.Int64
	refused            atomic.Int64
	held               atomic.Int64 // refusals that have not left yet
}

// places are how many messages may be under way, and how many may wait for that:
// as many as get a slot in time at the pace of the moment, so that nobody's message
// is read who waits in vain.
type places struct {
	slots   chan struct{}
	room    atomic.Int64
	waiting atomic.Int64
	since   atomic.Int64 // from when on somebody has been waiting, in ns of Unix
}

// A message waits for a slot before it is turned away: for a while, if many came
// at once; for a moment only, once somebody has been waiting for all of such a
// while, since then more come than can be kept, and a longer queue would keep no
// more of them, only each of them later (Nichols and Jacobson, "Controlling Queue
// Delay", 2012).
const (
	patience  = 100 * time.Millisecond
	impatient = 10 * time.Millisecond
)

// roomFactor is how many times as many messages may wait as have a slot, at most;
// and at least one for so many slots.
const roomFactor = 4

// Refusals leave at a bounded pace, however many senders there are and however
// soon they come again, so that being refused is never what the machine is
// busy with.
const (
	refusalsPerSecond = 500
	maxHold           = 5 * time.Second
)

// small is the size up to which a message takes nothing of the memory that the
// large ones share.
const small = 64 << 10

// NewGate lets so many messages of devices be judged and kept at once, and a
// quarter as many of those that are yet to prove who they are; and it lets those
// over 64 KiB take so many bytes together, of which the unproven get a quarter.
func NewGate(messages int, largeBytes int64) *Gate {
	g := &Gate{large: largeBytes}
	for p, n := range map[*places]int{&g.devices: messages, &g.strangers: max(1, messages/4)} {
		p.slots = make(chan struct{}, n)
		p.room.Store(roomFactor * int64(n))
	}
	return g
}

func (g *Gate) of(proven bool) *places {
	if proven {
		return &g.devices
	}
	return &g.strangers
}

// Busy tells how many messages are under way and how many were turned away.
func (g *Gate) Busy() (underWay int, refused int64) {
	return len(g.devices.slots) + len(g.strangers.slots), g.refused.Load()
}

// Crowded says whether a message should not even be read, because more wait for
// a slot than can have one in time. The error is [sayso.Busy].
func (g *Gate) Crowded(proven bool) error {
	if g == nil {
		return nil
	}
	if p := g.of(proven); p.waiting.Load() < p.room.Load() {
		return nil
	}
	g.refused.Add(1)
	return errCrowded
}

var errCrowded = sayso.Fail(sayso.Busy, op, "too many messages at once: send it again later")

// Enter takes a slot, waiting a little, and gives it back by leave. The error
// is [sayso.Busy].
func (g *Gate) Enter(ctx context.Context, proven bool) (leave func(), err error) {
	if g == nil {
		return func() {}, nil
	}
	p := g.of(proven)
	select {
	case p.slots <- struct{}{}:
		return p.leave, nil
	default:
	}
	timer := time.NewTimer(p.queue(clock.System{}.Now()))
	defer p.waiting.Add(-1)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		p.served()
		return p.leave, nil
	case <-ctx.Done():
		return nil, &sayso.Error{Op: op, Fault: sayso.Cancelled, Message: "the request was cancelled", Err: ctx.Err()}
	case <-timer.C:
		p.late()
		g.refused.Add(1)
		return nil, errCrowded
	}
}

// queue counts one more who waits, and says how long it may.
func (p *places) queue(now time.Time) time.Duration {
	if p.waiting.Add(1) == 1 {
		p.since.Store(now.UnixNano())
	}
	if now.UnixNano()-p.since.Load() > int64(patience) {
		return impatient
	}
	return patience
}

// served makes a little more room, since one who waited had a slot in time.
func (p *places) served() {
	if p.room.Load() < roomFactor*int64(cap(p.slots)) {
		p.room.Add(1)
	}
}

// late takes room away, since one waited in vain.
func (p *places) late() {
	if now := p.room.Load(); now > max(1, int64(cap(p.slots))/roomFactor) {
		p.room.CompareAndSwap(now, now-(now+63)/64)
	}
}

// Wait takes a slot of a device like Enter, but however long it takes: for a
// connection whose sender is slowed down by not being read from.
func (g *Gate) Wait(ctx context.Context) (leave func(), err error) {
	if g == nil {
		return func() {}, nil
	}
	select {
	case g.devices.slots <- struct{}{}:
		return g.devices.leave, nil
	case <-ctx.Done():
		return nil, &sayso.Error{Op: op, Fault: sayso.Cancelled, Message: "the door closes", Err: ctx.Err()}
	}
}

func (p *places) leave() { <-p.slots }

// Hold keeps a refusal back: the longer, the more there are.
func (g *Gate) Hold(ctx context.Context) {
	if g == nil {
		return
	}
	defer g.held.Add(-1)
	t := time.NewTimer(min(maxHold, time.Duration(g.held.Add(1))*time.Second/refusalsPerSecond))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Held is the number of refusals that are kept back.
func (g *Gate) Held() int64 { return g.held.Load() }

// reserve takes n bytes of the memory for large messages. The error is
// [sayso.Busy].
func (g *Gate) reserve(n int64, proven bool) (release func(), err error) {
	if g == nil || n <= small {
		return func() {}, nil
	}
	limit := g.large
	if !proven {
		limit /= 4
	}
	n = min(n, limit) // one may always have it all
	if g.reserved.Add(n) > limit {
		g.reserved.Add(-n)
		g.refused.Add(1)
		return nil, sayso.Fail(sayso.Busy, op, "too many large messages at once: send it again later")
	}
	return func() { g.reserved.Add(-n) }, nil
}

// Large takes n bytes of the memory for large messages of proven senders, waiting
// up to half a minute; it gives them back by release. Small messages take none.
func (g *Gate) Large(ctx context.Context, n int64) (release func(), err error) {
	const step = 20 * time.Millisecond
	for tries := 0; ; tries++ {
		release, err := g.reserve(n, true)
		if err == nil || tries >= int(30*time.Second/step) {
			return release, err
		}
		t := time.NewTimer(step)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, err
		}
	}
}
