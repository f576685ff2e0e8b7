package vault

import (
	"context"
	"math"
	"sync"
	"time"

	"sayso"
)

const opCommit = "vault.Commit"

// maxRecord bounds one deposit, which must fit into a segment of the log; the
// caller has bounded the message long before.
const maxRecord = 31 << 20

// Commit keeps a deposit, see [Engine].
func (v *Vault) Commit(ctx context.Context, d *Deposit) (Kept, error) {
	wait, err := v.Begin(ctx, d)
	if err != nil {
		return Kept{}, err
	}
	return wait(ctx)
}

// Begin is the first half of [Vault.Commit]: it puts a deposit in line and
// answers without waiting for the disk. Deposits are kept in the order of their
// beginnings, and those of one caller share a group. The other half is wait,
// which must be called, once: only it says that the deposit is kept.
func (v *Vault) Begin(ctx context.Context, d *Deposit) (wait func(context.Context) (Kept, error), err error) {
	if err := v.enterWrite(ctx, opCommit); err != nil {
		return nil, err
	}
	kept, err := v.begin(d)
	if err != nil {
		v.leaveCall()
		return nil, err
	}
	return func(ctx context.Context) (Kept, error) {
		defer v.leaveCall()
		return kept(ctx)
	}, nil
}

func (v *Vault) begin(d *Deposit) (wait func(context.Context) (Kept, error), err error) {
	if v.full.Load() != 0 {
		v.stats.full.Add(1)
		return nil, errFull(opCommit)
	}
	if err := check(d); err != nil {
		return nil, err
	}
	p := &pending{
		kind: frameDeposit, key: keyOf(&d.Envelope), body: [16]byte(d.Body[:16]),
		owner: owner{d.Vehicle, d.Epoch}, source: d.Envelope.Source, done: make(chan struct{}),
	}
	body := p.body
	first, mine := v.enter(p)
	if !mine {
		return func(ctx context.Context) (Kept, error) { return v.repeated(ctx, first, body) }, nil
	}
	p.encode(d, v.cfg.Chunk.Columns)
	if n := len(*p.buf) + frameTail; n > maxRecord || int64(n)+segmentHead+endSize > v.cfg.SegmentBytes {
		err := sayso.Fail(sayso.TooLarge, opCommit, "the message is too large to be kept")
		v.refuse(p, err)
		return nil, err
	}
	if err := v.enqueue(p); err != nil {
		v.refuse(p, err)
		return nil, err
	}
	return func(ctx context.Context) (Kept, error) {
		if err := v.wait(ctx, opCommit, p); err != nil {
			return Kept{}, err
		}
		if p.old {
			return v.repeated(ctx, p, body)
		}
		return Kept{Seq: p.seq}, nil
	}, nil
}

// repeated answers a deposit whose key is there or on its way.
func (v *Vault) repeated(ctx context.Context, first *pending, body [16]byte) (Kept, error) {
	if err := v.wait(ctx, opCommit, first); err != nil {
		return Kept{}, err
	}
	if first.body != body {
		v.stats.conflicts.Add(1)
		return Kept{}, sayso.Fail(sayso.Conflict, opCommit, "another message with this source, subject and id was kept before")
	}
	v.stats.duplicates.Add(1)
	return Kept{Seq: first.seq, Duplicate: true}, nil
}

// enter makes p the one that decides about its key, or answers who is.
func (v *Vault) enter(p *pending) (first *pending, mine bool) {
	v.flight.Lock()
	defer v.flight.Unlock()
	if first, ok := v.inflight[p.key]; ok {
		return first, false
	}
	v.inflight[p.key] = p
	return p, true
}

// refuse tells everyone who waits for p that it is not kept.
func (v *Vault) refuse(p *pending, err error) {
	v.forget(p)
	p.answer(p.seq, err)
}

// forget ends that p decides about its key: it is in the rows, or nowhere.
func (v *Vault) forget(p *pending) {
	if p.kind == frameDeposit {
		v.flight.Lock()
		delete(v.inflight, p.key)
		v.flight.Unlock()
	}
	p.release()
}

// answer tells everyone who waits.
func (p *pending) answer(seq uint64, err error) {
	p.seq, p.err = seq, err
	close(p.done)
}

// enqueue hands a record to the writer.
func (v *Vault) enqueue(p *pending) error {
	p.size = 128
	if p.buf != nil {
		p.size += int64(cap(*p.buf))
	}
	v.queue.Lock()
	defer v.queue.Unlock()
	if v.queue.bytes+p.size > v.cfg.QueueBytes && v.queue.bytes > 0 {
		v.stats.busy.Add(1)
		return sayso.Fail(sayso.Busy, opCommit, "too much is waiting to be kept")
	}
	v.queue.bytes += p.size
	v.queue.list = append(v.queue.list, p)
	if len(v.queue.list) == 1 {
		select {
		case v.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

var timers = sync.Pool{New: func() any { return time.NewTimer(time.Hour) }}

// wait waits for a record to be in.
func (v *Vault) wait(ctx context.Context, op string, p *pending) error {
	select {
	case <-p.done:
		return p.err
	default:
	}
	timer := timers.Get().(*time.Timer)
	timer.Reset(v.cfg.CommitTimeout)
	defer func() {
		timer.Stop() // nothing comes from it any more
		timers.Put(timer)
	}()
	select {
	case <-p.done:
		return p.err
	case <-v.dead:
		return v.failure()
	case <-ctx.Done():
		return cancelled(op, ctx.Err())
	case <-timer.C:
		v.stats.busy.Add(1)
		return sayso.Fail(sayso.Busy, op, "not kept in time; send it again")
	}
}

func cancelled(op string, err error) error {
	return &sayso.Error{Op: op, Fault: sayso.Cancelled, Message: "the request was cancelled", Err: err}
}

// check refuses what could not be kept or read back. The dialects have judged
// every value long before.
func check(d *Deposit) error {
	bad := func(why string) error { return sayso.Fail(sayso.Invalid, opCommit, why) }
	if !inRange(d.Envelope.Time.Unix()) {
		return bad("the time of the message is outside the years 1 to 9999")
	}
	for i := range d.Readings {
		r := &d.Readings[i]
		if r.Time < minInstant || r.Time >= maxInstant {
			return bad("the time of a reading is outside the years 1 to 9999")
		}
		l := &r.Value.Location
		for _, f := range [...]float64{r.Value.Number, l.Latitude, l.Longitude, l.HDOP, l.Heading} {
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return bad("a reading is not a finite number")
			}
		}
		if k := r.Value.Kind; k != sayso.Number && k != sayso.Text && k != sayso.Position {
			return bad("a reading has no kind")
		}
	}
	if len(d.Events) > math.MaxUint16/2 || len(d.Readings) > math.MaxUint16/2 {
		return sayso.Fail(sayso.TooLarge, opCommit, "the message brings too many readings or events")
	}
	for i := range d.Events {
		if t := d.Events[i].Time; t < minInstant || t >= maxInstant {
			return bad("the time of an event is outside the years 1 to 9999")
		}
	}
	return nil
}

func inRange(unix int64) bool {
	return unix >= int64(minInstant)/1e6 && unix < int64(maxInstant)/1e6
}
