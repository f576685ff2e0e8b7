package device

import (
	"context"
	"errors"
	"sync"
	"time"

	"sayso"
)

// Waiting times after a failure that names none: they double from the first
// to the longest, and fall back to the first after a success.
const (
	firstWait   = 500 * time.Millisecond
	longestWait = 30 * time.Second
)

// Outcome is what became of one attempt to send.
type Outcome uint8

// The outcomes.
const (
	Sent    Outcome = iota // the node has kept it
	Delayed                // it stays in the outbox and is tried again
	Refused                // the node will never take it; it is gone
	Dropped                // it was the oldest of a full outbox; it is gone
)

// Outbox keeps the latest unsent reports of one device in memory and sends
// them oldest first. When it is full the oldest is dropped: an old position
// is worth less than the present one.
type Outbox struct {
	send   func(ctx context.Context, body []byte) error
	tell   func(o Outcome, err error)
	mu     sync.Mutex
	queue  [][]byte
	limit  int
	signal chan struct{}
}

// NewOutbox returns an empty outbox that holds at most limit reports (at least
// 1). Tell is called, from any goroutine, with every outcome.
func NewOutbox(limit int, send func(context.Context, []byte) error, tell func(Outcome, error)) *Outbox {
	return &Outbox{send: send, tell: tell, limit: max(1, limit), signal: make(chan struct{}, 1)}
}

// Put adds a report; it never blocks. The outbox keeps the slice.
func (o *Outbox) Put(body []byte) {
	o.mu.Lock()
	dropped := len(o.queue) >= o.limit
	if dropped {
		o.queue = o.queue[1:]
	}
	o.queue = append(o.queue, body)
	o.mu.Unlock()
	if dropped {
		o.tell(Dropped, nil)
	}
	select {
	case o.signal <- struct{}{}:
	default:
	}
}

// Len is how many reports wait.
func (o *Outbox) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue)
}

// Run sends until the context ends; what is unsent then stays in the outbox.
func (o *Outbox) Run(ctx context.Context) {
	wait := firstWait
	for ctx.Err() == nil {
		body, ok := o.oldest()
		if !ok {
			select {
			case <-ctx.Done():
			case <-o.signal:
			}
			continue
		}
		err := o.send(ctx, body)
		var later *Later
		switch {
		case err == nil:
			o.remove(body)
			o.tell(Sent, nil)
			wait = firstWait
		case ctx.Err() != nil:
			return
		case errors.As(err, &later) || sayso.FaultOf(err) == sayso.Busy:
			o.tell(Delayed, err)
			pause := wait
			if later != nil && later.After > 0 {
				pause = later.After
			} else {
				wait = min(2*wait, longestWait)
			}
			sleep(ctx, pause)
		default:
			o.remove(body)
			o.tell(Refused, err)
		}
	}
}

func (o *Outbox) oldest() ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return nil, false
	}
	return o.queue[0], true
}

// remove takes body out if it is still the oldest; a full outbox may have
// dropped it while it was on its way.
func (o *Outbox) remove(body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) > 0 && len(body) > 0 && &o.queue[0][0] == &body[0] {
		o.queue[0] = nil
		o.queue = o.queue[1:]
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
