package vault

import (
	"context"
	"errors"
	"sync"

	"sayso"
	"sayso/internal/cores"
)

// Latest is [Vault.Latest].
func (r *Reader) Latest(ctx context.Context, view View, signals []sayso.SignalID) ([]Row, error) {
	return r.v.Latest(ctx, view, signals)
}

// A worker asks about so many views in one go at most; about fewer, so that all
// workers are done at about the same time, where there are few.
const (
	acrossBatch = 16
	acrossTurns = 2 // of each worker, at least
)

// Across asks about many views on all cores and hands the answers over in the
// order of the views, each view with its number. At most a few dozen answers for
// each core wait to be handed over. All is asked of one state of the vault, but
// for Latest. It ends at the first error, or when yield answers false.
func Across[T any](ctx context.Context, v *Vault, views []View, ask func(context.Context, *Reader, View) (T, error), yield func(int, T) bool) (err error) {
	return inOrder(ctx, v, "vault.Across", len(views), func(ctx context.Context, r *Reader, i int) (T, error) { return ask(ctx, r, views[i]) }, yield)
}

// inOrder asks so many questions on all cores and hands the answers over in their
// order. The caller's goroutine asks as well while it has nothing to hand over,
// so that a short call need not wait until other cores have woken up.
func inOrder[T any](ctx context.Context, v *Vault, op string, count int, ask func(context.Context, *Reader, int) (T, error), yield func(int, T) bool) (err error) {
	if err := v.enterCall(ctx, op); err != nil {
		return err
	}
	defer v.leaveCall()
	workers := cores.Count()
	size := max(1, min(acrossBatch, count/(workers*acrossTurns)))
	l := newLine[T](count, size, 2*workers)
	readers := v.readers(min(workers, max(1, l.batches)))
	defer func() {
		for _, r := range readers {
			err = errors.Join(err, r.close())
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.end()
	defer cancel()
	work := func(r *Reader, n int) {
		b := &batch[T]{answers: make([]T, 0, size)}
		for i := n * size; i < min((n+1)*size, count) && b.err == nil; i++ {
			var answer T
			if answer, b.err = ask(ctx, r, i); b.err == nil {
				b.answers = append(b.answers, answer)
			}
		}
		l.put(n, b)
	}
	for _, r := range readers[1:] {
		wg.Go(func() {
			for n, ok := l.take(); ok; n, ok = l.take() {
				work(r, n)
			}
		})
	}
	for n, b, ok := l.turn(); ok; n, b, ok = l.turn() {
		if err := ctx.Err(); err != nil {
			return cancelled(op, err)
		}
		if b == nil {
			work(readers[0], n)
			continue
		}
		for i := range b.answers {
			if !yield(n*size+i, b.answers[i]) {
				return nil
			}
		}
		if b.err != nil {
			return b.err
		}
	}
	if err := ctx.Err(); err != nil {
		return cancelled(op, err)
	}
	return nil
}

// batch is the answers to some questions that follow each other, up to an error.
type batch[T any] struct {
	answers []T
	err     error
}

// line gives out batches of questions and takes their answers, so many at most
// ahead of those that were handed over.
type line[T any] struct {
	batches int

	mu    sync.Mutex
	moved sync.Cond
	next  int         // the first that nobody has taken
	over  int         // the first that is not handed over
	done  []*batch[T] // answered, in turn from over on
	ended bool
}

func newLine[T any](count, size, ahead int) *line[T] {
	l := &line[T]{batches: (count + size - 1) / size, done: make([]*batch[T], ahead)}
	l.moved.L = &l.mu
	return l
}

// open says whether a batch may be taken.
func (l *line[T]) open() bool { return l.next < l.batches && l.next < l.over+len(l.done) }

// take gives a batch to ask, as soon as there is one.
func (l *line[T]) take() (n int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended && l.next < l.batches && !l.open() {
		l.moved.Wait()
	}
	if l.ended || !l.open() {
		return 0, false
	}
	l.next++
	return l.next - 1, true
}

// turn gives the next answers to hand over, or else a batch to ask, or waits for
// either; it is not ok when all is handed over.
func (l *line[T]) turn() (n int, b *batch[T], ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.over < l.batches {
		at := &l.done[l.over%len(l.done)]
		switch {
		case *at != nil:
			b, *at = *at, nil
			l.over++
			l.moved.Broadcast()
			return l.over - 1, b, true
		case l.open():
			l.next++
			return l.next - 1, nil, true
		}
		l.moved.Wait()
	}
	return 0, nil, false
}

// put takes the answers of a batch.
func (l *line[T]) put(n int, b *batch[T]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[n%len(l.done)] = b
	l.moved.Broadcast()
}

// end sends everyone home.
func (l *line[T]) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.moved.Broadcast()
}

// readers gives readers of one state.
func (v *Vault) readers(n int) []*Reader {
	list := make([]*Reader, n)
	shared := &sharedSnapshot{Snapshot: v.db.NewSnapshot()}
	shared.users.Store(int32(n))
	for i := range list {
		list[i] = v.readerOf(shared)
	}
	return list
}
