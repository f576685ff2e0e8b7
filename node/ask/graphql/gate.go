package graphql

import (
	"context"
	"sync"

	"sayso/internal/cores"
)

// Gate bounds what runs at once, fairly by caller. One gate may serve several
// servers.
//
// Every request takes a place. A caller may hold as many as are still free, and
// no more than Each, so that one caller alone never takes the last half.
// Requests that cost much then wait for one of Heavy turns, which callers get
// one after the other, whoever asks most. Answers that are long, and stay until
// slow clients have read them, share Bytes in the way of the places.
type Gate struct {
	cfg GateConfig

	mu      sync.Mutex
	total   int
	held    map[string]int
	bytes   int64            // of long answers
	answers map[string]int64 // the same by caller
	heavy   int
	waiting map[string][]chan struct{} // by caller, first come first
	order   []string                   // the callers that wait, the next one first
}

// GateConfig holds the bounds; zero values mean the defaults in the comments.
type GateConfig struct {
	All   int   // 512: requests of all callers
	Each  int   // 128: requests of one caller
	Heavy int   // one less than there are processors, at least one: costly requests that run at once
	Bytes int64 // 96 MiB: of long answers
}

// NewGate opens a gate.
func NewGate(cfg GateConfig) *Gate {
	def(&cfg.All, 512)
	def(&cfg.Each, 128)
	def(&cfg.Heavy, max(1, cores.Count()-1))
	def(&cfg.Bytes, 96<<20)
	return &Gate{cfg: cfg, held: map[string]int{}, answers: map[string]int64{}, waiting: map[string][]chan struct{}{}}
}

// enter takes a place for a caller; false means that there is none. A place
// that was taken must be left.
func (g *Gate) enter(caller string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := g.held[caller]; n >= g.cfg.Each || n >= g.cfg.All-g.total {
		return false
	}
	g.total++
	g.held[caller]++
	return true
}

func (g *Gate) leave(caller string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.total--
	if g.held[caller]--; g.held[caller] == 0 {
		delete(g.held, caller)
	}
}

// reserve takes room for so many more bytes of a long answer; false means that
// there is none. What was taken is given back with a negative number.
func (g *Gate) reserve(caller string, n int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n > 0 && g.answers[caller]+n > g.cfg.Bytes-g.bytes {
		return false
	}
	g.bytes += n
	if g.answers[caller] += n; g.answers[caller] == 0 {
		delete(g.answers, caller)
	}
	return true
}

// turn waits until a costly request may run and returns what ends it, or the
// error of ctx.
func (g *Gate) turn(ctx context.Context, caller string) (done func(), err error) {
	g.mu.Lock()
	if g.heavy < g.cfg.Heavy {
		g.heavy++
		g.mu.Unlock()
		return g.next, nil
	}
	mine := make(chan struct{})
	if len(g.waiting[caller]) == 0 {
		g.order = append(g.order, caller)
	}
	g.waiting[caller] = append(g.waiting[caller], mine)
	g.mu.Unlock()
	select {
	case <-mine:
		return g.next, nil
	case <-ctx.Done():
		if !g.withdraw(caller, mine) { // the turn came at the same moment
			g.next()
		}
		return nil, ctx.Err()
	}
}

// next ends a turn: it goes to the first request of the caller whose turn it
// is, who then is last in order.
func (g *Gate) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.order) == 0 {
		g.heavy--
		return
	}
	caller := g.order[0]
	g.order = g.order[1:]
	first, rest := g.waiting[caller][0], g.waiting[caller][1:]
	if len(rest) > 0 {
		g.waiting[caller] = rest
		g.order = append(g.order, caller)
	} else {
		delete(g.waiting, caller)
	}
	close(first)
}

// withdraw takes a request out of the line; false means that it is not there
// any more.
func (g *Gate) withdraw(caller string, mine chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range g.waiting[caller] {
		if c != mine {
			continue
		}
		if len(g.waiting[caller]) > 1 {
			g.waiting[caller] = append(g.waiting[caller][:i:i], g.waiting[caller][i+1:]...)
			return true
		}
		delete(g.waiting, caller)
		for j, name := range g.order {
			if name == caller {
				g.order = append(g.order[:j:j], g.order[j+1:]...)
				return true
			}
		}
	}
	return false
}
