package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"sayso"
)

// The payload of a deposit's frame is the vehicle u64, 16 bytes of the body's
// hash, the envelope's epoch u32, the number of the commit under the key of the
// envelope u64 (not in frames of earlier programs), the number of parts u16, and
// the parts. Each
// part is kind u8, epoch u32, where u64, length u32, sealed bytes. Where is the
// hour and source tag of readings, the time of a cloud event or event. Parts of
// one kind come in the order in which they were deposited.
//
// The payload of an erasure's frame is vehicle u64, epoch u32, and the key
// slots u32 to destroy.
const (
	numberAt    = 8 + 16 + 4
	depositHead = numberAt + 8 + 2
	partHead    = 1 + 4 + 8 + 4
)

// part is one sealed piece of a deposit; it becomes one row of the engine.
type part struct {
	place
	sealed []byte
	slot   uint32          // the key that sealed it
	rows   []sayso.Reading // of readings: what is in it, where that is known already
	source sayso.Address   // likewise
}

// record is a parsed record of the log. Its parts alias the frame.
type record struct {
	kind   byte
	seq    uint64
	key    [16]byte
	body   [16]byte
	owner         // of the envelope, or what is to be erased
	number uint64 // 0: of an earlier program
	parts  []part
	slots  []uint32
}

// parse reads a frame into the record, reusing its slices.
func (rec *record) parse(f *frame) error {
	*rec = record{kind: f.kind, seq: f.seq, key: f.key, parts: rec.parts[:0], slots: rec.slots[:0]}
	r := reader{b: f.payload}
	rec.vehicle = r.u64()
	switch f.kind {
	case frameErase:
		rec.epoch = r.u32()
		for len(r.b) > 0 {
			rec.slots = append(rec.slots, r.u32())
		}
	case frameDeposit, frameNumbered:
		copy(rec.body[:], r.take(16))
		if rec.epoch = r.u32(); f.kind == frameNumbered {
			rec.number = r.u64()
		}
		n := r.take(2)
		if n == nil {
			return errShort
		}
		events := uint16(0)
		for range binary.LittleEndian.Uint16(n) {
			p := part{place: place{kind: r.byte(), vehicle: rec.vehicle, epoch: r.u32(), seq: f.seq}}
			p.setWhere(r.u64())
			if p.kind == kindEvent {
				p.index = events
				events++
			}
			p.sealed = r.take(uint64(r.u32()))
			rec.parts = append(rec.parts, p)
		}
	default:
		return fmt.Errorf("vault: record of type %d", f.kind)
	}
	if r.bad || len(r.b) != 0 {
		return errShort
	}
	return nil
}

// where packs what a kind needs to know of its place.
func (p *place) where() uint64 {
	if p.kind == kindReadings {
		return uint64(p.hour)<<32 | uint64(p.tag)
	}
	return uint64(p.time)
}

func (p *place) setWhere(w uint64) {
	if p.kind == kindReadings {
		p.hour, p.tag = uint32(w>>32), uint32(w)
		return
	}
	p.time = sayso.Instant(w)
}

// pending is a record on its way through the writer.
type pending struct {
	key    [16]byte
	body   [16]byte
	kind   byte
	owner  owner
	source sayso.Address
	buf    *[]byte // the frame; parts not sealed yet
	parts  []pendingPart

	size int64         // counted as waiting
	done chan struct{} // closed when seq or err is set
	old  bool          // its key was there before, with seq and body
	seq  uint64
	err  error
}

// pendingPart says where in the frame a part is.
type pendingPart struct {
	place
	head, end int // frame[head:end] is the part's head and its bytes
	rows      []sayso.Reading
}

var bufs = sync.Pool{New: func() any { return new([]byte) }}

// keyOf is the idempotency key: a hash of source, subject and id.
func keyOf(e *sayso.CloudEvent) (key [16]byte) {
	b := make([]byte, 0, 160)
	b = append(b, e.Source[:]...)
	b = putDID(b, e.Subject)
	b = append(b, e.ID...)
	sum := sha256.Sum256(b)
	copy(key[:], sum[:])
	return key
}

// encode writes a deposit as a frame with unsealed parts. From so many readings on
// it keeps them by column.
func (p *pending) encode(d *Deposit, many int) {
	p.buf = bufs.Get().(*[]byte)
	p.parts = make([]pendingPart, 0, 2+len(d.Events)) // readings are mostly of one hour
	b := beginFrame((*p.buf)[:0], frameNumbered, p.key)
	b = binary.LittleEndian.AppendUint64(b, d.Vehicle)
	b = append(b, p.body[:]...)
	b = binary.LittleEndian.AppendUint32(b, d.Epoch)
	b = append(b, make([]byte, 8+2)...) // the numbers of the commit and of parts

	scratch := bufs.Get().(*[]byte)
	b = p.begin(b, place{kind: kindOf(ClassOf(d.Envelope.Type)), epoch: d.Epoch, time: sayso.At(d.Envelope.Time)})
	b = p.end(appendEnvelope(b, d, scratch))
	bufs.Put(scratch)

	b = p.encodeReadings(b, d, many)
	for i := range d.Events {
		e := &d.Events[i]
		b = p.begin(b, place{kind: kindEvent, epoch: e.Epoch, time: e.Time, index: uint16(i)})
		b = p.end(putEvent(b, d.Envelope.Source, e))
	}
	binary.LittleEndian.PutUint16(b[frameHead+depositHead-2:], uint16(len(p.parts)))
	*p.buf = b
}

// begin opens a part: its head, and room for the head of the sealed bytes.
func (p *pending) begin(b []byte, at place) []byte {
	at.vehicle = p.owner.vehicle
	p.parts = append(p.parts, pendingPart{place: at, head: len(b)})
	b = append(b, at.kind)
	b = binary.LittleEndian.AppendUint32(b, at.epoch)
	b = binary.LittleEndian.AppendUint64(b, at.where())
	return append(b, make([]byte, 4+sealHead)...)
}

// end closes the open part with room for the tag.
func (p *pending) end(b []byte) []byte {
	b = append(b, make([]byte, sealTail)...)
	last := &p.parts[len(p.parts)-1]
	last.end = len(b)
	binary.LittleEndian.PutUint32(b[last.head+partHead-4:], uint32(last.end-last.head-partHead))
	return b
}

// seal gives the commit its number, every part its sequence and time of keeping,
// and encrypts it.
func (p *pending) seal(keys *keyring, seq uint64, now sayso.Instant, ad []byte) error {
	b := *p.buf
	for i := range p.parts {
		pt := &p.parts[i]
		k, err := keys.ensure(owner{pt.vehicle, pt.epoch})
		if err != nil {
			return err
		}
		pt.seq = seq
		switch pt.kind {
		case kindReadings:
			if pt.tag, err = k.tag(keys, p.source); err != nil {
				return err
			}
			binary.LittleEndian.PutUint64(b[pt.head+5:], pt.where())
		case kindCloudEvent, kindStatement, kindTombstone:
			n, err := keys.number(k)
			if err != nil {
				return err
			}
			binary.LittleEndian.PutUint64(b[frameHead+numberAt:], n)
			binary.LittleEndian.PutUint64(b[pt.head+partHead+sealHead+1:], uint64(now))
		}
		if err := keys.seal(k, b[pt.head+partHead:pt.end], pt.append(ad[:0])); err != nil {
			return err
		}
	}
	return nil
}

// room is how much of the log a record takes at most. Erasures are encoded when
// their group is made.
func (p *pending) room() int {
	size := frameHead + 64
	if p.buf != nil {
		size += len(*p.buf)
	}
	return size
}

// encodeErase writes an erasure with the slots to destroy.
func (p *pending) encodeErase(slots []uint32) {
	p.buf = bufs.Get().(*[]byte)
	b := beginFrame((*p.buf)[:0], frameErase, p.key)
	b = binary.LittleEndian.AppendUint64(b, p.owner.vehicle)
	b = binary.LittleEndian.AppendUint32(b, p.owner.epoch)
	for _, n := range slots {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	*p.buf = b
}

// release gives the buffer back, unless it has grown out of the ordinary.
func (p *pending) release() {
	if p.buf != nil && cap(*p.buf) <= 256<<10 {
		bufs.Put(p.buf)
	}
	p.buf = nil
}
