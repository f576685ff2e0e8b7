package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Sizes in bytes. All integers are little-endian.
const (
	headerSize = 20 // magic 8, number of the first record 8, CRC-32C 4
	recordHead = 16 // length 4, CRC-32C 4, number 8

	// MaxPayload bounds one record. Ethereum blocks are limited to 10 MiB (EIP-7934).
	MaxPayload = 16 << 20
)

// magic opens every segment; its last byte is the version of the format.
const magic = "sayblok\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendHeader(b []byte, first uint64) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, first)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func appendRecord(b []byte, number uint64, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, checksum(number, payload))
	b = binary.LittleEndian.AppendUint64(b, number)
	return append(b, payload...)
}

// checksum covers the length, the number and the payload.
func checksum(number uint64, payload []byte) uint32 {
	var head [12]byte
	binary.LittleEndian.PutUint32(head[:4], uint32(len(payload)))
	binary.LittleEndian.PutUint64(head[4:], number)
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, payload)
}

// record reads the record at the start of b. It returns its number, its payload
// and its size on disk, or ok false if there is no whole and sound record.
func record(b []byte) (number uint64, payload []byte, size int, ok bool) {
	if len(b) < recordHead {
		return 0, nil, 0, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > MaxPayload || int64(n) > int64(len(b)-recordHead) {
		return 0, nil, 0, false
	}
	number = binary.LittleEndian.Uint64(b[8:])
	payload = b[recordHead : recordHead+int(n)]
	if binary.LittleEndian.Uint32(b[4:]) != checksum(number, payload) {
		return 0, nil, 0, false
	}
	return number, payload, recordHead + int(n), true
}

// Scan reads a whole segment whose first record has the number first and calls
// fn (which may be nil) for each record. It returns how many bytes from the
// start hold whole records and how many records those are; what follows is a torn
// end. A damaged place that a sound later record follows is a *CorruptError
// without a file name. An error of fn ends the scan.
func Scan(data []byte, first uint64, fn func(number uint64, payload []byte) error) (good int64, n uint64, err error) {
	if len(data) < headerSize || string(data[:headerSize]) != string(appendHeader(nil, first)) {
		if at, ok := soundAfter(data, 0, first); ok {
			return 0, 0, &CorruptError{Reason: fmt.Sprintf("the segment header is wrong, but a record follows at byte %d", at)}
		}
		return 0, 0, nil
	}
	off := headerSize
	for off < len(data) {
		number, payload, size, ok := record(data[off:])
		if !ok || number != first+n {
			if at, found := soundAfter(data, off, first+n); found {
				return 0, 0, &CorruptError{Offset: int64(off),
					Reason: fmt.Sprintf("record %d cannot be read, but a later one follows at byte %d", first+n, at)}
			}
			break
		}
		if fn != nil {
			if err := fn(number, payload); err != nil {
				return int64(off), n, err
			}
		}
		off += size
		n++
	}
	return int64(off), n, nil
}

// soundAfter looks for a sound record with a number of at least least, at any
// byte from off on.
func soundAfter(data []byte, off int, least uint64) (at int, ok bool) {
	for at = off; at+recordHead < len(data); at++ {
		if number, _, _, sound := record(data[at:]); sound && number >= least {
			return at, true
		}
	}
	return 0, false
}
