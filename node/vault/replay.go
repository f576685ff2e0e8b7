package vault

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// listSegments gives the numbers of the segments from first on, ascending. Older
// ones, which a crash may bring back, are left to the next trim: the checkpoint
// that gave them up may not be durable yet.
func (j *journal) listSegments(first uint64) ([]uint64, error) {
	names, err := j.fs.List(j.dir)
	if err != nil {
		return nil, fmt.Errorf("vault: log: %w", err)
	}
	var numbers []uint64
	var old []segment
	for _, name := range names {
		hex, ok := strings.CutSuffix(name, ".log")
		n, err := strconv.ParseUint(hex, 16, 64)
		if !ok || err != nil {
			continue
		}
		if n >= first {
			numbers = append(numbers, n)
		} else {
			old = append(old, segment{number: n})
		}
	}
	slices.SortFunc(old, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	j.mu.Lock()
	j.closed = old
	j.mu.Unlock()
	slices.Sort(numbers)
	return numbers, nil
}

// read goes through the log from the first segment on, gives every group to
// yield, and leaves the journal ready to append behind the last. promised is
// where the checkpoint says the log has been.
func (j *journal) read(first uint64, promised position, yield func(*group) error) error {
	numbers, err := j.listSegments(first)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		if promised.seq > 0 || first > 0 {
			return lossf("the log is missing from segment %d on; sequence %d was there", first, promised.seq)
		}
		return nil
	}
	if first > 0 && numbers[0] != first {
		return lossf("log segment %d is missing, the first one found is %d", first, numbers[0])
	}
	for i, n := range numbers {
		if i > 0 && n != numbers[i-1]+1 {
			return lossOf(j.seq+1, 0, "log segment %d is missing", numbers[i-1]+1)
		}
		if err := j.readSegment(n, i == 0, i == len(numbers)-1, promised, yield); err != nil {
			return err
		}
	}
	if j.seq < promised.seq {
		return lossOf(j.seq+1, promised.seq, "the log ends at sequence %d, the checkpoint has seen %d", j.seq, promised.seq)
	}
	return nil
}

// readSegment reads one segment. Only the last may end in a torn group.
func (j *journal) readSegment(n uint64, isFirst, isLast bool, promised position, yield func(*group) error) error {
	f, err := j.fs.OpenReadWrite(j.path(segmentName(n)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("vault: log: %w", err)
	}
	b, err := readAll(f)
	if err != nil {
		return fmt.Errorf("vault: log segment %d: %w", n, err)
	}
	number, start, ok := decodeHead(b)
	switch {
	case (!ok || number != n) && isFirst:
		return lossf("the head of log segment %d is damaged", n)
	case !ok || number != n:
		return lossOf(j.seq+1, 0, "the head of log segment %d is damaged", n)
	case isFirst:
		j.position = start
	case start != j.position:
		return lossOf(min(j.seq, start.seq)+1, max(j.seq, start.seq), "log segment %d does not follow the one before it: it starts behind sequence %d, that one ends at %d", n, start.seq, j.seq)
	}
	at := int64(segmentHead)
	g, ok := parseGroup(b[at:], j.group+1, j.seq, j.link)
	for ok {
		end := at + int64(g.size)
		next, more := parseGroup(b[end:], g.number+1, g.lastSeq, g.link)
		if isLast && !more {
			if err := rewrite(f, b[at:end], at); err != nil {
				return err
			}
		}
		if err := yield(&g); err != nil {
			return err
		}
		j.position = position{g.number, g.lastSeq, g.link}
		if g.number == promised.group && j.position != promised {
			return lossOf(g.records[0].seq, g.lastSeq, "the log differs from the checkpoint at sequence %d", g.lastSeq)
		}
		at, g, ok = end, next, more
	}
	if err := j.judgeTail(f, b, n, at, isLast); err != nil {
		return err
	}
	if !isLast {
		j.mu.Lock()
		j.closed = append(j.closed, segment{n, j.seq})
		j.mu.Unlock()
		return f.Close()
	}
	j.file, j.number, j.offset = f, n, at
	if int64(len(b)) < j.size || formatOf(b) < segmentFormat { // made under a smaller setting, or by an earlier program: it is full
		j.offset = j.size
	}
	return nil
}

// rewrite makes the last group durable before anything is built on it. Every
// group before it was, or it would not have been written; this one may have been
// read from the memory of the system, where a process that was killed before its
// sync, or whose sync has failed, has left it. A sync that has failed may leave
// pages that look written, so it is not enough to sync again.
func rewrite(f vfs.File, group []byte, at int64) error {
	if _, err := f.WriteAt(group, at); err != nil {
		return fmt.Errorf("vault: writing the last group of the log again: %w", err)
	}
	if err := f.SyncData(); err != nil {
		return fmt.Errorf("vault: writing the last group of the log again: %w", err)
	}
	return nil
}

// judgeTail decides what is behind the last valid group of a segment: nothing;
// or the one group that was being written when the power went, which nobody was
// told of and which is wiped; or damage, if a later group is there.
func (j *journal) judgeTail(f vfs.File, b []byte, n uint64, at int64, isLast bool) error {
	tail := bytes.TrimRight(b[at:], "\x00")
	if len(tail) == 0 {
		return nil
	}
	if !isLast {
		return lossOf(j.seq+1, 0, "log segment %d is damaged at byte %d, behind sequence %d; later segments are there", n, at, j.seq)
	}
	if off, seq, ok := laterGroup(b[at:min(int64(len(b)), at+int64(len(tail))+frameTail)], j.group+1); ok {
		return lossOf(j.seq+1, seq-1, "log segment %d is damaged from byte %d to %d", n, at, at+int64(off))
	}
	if _, err := f.WriteAt(make([]byte, len(tail)), at); err != nil {
		return fmt.Errorf("vault: wiping a torn group: %w", err)
	}
	if err := f.SyncData(); err != nil {
		return fmt.Errorf("vault: wiping a torn group: %w", err)
	}
	return nil
}

// laterGroup looks for a valid frame of a group behind the given one. Only one
// group is ever being written, so such a frame proves that the given one had
// been on stable storage.
func laterGroup(b []byte, torn uint64) (offset int, seq uint64, ok bool) {
	for i := 0; i+frameHead+frameTail <= len(b); i++ {
		if b[i+5]|b[i+6]|b[i+7] != 0 {
			continue
		}
		if f, _, ok := parseFrame(b[i:]); ok && f.group > torn {
			return i, f.seq, true
		}
	}
	return 0, 0, false
}

// readAll reads a file from its start.
func readAll(f vfs.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(io.NewSectionReader(f, 0, info.Size()), b)
	return b, err
}
