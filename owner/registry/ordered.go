package registry

import (
	"cmp"
	"slices"
)

// chunk is how many members of an [ordered] lie side by side at most: few enough
// to move them for one more in the middle, many enough that a million members
// are a few thousand chunks.
const chunk = 512

// ordered is a sorted set of which a member is found, added or removed, and the
// next one of any place read, without touching the others.
type ordered[K cmp.Ordered] struct {
	chunks [][]K // none of them empty
	size   int
}

// at is the first chunk whose last member is not below k.
func (s *ordered[K]) at(k K) int {
	i, _ := slices.BinarySearchFunc(s.chunks, k, func(c []K, k K) int { return cmp.Compare(c[len(c)-1], k) })
	return i
}

func (s *ordered[K]) has(k K) bool {
	if s == nil {
		return false
	}
	i := s.at(k)
	if i == len(s.chunks) {
		return false
	}
	_, found := slices.BinarySearch(s.chunks[i], k)
	return found
}

func (s *ordered[K]) add(k K) {
	if len(s.chunks) == 0 {
		s.chunks, s.size = [][]K{{k}}, 1
		return
	}
	i := min(s.at(k), len(s.chunks)-1)
	j, found := slices.BinarySearch(s.chunks[i], k)
	if found {
		return
	}
	s.size++
	if c := s.chunks[i]; len(c) == chunk {
		if j == chunk && i == len(s.chunks)-1 { // ids that are counted upwards fill their chunks
			s.chunks = append(s.chunks, []K{k})
			return
		}
		s.chunks = slices.Insert(s.chunks, i+1, slices.Clone(c[chunk/2:]))
		s.chunks[i] = slices.Clip(c[:chunk/2])
		if j > chunk/2 {
			i, j = i+1, j-chunk/2
		}
	}
	s.chunks[i] = slices.Insert(s.chunks[i], j, k)
}

func (s *ordered[K]) remove(k K) {
	if !s.has(k) {
		return
	}
	i := s.at(k)
	j, _ := slices.BinarySearch(s.chunks[i], k)
	s.size--
	if s.chunks[i] = slices.Delete(s.chunks[i], j, j+1); len(s.chunks[i]) == 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
}

// below is the greatest member under k, or the greatest of all where there is no
// bound.
func (s *ordered[K]) below(k K, bound bool) (found K, ok bool) {
	if s == nil || s.size == 0 {
		return found, false
	}
	i, j := len(s.chunks), 0
	if bound {
		if i = s.at(k); i < len(s.chunks) {
			j, _ = slices.BinarySearch(s.chunks[i], k)
		}
	}
	if j == 0 {
		if i == 0 {
			return found, false
		}
		i--
		j = len(s.chunks[i])
	}
	return s.chunks[i][j-1], true
}

// above is the least member over k, or the least of all where there is no bound.
func (s *ordered[K]) above(k K, bound bool) (found K, ok bool) {
	if s == nil || s.size == 0 {
		return found, false
	}
	if !bound {
		return s.chunks[0][0], true
	}
	i := s.at(k)
	if i == len(s.chunks) {
		return found, false
	}
	j, same := slices.BinarySearch(s.chunks[i], k)
	if same {
		j++
	}
	if j == len(s.chunks[i]) {
		if i++; i == len(s.chunks) {
			return found, false
		}
		j = 0
	}
	return s.chunks[i][j], true
}

func (s *ordered[K]) len() int {
	if s == nil {
		return 0
	}
	return s.size
}

// all are the members in order, in pieces.
func (s *ordered[K]) all() [][]K {
	if s == nil {
		return nil
	}
	return s.chunks
}
