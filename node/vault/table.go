package vault

import (
	"cmp"
	"slices"

	"sayso"
)

// bucketHours is how many hours share a chunk.
const (
	bucketHours = 6
	bucketLen   = bucketHours * hour
)

// bucketOf numbers the spans of six hours so that byte order is time order.
func bucketOf(t sayso.Instant) uint32 { return uint32(floorDiv(int64(t), int64(bucketLen)) + 1<<31) }

// startOfBucket is the first instant of a bucket.
func startOfBucket(n uint32) sayso.Instant { return sayso.Instant(int64(n)-1<<31) * bucketLen }

// A table holds readings of one source in one bucket as columns. Its rows are
// the pairs of time and sequence, ascending.
type table struct {
	source sayso.Address
	times  []int64
	seqs   []int64
	cols   []tableColumn // ascending by signal, then kind
}

// tableColumn holds the values of one kind of a signal and the numbers of the
// rows they are in, ascending.
type tableColumn struct {
	signal  sayso.SignalID
	kind    sayso.Kind
	rows    []int64
	numbers []float64    // of numbers
	texts   []string     // of texts
	fixes   [4][]float64 // of positions: latitude, longitude, HDOP, heading
	gone    *chunkColumn // the values are gone, and this is what is left
}

// add appends a value.
func (c *tableColumn) add(row int64, v *sayso.Value) {
	c.rows = append(c.rows, row)
	switch c.kind {
	case sayso.Text:
		c.texts = append(c.texts, v.Text)
	case sayso.Position:
		l := &v.Location
		for i, f := range [...]float64{l.Latitude, l.Longitude, l.HDOP, l.Heading} {
			c.fixes[i] = append(c.fixes[i], f)
		}
	default:
		c.numbers = append(c.numbers, v.Number)
	}
}

// value gives the i-th value.
func (c *tableColumn) value(i int) sayso.Value {
	switch c.kind {
	case sayso.Text:
		return sayso.TextValue(c.texts[i])
	case sayso.Position:
		return sayso.LocationValue(sayso.Location{
			Latitude: c.fixes[0][i], Longitude: c.fixes[1][i], HDOP: c.fixes[2][i], Heading: c.fixes[3][i],
		})
	}
	return sayso.NumberValue(c.numbers[i])
}

// builder makes a table of readings that mostly come in the order of its rows.
type builder struct {
	table
	at       [][4]int32 // by signal and kind: one more than the number of the column
	shuffled bool
}

// row opens a row.
func (b *builder) row(at sayso.Instant, seq uint64) {
	if n := len(b.times); n > 0 {
		last, before := b.times[n-1], uint64(b.seqs[n-1])
		b.shuffled = b.shuffled || int64(at) < last || int64(at) == last && seq < before
	}
	b.times = append(b.times, int64(at))
	b.seqs = append(b.seqs, int64(seq))
}

// column finds the column of a signal and kind.
func (b *builder) column(s sayso.SignalID, k sayso.Kind) *tableColumn {
	for int(s) >= len(b.at) {
		b.at = append(b.at, [4]int32{})
	}
	n := &b.at[s][k]
	if *n == 0 {
		b.cols = append(b.cols, tableColumn{signal: s, kind: k})
		*n = int32(len(b.cols))
	}
	return &b.cols[*n-1]
}

// block adds a block of readings.
func (b *builder) block(plain []byte, h uint32, seq uint64) error {
	source, ok := blockSource(plain)
	if !ok {
		return errShort
	}
	b.source = source
	r := reader{b: plain[1+len(source):]}
	left := uint64(r.count(3))
	at := startOf(h)
	end := at + hour
	for left > 0 && !r.bad {
		step, run := r.uvarint(), r.uvarint()
		if step >= uint64(hour) || run == 0 || run > left {
			return errShort
		}
		if at += sayso.Instant(step); at >= end {
			return errShort
		}
		left -= run
		b.row(at, seq)
		row, signal := int64(len(b.times)-1), uint64(0)
		for ; run > 0; run-- {
			if signal += r.uvarint(); signal > 0xffff || len(r.b) == 0 {
				return errShort
			}
			if head := r.b[0]; sayso.Kind(head>>4) == sayso.Number {
				r.b = r.b[1:]
				c := b.column(sayso.SignalID(signal), sayso.Number)
				c.rows = append(c.rows, row)
				c.numbers = append(c.numbers, r.number(head&15))
				continue
			}
			var v sayso.Value
			if r.value(&v, true); r.bad {
				return errShort
			}
			b.column(sayso.SignalID(signal), v.Kind).add(row, &v)
		}
	}
	if r.bad || len(r.b) != 0 {
		return errShort
	}
	return nil
}

// done gives the table.
func (b *builder) done() *table {
	t := &b.table
	if b.shuffled {
		return tableOf(t.appendRows(nil))
	}
	t.sort()
	return t
}

// tableOf makes a table of the rows of one source and bucket. It sorts them.
func tableOf(rows []Row) *table {
	order := func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Signal, b.Signal))
	}
	if !slices.IsSortedFunc(rows, order) {
		slices.SortFunc(rows, order)
	}
	var b builder
	for i := range rows {
		r := &rows[i]
		if i == 0 || r.Time != rows[i-1].Time || r.Seq != rows[i-1].Seq {
			b.row(r.Time, r.Seq)
		}
		b.column(r.Signal, r.Value.Kind).add(int64(len(b.times)-1), &r.Value)
	}
	if len(rows) > 0 {
		b.source = rows[0].Source
	}
	return b.done()
}

func (t *table) sort() {
	slices.SortFunc(t.cols, func(a, b tableColumn) int {
		return cmp.Or(cmp.Compare(a.signal, b.signal), cmp.Compare(a.kind, b.kind))
	})
}

// appendRows gives the values one by one, in no order.
func (t *table) appendRows(rows []Row) []Row {
	for i := range t.cols {
		c := &t.cols[i]
		for j, row := range c.rows {
			rows = append(rows, Row{
				Signal: c.signal, Time: sayso.Instant(t.times[row]), Source: t.source, Seq: uint64(t.seqs[row]), Value: c.value(j),
			})
		}
	}
	return rows
}

// follow appends the first of some tables whose rows are all later, each later
// than those of the one before. A column has room for all.
func (t *table) follow(list []*table) {
	next, base := list[0], int64(len(t.times))
	t.times = append(t.times, next.times...)
	t.seqs = append(t.seqs, next.seqs...)
	for i := range next.cols {
		n := &next.cols[i]
		c := t.column(n.signal, n.kind)
		if c.rows == nil {
			c.reserve(list)
		}
		for _, row := range n.rows {
			c.rows = append(c.rows, base+row)
		}
		c.numbers = append(c.numbers, n.numbers...)
		c.texts = append(c.texts, n.texts...)
		for j := range c.fixes {
			c.fixes[j] = append(c.fixes[j], n.fixes[j]...)
		}
	}
}

// reserve makes room for the values that tables have of a column.
func (c *tableColumn) reserve(list []*table) {
	n := 0
	for _, t := range list {
		if x := t.find(c.signal, c.kind); x != nil {
			n += len(x.rows)
		}
	}
	c.rows = make([]int64, 0, n)
	switch c.kind {
	case sayso.Text:
		c.texts = make([]string, 0, n)
	case sayso.Position:
		for i := range c.fixes {
			c.fixes[i] = make([]float64, 0, n)
		}
	default:
		c.numbers = make([]float64, 0, n)
	}
}

// find finds a column, nil if there is none.
func (t *table) find(s sayso.SignalID, k sayso.Kind) *tableColumn {
	for i := range t.cols {
		if t.cols[i].signal == s && t.cols[i].kind == k {
			return &t.cols[i]
		}
	}
	return nil
}

// column finds a column, or makes it at the end.
func (t *table) column(s sayso.SignalID, k sayso.Kind) *tableColumn {
	if c := t.find(s, k); c != nil {
		return c
	}
	t.cols = append(t.cols, tableColumn{signal: s, kind: k})
	return &t.cols[len(t.cols)-1]
}

// split cuts a table into pieces of at most so many rows.
func (t *table) split(most int) []*table {
	var out []*table
	for from := 0; from < len(t.times); from += most {
		to := min(from+most, len(t.times))
		if from == 0 && to == len(t.times) {
			return append(out, t)
		}
		p := &table{source: t.source, times: t.times[from:to], seqs: t.seqs[from:to]}
		for i := range t.cols {
			c := &t.cols[i]
			a, _ := slices.BinarySearch(c.rows, int64(from))
			b, _ := slices.BinarySearch(c.rows, int64(to))
			if a == b {
				continue
			}
			n := tableColumn{signal: c.signal, kind: c.kind, rows: slices.Clone(c.rows[a:b])}
			for j := range n.rows {
				n.rows[j] -= int64(from)
			}
			switch c.kind {
			case sayso.Text:
				n.texts = c.texts[a:b]
			case sayso.Position:
				for j := range c.fixes {
					n.fixes[j] = c.fixes[j][a:b]
				}
			default:
				n.numbers = c.numbers[a:b]
			}
			p.cols = append(p.cols, n)
		}
		out = append(out, p)
	}
	return out
}

// repeats says whether a signal has two values at one time, of which readers
// see the one of the lower sequence.
func (t *table) repeats() bool {
	unique := true
	for i := 1; i < len(t.times); i++ {
		if t.times[i] == t.times[i-1] {
			unique = false
			break
		}
	}
	if unique && !t.mixed() {
		return false
	}
	type when struct {
		signal sayso.SignalID
		time   int64
	}
	seen := make(map[when]bool)
	for i := range t.cols {
		for _, row := range t.cols[i].rows {
			w := when{t.cols[i].signal, t.times[row]}
			if seen[w] {
				return true
			}
			seen[w] = true
		}
	}
	return false
}

// mixed says whether a signal has values of two kinds.
func (t *table) mixed() bool {
	for i := 1; i < len(t.cols); i++ {
		if t.cols[i].signal == t.cols[i-1].signal {
			return true
		}
	}
	return false
}
