package vault

import (
	"encoding/binary"

	"sayso"
)

// The first byte of a key says what is under it. docs/formats/vault-rows.md
// has the table.
const (
	kindMeta       = 'M' // name -> what the name says
	kindReadings   = 'R' // vehicle epoch hour source-tag seq -> the readings of one deposit in one hour
	kindPacked     = 'K' // vehicle epoch part bucket source-tag chunk -> a part of a chunk of packed readings
	kindCloudEvent = 'C' // vehicle epoch time seq -> envelope of a streamed type
	kindStatement  = 'D' // the same of any other type
	kindTombstone  = 'T' // the same of tombstones
	kindEvent      = 'E' // vehicle epoch time seq index -> event
	kindLatest     = 'L' // vehicle epoch -> latest value per signal and source, and how far commits are numbered
	kindWent       = 'G' // vehicle epoch -> up to when something went with time
	kindKey        = 'I' // hash of source, subject and id -> seq, hash of the body
	kindSeq        = 'S' // seq -> where the parts of the commit are, its number

	kindErasure = 'X' // in a row of kindSeq: the sequence is an erasure
)

// dataKinds are the kinds that Erase removes: what is under vehicle and epoch.
var dataKinds = [...]byte{kindReadings, kindPacked, kindCloudEvent, kindStatement, kindTombstone, kindEvent, kindLatest, kindWent}

var (
	metaApplied = []byte("Mapplied") // seq u64, group u64, chain 32
	metaFormat  = []byte("Mformat")  // version u32, sequence u64 from which on every sequence has a row
)

// rowsFormat is what this program writes. It reads format 1, which has no packed
// rows, format 2, in which commits have no numbers and erasures no rows, and format
// 3, whose heads of chunks are longer, and then calls them 4.
const rowsFormat = 4

// Times are kept within the years 1 to 9999, which RFC 3339 can write.
const (
	minInstant = sayso.Instant(-62_135_596_800_000_000)
	maxInstant = sayso.Instant(253_402_300_800_000_000)
	hour       = sayso.Instant(3_600_000_000)
)

// hourOf numbers the hours so that byte order is time order.
func hourOf(t sayso.Instant) uint32 { return uint32(floorDiv(int64(t), int64(hour)) + 1<<31) }

// startOf is the first instant of an hour number.
func startOf(h uint32) sayso.Instant { return sayso.Instant(int64(h)-1<<31) * hour }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// putTime appends a time so that byte order is time order.
func putTime(b []byte, t sayso.Instant) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t)^1<<63)
}

func getTime(b []byte) sayso.Instant {
	return sayso.Instant(binary.BigEndian.Uint64(b) ^ 1<<63)
}

// place is where a sealed part lives: it becomes the key, and every bit of it
// is authenticated with the part.
type place struct {
	kind    byte
	vehicle uint64
	epoch   uint32
	hour    uint32        // readings
	part    uint32        // packed: which part of the chunk
	bucket  uint32        // packed: which six hours
	tag     uint32        // readings, packed: keyed hash of the source
	time    sayso.Instant // cloud event, event
	seq     uint64        // packed: the number of the chunk
	index   uint16        // event: its number in the deposit
}

// prefixLen is the length of kind, vehicle and epoch.
const prefixLen = 13

func appendPrefix(b []byte, kind byte, vehicle uint64, epoch uint32) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, vehicle)
	return binary.BigEndian.AppendUint32(b, epoch)
}

// append writes the key of a part.
func (p *place) append(b []byte) []byte {
	b = appendPrefix(b, p.kind, p.vehicle, p.epoch)
	switch p.kind {
	case kindReadings:
		b = binary.BigEndian.AppendUint32(b, p.hour)
		b = binary.BigEndian.AppendUint32(b, p.tag)
		b = binary.BigEndian.AppendUint64(b, p.seq)
	case kindPacked:
		b = binary.BigEndian.AppendUint32(b, p.part)
		b = binary.BigEndian.AppendUint32(b, p.bucket)
		b = binary.BigEndian.AppendUint32(b, p.tag)
		b = binary.BigEndian.AppendUint64(b, p.seq)
	case kindCloudEvent, kindStatement, kindTombstone:
		b = putTime(b, p.time)
		b = binary.BigEndian.AppendUint64(b, p.seq)
	case kindEvent:
		b = putTime(b, p.time)
		b = binary.BigEndian.AppendUint64(b, p.seq)
		b = binary.BigEndian.AppendUint16(b, p.index)
	}
	return b
}

// parsePlace is the inverse of append.
func parsePlace(k []byte) (p place, ok bool) {
	if len(k) < prefixLen {
		return p, false
	}
	p = place{kind: k[0], vehicle: binary.BigEndian.Uint64(k[1:]), epoch: binary.BigEndian.Uint32(k[9:])}
	k = k[prefixLen:]
	switch {
	case p.kind == kindReadings && len(k) == 16:
		p.hour = binary.BigEndian.Uint32(k)
		p.tag = binary.BigEndian.Uint32(k[4:])
		p.seq = binary.BigEndian.Uint64(k[8:])
	case p.kind == kindPacked && len(k) == 20:
		p.part, p.bucket = binary.BigEndian.Uint32(k), binary.BigEndian.Uint32(k[4:])
		p.tag, p.seq = binary.BigEndian.Uint32(k[8:]), binary.BigEndian.Uint64(k[12:])
	case (p.kind == kindCloudEvent || p.kind == kindStatement || p.kind == kindTombstone) && len(k) == 16:
		p.time, p.seq = getTime(k), binary.BigEndian.Uint64(k[8:])
	case p.kind == kindEvent && len(k) == 18:
		p.time, p.seq = getTime(k), binary.BigEndian.Uint64(k[8:])
		p.index = binary.BigEndian.Uint16(k[16:])
	case (p.kind == kindLatest || p.kind == kindWent) && len(k) == 0:
	default:
		return p, false
	}
	return p, true
}

// seqKey is the key of a commit's locator.
func seqKey(b []byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, kindSeq), seq)
}

// idemKey is the key of an idempotency entry.
func idemKey(b []byte, hash [16]byte) []byte { return append(append(b, kindKey), hash[:]...) }

// after gives the first key behind all keys with that prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
