package vault

import (
	"encoding/binary"
	"slices"

	"sayso"
	"sayso/node/vault/column"
)

// A chunk is a table as stored: a head, and a row of its own for each part that
// is not small. The parts are the times (with sequences and the sets of rows
// that columns are in) and one for each column.
const (
	chunkFormat  = 2         // 1, of earlier programs, is read
	chunkRepeats = 1 << iota // flag: a signal has two values at one time
	chunkRolled              // flag: values of some columns are gone, their roll-ups stay
	chunkBare                // flag: of all columns, and the times are gone too

	chunkMost = 1 << 16 // a reader believes no more rows than that
)

// The number of a part in the key. A column's is signal+1 in the upper, the kind
// in the lower four bits.
const (
	partHeadOf  = 0
	partTimesOf = 1
)

func partOf(s sayso.SignalID, k sayso.Kind) uint32 { return (uint32(s)+1)<<4 | uint32(k) }

// chunkPart is one row of a chunk before sealing.
type chunkPart struct {
	part  uint32
	plain []byte
}

// encode gives the rows of a table, the head first.
func (t *table) encode(bucket uint32, sizes *ChunkSizes) []chunkPart {
	parts := make([]chunkPart, 1, 2+len(t.cols))
	times, presence := t.encodeTimes(bucket)
	flags := t.flags()
	if flags&chunkBare != 0 {
		times = nil
	}
	first, last := t.times[0], t.times[len(t.times)-1]
	low, high := slices.Min(t.seqs), slices.Max(t.seqs)
	b := append(make([]byte, 0, 1024), chunkFormat, flags)
	b = append(b, t.source[:]...)
	b = binary.AppendUvarint(b, uint64(len(t.times)))
	b = binary.AppendUvarint(b, uint64(first-int64(startOfBucket(bucket))))
	b = binary.AppendUvarint(b, uint64(last-first))
	b = binary.AppendUvarint(b, uint64(low))
	b = binary.AppendUvarint(b, uint64(high-low))
	var bodies []byte
	put := func(part uint32, plain []byte) {
		if len(plain) > sizes.Inline {
			parts = append(parts, chunkPart{part, plain})
			b = append(b, 0)
			return
		}
		b = binary.AppendUvarint(b, uint64(len(plain)))
		bodies = append(bodies, plain...)
	}
	put(partTimesOf, times)
	b = binary.AppendUvarint(b, uint64(len(t.cols)))
	signal, sets := sayso.SignalID(0), 0
	for i := range t.cols {
		e, values := t.entry(&t.cols[i], sizes)
		b = binary.AppendUvarint(b, uint64(e.signal-signal))
		signal = e.signal
		e.set = presence[i]
		fresh := !e.gone && e.set == sets
		if fresh {
			sets++
		}
		b = e.append(b, first, last, fresh)
		if !e.gone {
			put(partOf(e.signal, e.kind), values)
		}
		if len(e.rolled) > 0 {
			b = binary.AppendUvarint(b, uint64(len(e.rolled)))
			bodies = append(bodies, e.rolled...)
		}
	}
	parts[0].plain = append(b, bodies...)
	return parts
}

// What the byte of a column's kind says besides. Format 1 has the first only.
const (
	goneBit  = 0x80 // the values are gone
	plainBit = 0x40 // there are no roll-ups
	freshBit = 0x20 // its set of rows is the first of those that no column before has
	kindBits = 0x1f
)

// entry gives what the head says of a column, but for its set of rows, and the
// values.
func (t *table) entry(c *tableColumn, sizes *ChunkSizes) (e chunkColumn, values []byte) {
	if c.gone != nil {
		return *c.gone, nil
	}
	e = chunkColumn{
		signal: c.signal, kind: c.kind, n: len(c.rows),
		first: sayso.Instant(t.times[c.rows[0]]), last: sayso.Instant(t.times[c.rows[len(c.rows)-1]]),
	}
	values = c.encode()
	if c.kind == sayso.Number && len(c.rows) >= sizes.Rollup*hoursOf(t, c) {
		e.rolled = appendRollups(make([]byte, 0, 128), t, c, values)
	}
	return e, values
}

// append writes an entry of a chunk's head, from the kind to the set of rows.
func (e *chunkColumn) append(b []byte, first, last int64, fresh bool) []byte {
	head := byte(e.kind)
	if e.gone {
		head |= goneBit
	}
	if len(e.rolled) == 0 {
		head |= plainBit
	}
	if fresh {
		head |= freshBit
	}
	b = binary.AppendUvarint(append(b, head), uint64(e.n))
	b = binary.AppendUvarint(b, uint64(int64(e.first)-first))
	b = binary.AppendUvarint(b, uint64(last-int64(e.last)))
	if e.gone || fresh {
		return b
	}
	return binary.AppendUvarint(b, uint64(e.set))
}

func (t *table) flags() (flags byte) {
	if t.repeats() {
		flags |= chunkRepeats
	}
	gone := 0
	for i := range t.cols {
		if t.cols[i].gone != nil {
			gone++
		}
	}
	if gone > 0 {
		flags |= chunkRolled
	}
	if gone == len(t.cols) {
		flags |= chunkBare
	}
	return flags
}

// hoursOf is how many hours a column touches.
func hoursOf(t *table, c *tableColumn) int {
	first, last := sayso.Instant(t.times[c.rows[0]]), sayso.Instant(t.times[c.rows[len(c.rows)-1]])
	return int(hourOf(last)-hourOf(first)) + 1
}

func (c *tableColumn) encode() []byte {
	return c.append(make([]byte, 0, len(c.rows)+len(c.rows)/2+64))
}

// append writes the values.
func (c *tableColumn) append(b []byte) []byte {
	switch c.kind {
	case sayso.Text:
		return column.AppendTexts(b, c.texts)
	case sayso.Position:
		for _, v := range c.fixes {
			b = column.AppendNumbers(b, v)
		}
		return b
	}
	return column.AppendNumbers(b, c.numbers)
}

// encodeTimes writes the times since the start of the bucket in units of their
// greatest common divisor, the sequences since the lowest, and the distinct sets
// of rows; it answers which set each column has.
func (t *table) encodeTimes(bucket uint32) (b []byte, presence []int) {
	room := wholePool.Get().(*whole)
	defer wholePool.Put(room)
	unit, list := room.inUnits(t.times, int64(startOfBucket(bucket)))
	b = make([]byte, 0, len(t.times)+64)
	b = binary.AppendUvarint(b, uint64(unit))
	b = column.AppendInts(b, list)
	low := slices.Min(t.seqs)
	for i, seq := range t.seqs {
		list[i] = seq - low
	}
	seqs := column.AppendInts(nil, list)
	b = append(binary.AppendUvarint(b, uint64(len(seqs))), seqs...)
	var sets [][]int64
	presence = make([]int, len(t.cols))
	for i := range t.cols {
		rows := t.cols[i].rows
		if t.cols[i].gone != nil {
			continue
		}
		n := slices.IndexFunc(sets, func(s []int64) bool { return len(s) == len(rows) && slices.Equal(s, rows) })
		if n < 0 {
			n = len(sets)
			sets = append(sets, rows)
		}
		presence[i] = n
	}
	b = binary.AppendUvarint(b, uint64(len(sets)))
	for _, rows := range sets {
		set := column.AppendRows(nil, rows, len(t.times))
		b = append(binary.AppendUvarint(b, uint64(len(set))), set...)
	}
	return b, presence
}

// chunk is an opened head.
type chunk struct {
	place       // of the head
	slot        uint32
	flags       byte
	source      sayso.Address
	n           int
	first, last sayso.Instant
	low, high   uint64
	timesPart   []byte // nil: in a row of its own
	cols        []chunkColumn
	plain       []byte

	// What has been decoded of it; reused.
	clock     column.Ascending // the times
	times     []int64          // when all are read
	seqs      []int64
	sets      []rowSet
	timesRoom []byte
	seqsPart  []byte
	opened    bool // the part with the times is
	decoded   bool // and all times are read
	strict    bool // no time occurs twice
}

// rowSet is a set of rows that columns are in.
type rowSet struct {
	column.Set
	packed []byte
	known  bool
	picked bool
	times  []int64 // of the rows, if picked
	rows   []int64 // their numbers, if asked for
}

// list gives the numbers of the rows.
func (s *rowSet) list() []int64 {
	if len(s.rows) != s.Len() {
		s.rows = s.AppendTo(s.rows[:0])
	}
	return s.rows
}

// chunkColumn is an entry of the head.
type chunkColumn struct {
	signal      sayso.SignalID
	kind        sayso.Kind
	n           int
	first, last sayso.Instant
	set         int
	data        []byte // nil: in a row of its own
	rolled      []byte // roll-ups
	gone        bool   // there is no more than the roll-ups
}

// parse reads c.plain, the plaintext of a head, whose place is set.
func (c *chunk) parse() error {
	r := reader{b: c.plain}
	format := r.byte()
	if format != 1 && format != chunkFormat {
		return errShort
	}
	c.flags = r.byte()
	copy(c.source[:], r.take(uint64(len(c.source))))
	n := r.uvarint()
	start := startOfBucket(c.bucket)
	from, length := r.uvarint(), r.uvarint()
	if n == 0 || n > chunkMost || from >= uint64(bucketLen) || length >= uint64(bucketLen)-from {
		return errShort
	}
	c.n, c.first = int(n), start+sayso.Instant(from)
	c.last = c.first + sayso.Instant(length)
	c.low = r.uvarint()
	c.high = c.low + r.uvarint()
	timesLen := r.uvarint()
	c.cols = c.cols[:0]
	signal, sets := uint64(0), uint64(0)
	var room [64]lengths
	lens := room[:0]
	for range r.count(5) {
		signal += r.uvarint()
		head := r.byte()
		kind, gone := sayso.Kind(head&kindBits), head&goneBit != 0
		n, a, z := r.uvarint(), r.uvarint(), r.uvarint()
		set, l, ok := restOfEntry(&r, format, head, &sets)
		if !ok || signal > 0xffff || kind < sayso.Number || kind > sayso.Position || n == 0 || n > uint64(c.n) && !gone || a > length || z > length || set >= chunkMost {
			return errShort
		}
		lens = append(lens, l)
		c.cols = append(c.cols, chunkColumn{
			signal: sayso.SignalID(signal), kind: kind, n: int(n),
			first: c.first + sayso.Instant(a), last: c.last - sayso.Instant(z), set: int(set), gone: gone,
		})
	}
	c.timesPart = inline(&r, timesLen)
	for i := range c.cols {
		c.cols[i].data = inline(&r, lens[i].data)
		c.cols[i].rolled = inline(&r, lens[i].rolled)
	}
	c.opened, c.decoded = false, false
	if r.bad || len(r.b) != 0 {
		return errShort
	}
	return nil
}

// lengths are those of a column's values and roll-ups in a head.
type lengths struct{ data, rolled uint64 }

// restOfEntry reads the set of rows of a column and the lengths. The columns so
// far have the first sets.
func restOfEntry(r *reader, format, head byte, sets *uint64) (set uint64, l lengths, ok bool) {
	if format == 1 {
		set = r.uvarint()
		return set, lengths{r.uvarint(), r.uvarint()}, head&(plainBit|freshBit) == 0
	}
	ok = true
	switch gone, fresh := head&goneBit != 0, head&freshBit != 0; {
	case gone:
		ok = !fresh
	case fresh:
		set = *sets
		*sets++
		l.data = r.uvarint()
	default:
		set = r.uvarint()
		ok = set < *sets
		l.data = r.uvarint()
	}
	if head&plainBit == 0 {
		l.rolled = r.uvarint()
		ok = ok && l.rolled > 0
	}
	return set, l, ok
}

func inline(r *reader, n uint64) []byte {
	if n == 0 {
		return nil
	}
	return r.take(n)
}

// decodeTimes reads the part with the times, and all times.
func (c *chunk) decodeTimes(b []byte) error {
	if err := c.openTimes(b); err != nil {
		return err
	}
	return c.readTimes()
}

// readTimes reads all times.
func (c *chunk) readTimes() error {
	if err := c.clock.Read(0, c.n); err != nil {
		return err
	}
	c.times = c.clock.Values
	if c.times[c.n-1] != int64(c.last) {
		return errShort
	}
	c.strict, c.decoded = c.clock.Strict(), true
	return nil
}

// openTimes opens the part with the times, which are read when they are asked
// for. The bytes must stay as they are.
func (c *chunk) openTimes(b []byte) error {
	unit, size := binary.Uvarint(b)
	if size <= 0 || unit == 0 || unit > uint64(bucketLen) {
		return errShort
	}
	b, err := c.clock.Open(c.n, b[size:], int64(startOfBucket(c.bucket)), int64(unit), int64(bucketLen)/int64(unit), int64(c.last))
	if err != nil {
		return err
	}
	if first, err := c.clock.Find(int64(c.first)); err != nil || first != 0 {
		return errShort
	}
	r := reader{b: b}
	c.seqsPart, c.seqs = r.bytes(), c.seqs[:0]
	n := r.count(2)
	for len(c.sets) < n {
		c.sets = append(c.sets, rowSet{})
	}
	c.sets = c.sets[:n]
	for i := range c.sets {
		c.sets[i].packed, c.sets[i].known = r.bytes(), false
	}
	if r.bad || len(r.b) != 0 {
		return errShort
	}
	c.opened, c.decoded = true, false
	return nil
}

// sequences decodes the sequences of the rows. The times must be.
func (c *chunk) sequences() ([]int64, error) {
	if len(c.seqs) == c.n {
		return c.seqs, nil
	}
	c.seqs = slices.Grow(c.seqs[:0], c.n)[:c.n]
	rest, err := column.Ints(c.seqs, c.seqsPart)
	if err != nil || len(rest) != 0 {
		c.seqs = c.seqs[:0]
		return nil, errShort
	}
	for i := range c.seqs {
		c.seqs[i] += int64(c.low)
	}
	return c.seqs, nil
}

// set gives a set of rows, decoded. The times must be opened.
func (c *chunk) set(col *chunkColumn) (*rowSet, error) {
	if col.set >= len(c.sets) {
		return nil, errShort
	}
	s := &c.sets[col.set]
	if !s.known {
		if err := s.Parse(s.packed, c.n); err != nil {
			return nil, err
		}
		s.rows, s.times = s.rows[:0], s.times[:0]
		s.known, s.picked = true, false
	}
	if col.n != s.Len() {
		return nil, errShort
	}
	return s, nil
}

// timesOf gives the times of a column's values. All times must be read.
func (c *chunk) timesOf(s *rowSet) []int64 {
	if s.All {
		return c.times
	}
	if !s.picked {
		s.times, s.picked = s.Pick(s.times[:0], c.times), true
	}
	return s.times
}

// window gives the rows of [from, to). The times must be opened.
func (c *chunk) window(from, to sayso.Instant) (low, high int, err error) {
	if c.first < from {
		if low, err = c.clock.Find(int64(from)); err != nil {
			return 0, 0, err
		}
	}
	high = c.n
	if c.last >= to {
		if high, err = c.clock.Find(int64(to)); err != nil {
			return 0, 0, err
		}
	}
	return low, max(low, high), nil
}
