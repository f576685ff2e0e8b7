package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// How many messages and questions can be under way at once.
const (
	senders = 512
	readers = 32
)

// load is what is sent and asked.
type load struct {
	*world
	vehicles int
	begun    time.Time
	pace     float64          // messages per second
	numbers  []sayso.SignalID // three of the signals
	turns    []atomic.Int32   // by car: messages acknowledged

	acks, answers histogram
	byKind        [len(kinds)]histogram
	kept, found   atomic.Uint64
	resent        atomic.Uint64 // messages that were turned away for want of time
	failed        atomic.Pointer[error]
}

// kinds are the questions.
var kinds = [...]string{"latest values", "an hour by ten minutes", "ten minutes of one signal"}

func newLoad(w *world, s settings) (*load, error) {
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	l := &load{world: w, vehicles: s.vehicles, pace: s.rate, turns: make([]atomic.Int32, s.vehicles)}
	for _, name := range said[:3] {
		signal := cat.Signal(name)
		if signal == nil {
			return nil, fmt.Errorf("the catalogue has no signal %s", name)
		}
		l.numbers = append(l.numbers, signal.ID)
	}
	return l, nil
}

func (l *load) fail(err error) {
	l.failed.CompareAndSwap(nil, &err)
}

func (l *load) failure() error {
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// due hands out numbers at a pace until the context ends, whether or not
// anybody is ready to take them.
func due(ctx context.Context, begun time.Time, perSecond float64, out chan<- int) {
	defer close(out)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; ; {
		for ready := int(time.Since(begun).Seconds()*perSecond) + 1; n < ready; n++ { // the first is due at once
			select {
			case out <- n:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// start sends and asks until the context ends; wait returns when the last
// answer is there.
func (l *load) start(ctx context.Context, queries float64) (wait func()) {
	l.begun = time.Now()
	messages, questions := make(chan int, 1<<16), make(chan int, 1<<12)
	go due(ctx, l.begun, l.pace, messages)
	go due(ctx, l.begun, queries, questions)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			var w writer
			for n := range messages {
				if l.failure() != nil {
					continue
				}
				at := l.begun.Add(time.Duration(float64(n) / l.pace * 1e9))
				if err := l.send(&w, n, at); err != nil {
					l.fail(fmt.Errorf("message %d: %w", n, err))
					continue
				}
				l.acks.add(time.Since(at))
			}
		})
	}
	for range readers {
		wg.Go(func() {
			for n := range questions {
				if l.failure() != nil {
					continue
				}
				at := l.begun.Add(time.Duration(float64(n) / queries * 1e9))
				if err := l.ask(n); err != nil {
					l.fail(fmt.Errorf("question %d: %w", n, err))
					continue
				}
				took := time.Since(at)
				l.answers.add(took)
				l.byKind[n%len(kinds)].add(took)
			}
		})
	}
	return wg.Wait
}

// stride takes the cars in an order that is not that of their numbers; it has
// no factor in common with any number of cars below it.
const stride = 1_000_003

// send is one message on the session of a device.
func (l *load) send(w *writer, n int, at time.Time) error {
	car := n * stride % l.vehicles
	turn := n / l.vehicles
	body := w.message(uint64(car+1), turn, at)
	device := party("device", uint64(car+1))
	ctx := context.Background()
	again := false
	for {
		b, err := l.submit(ctx, body, device)
		if err == nil {
			err = b.Err
		}
		if err != nil && sayso.FaultOf(err) == sayso.Busy { // as the device is told: it may be kept or not, and sending it again is safe
			again = true
			l.resent.Add(1)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		if len(b.Results) != 1 || !b.Results[0].Accepted || b.Results[0].Duplicate && !again || b.Results[0].Signals < len(said) {
			return fmt.Errorf("car %d: not kept as sent: %+v", car+1, b.Results)
		}
		break
	}
	l.kept.Add(1)
	raise(&l.turns[car], int32(turn+1))
	return nil
}

// submit takes a place at the gate and waits until a message is kept.
func (l *load) submit(ctx context.Context, body []byte, device sayso.Address) (door.Batch, error) {
	leave, err := l.door.Gate.Wait(ctx)
	if err != nil {
		return door.Batch{}, err
	}
	defer leave()
	wait, err := l.door.Submit(ctx, body, door.One, device, false)
	if err != nil {
		return door.Batch{}, err
	}
	return wait(ctx), nil
}

// raise sets a counter to n if it is lower.
func raise(c *atomic.Int32, n int32) {
	for {
		old := c.Load()
		if old >= n || c.CompareAndSwap(old, n) {
			return
		}
	}
}

// ask is one question about a car that has spoken.
func (l *load) ask(n int) error {
	ctx := context.Background()
	car, turn := -1, int32(0)
	for range 64 {
		c := rand.IntN(l.vehicles)
		if turn = l.turns[c].Load(); turn > 0 {
			car = c
			break
		}
	}
	if car < 0 {
		return nil // next to nobody has spoken yet
	}
	now := l.clock.Now()
	verdict := consent.Decide(l.registry, app, uint64(car+1), now)
	if len(verdict.Rights) == 0 {
		return fmt.Errorf("car %d: refused: %s", car+1, verdict.Reason)
	}
	view := vault.View{Vehicle: uint64(car + 1)}
	for _, r := range verdict.Rights {
		view.Epochs = append(view.Epochs, r.Epoch)
	}
	switch n % len(kinds) {
	case 0:
		rows, err := l.vault.Latest(ctx, view, nil)
		if err != nil {
			return err
		}
		return l.latest(car, int(turn), rows)
	case 1:
		return l.hour(ctx, view, now)
	default:
		rows := 0
		err := l.vault.Scan(ctx, view, l.numbers[:1], sayso.At(now.Add(-10*time.Minute)), sayso.At(now.Add(time.Minute)), func(vault.Row) bool { rows++; return true })
		l.found.Add(uint64(rows))
		return err
	}
}

func (l *load) hour(ctx context.Context, view vault.View, now time.Time) error {
	cols := make([]vault.Column, len(l.numbers))
	for i, s := range l.numbers {
		cols[i] = vault.Column{Signal: s, Agg: vault.Avg}
	}
	end := now.Truncate(10 * time.Minute).Add(10 * time.Minute)
	buckets, err := l.vault.Buckets(ctx, view, cols, sayso.At(end.Add(-time.Hour)), sayso.At(end), sayso.Instant(10*time.Minute/time.Microsecond))
	l.found.Add(uint64(len(buckets)))
	return err
}

// latest checks that what was acknowledged before is seen.
func (l *load) latest(car, turns int, rows []vault.Row) error {
	l.found.Add(uint64(len(rows)))
	if len(rows) < len(said) {
		return fmt.Errorf("car %d: %d latest values of %d", car+1, len(rows), len(said))
	}
	n := (turns - 1) * l.vehicles // the message that was acknowledged is the one of this turn that is the car's
	least := sayso.At(l.begun.Add(time.Duration(float64(n) / l.pace * 1e9)))
	for _, r := range rows {
		if r.Time < least {
			return fmt.Errorf("car %d: signal %d is of %s, but a later value was acknowledged", car+1, r.Signal, r.Time.Time())
		}
	}
	return nil
}
