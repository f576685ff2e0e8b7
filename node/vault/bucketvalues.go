package vault

import (
	"slices"

	"sayso"
	"sayso/node/vault/column"
)

// values takes in the values of a column within [from, to).
func (b *bucketing) values(run *run, cols []int, from, to sayso.Instant) error {
	if run.col.kind != sayso.Number {
		return b.others(run, cols, from, to)
	}
	if err := b.cutRows(run, from, to); err != nil || len(b.spans) == 0 {
		return err
	}
	if err := b.decode(run); err != nil {
		return err
	}
	plain, need := b.plain[:0], 0
	for _, col := range cols {
		if c := &b.cols[col]; c.Keep == nil && rollable(c.Agg) {
			plain, need = append(plain, col), need|needs(c.Agg)
		} else if rollable(c.Agg) {
			b.filtered(col)
		} else {
			b.each(col)
		}
	}
	if b.plain = plain; len(plain) == 0 {
		return nil
	}
	for _, sp := range b.parts {
		var st stat
		if b.have.whole {
			st = statOfWhole(run.w.r.whole[sp.low:sp.high], b.have.scale, need)
		} else {
			st = statOf(run.w.r.numbers[sp.low:sp.high])
		}
		b.coarse(sp.interval, plain, &st)
	}
	return nil
}

// decoded says which numbers are in the room of the reader: as whole ones, or as
// they are.
type decoded struct {
	r         *Reader
	col       *chunkColumn
	set       *rowSet
	low, high int // and which of the column
	scale     float64
	whole     bool
	plain     bool // as they are
}

// decode finds the stretches of a column's numbers and reads those, if they are
// not at hand.
func (b *bucketing) decode(run *run) error {
	w, c, col, h := run.w, run.c, run.col, &b.have
	if h.col != col {
		if err := w.open(b.ctx, c); err != nil {
			return err
		}
		s, err := c.set(col)
		if err != nil {
			return err
		}
		*h = decoded{r: w.r, col: col, set: s}
	}
	low, high := b.place(h.set)
	if low >= high || low >= h.low && high <= h.high {
		return nil
	}
	packed, _, err := w.data(b.ctx, c, col)
	if err != nil {
		return err
	}
	w.r.whole = slices.Grow(w.r.whole[:0], col.n)[:col.n]
	h.scale, h.whole, err = column.ScaledPart(w.r.whole, packed, low, high)
	if err == nil && !h.whole {
		w.r.numbers = slices.Grow(w.r.numbers[:0], col.n)[:col.n]
		err = column.NumbersPart(w.r.numbers, packed, low, high)
	}
	if err != nil {
		return errShort
	}
	h.low, h.high, h.plain = low, high, !h.whole
	return nil
}

// place gives the stretches of values of the rows that were cut, and where they
// begin and end.
func (b *bucketing) place(s *rowSet) (low, high int) {
	b.parts = b.parts[:0]
	at, known := s.Rank(b.spans[0].low, 0)
	low = at
	for _, sp := range b.spans { // each begins where the one before ends
		from := at
		if at, known = s.Rank(sp.high, known); at > from {
			b.parts = append(b.parts, spanOf{from, at, sp.interval})
		}
	}
	return low, at
}

// numbers gives the numbers at hand as they are.
func (b *bucketing) numbers() []float64 {
	h, r := &b.have, b.have.r
	if !h.plain {
		r.numbers = slices.Grow(r.numbers[:0], len(r.whole))[:len(r.whole)]
		for i, m := range r.whole[h.low:h.high] {
			r.numbers[h.low+i] = float64(m) / h.scale
		}
		h.plain = true
	}
	return r.numbers
}

// filtered takes in the numbers at hand that a column keeps. Of equal ones that
// follow each other the first is asked about.
func (b *bucketing) filtered(col int) {
	c := &b.cols[col]
	judge := judge{keep: c.Keep, scale: b.have.scale}
	for _, sp := range b.parts {
		var st stat
		if b.have.whole {
			st = judge.whole(b.have.r.whole[sp.low:sp.high], c.Agg, &b.kept)
		} else {
			st = judge.plain(b.have.r.numbers[sp.low:sp.high], c.Agg, &b.kept)
		}
		if st.n > 0 {
			b.cell(sp.interval, col).merge(c.Agg, &st)
		}
	}
}

// judge asks a filter about numbers, and remembers the last answer.
type judge struct {
	keep  func(sayso.Value) bool
	scale float64
	asked bool
	last  float64
	lastM int64
	keeps bool
}

func (j *judge) ask(f float64) {
	j.asked, j.last, j.keeps = true, f, j.keep(sayso.NumberValue(f))
}

// whole sums up those of some numbers, given as whole ones, that are kept. A
// count needs no room for them.
func (j *judge) whole(ms []int64, a Agg, room *[]float64) (st stat) {
	kept := (*room)[:0]
	for _, m := range ms {
		if !j.asked || m != j.lastM {
			j.ask(float64(m) / j.scale)
			j.lastM = m
		}
		switch {
		case !j.keeps:
		case a == Count:
			st.n++
		default:
			kept = append(kept, j.last)
		}
	}
	return sumUp(st, kept, room)
}

// plain is whole for numbers as they are.
func (j *judge) plain(numbers []float64, a Agg, room *[]float64) (st stat) {
	kept := (*room)[:0]
	for _, f := range numbers {
		if !j.asked || f != j.last {
			j.ask(f)
		}
		switch {
		case !j.keeps:
		case a == Count:
			st.n++
		default:
			kept = append(kept, f)
		}
	}
	return sumUp(st, kept, room)
}

// sumUp gives the sums of what was kept, or the count.
func sumUp(st stat, kept []float64, room *[]float64) stat {
	if *room = kept; len(kept) > 0 {
		return statOf(kept)
	}
	return st
}

// each takes in the numbers at hand one by one.
func (b *bucketing) each(col int) {
	if !takes(b.cols[col].Agg, sayso.Number) {
		return
	}
	numbers := b.numbers()
	for _, sp := range b.parts {
		for _, f := range numbers[sp.low:sp.high] {
			v := sayso.NumberValue(f)
			b.value(sp.interval, col, &v)
		}
	}
}

// others takes in texts or positions.
func (b *bucketing) others(run *run, cols []int, from, to sayso.Instant) error {
	wanted := false
	for _, col := range cols {
		wanted = wanted || takes(b.cols[col].Agg, run.col.kind)
	}
	if !wanted {
		return nil
	}
	t := run.w.r.room(0)
	s, err := run.w.decode(b.ctx, run.c, run.col, t)
	if err != nil {
		return err
	}
	if err := run.w.ready(b.ctx, run.c); err != nil {
		return err
	}
	times := run.c.timesOf(s)
	low, high := within(times, from, to)
	b.cut(times, low, high)
	b.cutOf = cutting{}
	for _, sp := range b.spans {
		for i := sp.low; i < sp.high; i++ {
			v := t.value(i)
			for _, col := range cols {
				b.value(sp.interval, col, &v)
			}
		}
	}
	return nil
}

// cutting says of what rows the stretches are.
type cutting struct {
	c        *chunk
	from, to sayso.Instant
}

// cutRows finds the stretches of rows of a chunk within [from, to) that fall into
// one interval each.
func (b *bucketing) cutRows(run *run, from, to sayso.Instant) error {
	of := cutting{run.c, from, to}
	if b.cutOf == of {
		return nil
	}
	if err := run.w.open(b.ctx, run.c); err != nil {
		return err
	}
	low, high, err := run.c.window(from, to)
	if err != nil {
		return run.w.damaged(err)
	}
	if int64((to-from)/b.interval)*fewRows < int64(high-low) {
		err = b.seek(&run.c.clock, low, high)
	} else if err = run.c.clock.Read(low, high); err == nil {
		b.cut(run.c.clock.Values, low, high)
	}
	b.cutOf = of
	return run.w.damaged(err)
}

// fewRows is how many rows an interval has on average where reading their times
// is less than looking for its end.
const fewRows = 16

// seek is cut of times that need not be read.
func (b *bucketing) seek(clock *column.Ascending, low, high int) error {
	b.spans = b.spans[:0]
	for low < high {
		t, err := clock.At(low)
		if err != nil {
			return err
		}
		n := b.number(sayso.Instant(t))
		at, err := clock.From(int64(b.from)+(n+1)*int64(b.interval), low+1)
		if err != nil {
			return err
		}
		at = min(at, high)
		b.spans = append(b.spans, spanOf{low, at, n})
		low = at
	}
	return nil
}

// cut finds the stretches of times in the places [low, high) that fall into one
// interval each.
func (b *bucketing) cut(times []int64, low, high int) {
	b.spans = b.spans[:0]
	for guess := 1; low < high; {
		n := b.number(sayso.Instant(times[low]))
		at, end := high, int64(b.from)+(n+1)*int64(b.interval)
		if times[high-1] >= end {
			at = firstFrom(times, low, high-1, low+guess, end)
		}
		b.spans = append(b.spans, spanOf{low, at, n})
		low, guess = at, at-low
	}
}

// firstFrom gives the first place whose time is not below t, between one that is
// and one that is not. It looks near the guess first.
func firstFrom(times []int64, below, not, guess int, t int64) int {
	if guess <= below || guess >= not {
		guess = below + 1
	}
	for step := 1; not-below > 1; step *= 2 {
		if times[guess] < t {
			below = guess
			guess += step
		} else {
			not = guess
			guess -= step
		}
		if guess <= below || guess >= not {
			guess = int(uint(below+not) >> 1)
		}
	}
	return not
}
