package revoke

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
)

var trials = flag.Int("trials", 200, "how many revocations")

// Within is the longest that a refusal may take after its block, on a machine
// that is busy with other tests as well.
const within = 2 * time.Second

// trial is one grant, and what became of its reads in one round.
type trial struct {
	vehicle  uint64
	grantee  *grantee
	read     func(ctx context.Context, token string) (allowed bool, err error)
	token    string // of the vehicle
	issued   time.Time
	allowed  atomic.Uint64 // highest block that the node had seen before a read that was allowed
	reads    atomic.Int64
	revoked  uint64    // block
	refused  time.Time // answer of the first read that was refused
	failure  error
	finished chan struct{}
}

// sights notes when each block was first there and first seen by the node.
type sights struct {
	mu         sync.Mutex
	there, got map[uint64]time.Time
	stall      time.Duration // the longest that one look took, which should take milliseconds
}

func (s *sights) note(list map[uint64]time.Time, last *uint64, head uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for *last < head {
		*last++
		list[*last] = at
	}
}

// watch polls the chain and the node's registry.
func (s *sights) watch(ctx context.Context, w *world) {
	var chainHead, nodeHead uint64
	for ctx.Err() == nil {
		began := clock.System{}.Now()
		if b, err := w.node.Client.Head(ctx); err == nil {
			s.note(s.there, &chainHead, b.Number, clock.System{}.Now())
		}
		b, _ := w.node.Registry.Head()
		s.note(s.got, &nodeHead, b.Number, clock.System{}.Now())
		time.Sleep(2 * time.Millisecond)
		s.mu.Lock()
		s.stall = max(s.stall, clock.System{}.Now().Sub(began))
		s.mu.Unlock()
	}
}

// await tells when a block was there and when the node saw it. A trial may end
// before this watch has noticed either.
func (s *sights) await(t *testing.T, block uint64) (there, got time.Time) {
	t.Helper()
	for range 1000 {
		s.mu.Lock()
		there, got = s.there[block], s.got[block]
		s.mu.Unlock()
		if !there.IsZero() && !got.IsZero() {
			return there, got
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("block %d was never seen", block)
	return there, got
}

// No read that begins once the node has seen a revocation's block is allowed,
// whatever token it brings; the refusal comes within the bound.
func TestRevocationIsDenial(t *testing.T) {
	w := newWorld(t)
	list := w.trials(t)
	seen := &sights{there: map[uint64]time.Time{}, got: map[uint64]time.Time{}}
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { seen.watch(ctx, w) })
	defer watching.Wait()
	defer cancel()

	var fromBlock, toSight, fromSight []time.Duration
	var reads int64
	began := clock.System{}.Now()
	for done := 0; done < *trials; {
		round := list[:min(len(list), *trials-done)]
		w.round(t, round)
		for _, r := range round {
			done++
			reads += r.reads.Load()
			if r.allowed.Load() >= r.revoked {
				t.Errorf("vehicle %d: a read was allowed after the node had seen block %d; the revocation is in block %d", r.vehicle, r.allowed.Load(), r.revoked)
			}
			there, got := seen.await(t, r.revoked)
			fromBlock = append(fromBlock, max(0, r.refused.Sub(there)))
			toSight = append(toSight, max(0, got.Sub(there)))
			fromSight = append(fromSight, max(0, r.refused.Sub(got)))
		}
	}
	for _, list := range [][]time.Duration{fromBlock, toSight, fromSight} {
		slices.Sort(list)
	}
	t.Logf("counted: %d revocations in %s, %d reads meanwhile, none allowed after its block was seen", len(fromBlock), clock.System{}.Now().Sub(began).Round(time.Second), reads)
	t.Logf("counted: from the block to the first refused read: %s", summary(fromBlock))
	t.Logf("counted: of it, from the block to the node's sight of it: %s", summary(toSight))
	t.Logf("counted: and from the node's sight of the block to the first refused read: %s", summary(fromSight))
	// On a machine that had no time for this process, that is not the node's doing.
	seen.mu.Lock()
	stall := seen.stall
	seen.mu.Unlock()
	t.Logf("counted: the longest look at the chain and the node took %s", stall.Round(time.Millisecond))
	if worst := fromBlock[len(fromBlock)-1]; worst > within+stall {
		t.Errorf("the slowest refusal took %s, more than %s beyond what the machine stood still", worst, within)
	}
}

// summary of sorted times.
func summary(d []time.Duration) string {
	at := func(q float64) time.Duration {
		return d[min(len(d)-1, int(q*float64(len(d))))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s, p99 %s, max %s", at(0.5), at(0.99), at(1))
}

// round grants, waits until each trial reads, revokes, and waits until each is
// refused.
func (w *world) round(t *testing.T, round []*trial) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	blocks, err := w.set(ctx, round, granted, clock.System{}.Now().Add(time.Hour))
	if err == nil {
		err = w.api.Await(ctx, slices.Max(blocks))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.each(t, round, func(r *trial) error {
		if err := w.ready(ctx, r); err != nil {
			return err
		}
		if ok, err := r.read(ctx, r.token); err != nil || !ok {
			return fmt.Errorf("the read before the revocation: allowed %v, %w", ok, err)
		}
		r.allowed.Store(0)
		r.reads.Store(0)
		r.failure, r.finished = nil, make(chan struct{})
		go w.readOn(ctx, r)
		return nil
	})
	if blocks, err = w.set(ctx, round, sayso.Permissions{}, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	for i, r := range round {
		r.revoked = blocks[i]
		if <-r.finished; r.failure != nil {
			t.Fatal(r.failure)
		}
	}
}

// ready has a vehicle token that is good for a while.
func (w *world) ready(ctx context.Context, r *trial) (err error) {
	if (clock.System{}).Now().Sub(r.issued) < 5*time.Minute {
		return nil
	}
	r.issued = clock.System{}.Now()
	r.token, err = w.api.Exchange(ctx, r.grantee.developer, w.did(r.vehicle), granted)
	return err
}

// readOn reads until it is refused.
func (w *world) readOn(ctx context.Context, r *trial) {
	defer close(r.finished)
	for {
		head, _ := w.node.Registry.Head()
		ok, err := r.read(ctx, r.token)
		switch {
		case err != nil:
			r.failure = err
			return
		case !ok:
			r.refused = clock.System{}.Now()
			return
		}
		r.reads.Add(1)
		r.allowed.Store(max(r.allowed.Load(), head.Number))
	}
}

// each does something for all trials at once.
func (w *world) each(t *testing.T, round []*trial, do func(*trial) error) {
	t.Helper()
	errs := make(chan error, len(round))
	for _, r := range round {
		go func() { errs <- do(r) }()
	}
	var all error
	for range round {
		all = errors.Join(all, <-errs)
	}
	if all != nil {
		t.Fatal(all)
	}
}

// asks makes the read of a GraphQL endpoint. Allowed is the canary in the
// answer; a refusal must not hold it.
func (w *world) asks(path, query string) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, token string) (bool, error) {
		answer, err := w.api.Ask(ctx, path, token, query, nil)
		if err != nil {
			return false, err
		}
		shown := strings.Contains(string(answer.Data), canary)
		switch {
		case len(answer.Errors) == 0 && shown:
			return true, nil
		case len(answer.Errors) > 0 && !shown && answer.Errors[0].Extensions["code"] == sayso.Denied.Code():
			return false, nil
		}
		return false, fmt.Errorf("%s: neither the data nor a refusal: %s, %+v", path, answer.Data, answer.Errors)
	}
}

// trades makes the read of the exchange.
func (w *world) trades(developer string, vehicle uint64) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, _ string) (bool, error) {
		_, err := w.api.Exchange(ctx, developer, w.did(vehicle), granted)
		if err != nil && sayso.FaultOf(err) == sayso.Denied {
			return false, nil
		}
		return err == nil, err
	}
}

var granted = sayso.PermissionSet(sayso.NonLocationHistory)

func (w *world) did(vehicle uint64) sayso.DID { return didOf(w.node.Registry.Chain(), vehicle) }

func didOf(at registry.ChainInfo, vehicle uint64) sayso.DID {
	return sayso.NFT(at.ID, at.Vehicle, vehicle)
}
