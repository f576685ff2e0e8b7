package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
)

// A frame of the log, integers little endian:
//
//	0  length of the payload u32
//	4  type u8, three zero bytes
//	8  group u64
//	16 node sequence u64
//	24 key hash 16 (zero where the type has none)
//	40 payload
//	   CRC-32C u32 of all before it
//
// A group is its records and one frame of type frameEnd whose payload is the
// number of records u32, the bytes of the records u32, and the link of the
// chain: SHA-256 of the previous link, the group number and the records.
const (
	frameHead = 40
	frameTail = 4
)

const (
	frameDeposit  = 1 // of earlier programs: without a number
	frameErase    = 2
	frameNumbered = 3 // a deposit
	frameEnd      = 15
)

const (
	endPayload = 4 + 4 + sha256.Size
	endSize    = frameHead + endPayload + frameTail
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frame is a parsed frame; its payload aliases what was parsed.
type frame struct {
	kind    byte
	group   uint64
	seq     uint64
	key     [16]byte
	payload []byte
}

// beginFrame appends a frame's head with length, group and sequence left open.
func beginFrame(b []byte, kind byte, key [16]byte) []byte {
	var head [frameHead]byte
	head[4] = kind
	copy(head[24:], key[:])
	return append(b, head[:]...)
}

// endFrame fills in what was left open and appends the checksum. b is the frame
// from its first byte.
func endFrame(b []byte, group, seq uint64) []byte {
	binary.LittleEndian.PutUint32(b, uint32(len(b)-frameHead))
	binary.LittleEndian.PutUint64(b[8:], group)
	binary.LittleEndian.PutUint64(b[16:], seq)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// parseFrame reads the frame at the start of b; size is its whole length. Not
// ok means that no valid frame starts here.
func parseFrame(b []byte) (f frame, size int, ok bool) {
	if len(b) < frameHead+frameTail {
		return f, 0, false
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n > int64(len(b)-frameHead-frameTail) || b[5]|b[6]|b[7] != 0 {
		return f, 0, false
	}
	end := frameHead + int(n)
	if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return f, 0, false
	}
	f = frame{
		kind:    b[4],
		group:   binary.LittleEndian.Uint64(b[8:]),
		seq:     binary.LittleEndian.Uint64(b[16:]),
		key:     [16]byte(b[24:40]),
		payload: b[frameHead:end:end],
	}
	switch f.kind {
	case frameDeposit, frameErase, frameNumbered, frameEnd:
		return f, end + frameTail, true
	}
	return frame{}, 0, false
}

// chainOf links a group to the one before it.
func chainOf(previous [32]byte, group uint64, records []byte) (link [32]byte) {
	h := sha256.New()
	h.Write(previous[:])
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], group)
	h.Write(n[:])
	h.Write(records)
	h.Sum(link[:0])
	return link
}

// appendEnd closes a group of records.
func appendEnd(b []byte, group, lastSeq uint64, count int, link [32]byte) []byte {
	start := len(b)
	records := uint32(len(b))
	b = beginFrame(b, frameEnd, [16]byte{})
	b = binary.LittleEndian.AppendUint32(b, uint32(count))
	b = binary.LittleEndian.AppendUint32(b, records)
	b = append(b, link[:]...)
	return append(b[:start], endFrame(b[start:], group, lastSeq)...)
}

// group is a parsed group of the log.
type group struct {
	number  uint64
	records []frame
	lastSeq uint64
	link    [32]byte
	size    int // with its end frame
}

// parseGroup reads the group at the start of b that must follow the given
// group number, sequence and link. Not ok means that none does.
func parseGroup(b []byte, number, seq uint64, previous [32]byte) (g group, ok bool) {
	g.number = number
	at := 0
	for {
		f, n, ok := parseFrame(b[at:])
		if !ok || f.group != number {
			return group{}, false
		}
		if f.kind == frameEnd {
			g.lastSeq, g.size = f.seq, at+n
			return g, g.check(f, b[:at], seq, previous)
		}
		if seq++; f.seq != seq {
			return group{}, false
		}
		g.records = append(g.records, f)
		at += n
	}
}

// check compares an end frame with the records before it.
func (g *group) check(end frame, records []byte, first uint64, previous [32]byte) bool {
	if len(end.payload) != endPayload || len(g.records) == 0 {
		return false
	}
	g.link = [32]byte(end.payload[8:])
	return binary.LittleEndian.Uint32(end.payload) == uint32(len(g.records)) &&
		binary.LittleEndian.Uint32(end.payload[4:]) == uint32(len(records)) &&
		end.seq == g.records[len(g.records)-1].seq &&
		g.link == chainOf(previous, g.number, records)
}
