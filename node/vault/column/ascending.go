package column

import "slices"

// Ascending are whole numbers that do not descend, as AppendInts wrote them,
// each times a unit and after a start. Their blocks are read when they are asked
// for: where a block begins says what is before it.
type Ascending struct {
	Values []int64 // of which those that were read are right

	start, unit, most, last int64
	blocks                  []ascendingBlock
	unread                  int
	equal                   bool
}

type ascendingBlock struct {
	packed []byte
	first  int64
	step   int64 // from each to the next, if that is the same and not 0
	read   bool
}

// Open takes in n numbers, none of which is more than most before it is
// multiplied, nor more than last afterwards. The bytes must stay as they are. It
// gives what follows.
func (a *Ascending) Open(n int, b []byte, start, unit, most, last int64) (rest []byte, err error) {
	a.Values = slices.Grow(a.Values[:0], n)[:n]
	a.start, a.unit, a.most, a.last = start, unit, most, last
	a.blocks, a.equal = a.blocks[:0], false
	before := start
	for at := 0; at < n; at += blockLen {
		if rest, err = skip(min(blockLen, n-at), b); err != nil {
			return nil, err
		}
		if b[0]&^deltaBit == rawBlock {
			return nil, ErrMalformed
		}
		first, _, _ := varint(b[1:])
		if uint64(first) > uint64(most) || start+first*unit < before {
			return nil, ErrMalformed
		}
		before = start + first*unit
		k := ascendingBlock{packed: b, first: before}
		if b[0] == deltaBit {
			_, b, _ = varint(b[1:])
			if step, _, _ := varint(b); uint64(step) <= uint64(most) {
				k.step = step * unit
				before += int64(min(blockLen, n-at)-1) * k.step
			}
		}
		a.blocks = append(a.blocks, k)
		b = rest
	}
	a.unread = len(a.blocks)
	if before > last {
		return nil, ErrMalformed
	}
	return b, nil
}

// At gives one number.
func (a *Ascending) At(place int) (int64, error) {
	k := &a.blocks[place/blockLen]
	if k.step > 0 {
		return k.first + int64(place%blockLen)*k.step, nil
	}
	err := a.block(place / blockLen)
	return a.Values[place], err
}

// From gives the first place, not before low, whose number is not below x.
func (a *Ascending) From(x int64, low int) (int, error) {
	if low >= len(a.Values) {
		return low, nil
	}
	i := low / blockLen
	for i+1 < len(a.blocks) && a.blocks[i+1].first < x {
		i++
	}
	k, from := &a.blocks[i], i*blockLen
	to := min(from+blockLen, len(a.Values))
	switch {
	case x <= k.first:
	case k.step > 0:
		from = int(min(int64(from)+(x-k.first+k.step-1)/k.step, int64(to)))
	default:
		if err := a.block(i); err != nil {
			return 0, err
		}
		at, _ := slices.BinarySearch(a.Values[from:to], x)
		from += at
	}
	return max(from, low), nil
}

// Read has the numbers in the places [low, high) right.
func (a *Ascending) Read(low, high int) error {
	if a.unread == 0 {
		return nil
	}
	for i := low / blockLen; i*blockLen < high; i++ {
		if err := a.block(i); err != nil {
			return err
		}
	}
	return nil
}

// Strict says of numbers that were all read whether no two are equal.
func (a *Ascending) Strict() bool { return !a.equal }

// Find gives the first place whose number is not below x.
func (a *Ascending) Find(x int64) (int, error) {
	i, _ := slices.BinarySearchFunc(a.blocks, x, func(b ascendingBlock, x int64) int {
		if b.first < x {
			return -1
		}
		return 1
	})
	if i == 0 {
		return 0, nil
	}
	i--
	if err := a.block(i); err != nil {
		return 0, err
	}
	from := i * blockLen
	at, _ := slices.BinarySearch(a.Values[from:min(from+blockLen, len(a.Values))], x)
	return from + at, nil
}

// block reads a block.
func (a *Ascending) block(i int) error {
	k := &a.blocks[i]
	if k.read {
		return nil
	}
	dst := a.Values[i*blockLen : min((i+1)*blockLen, len(a.Values))]
	next := a.last
	if i+1 < len(a.blocks) {
		next = a.blocks[i+1].first
	}
	equal, ok := false, false
	if k.packed[0]&deltaBit != 0 {
		equal, ok = a.steps(dst, k)
	} else {
		equal, ok = a.each(dst, k)
	}
	last := dst[len(dst)-1]
	if !ok || last > next {
		return ErrMalformed
	}
	a.equal = a.equal || equal || last == next && i+1 < len(a.blocks)
	k.read = true
	a.unread--
	return nil
}

// steps reads a block of steps.
func (a *Ascending) steps(dst []int64, k *ascendingBlock) (equal, ok bool) {
	width := uint(k.packed[0] &^ deltaBit)
	_, b, _ := varint(k.packed[1:])
	low, b, _ := varint(b)
	at, unit := k.first, a.unit
	dst[0] = at
	if width == 0 {
		if uint64(low) > uint64(a.most) {
			return false, len(dst) == 1
		}
		for i := 1; i < len(dst); i++ {
			at += low * unit
			dst[i] = at
		}
		return low == 0 && len(dst) > 1, true
	}
	unpack(dst[1:], b, width, low)
	most, least := uint64(a.most), a.most
	for i := 1; i < len(dst); i++ {
		step := dst[i]
		if uint64(step) > most {
			return false, false
		}
		least = min(least, step)
		at += step * unit
		dst[i] = at
	}
	return least == 0, true
}

// each reads a block of distances from the smallest.
func (a *Ascending) each(dst []int64, k *ascendingBlock) (equal, ok bool) {
	low, b, _ := varint(k.packed[1:])
	unpack(dst, b, uint(k.packed[0]), low)
	before := k.first - 1
	for i, x := range dst {
		if uint64(x) > uint64(a.most) {
			return false, false
		}
		at := a.start + x*a.unit
		if at < before || i == 0 && at != k.first {
			return false, false
		}
		equal = equal || at == before
		dst[i], before = at, at
	}
	return equal, true
}

// skip gives what follows a block of n numbers.
func skip(n int, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, ErrMalformed
	}
	head := b[0]
	if head == rawBlock {
		if b = b[1:]; len(b) < 8*n {
			return nil, ErrMalformed
		}
		return b[8*n:], nil
	}
	width := int(head &^ deltaBit)
	_, b, ok := varint(b[1:])
	if ok && head&deltaBit != 0 {
		_, b, ok = varint(b)
		n--
	}
	size := (n*width + 7) / 8
	if !ok || width > 64 || size > len(b) {
		return nil, ErrMalformed
	}
	return b[size:], nil
}

// ScaledPart is [Scaled] of those of len(dst) numbers that are in the places
// [low, high); the others are anything.
func ScaledPart(dst []int64, b []byte, low, high int) (scale float64, ok bool, err error) {
	if len(b) == 0 || b[0]&^(rawBit|wideBit) > maxExponent {
		return 0, false, ErrMalformed
	}
	if b[0]&(rawBit|wideBit) != 0 {
		return 0, false, nil
	}
	scale = pow10[b[0]]
	low, b, err = skipTo(len(dst), b[1:], low)
	for ; err == nil && low < high; low += blockLen {
		b, err = block(dst[low:min(low+blockLen, len(dst))], b)
	}
	if err == nil && low >= len(dst) && len(b) != 0 {
		err = ErrMalformed
	}
	return scale, err == nil, err
}

// NumbersPart is [Numbers] of those of len(dst) numbers that are in the places
// [low, high); the others are anything.
func NumbersPart(dst []float64, b []byte, low, high int) error {
	if len(b) == 0 {
		return ErrMalformed
	}
	head := b[0]
	low, b, err := skipTo(len(dst), b[1:], low)
	if err != nil {
		return err
	}
	all := high >= len(dst)
	high = min((high+blockLen-1)/blockLen*blockLen, len(dst))
	if low >= high {
		return nil
	}
	b, err = numbers(dst[low:high], head, b)
	if err == nil && all && len(b) != 0 {
		err = ErrMalformed
	}
	return err
}

// skipTo goes to the block of a place, of n numbers in all, and says where it
// begins.
func skipTo(n int, b []byte, place int) (at int, rest []byte, err error) {
	for ; err == nil && at+blockLen <= place; at += blockLen {
		b, err = skip(min(blockLen, n-at), b)
	}
	return at, b, err
}
