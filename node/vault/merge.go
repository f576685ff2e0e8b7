package vault

import (
	"cmp"
	"slices"
)

// merged makes one table of several of the same source and bucket.
func merged(list []*table) *table {
	if len(list) == 1 {
		return list[0]
	}
	slices.SortStableFunc(list, func(a, b *table) int { return cmp.Compare(a.times[0], b.times[0]) })
	total, apart := 0, true
	for i, t := range list {
		apart = apart && (i == 0 || t.times[0] > list[i-1].times[len(list[i-1].times)-1])
		total += len(t.times)
	}
	out := &table{source: list[0].source, times: make([]int64, 0, total), seqs: make([]int64, 0, total)}
	if apart {
		for i := range list {
			out.follow(list[i:])
		}
	} else {
		out.interleave(list)
	}
	out.sort()
	return out
}

// interleave makes an empty table one of several whose rows are between each
// other. Rows of the same time and sequence become one.
func (t *table) interleave(list []*table) {
	places := t.rowsOf(list) // by table: where each row goes
	var next picks
	next.rows = make([]pick, len(t.times))
	for from, old := range list {
		for i := range old.cols {
			c := &old.cols[i]
			if slices.ContainsFunc(t.cols, func(x tableColumn) bool { return x.signal == c.signal && x.kind == c.kind }) {
				continue
			}
			t.cols = append(t.cols, next.column(list[from:], places[from:], c))
		}
	}
}

// rowsOf fills in times and sequences and says where the rows of each table are
// among them.
func (t *table) rowsOf(list []*table) (places [][]int64) {
	at := make([]int, len(list))
	for _, x := range list {
		places = append(places, make([]int64, len(x.times)))
	}
	for {
		least := -1
		for i, x := range list {
			if at[i] < len(x.times) && (least < 0 || x.before(at[i], list[least], at[least])) {
				least = i
			}
		}
		if least < 0 {
			return places
		}
		x, row := list[least], at[least]
		n := len(t.times)
		if n == 0 || t.times[n-1] != x.times[row] || t.seqs[n-1] != x.seqs[row] {
			t.times, t.seqs = append(t.times, x.times[row]), append(t.seqs, x.seqs[row])
			n++
		}
		places[least][row] = int64(n - 1)
		at[least]++
	}
}

// before says whether a row comes before one of another table.
func (t *table) before(row int, o *table, other int) bool {
	return t.times[row] < o.times[other] || t.times[row] == o.times[other] && t.seqs[row] < o.seqs[other]
}

// picks is room for saying which value goes into each row.
type picks struct{ rows []pick }

// pick names a value: one more than the number of the table, 0 where there is
// none, and which of the column's.
type pick struct{ table, value int32 }

// column puts together the columns of a signal and kind.
func (s *picks) column(list []*table, places [][]int64, like *tableColumn) tableColumn {
	clear(s.rows)
	from := make([]*tableColumn, len(list))
	total := 0
	for i, t := range list {
		n := slices.IndexFunc(t.cols, func(c tableColumn) bool { return c.signal == like.signal && c.kind == like.kind })
		if n < 0 {
			continue
		}
		from[i] = &t.cols[n]
		total += len(from[i].rows)
		for value, row := range from[i].rows {
			s.rows[places[i][row]] = pick{int32(i + 1), int32(value)}
		}
	}
	out := tableColumn{signal: like.signal, kind: like.kind, rows: make([]int64, 0, total)}
	for row, x := range s.rows {
		if x.table > 0 {
			out.take(int64(row), from[x.table-1], int(x.value))
		}
	}
	return out
}

// take appends a value of another column of the kind.
func (c *tableColumn) take(row int64, from *tableColumn, value int) {
	c.rows = append(c.rows, row)
	switch {
	case from.numbers != nil:
		c.numbers = append(c.numbers, from.numbers[value])
	case from.texts != nil:
		c.texts = append(c.texts, from.texts[value])
	default:
		for i := range c.fixes {
			c.fixes[i] = append(c.fixes[i], from.fixes[i][value])
		}
	}
}
