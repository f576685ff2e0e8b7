package vault

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"

	"sayso"
)

// How the envelope in a cloud event's part is packed. A background packer may
// write others later.
const (
	packNone = 0
	packS2   = 1
)

// envelopeHead is the packing byte and the instant of keeping, which the
// writer fills in when the group is made.
const envelopeHead = 9

const envelopeFormat = 1

const (
	flagBackfill = 1 << iota
	flagBase64
)

// maxEnvelope bounds what an envelope may unpack to.
const maxEnvelope = 64 << 20

// appendEnvelope writes head and packed envelope; scratch is reused.
func appendEnvelope(b []byte, d *Deposit, scratch *[]byte) []byte {
	raw := putEnvelope((*scratch)[:0], d)
	start := len(b)
	b = append(b, make([]byte, envelopeHead)...)
	b[start] = packS2
	room := s2.MaxEncodedLen(len(raw))
	b = slices.Grow(b, room)
	packed := s2.Encode(b[len(b):len(b)+room], raw)
	if len(packed) < len(raw) {
		b = b[:len(b)+len(packed)]
	} else {
		b[start] = packNone
		b = append(b, raw...)
	}
	*scratch = raw
	return b
}

func putEnvelope(b []byte, d *Deposit) []byte {
	e := &d.Envelope
	flags := byte(0)
	if d.Backfill {
		flags |= flagBackfill
	}
	if e.Base64 {
		flags |= flagBase64
	}
	b = append(b, envelopeFormat, flags)
	b = append(b, e.Source[:]...)
	b = putBytes(b, e.Type)
	b = putBytes(b, e.ID)
	b = putVarint(b, e.Time.Unix())
	b = binary.AppendUvarint(b, uint64(e.Time.Nanosecond()))
	b = putDID(b, e.Subject)
	b = putDID(b, e.Producer)
	for _, s := range [...]string{e.DataContentType, e.DataSchema, e.DataVersion, e.Signature, e.RawEventID} {
		b = putBytes(b, s)
	}
	b = putStrings(b, e.Tags)
	b = binary.AppendUvarint(b, uint64(len(e.Extras)))
	for _, k := range slices.Sorted(maps.Keys(e.Extras)) {
		b = putBytes(putBytes(b, k), e.Extras[k])
	}
	b = putBytes(b, e.Data)
	b = binary.AppendUvarint(b, uint64(len(d.Rejected)))
	for _, r := range d.Rejected {
		b = putBytes(putBytes(b, r.Name), r.Reason)
	}
	return b
}

// getEnvelope is the inverse of appendEnvelope.
func getEnvelope(b []byte) (s Stored, err error) {
	if len(b) < envelopeHead {
		return s, errShort
	}
	s.KeptAt = sayso.Instant(binary.LittleEndian.Uint64(b[1:]))
	raw := b[envelopeHead:]
	switch b[0] {
	case packNone:
		raw = slices.Clone(raw)
	case packS2:
		if n, err := s2.DecodedLen(raw); err != nil || n > maxEnvelope {
			return s, errShort
		}
		if raw, err = s2.Decode(nil, raw); err != nil {
			return s, fmt.Errorf("vault: unpacking an envelope: %w", err)
		}
	default:
		return s, fmt.Errorf("vault: envelope packed in unknown way %d", b[0])
	}
	r := reader{b: raw}
	if r.byte() != envelopeFormat {
		return s, errShort
	}
	flags := r.byte()
	s.Backfill = flags&flagBackfill != 0
	e := &s.Envelope
	e.Base64 = flags&flagBase64 != 0
	copy(e.Source[:], r.take(uint64(len(e.Source))))
	e.Type, e.ID = r.string(), r.string()
	sec, nsec := r.varint(), r.uvarint()
	e.Time = time.Unix(sec, int64(nsec)).UTC()
	e.Subject, e.Producer = r.did(), r.did()
	for _, p := range [...]*string{&e.DataContentType, &e.DataSchema, &e.DataVersion, &e.Signature, &e.RawEventID} {
		*p = r.string()
	}
	e.Tags = r.strings()
	if n := r.count(2); n > 0 {
		e.Extras = make(map[string][]byte, n)
		for range n {
			k := r.string()
			e.Extras[k] = r.bytes()
		}
	}
	e.Data = r.bytes()
	if n := r.count(2); n > 0 {
		s.Rejected = make([]sayso.Rejection, n)
		for i := range s.Rejected {
			s.Rejected[i] = sayso.Rejection{Name: r.string(), Reason: r.string()}
		}
	}
	if r.bad || len(r.b) != 0 {
		return s, errShort
	}
	return s, nil
}

func putStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = putBytes(b, s)
	}
	return b
}

func (r *reader) strings() []string {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.string()
	}
	return list
}

// putDID writes method, chain, address and token; a token of 0 is one zero
// byte, no token is none.
func putDID(b []byte, d sayso.DID) []byte {
	b = putBytes(b, d.Method)
	b = binary.AppendUvarint(b, d.Chain)
	b = append(b, d.Address[:]...)
	switch {
	case d.Token == nil:
		return append(b, 0)
	case d.Token.Sign() == 0:
		return append(b, 1, 0)
	default:
		return putBytes(b, d.Token.Bytes())
	}
}

func (r *reader) did() (d sayso.DID) {
	d.Method, d.Chain = r.string(), r.uvarint()
	copy(d.Address[:], r.take(uint64(len(d.Address))))
	if t := r.bytes(); len(t) > 0 {
		d.Token = new(big.Int).SetBytes(t)
	}
	return d
}

const eventFormat = 1

func putEvent(b []byte, source sayso.Address, e *sayso.Event) []byte {
	b = append(b, eventFormat)
	b = append(b, source[:]...)
	b = putBytes(b, e.Name)
	b = binary.AppendUvarint(b, e.DurationNS)
	b = putBytes(b, e.Metadata)
	return putStrings(b, e.Tags)
}

func getEvent(b []byte, p *place) (e EventRow, err error) {
	r := reader{b: b}
	if r.byte() != eventFormat {
		return e, errShort
	}
	copy(e.Source[:], r.take(uint64(len(e.Source))))
	e.Name, e.DurationNS, e.Metadata, e.Tags = r.string(), r.uvarint(), r.string(), r.strings()
	e.Time, e.Epoch, e.Seq = p.time, p.epoch, p.seq
	if r.bad || len(r.b) != 0 {
		return e, errShort
	}
	return e, nil
}
