package registry

import (
	"cmp"
	"slices"
)

// member stands for a key in a set: a number for itself, a text as its place
// among [texts].
type member uint64

// keeper turns keys into members and back.
type keeper[K cmp.Ordered] interface {
	keep(K) member
	give(member) K
	drop(member)
	compare(member, K) int
}

// numberKeeper keeps numbers.
type numberKeeper struct{}

func (numberKeeper) keep(k uint64) member           { return member(k) }
func (numberKeeper) give(m member) uint64           { return uint64(m) }
func (numberKeeper) drop(member)                    {}
func (numberKeeper) compare(m member, k uint64) int { return cmp.Compare(uint64(m), k) }

// textKeeper keeps texts.
type textKeeper struct{ *texts }

func (t textKeeper) keep(k string) member           { return member(t.texts.keep([]byte(k))) }
func (t textKeeper) give(m member) string           { return string(t.view(uint32(m))) }
func (t textKeeper) drop(m member)                  { t.texts.drop(uint32(m)) }
func (t textKeeper) compare(m member, k string) int { return cmp.Compare(string(t.view(uint32(m))), k) }

// find is where a key is among sorted members, or would be.
func find[K cmp.Ordered](by keeper[K], members []uint64, k K) (int, bool) {
	return slices.BinarySearchFunc(members, k, func(m uint64, k K) int { return by.compare(member(m), k) })
}

// chunk is how many members of an [ordered] lie side by side at most: few enough
// to move them for one more in the middle, many enough that a million members
// are a few thousand chunks.
const chunk = 512

// ordered is a sorted set of which a member is found, added or removed, and the
// next one of any place read, without touching the others.
type ordered[K cmp.Ordered] struct {
	by     keeper[K]
	chunks [][]uint64 // none of them empty
	size   int
}

// at is the first chunk whose last member is not below k.
func (s *ordered[K]) at(k K) int {
	i, _ := slices.BinarySearchFunc(s.chunks, k, func(c []uint64, k K) int { return s.by.compare(member(c[len(c)-1]), k) })
	return i
}

func (s *ordered[K]) has(k K) bool {
	i := s.at(k)
	if i == len(s.chunks) {
		return false
	}
	_, found := find(s.by, s.chunks[i], k)
	return found
}

func (s *ordered[K]) add(k K) {
	if len(s.chunks) == 0 {
		s.chunks, s.size = [][]uint64{{uint64(s.by.keep(k))}}, 1
		return
	}
	i := min(s.at(k), len(s.chunks)-1)
	j, found := find(s.by, s.chunks[i], k)
	if found {
		return
	}
	m := uint64(s.by.keep(k))
	s.size++
	if c := s.chunks[i]; len(c) == chunk {
		if j == chunk && i == len(s.chunks)-1 { // ids that are counted upwards fill their chunks
			s.chunks = append(s.chunks, []uint64{m})
			return
		}
		s.chunks = slices.Insert(s.chunks, i+1, slices.Clone(c[chunk/2:]))
		s.chunks[i] = slices.Clip(c[:chunk/2])
		if j > chunk/2 {
			i, j = i+1, j-chunk/2
		}
	}
	s.chunks[i] = slices.Insert(s.chunks[i], j, m)
}

func (s *ordered[K]) remove(k K) {
	i := s.at(k)
	if i == len(s.chunks) {
		return
	}
	j, found := find(s.by, s.chunks[i], k)
	if !found {
		return
	}
	s.by.drop(member(s.chunks[i][j]))
	s.size--
	if s.chunks[i] = slices.Delete(s.chunks[i], j, j+1); len(s.chunks[i]) == 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
}

// below is the greatest member under k, or the greatest of all where there is no
// bound.
func (s *ordered[K]) below(k K, bound bool) (found K, ok bool) {
	i, j := len(s.chunks), 0
	if bound {
		if i = s.at(k); i < len(s.chunks) {
			j, _ = find(s.by, s.chunks[i], k)
		}
	}
	if j == 0 {
		if i == 0 {
			return found, false
		}
		i--
		j = len(s.chunks[i])
	}
	return s.by.give(member(s.chunks[i][j-1])), true
}

// above is the least member over k, or the least of all where there is no bound.
func (s *ordered[K]) above(k K, bound bool) (found K, ok bool) {
	i, j := 0, 0
	if bound {
		if i = s.at(k); i < len(s.chunks) {
			var same bool
			if j, same = find(s.by, s.chunks[i], k); same {
				j++
			}
			if j == len(s.chunks[i]) {
				i, j = i+1, 0
			}
		}
	}
	if i == len(s.chunks) {
		return found, false
	}
	return s.by.give(member(s.chunks[i][j])), true
}
