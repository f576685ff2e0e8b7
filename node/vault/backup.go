package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// copyName is the folder in which Pebble holds its files still for a backup.
const copyName = "copy"

// Backup gives every file of a copy of the store that opens as the store does,
// with the same root key, while the store goes on. It answers the sequence up to
// which the copy has everything; what was erased meanwhile may be gone from it.
// Names are relative, with slashes. One backup runs at a time.
func (v *Vault) Backup(ctx context.Context, put func(name string, content io.Reader) error) (seq uint64, err error) {
	const op = "vault.Backup"
	if err := v.enterCall(ctx, op); err != nil {
		return 0, err
	}
	defer v.leaveCall()
	if !v.backing.TryLock() {
		return 0, sayso.Fail(sayso.Busy, op, "a backup is under way already")
	}
	defer v.backing.Unlock()
	v.trimming.Lock() // the segments stay until they are copied
	defer v.trimming.Unlock()
	if seq, err = v.backup(ctx, put); err != nil && ctx.Err() != nil {
		return 0, cancelled(op, ctx.Err())
	}
	return seq, err
}

// backup copies the rows, then the log, which is then at least as long, then the
// keys, which are then all that the log needs, and writes a checkpoint that says
// what there is.
func (v *Vault) backup(ctx context.Context, put func(string, io.Reader) error) (uint64, error) {
	durable, err := v.durable()
	if err != nil {
		return 0, err
	}
	first := v.journal.oldest(durable.seq, v.end.Load().segment)
	dir := v.cfg.FS.PathJoin(v.cfg.Dir, copyName)
	if err := v.cfg.FS.RemoveAll(dir); err != nil {
		return 0, fmt.Errorf("vault: backup: %w", err)
	}
	err = v.guarded(func() error { return v.db.Checkpoint(dir) })
	if err == nil {
		err = v.putAll(ctx, dir, "rows", put)
	}
	if err = errors.Join(err, v.cfg.FS.RemoveAll(dir)); err != nil {
		return 0, fmt.Errorf("vault: backup of the rows: %w", err)
	}
	end := *v.end.Load()
	for n := first; n <= end.segment; n++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		b, err := v.journal.copyOf(n, end)
		if err != nil {
			return 0, err
		}
		if err := put("log/"+segmentName(n), bytes.NewReader(b)); err != nil {
			return 0, err
		}
	}
	keys, err := v.keys.content()
	if err != nil {
		return 0, err
	}
	if err := put("keys", bytes.NewReader(keys)); err != nil {
		return 0, err
	}
	cp := checkpoint{generation: 1, durable: durable.seq, end: end.position, first: first, slots: uint32(len(keys) / slotSize)}
	b := cp.encode()
	return end.seq, put("checkpoint", io.MultiReader(bytes.NewReader(make([]byte, checkpointSlot)), bytes.NewReader(b[:])))
}

// putAll gives the files of a folder under another name.
func (v *Vault) putAll(ctx context.Context, dir, as string, put func(string, io.Reader) error) error {
	names, err := v.cfg.FS.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if name == "LOCK" {
			continue
		}
		f, err := v.cfg.FS.Open(v.cfg.FS.PathJoin(dir, name), vfs.SequentialReadsOption)
		if err != nil {
			return err
		}
		if err := errors.Join(put(as+"/"+name, f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// copyOf is the content of a segment up to the end of the log at some moment,
// with zeros in place of what was written after it.
func (j *journal) copyOf(n uint64, end logEnd) ([]byte, error) {
	b, err := j.content(n)
	if err != nil {
		return nil, err
	}
	at, p, err := walkSegment(b, n, end.group, nil)
	if err != nil {
		return nil, err
	}
	if n == end.segment {
		if p != end.position {
			return nil, lossf("log segment %d is damaged at byte %d, behind sequence %d; it was written up to sequence %d", n, at, p.seq, end.seq)
		}
		clear(b[at:])
	}
	return b, nil
}

// content reads a segment. The last group may be one that is being written.
func (j *journal) content(n uint64) ([]byte, error) {
	f, err := j.fs.Open(j.path(segmentName(n)), vfs.SequentialReadsOption)
	if err != nil {
		return nil, fmt.Errorf("vault: log segment %d: %w", n, err)
	}
	b, err := readAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("vault: log segment %d: %w", n, err)
	}
	return b, nil
}

// walkSegment goes through the groups of a segment up to one of that number, or
// to the first that is not whole, and tells where it stands and behind what.
func walkSegment(b []byte, n, until uint64, yield func(*group)) (at int64, p position, err error) {
	number, p, ok := decodeHead(b)
	if !ok || number != n {
		return 0, p, lossf("the head of log segment %d is damaged", n)
	}
	at = segmentHead
	for p.group < until {
		g, ok := parseGroup(b[at:], p.group+1, p.seq, p.link)
		if !ok {
			break
		}
		if yield != nil {
			yield(&g)
		}
		at, p = at+int64(g.size), position{g.number, g.lastSeq, g.link}
	}
	return at, p, nil
}
