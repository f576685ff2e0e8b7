package registry

import (
	"cmp"
	"context"
	"iter"
)

// union are sets of which one must have a key.
type union[K cmp.Ordered] []set[K]

func (u union[K]) len() (n int) {
	for _, s := range u {
		n += s.len()
	}
	return n
}

func (u union[K]) has(k K) bool {
	for _, s := range u {
		if s.has(k) {
			return true
		}
	}
	return false
}

// next is the key after one, downwards or upwards.
func (u union[K]) next(k K, bound, up bool) (found K, ok bool) {
	for _, s := range u {
		if up {
			if n, there := s.above(k, bound); there && (!ok || n < found) {
				found, ok = n, true
			}
		} else if n, there := s.below(k, bound); there && (!ok || n > found) {
			found, ok = n, true
		}
	}
	return found, ok
}

// List is what matches a filter, sorted by key. Any part of it is read without
// looking at what lies before; the lock is held for a few rows at a time.
type List[K cmp.Ordered, T any] struct {
	r    *Registry
	sets func(*state) []union[K]   // each must have a key
	read func(*state, K) (T, bool) // the row, and whether it is one of the list
	some func(s *state, k K) bool  // rows of the sets that are left out; nil: none
}

// Down is the list from the highest key on, or from the highest one under a bound.
func (l List[K, T]) Down(below *K) iter.Seq[T] { return l.walk(below, false) }

// Up is the list the other way round, from above a bound.
func (l List[K, T]) Up(above *K) iter.Seq[T] { return l.walk(above, true) }

// How many rows are read at a time, at first and later.
const (
	fewRows  = 16
	manyRows = 256
)

func (l List[K, T]) walk(from *K, up bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		w := walker[K]{up: up}
		if from != nil {
			w.at, w.bound = *from, true
		}
		for size := fewRows; !w.end; size = min(2*size, manyRows) {
			for _, v := range l.part(&w, size) {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// walker is a place in a list.
type walker[K cmp.Ordered] struct {
	at             K
	bound, up, end bool
}

// keys goes on to keys that every set has, at most a number of steps.
func (w *walker[K]) keys(sets []union[K], steps int, found func(K) bool) {
	if len(sets) == 0 {
		w.end = true
		return
	}
	driver := 0
	for i := range sets {
		if sets[i].len() < sets[driver].len() {
			driver = i
		}
	}
candidates:
	for ; steps > 0; steps-- {
		k, ok := sets[driver].next(w.at, w.bound, w.up)
		if !ok {
			w.end = true
			return
		}
		w.at, w.bound = k, true
		for i := range sets {
			if i != driver && !sets[i].has(k) {
				continue candidates
			}
		}
		if !found(k) {
			return
		}
	}
}

func (l List[K, T]) part(w *walker[K], size int) []T {
	l.r.mu.RLock()
	defer l.r.mu.RUnlock()
	out := make([]T, 0, size)
	w.keys(l.sets(l.r.state), 4*manyRows, func(k K) bool {
		if l.some == nil || l.some(l.r.state, k) {
			if v, ok := l.read(l.r.state, k); ok {
				out = append(out, v)
			}
		}
		return len(out) < size
	})
	return out
}

// Count is how many there are.
func (l List[K, T]) Count(ctx context.Context) (n int, err error) {
	var w walker[K]
	for !w.end && err == nil {
		func() {
			l.r.mu.RLock()
			defer l.r.mu.RUnlock()
			sets := l.sets(l.r.state)
			if l.some == nil && len(sets) == 1 && len(sets[0]) == 1 {
				n, w.end = sets[0].len(), true
				return
			}
			w.keys(sets, 4*manyRows, func(k K) bool {
				if l.some == nil || l.some(l.r.state, k) {
					n++
				}
				return true
			})
		}()
		err = ctx.Err()
	}
	return n, err
}

// under is the sets of some marks, one of each of which a key must be under.
func under[K cmp.Ordered](by func(*state) *lookup[K], marks ...mark) func(*state) []union[K] {
	return func(s *state) []union[K] {
		out := make([]union[K], len(marks))
		for i, m := range marks {
			out[i] = union[K]{by(s).under(m)}
		}
		return out
	}
}

func numbersOf(s *state) *lookup[uint64] { return s.numbers }
func textsOf(s *state) *lookup[string]   { return s.texts }

// numbered reads rows of a kind by their number.
func numbered[T any](k kind) func(*state, uint64) (T, bool) {
	return func(s *state, id uint64) (T, bool) { return row[T](s, k, numberKey(id)) }
}
