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
// order.
func inOrder[T any](ctx context.Context, v *Vault, op string, count int, ask func(context.Context, *Reader, int) (T, error), yield func(int, T) bool) (err error) {
	if err := v.enterCall(ctx, op); err != nil {
		return err
	}
	defer v.leaveCall()
	type batch struct {
		answers []T
		err     error
	}
	workers := cores.Count()
	size := max(1, min(acrossBatch, count/(workers*acrossTurns)))
	workers = min(workers, (count+size-1)/size)
	readers := v.readers(workers)
	defer func() {
		for _, r := range readers {
			err = errors.Join(err, r.close())
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type job struct {
		from, to int
		done     chan batch
	}
	jobs, order := make(chan job), make(chan job, 2*workers)
	go func() {
		defer close(jobs)
		defer close(order)
		for from := 0; from < count; from += size {
			j := job{from, min(from+size, count), make(chan batch, 1)}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
			jobs <- j
		}
	}()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for w := range workers {
		r := readers[w]
		wg.Go(func() {
			for j := range jobs {
				b := batch{answers: make([]T, 0, j.to-j.from)}
				for i := j.from; i < j.to && b.err == nil; i++ {
					var answer T
					if answer, b.err = ask(ctx, r, i); b.err == nil {
						b.answers = append(b.answers, answer)
					}
				}
				j.done <- b
			}
		})
	}
	for j := range order {
		b := <-j.done
		for i := range b.answers {
			if !yield(j.from+i, b.answers[i]) {
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
