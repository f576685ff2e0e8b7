package registry

import (
	"cmp"
	"slices"
)

// lookup are the rows under each mark, as one sorted set each. Most marks have
// one row or a few: a car's serial number, the cars of an owner. So a single
// member lies in the map itself, a few lie in the arena, and only many have a
// structure of their own; the map has no pointers.
type lookup[K cmp.Ordered] struct {
	hasher
	by    keeper[K]
	sets  map[id]place
	few   arena[uint64]
	many  []*ordered[K]
	spare []uint32 // places in many that are free
}

// place says where the members under a mark are.
type place struct {
	n    uint32 // how many; of more than fewMembers there is no count here
	a, b uint32 // of one, its lower and upper half; of more, a is where they lie
}

// fewMembers is how many lie in the arena at most.
const fewMembers = 64

func newLookup[K cmp.Ordered](by keeper[K]) *lookup[K] {
	return &lookup[K]{hasher: newHasher(), by: by, sets: map[id]place{}}
}

// change replaces the entries of a row. Those that stay are not touched.
func (l *lookup[K]) change(old, now []entry[K]) {
	for _, e := range old {
		if !slices.Contains(now, e) {
			l.remove(e)
		}
	}
	for _, e := range now {
		if !slices.Contains(old, e) {
			l.add(e)
		}
	}
}

func (l *lookup[K]) idOf(m mark) id { return l.id(string([]byte{byte(m.by)}), m.value) }

// under is the set of a mark.
func (l *lookup[K]) under(m mark) set[K] { return l.set(l.sets[l.idOf(m)]) }

func (l *lookup[K]) set(p place) (s set[K]) {
	s.by = l.by
	switch {
	case p.n == 1:
		s.one, s.n = uint64(p.b)<<32|uint64(p.a), 1
	case p.n > fewMembers:
		s.many = l.many[p.a]
	case p.n > 0:
		s.few, s.n = l.few.at(p.a)[:p.n], int(p.n)
	}
	return s
}

// newest is the greatest key under a mark.
func (l *lookup[K]) newest(m mark) (k K, ok bool) { return l.under(m).below(k, false) }

func (l *lookup[K]) add(e entry[K]) {
	at := l.idOf(e.mark)
	p := l.sets[at]
	s := l.set(p)
	if s.many != nil {
		s.many.add(e.key)
		return
	}
	members := s.members()
	i, found := find(l.by, members, e.key)
	if found {
		return
	}
	members = slices.Insert(members, i, uint64(l.by.keep(e.key)))
	l.put(at, p, members)
}

func (l *lookup[K]) remove(e entry[K]) {
	at := l.idOf(e.mark)
	p := l.sets[at]
	s := l.set(p)
	if s.many != nil {
		if s.many.remove(e.key); s.many.size <= fewMembers/2 {
			l.many[p.a] = nil
			l.spare = append(l.spare, p.a)
			l.put(at, place{}, slices.Concat(s.many.chunks...))
		}
		return
	}
	members := s.members()
	if i, found := find(l.by, members, e.key); found {
		l.by.drop(member(members[i]))
		l.put(at, p, slices.Delete(members, i, i+1))
	}
}

// put replaces the members under a mark.
func (l *lookup[K]) put(at id, old place, members []uint64) {
	if 1 < old.n && old.n <= fewMembers {
		l.few.release(old.a, int(old.n))
	}
	switch n := len(members); {
	case n == 0:
		delete(l.sets, at)
	case n == 1:
		l.sets[at] = place{1, uint32(members[0]), uint32(members[0] >> 32)}
	case n <= fewMembers:
		ref := l.few.alloc(n)
		copy(l.few.at(ref), members)
		l.sets[at] = place{n: uint32(n), a: ref}
	default:
		l.sets[at] = place{n: fewMembers + 1, a: l.grown(&ordered[K]{by: l.by, chunks: [][]uint64{members}, size: n})}
	}
}

// grown keeps a set of many.
func (l *lookup[K]) grown(s *ordered[K]) uint32 {
	if last := len(l.spare) - 1; last >= 0 {
		i := l.spare[last]
		l.spare, l.many[i] = l.spare[:last], s
		return i
	}
	l.many = append(l.many, s)
	return uint32(len(l.many) - 1)
}

// set are the members under a mark, for as long as nothing changes.
type set[K cmp.Ordered] struct {
	by   keeper[K]
	n    int // of one and of few
	one  uint64
	few  []uint64
	many *ordered[K]
}

// members is a copy of one or a few.
func (s set[K]) members() []uint64 {
	if s.n == 1 {
		return []uint64{s.one}
	}
	return slices.Clone(s.few)
}

func (s set[K]) len() int {
	if s.many != nil {
		return s.many.size
	}
	return s.n
}

func (s set[K]) has(k K) bool {
	switch {
	case s.many != nil:
		return s.many.has(k)
	case s.n == 1:
		return s.by.compare(member(s.one), k) == 0
	}
	_, found := find(s.by, s.few, k)
	return found
}

// below is the greatest member under k, or the greatest of all where there is no
// bound.
func (s set[K]) below(k K, bound bool) (found K, ok bool) {
	if s.many != nil {
		return s.many.below(k, bound)
	}
	if s.n == 1 {
		if bound && s.by.compare(member(s.one), k) >= 0 {
			return found, false
		}
		return s.by.give(member(s.one)), true
	}
	i := len(s.few)
	if bound {
		i, _ = find(s.by, s.few, k)
	}
	if i == 0 {
		return found, false
	}
	return s.by.give(member(s.few[i-1])), true
}

// above is the least member over k, or the least of all where there is no bound.
func (s set[K]) above(k K, bound bool) (found K, ok bool) {
	if s.many != nil {
		return s.many.above(k, bound)
	}
	if s.n == 1 {
		if bound && s.by.compare(member(s.one), k) <= 0 {
			return found, false
		}
		return s.by.give(member(s.one)), true
	}
	i := 0
	if bound {
		var same bool
		if i, same = find(s.by, s.few, k); same {
			i++
		}
	}
	if i == len(s.few) {
		return found, false
	}
	return s.by.give(member(s.few[i])), true
}

// keys are the members in order.
func (s set[K]) keys() []K {
	members := s.few
	switch {
	case s.many != nil:
		members = slices.Concat(s.many.chunks...)
	case s.n == 1:
		members = []uint64{s.one}
	}
	out := make([]K, len(members))
	for i, m := range members {
		out[i] = s.by.give(member(m))
	}
	return out
}
