package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Figures tell what is in a store.
type Figures struct {
	Sequence    uint64            `json:"sequence"`
	Vehicles    int               `json:"vehicles"`   // that have rows
	Ownerships  int               `json:"ownerships"` // likewise
	Rows        map[string]uint64 `json:"rows"`       // by kind
	Bytes       map[string]uint64 `json:"bytes"`      // on disk, by part
	First       time.Time         `json:"first,omitzero"`
	Last        time.Time         `json:"last,omitzero"` // of the cloud events
	Keys        KeyFigures        `json:"keys"`
	LogSegments int               `json:"logSegments"`
	Checkpoint  CheckpointFigures `json:"checkpoint"`
	Damage      []Finding         `json:"damage,omitempty"` // known without looking for it
}

// KeyFigures count the slots of the key file.
type KeyFigures struct {
	Live     int `json:"live"`     // data keys
	Erased   int `json:"erased"`   // data keys that were destroyed
	Openings int `json:"openings"` // how often the store was opened
}

// CheckpointFigures are what the next start will hold the store to.
type CheckpointFigures struct {
	Generation uint64 `json:"generation"`
	Durable    uint64 `json:"durable"`    // sequence that needs no replay
	LogEnd     uint64 `json:"logEnd"`     // sequence that must be in the log
	FirstLog   uint64 `json:"firstLog"`   // segment that is needed
	KeySlots   uint32 `json:"keySlots"`   // that must be there
	LogEndLink []byte `json:"logEndLink"` // link of the chain at the end
}

// Stat counts what is kept. It reads the keys of all rows, and calls tell, if
// given, with the number that it has counted.
func (v *Vault) Stat(ctx context.Context, tell func(rows uint64)) (Figures, error) {
	f := Figures{Rows: make(map[string]uint64), Bytes: make(map[string]uint64), Damage: v.Damage()}
	err := v.reading(ctx, "vault.Stat", func(snap *pebble.Snapshot) error {
		f.Sequence, f.LogSegments = v.Seq(), v.journal.segments()
		if err := v.statKeys(&f); err != nil {
			return err
		}
		if err := v.statFiles(&f); err != nil {
			return err
		}
		return v.statRows(ctx, snap, &f, tell)
	})
	return f, err
}

func (v *Vault) statKeys(f *Figures) error {
	b, err := v.keys.content()
	if err != nil {
		return err
	}
	for n := range len(b) / slotSize {
		switch s, _ := decodeSlot(b[n*slotSize:][:slotSize]); s.kind {
		case slotKey:
			f.Keys.Live++
		case slotErased:
			f.Keys.Erased++
		case slotOpening:
			f.Keys.Openings++
		}
	}
	return nil
}

// statFiles reads the checkpoint and the sizes of the files.
func (v *Vault) statFiles(f *Figures) error {
	fs, path := v.cfg.FS, func(name string) string { return v.cfg.FS.PathJoin(v.cfg.Dir, name) }
	file, err := fs.Open(path("checkpoint"))
	if err != nil {
		return err
	}
	b, err := readAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	for at := 0; at+checkpointSize <= len(b); at += checkpointSlot {
		if c, ok := decodeCheckpoint(b[at:]); ok && c.generation > f.Checkpoint.Generation {
			f.Checkpoint = CheckpointFigures{c.generation, c.durable, c.end.seq, c.first, c.slots, c.end.link[:]}
		}
	}
	f.Bytes["checkpoint"], f.Bytes["rows"] = uint64(len(b)), v.db.Metrics().DiskSpaceUsage()
	for part, names := range map[string][]string{"keys": {"keys"}, "log": nil} {
		if names == nil {
			if names, err = fs.List(path("log")); err != nil {
				return err
			}
			for i, n := range names {
				names[i] = fs.PathJoin("log", n)
			}
		}
		for _, n := range names {
			if info, err := fs.Stat(path(n)); err == nil { // a segment may go meanwhile
				f.Bytes[part] += uint64(info.Size())
			}
		}
	}
	return nil
}

func (v *Vault) statRows(ctx context.Context, snap *pebble.Snapshot, f *Figures, tell func(uint64)) error {
	it, err := snap.NewIterWithContext(ctx, nil)
	if err != nil {
		return err
	}
	var last owner
	vehicles := make(map[uint64]struct{})
	ownerships := make(map[owner]struct{})
	n := uint64(0)
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()
		f.Rows[kindNames[key[0]]]++
		if n++; n%(1<<16) == 0 && tell != nil {
			tell(n)
		}
		if p, ok := parsePlace(key); ok && (p.kind == kindCloudEvent || p.kind == kindStatement || p.kind == kindTombstone) {
			at := p.time.Time()
			if f.First.IsZero() || at.Before(f.First) {
				f.First = at
			}
			if at.After(f.Last) {
				f.Last = at
			}
		}
		if len(key) < prefixLen || key[0] == kindKey || key[0] == kindSeq || key[0] == kindMeta {
			continue
		}
		if own := (owner{binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint32(key[9:])}); own != last {
			last = own
			vehicles[own.vehicle], ownerships[own] = struct{}{}, struct{}{}
		}
	}
	f.Vehicles, f.Ownerships = len(vehicles), len(ownerships)
	return errors.Join(it.Error(), it.Close())
}

// Compact rewrites the rows so that what was replaced or erased takes no space.
// Commits and reads go on meanwhile.
func (v *Vault) Compact(ctx context.Context) (before, after uint64, err error) {
	const op = "vault.Compact"
	if err := v.enterCall(ctx, op); err != nil {
		return 0, 0, err
	}
	defer v.leaveCall()
	before = v.db.Metrics().DiskSpaceUsage()
	flushed, err := v.db.AsyncFlush()
	if err == nil {
		select {
		case <-flushed:
		case <-v.dead:
			return 0, 0, v.failure()
		case <-ctx.Done():
			return 0, 0, cancelled(op, ctx.Err())
		}
		err = v.guarded(func() error { return v.db.Compact(ctx, []byte{0}, []byte{0xff}, true) })
	}
	switch {
	case ctx.Err() != nil:
		return 0, 0, cancelled(op, ctx.Err())
	case v.failure() != nil:
		return 0, 0, v.failure()
	case err != nil:
		return 0, 0, unreadable(op, err)
	}
	return before, v.db.Metrics().DiskSpaceUsage(), nil
}
