package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The checkpoint file has two slots of 4,096 bytes that are written in turn, so
// that a torn write costs the newer one and never both.
const (
	checkpointSlot   = 4096
	checkpointSize   = 92
	checkpointMagic  = "SAYSOCHK"
	checkpointFormat = 1
)

// checkpoint promises what must be there at the next start: rows up to durable
// in the engine, log up to end, log files from first on, and so many key slots.
type checkpoint struct {
	generation uint64
	durable    uint64
	end        position
	first      uint64
	slots      uint32
}

func (c *checkpoint) encode() (b [checkpointSlot]byte) {
	copy(b[:], checkpointMagic)
	binary.LittleEndian.PutUint32(b[8:], checkpointFormat)
	binary.LittleEndian.PutUint32(b[12:], c.slots)
	binary.LittleEndian.PutUint64(b[16:], c.generation)
	binary.LittleEndian.PutUint64(b[24:], c.durable)
	binary.LittleEndian.PutUint64(b[32:], c.end.group)
	binary.LittleEndian.PutUint64(b[40:], c.end.seq)
	copy(b[48:], c.end.link[:])
	binary.LittleEndian.PutUint64(b[80:], c.first)
	binary.LittleEndian.PutUint32(b[88:], crc32.Checksum(b[:88], castagnoli))
	return b
}

func decodeCheckpoint(b []byte) (c checkpoint, ok bool) {
	if len(b) < checkpointSize || string(b[:8]) != checkpointMagic ||
		binary.LittleEndian.Uint32(b[8:]) != checkpointFormat ||
		binary.LittleEndian.Uint32(b[88:]) != crc32.Checksum(b[:88], castagnoli) {
		return c, false
	}
	c.slots = binary.LittleEndian.Uint32(b[12:])
	c.generation = binary.LittleEndian.Uint64(b[16:])
	c.durable = binary.LittleEndian.Uint64(b[24:])
	c.end.group = binary.LittleEndian.Uint64(b[32:])
	c.end.seq = binary.LittleEndian.Uint64(b[40:])
	copy(c.end.link[:], b[48:])
	c.first = binary.LittleEndian.Uint64(b[80:])
	return c, true
}

// checkpointFile is the open file and what it says.
type checkpointFile struct {
	file vfs.File
	last checkpoint
	ok   bool // a valid checkpoint was there
}

func openCheckpoint(fsys vfs.FS, name string) (*checkpointFile, error) {
	f, err := fsys.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("vault: checkpoint: %w", err)
	}
	c := &checkpointFile{file: f}
	for i := range int64(2) {
		var b [checkpointSlot]byte
		if _, err := f.ReadAt(b[:], i*checkpointSlot); err != nil && !errors.Is(err, io.EOF) {
			return nil, errors.Join(fmt.Errorf("vault: checkpoint: %w", err), f.Close())
		}
		if got, ok := decodeCheckpoint(b[:]); ok && (!c.ok || got.generation > c.last.generation) {
			c.last, c.ok = got, true
		}
	}
	return c, nil
}

// write makes a checkpoint durable in the slot that holds the older one.
func (c *checkpointFile) write(next checkpoint) error {
	next.generation = c.last.generation + 1
	b := next.encode()
	if _, err := c.file.WriteAt(b[:], int64(next.generation&1)*checkpointSlot); err != nil {
		return fmt.Errorf("vault: writing the checkpoint: %w", err)
	}
	if err := c.file.Sync(); err != nil {
		return fmt.Errorf("vault: syncing the checkpoint: %w", err)
	}
	c.last, c.ok = next, true
	return nil
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
