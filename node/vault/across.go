package vault

import (
	"context"
	"math"
	"runtime"
	"sync"

	"sayso"
)

// Reader asks a vault about one state of it, of one goroutine at a time. Only
// Latest tells the present moment.
type Reader struct {
	v *Vault
}

// Latest is [Vault.Latest].
func (r *Reader) Latest(ctx context.Context, view View, signals []sayso.SignalID) ([]Row, error) {
	return r.v.Latest(ctx, view, signals)
}

// Scan is [Vault.Scan].
func (r *Reader) Scan(ctx context.Context, view View, signals []sayso.SignalID, from, to sayso.Instant, yield func(Row) bool) error {
	return r.v.Scan(ctx, view, signals, from, to, yield)
}

// EachBucket is [Vault.EachBucket].
func (r *Reader) EachBucket(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant, yield func(*Bucket) bool) error {
	return r.v.EachBucket(ctx, view, cols, from, to, interval, yield)
}

// Frames is [Vault.Frames].
func (r *Reader) Frames(ctx context.Context, view View, signals []sayso.SignalID, from, to sayso.Instant, yield func(*Frame) bool) error {
	return r.v.Frames(ctx, view, signals, from, to, yield)
}

// EachBucket gives bucket by bucket, see [Engine].
func (v *Vault) EachBucket(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant, yield func(*Bucket) bool) error {
	all, err := v.Buckets(ctx, view, cols, from, to, interval)
	for i := range all {
		if !yield(&all[i]) {
			break
		}
	}
	return err
}

// Frames gives numbers as columns, see [Engine].
func (v *Vault) Frames(ctx context.Context, view View, signals []sayso.SignalID, from, to sayso.Instant, yield func(*Frame) bool) error {
	return v.hours(ctx, "vault.Frames", view, signalSetOf(signals), from, to, func(rows []Row) bool {
		f := &Frame{Values: make([][]float64, len(signals))}
		for i := range rows {
			r := &rows[i]
			if r.Value.Kind != sayso.Number {
				continue
			}
			if n := len(f.Times); n == 0 || f.Times[n-1] != r.Time {
				f.Times = append(f.Times, r.Time)
				for j := range f.Values {
					f.Values[j] = append(f.Values[j], math.NaN())
				}
			}
			for j := range signals {
				if signals[j] == r.Signal {
					f.Values[j][len(f.Times)-1] = r.Value.Number
				}
			}
		}
		return len(f.Times) == 0 || yield(f)
	})
}

// acrossBatch is how many views are asked in one go.
const acrossBatch = 16

// Across asks about many views on all cores and hands the answers over in the
// order of the views, each view with its number. At most a few dozen answers for
// each core wait to be handed over. All is asked of one state of the vault, but
// for Latest. It ends at the first error, or when yield answers false.
func Across[T any](ctx context.Context, v *Vault, views []View, ask func(context.Context, *Reader, View) (T, error), yield func(int, T) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type batch struct {
		answers []T
		err     error
	}
	workers := min(runtime.GOMAXPROCS(0), (len(views)+acrossBatch-1)/acrossBatch)
	type job struct {
		from, to int
		done     chan batch
	}
	jobs, order := make(chan job), make(chan job, 2*workers)
	go func() {
		defer close(jobs)
		defer close(order)
		for from := 0; from < len(views); from += acrossBatch {
			j := job{from, min(from+acrossBatch, len(views)), make(chan batch, 1)}
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
	for range workers {
		wg.Go(func() {
			r := &Reader{v: v}
			for j := range jobs {
				b := batch{answers: make([]T, 0, j.to-j.from)}
				for i := j.from; i < j.to && b.err == nil; i++ {
					var answer T
					if answer, b.err = ask(ctx, r, views[i]); b.err == nil {
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
		return cancelled("vault.Across", err)
	}
	return nil
}
