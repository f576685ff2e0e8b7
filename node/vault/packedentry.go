package vault

import (
	"cmp"
	"context"
	"slices"

	"sayso"
)

// unpacking finds the readings of single commits in chunks. Commits that follow
// each other are mostly in the same chunks, so the last ones are held.
type unpacking struct {
	r    *Reader
	held []heldChunk
}

type heldChunk struct {
	place
	rows []Row // ascending by sequence
}

// readings gives what a commit has brought for an hour, as its locator names it,
// ascending by time and signal.
func (u *unpacking) readings(ctx context.Context, p *place) (out []sayso.Reading, err error) {
	from := startOf(p.hour)
	to := from + hour
	w := new(walker)
	defer func() { err = cmp.Or(err, w.close()) }()
	if err := w.begin(ctx, u.r, View{Vehicle: p.vehicle}, p.epoch, from, to); err != nil {
		return nil, err
	}
	if err := w.takeChunks(bucketOf(from), nil, from, to); err != nil {
		return nil, err
	}
	for _, c := range w.chunks {
		if c.tag != p.tag || p.seq < c.low || p.seq > c.high {
			continue
		}
		rows, err := u.rows(ctx, w, c)
		if err != nil {
			return nil, err
		}
		at, _ := slices.BinarySearchFunc(rows, p.seq, func(r Row, seq uint64) int { return cmp.Compare(r.Seq, seq) })
		for ; at < len(rows) && rows[at].Seq == p.seq; at++ {
			if r := &rows[at]; r.Time >= from && r.Time < to {
				out = append(out, sayso.Reading{Signal: r.Signal, Epoch: p.epoch, Time: r.Time, Value: r.Value})
			}
		}
	}
	slices.SortFunc(out, func(a, b sayso.Reading) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Signal, b.Signal))
	})
	return out, nil
}

// rows gives all rows of a chunk.
func (u *unpacking) rows(ctx context.Context, w *walker, c *chunk) ([]Row, error) {
	for i := range u.held {
		if u.held[i].place == c.place {
			return u.held[i].rows, nil
		}
	}
	t, err := w.table(ctx, c)
	if err != nil {
		return nil, err
	}
	rows := t.appendRows(nil)
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Seq, b.Seq) })
	if len(u.held) >= 4 {
		u.held = slices.Delete(u.held, 0, 1)
	}
	u.held = append(u.held, heldChunk{c.place, rows})
	return rows, nil
}
