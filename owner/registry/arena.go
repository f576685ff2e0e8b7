package registry

import "math/bits"

// arena keeps many small pieces in few large slabs. A piece is named by a number
// and holds no pointers, so that the garbage collector has nothing to look into,
// however many there are. What is released is given out again to a piece of the
// same size class.
type arena[T byte | uint64] struct {
	slabs [][]T
	next  uint32              // the first grain of the last slab of the usual size that was never given out
	open  int                 // which slab that is
	free  map[uint32][]uint32 // by class: what was released
	whole []int               // slabs of pieces larger than a slab, released
}

const (
	slabGrains = 1 << 16 // of 16 bytes each: a slab is a mebibyte
	fineGrains = 64      // up to here each number of grains is a class of its own
)

// grain is how many members make 16 bytes.
func (a *arena[T]) grain() int {
	var t T
	if any(t) == any(byte(0)) {
		return 16
	}
	return 2
}

// class is how many grains a piece of n members takes.
func (a *arena[T]) class(n int) uint32 {
	g := uint32(max(1, (n+a.grain()-1)/a.grain()))
	if g > fineGrains && g <= slabGrains {
		g = 1 << bits.Len32(g-1)
	}
	return g
}

// alloc finds room for n members.
func (a *arena[T]) alloc(n int) (ref uint32) {
	g := a.class(n)
	if list := a.free[g]; len(list) > 0 {
		a.free[g] = list[:len(list)-1]
		return list[len(list)-1]
	}
	if g > slabGrains {
		return a.large(n)
	}
	if len(a.slabs) == 0 || a.next+g > slabGrains {
		a.open, a.next = a.slab(slabGrains*a.grain()), 0
	}
	ref = uint32(a.open*slabGrains) + a.next
	a.next += g
	return ref
}

func (a *arena[T]) slab(n int) int {
	a.slabs = append(a.slabs, make([]T, n))
	return len(a.slabs) - 1
}

// large gives a piece a slab of its own.
func (a *arena[T]) large(n int) uint32 {
	if last := len(a.whole) - 1; last >= 0 {
		i := a.whole[last]
		a.whole, a.slabs[i] = a.whole[:last], make([]T, n)
		return uint32(i * slabGrains)
	}
	return uint32(a.slab(n) * slabGrains)
}

// at is a piece, and what lies behind it.
func (a *arena[T]) at(ref uint32) []T {
	return a.slabs[ref/slabGrains][int(ref%slabGrains)*a.grain():]
}

// release gives back the room of n members.
func (a *arena[T]) release(ref uint32, n int) {
	g := a.class(n)
	if g > slabGrains {
		i := int(ref / slabGrains)
		a.slabs[i] = nil
		a.whole = append(a.whole, i)
		return
	}
	if a.free == nil {
		a.free = map[uint32][]uint32{}
	}
	a.free[g] = append(a.free[g], ref)
}
