// Package journal keeps the embedded chain's blocks: numbered records that are
// appended one at a time and are on the disk before Append returns.
//
// It exists because go-ethereum's databases are written without a sync and lose
// their newest blocks when the process is killed. A block counts as made only
// when this journal holds it; everything else the chain stores is derived from
// it. The payloads are opaque here. The bytes are described in
// docs/formats/block-journal.md.
package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sayso/internal/durable"
)

// SegmentSize is the file size in bytes after which a new segment begins.
// A start reads the last segment only, so it bounds the time of a start.
const SegmentSize = 8 << 20

const suffix = ".blocks"

// ErrClosed is returned by a journal after Close, or after a write whose
// outcome is unknown (a failed sync), which must never be tried again.
var ErrClosed = errors.New("block journal is closed")

// CorruptError says that a record inside the journal, not at its end, cannot be
// read. Records after it were acknowledged, so nothing may be cut off.
type CorruptError struct {
	File   string // path of the segment
	Offset int64  // byte position of the damaged record
	Reason string
}

// Error names the file, the place and what to do.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("block journal %s is damaged at byte %d (%s); restore the file from a backup", e.File, e.Offset, e.Reason)
}

// Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	dir     string
	limit   int64
	dropped int64

	mu    sync.Mutex
	file  *os.File // last segment, nil until the first append
	first uint64   // number of the first record of the last segment
	size  int64    // bytes of the last segment that hold whole records
	next  uint64   // number of the next record
	err   error    // set once the outcome of a write is unknown
	write func(f *os.File, b []byte, off int64) (int, error)
	sync  func(*os.File) error
}

// Open opens the journal in dir, creating the directory if there is none.
// A torn record at the very end (a write cut off by a crash, never acknowledged)
// is cut off; Dropped tells how many bytes that were. A damaged record that
// readable ones follow is a *CorruptError.
func Open(dir string) (*Journal, error) { return open(dir, SegmentSize) }

func open(dir string, limit int64) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open block journal: %w", err)
	}
	j := &Journal{dir: dir, limit: limit, write: (*os.File).WriteAt, sync: (*os.File).Sync}
	segs, err := j.segments()
	if err != nil {
		return nil, err
	}
	for len(segs) > 0 {
		last := segs[len(segs)-1]
		removed, err := j.openLast(last)
		if err != nil {
			return nil, err
		}
		if !removed {
			break
		}
		segs = segs[:len(segs)-1]
	}
	if len(segs) > 0 && segs[0] != 0 {
		j.Close()
		return nil, fmt.Errorf("block journal %s begins with record %d; the files before it are missing, restore them from a backup", dir, segs[0])
	}
	return j, nil
}

// openLast scans the last segment, cuts a torn tail off and makes it the one
// that is appended to. A segment whose creation was cut off is removed.
func (j *Journal) openLast(first uint64) (removed bool, err error) {
	path := j.path(first)
	data, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("open block journal: %w", err)
	}
	good, n, err := Scan(data, first, nil)
	if err != nil {
		var c *CorruptError
		if errors.As(err, &c) {
			c.File = path
		}
		return false, err
	}
	j.dropped += int64(len(data)) - good
	if n == 0 {
		// Nothing was ever acknowledged from this segment.
		if err := os.Remove(path); err != nil {
			return false, fmt.Errorf("open block journal: %w", err)
		}
		return true, durable.SyncDir(j.dir)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return false, fmt.Errorf("open block journal: %w", err)
	}
	if good < int64(len(data)) {
		if err := errors.Join(f.Truncate(good), f.Sync()); err != nil {
			f.Close()
			return false, fmt.Errorf("cut torn end off block journal: %w", err)
		}
	}
	j.file, j.first, j.size, j.next = f, first, good, first+n
	return false, nil
}

// Len is the number of records, which is also the number of the next one.
func (j *Journal) Len() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// Dropped is the number of bytes of a torn end that Open cut off.
func (j *Journal) Dropped() int64 { return j.dropped }

// Append writes one record and returns its number when the record is on the
// disk: it survives a killed process, a crashed system and a power cut of a
// machine whose disk honours a sync.
//
// If the bytes could not be written (no space), the journal is as before and
// Append may be called again. After a failed sync the journal is closed for
// good, because what the disk holds is then unknown.
func (j *Journal) Append(payload []byte) (uint64, error) {
	if len(payload) == 0 || len(payload) > MaxPayload {
		return 0, fmt.Errorf("block journal: record of %d bytes (allowed 1 to %d)", len(payload), MaxPayload)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return 0, j.err
	}
	if j.file == nil || j.size >= j.limit {
		if err := j.roll(); err != nil {
			return 0, err
		}
	}
	rec := appendRecord(nil, j.next, payload)
	if _, err := j.write(j.file, rec, j.size); err != nil {
		if terr := j.file.Truncate(j.size); terr != nil {
			j.err = fmt.Errorf("%w: %w", ErrClosed, terr)
		}
		return 0, fmt.Errorf("write block journal: %w", err)
	}
	if err := j.sync(j.file); err != nil {
		j.err = fmt.Errorf("%w: sync failed: %w", ErrClosed, err)
		return 0, j.err
	}
	j.size += int64(len(rec))
	j.next++
	return j.next - 1, nil
}

// roll begins a new segment. The old one is whole and synced already.
func (j *Journal) roll() error {
	path := j.path(j.next)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("begin block journal segment: %w", err)
	}
	head := appendHeader(nil, j.next)
	if _, err = f.Write(head); err == nil {
		err = j.sync(f)
	}
	if err == nil {
		err = durable.SyncDir(j.dir)
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return fmt.Errorf("begin block journal segment: %w", err)
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.first, j.size = f, j.next, int64(len(head))
	return nil
}

// Read calls fn for the records from number from on, in order, checking each.
// It stops at the first error of fn. The payload is valid during the call only.
func (j *Journal) Read(from uint64, fn func(number uint64, payload []byte) error) error {
	segs, err := j.segments()
	if err != nil {
		return err
	}
	end := j.Len()
	want := from
	for i, first := range segs {
		if i+1 < len(segs) && segs[i+1] <= from || first >= end {
			continue
		}
		if first > want {
			break
		}
		data, err := os.ReadFile(j.path(first))
		if err != nil {
			return fmt.Errorf("read block journal: %w", err)
		}
		good, n, err := Scan(data, first, func(number uint64, payload []byte) error {
			if number < from || number >= end {
				return nil
			}
			want = number + 1
			return fn(number, payload)
		})
		var c *CorruptError
		if errors.As(err, &c) {
			c.File = j.path(first)
		}
		if err != nil {
			return err
		}
		if i+1 < len(segs) && (good != int64(len(data)) || first+n != segs[i+1]) {
			return &CorruptError{File: j.path(first), Offset: good,
				Reason: fmt.Sprintf("records %d to %d are missing", first+n, segs[i+1]-1)}
		}
	}
	if want < end {
		return &CorruptError{File: j.dir, Reason: fmt.Sprintf("record %d is missing", want)}
	}
	return nil
}

// Close releases the file. Records are on the disk already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = ErrClosed
	}
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

func (j *Journal) path(first uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%016d%s", first, suffix))
}

// segments lists the numbers of the first records of all segments, ascending.
func (j *Journal) segments() ([]uint64, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("list block journal: %w", err)
	}
	var segs []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("block journal: %s is not a segment name", filepath.Join(j.dir, e.Name()))
		}
		segs = append(segs, n)
	}
	slices.Sort(segs)
	return segs, nil
}

// SetDisk replaces the functions that write to a file and that put what was written
// onto the disk; nil leaves one as it is. It is for tests that hold, fill or break the
// disk; call it while nothing appends.
func (j *Journal) SetDisk(write func(f *os.File, b []byte, off int64) (int, error), sync func(*os.File) error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if write != nil {
		j.write = write
	}
	if sync != nil {
		j.sync = sync
	}
}
