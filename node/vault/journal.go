package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A segment of the log is a head of 128 bytes and groups, then zeros. Its whole
// length is written with zeros and synced before it is used, so that a commit
// changes no metadata and a full disk is met here and not in a commit.
const (
	segmentHead   = 128
	segmentFormat = 2 // 1 has no numbered deposits
	segmentMagic  = "SAYSOLOG"
	nextName      = "next"
)

// position is where the log stands behind a group.
type position struct {
	group uint64
	seq   uint64
	link  [32]byte
}

// encodeHead writes the head of a segment that goes on behind a position.
func encodeHead(number uint64, p position) (b [segmentHead]byte) {
	copy(b[:], segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], segmentFormat)
	binary.LittleEndian.PutUint64(b[16:], number)
	binary.LittleEndian.PutUint64(b[24:], p.group)
	binary.LittleEndian.PutUint64(b[32:], p.seq)
	copy(b[40:], p.link[:])
	binary.LittleEndian.PutUint32(b[segmentHead-4:], crc32.Checksum(b[:segmentHead-4], castagnoli))
	return b
}

func decodeHead(b []byte) (number uint64, p position, ok bool) {
	if len(b) < segmentHead || string(b[:8]) != segmentMagic ||
		formatOf(b) < 1 || formatOf(b) > segmentFormat ||
		binary.LittleEndian.Uint32(b[segmentHead-4:]) != crc32.Checksum(b[:segmentHead-4], castagnoli) {
		return 0, p, false
	}
	p.group, p.seq = binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])
	copy(p.link[:], b[40:])
	return binary.LittleEndian.Uint64(b[16:]), p, true
}

// formatOf is the format of a segment.
func formatOf(b []byte) uint32 { return binary.LittleEndian.Uint32(b[8:]) }

func segmentName(number uint64) string { return fmt.Sprintf("%016x.log", number) }

// segment is a segment that is not written any more.
type segment struct {
	number  uint64
	lastSeq uint64
}

// errNoSpace says that the next segment or key slot could not be had.
var errNoSpace = errors.New("vault: no space for the next log segment or key slots")

// journal appends groups. append, rotate and the fields below them belong to
// one goroutine.
type journal struct {
	fs   vfs.FS
	dir  string
	size int64

	file   vfs.File
	number uint64
	offset int64
	position

	making sync.Mutex // held while the next segment is made; before mu
	mu     sync.Mutex
	next   vfs.File // prepared, or nil
	closed []segment
}

func (j *journal) path(name string) string { return j.fs.PathJoin(j.dir, name) }

// prepare makes the next segment's file if there is none. The error is
// errNoSpace where the disk is full.
func (j *journal) prepare() error {
	j.making.Lock()
	defer j.making.Unlock()
	return j.make()
}

// make is prepare with making held.
func (j *journal) make() error {
	j.mu.Lock()
	have := j.next != nil
	j.mu.Unlock()
	if have {
		return nil
	}
	f, err := j.allocate()
	if err != nil {
		if rm := j.fs.Remove(j.path(nextName)); rm != nil && !isNotExist(rm) {
			err = errors.Join(err, rm)
		}
		if vfs.IsNoSpaceError(err) {
			return errNoSpace
		}
		return fmt.Errorf("vault: allocating a log segment: %w", err)
	}
	j.mu.Lock()
	j.next = f
	j.mu.Unlock()
	return nil
}

func (j *journal) allocate() (vfs.File, error) {
	if err := j.fs.Remove(j.path(nextName)); err != nil && !isNotExist(err) {
		return nil, err
	}
	f, err := j.fs.OpenReadWrite(j.path(nextName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	if err := j.zero(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// zero gives a file its whole length, durably.
func (j *journal) zero(f vfs.File) error {
	if err := f.Preallocate(0, j.size); err != nil {
		return err
	}
	zeros := make([]byte, min(j.size, 1<<20))
	for at := int64(0); at < j.size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), j.size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// rotate makes the prepared file the active segment. It has its name and its
// head on stable storage before a group goes into it.
func (j *journal) rotate() error {
	j.making.Lock() // until the file has lost the name of the next one
	defer j.making.Unlock()
	if err := j.make(); err != nil {
		return err
	}
	j.mu.Lock()
	f := j.next
	j.next = nil
	j.mu.Unlock()
	number := j.number + 1
	head := encodeHead(number, j.position)
	if _, err := f.WriteAt(head[:], 0); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.SyncData(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := j.fs.Rename(j.path(nextName), j.path(segmentName(number))); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := syncDir(j.fs, j.dir); err != nil {
		return errors.Join(err, f.Close())
	}
	if j.file != nil {
		j.mu.Lock()
		j.closed = append(j.closed, segment{j.number, j.seq})
		j.mu.Unlock()
		if err := j.file.Close(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	j.file, j.number, j.offset = f, number, segmentHead
	return nil
}

// fits says whether a group of so many bytes can go into the active segment.
func (j *journal) fits(bytes int) bool { return j.offset+int64(bytes)+endSize <= j.size }

// append writes a group of records and returns when it is on stable storage.
// This is the one place where something received becomes something kept: what
// it has returned from survives a crash of the process, of the system, and the
// loss of power. After an error the state of the disk is unknown.
func (j *journal) append(records []byte, count int, lastSeq uint64) ([]byte, error) {
	p := position{group: j.group + 1, seq: lastSeq}
	p.link = chainOf(j.link, p.group, records)
	all := appendEnd(records, p.group, lastSeq, count, p.link)
	if _, err := j.file.WriteAt(all, j.offset); err != nil {
		return all, fmt.Errorf("vault: writing the log: %w", err)
	}
	if err := j.file.SyncData(); err != nil {
		return all, fmt.Errorf("vault: syncing the log: %w", err)
	}
	j.offset += int64(len(all))
	j.position = p
	return all, nil
}

// oldest is the first segment that holds something behind a sequence, given
// the active one.
func (j *journal) oldest(durable, active uint64) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.closed {
		if s.lastSeq > durable {
			return s.number
		}
	}
	return active
}

// trim removes the segments before the given one. The checkpoint must name that
// one as the first already, because a crash may bring removed files back.
func (j *journal) trim(first uint64) error {
	j.mu.Lock()
	var old []segment
	for len(j.closed) > 0 && j.closed[0].number < first {
		old, j.closed = append(old, j.closed[0]), j.closed[1:]
	}
	j.mu.Unlock()
	for _, s := range old {
		if err := j.fs.Remove(j.path(segmentName(s.number))); err != nil && !isNotExist(err) {
			return fmt.Errorf("vault: removing a log segment: %w", err)
		}
	}
	return nil
}

// segments is the number of segments on disk, the active one included.
func (j *journal) segments() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.closed) + 1
}

func (j *journal) close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.next != nil {
		err = errors.Join(err, j.next.Close())
	}
	j.file, j.next = nil, nil
	return err
}

// syncDir makes the names in a directory durable.
func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
