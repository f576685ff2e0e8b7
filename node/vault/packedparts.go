package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// packedParts says of which commits and hours readings are in the chunks of a
// bucket.
type packedParts struct {
	parts map[packedPart]struct{}
	bare  []chunkSpan // the times are gone
	all   bool        // nothing can be told: a chunk cannot be read
}

type packedPart struct {
	tag  uint32
	hour uint32
	seq  uint64
}

type chunkSpan struct {
	tag       uint32
	low, high uint64
}

// open reads the chunks of a bucket. After an error everything counts as there:
// the error is what is told.
func (h *packedParts) open(ctx context.Context, r *Reader, own owner, bucket uint32) (err error) {
	*h = packedParts{parts: h.parts}
	if clear(h.parts); h.parts == nil {
		h.parts = make(map[packedPart]struct{})
	}
	defer func() { h.all = err != nil }()
	w := new(walker)
	defer func() { err = errors.Join(err, w.close()) }()
	from := startOfBucket(bucket)
	if err := w.begin(ctx, r, View{Vehicle: own.vehicle}, own.epoch, from, from+bucketLen); err != nil {
		return err
	}
	if err := w.takeChunks(bucket, nil, from, from+bucketLen); err != nil {
		return err
	}
	for _, c := range w.chunks {
		if err := h.add(ctx, w, c); err != nil {
			return err
		}
	}
	return nil
}

// add takes the rows of a chunk in, also those whose values have gone.
func (h *packedParts) add(ctx context.Context, w *walker, c *chunk) error {
	if c.flags&chunkBare != 0 {
		h.bare = append(h.bare, chunkSpan{c.tag, c.low, c.high})
		return nil
	}
	if err := w.ready(ctx, c); err != nil {
		return err
	}
	seqs, err := c.sequences()
	if err != nil {
		return err
	}
	for i, seq := range seqs {
		h.parts[packedPart{c.tag, hourOf(sayso.Instant(c.times[i])), uint64(seq)}] = struct{}{}
	}
	return nil
}

// has says whether readings of a commit and hour are there, or may be.
func (h *packedParts) has(p *place) bool {
	if _, ok := h.parts[packedPart{p.tag, p.hour, p.seq}]; ok || h.all {
		return true
	}
	for _, b := range h.bare {
		if b.tag == p.tag && b.low <= p.seq && p.seq <= b.high {
			return true
		}
	}
	return false
}

// packedRow judges a row of a chunk that was opened: of a head whether the rows
// of its columns are there, of any other whether its head is.
func (c *verifying) packedRow(key, plain []byte) {
	p, ok := parsePlace(key)
	if !ok {
		c.fault(Finding{Part: "rows", What: fmt.Sprintf("a malformed key %x", key)})
		return
	}
	missing := func(p place) bool {
		_, closer, err := c.v.db.Get(p.append(nil))
		if err == nil {
			return closer.Close() != nil
		}
		return errors.Is(err, pebble.ErrNotFound)
	}
	fault := func(what string) {
		c.fault(Finding{Part: "rows", What: what + " " + describe(key), Vehicles: []uint64{p.vehicle}})
	}
	if p.part != partHeadOf {
		at := p
		at.part = partHeadOf
		if missing(at) && !missing(p) {
			fault("a column of packed readings without their head:")
		}
		return
	}
	head := chunk{place: p, plain: plain}
	if err := head.parse(); err != nil {
		fault("the head of packed readings cannot be read:")
		return
	}
	for _, part := range head.ownRows() {
		at := p
		at.part = part
		if missing(at) && !missing(p) {
			fault(fmt.Sprintf("column %d of packed readings is missing:", part))
		}
	}
}

// ownRows are the parts of a chunk that have rows of their own, without the head.
func (c *chunk) ownRows() (parts []uint32) {
	if c.timesPart == nil && c.flags&chunkBare == 0 {
		parts = append(parts, partTimesOf)
	}
	for i := range c.cols {
		if c.cols[i].data == nil && !c.cols[i].gone {
			parts = append(parts, partOf(c.cols[i].signal, c.cols[i].kind))
		}
	}
	return parts
}
