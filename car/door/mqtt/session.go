package mqtt

import (
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
	"sayso/car/door"
)

// session is a connection whose device is proven.
type session struct {
	device sayso.Address
	prefix string    // of its topics, as they are published to it
	until  time.Time // when its proof runs out

	mu      sync.Mutex
	line    []entry // messages to be acknowledged, in the order of their arrival
	running bool    // somebody acknowledges
	room    chan struct{}
}

// entry is a message on its way to the disk.
type entry struct {
	wait func() door.Batch
	qos  byte
	id   uint16
}

func sessionOf(cl *mochi.Client) *session {
	if c := connOf(cl); c != nil {
		return c.session
	}
	return nil
}

// put adds a message to the line. It waits while the line is full, so that the
// device is not read from.
func (se *session) put(s *Server, cl *mochi.Client, e entry) {
	for {
		se.mu.Lock()
		if len(se.line) < maxInLine {
			break
		}
		se.mu.Unlock()
		<-se.room
	}
	se.line = append(se.line, e)
	start := !se.running
	se.running = true
	se.mu.Unlock()
	if start {
		s.tasks.Go(func() { se.drain(s, cl) })
	}
}

// drain acknowledges until the line is empty. Acknowledgements keep the order
// of the messages (MQTT 5 section 4.6).
func (se *session) drain(s *Server, cl *mochi.Client) {
	for {
		se.mu.Lock()
		if len(se.line) == 0 {
			se.running = false
			se.mu.Unlock()
			return
		}
		e := se.line[0]
		se.mu.Unlock()
		s.acknowledge(cl, se, e)
		se.mu.Lock()
		if se.line = se.line[1:]; len(se.line) == 0 {
			se.line = nil
		}
		se.mu.Unlock()
		select {
		case se.room <- struct{}{}:
		default:
		}
	}
}

// acknowledge waits until a message is kept and tells the device. A message
// that may be kept later is not acknowledged: the connection ends, and the
// device sends it again over the next one.
func (s *Server) acknowledge(cl *mochi.Client, se *session, e entry) {
	b := e.wait()
	if b.Err == nil {
		s.answer(cl, e, packets.CodeSuccess)
		return
	}
	code, retry := s.judge(se, &b)
	switch {
	case retry && code == packets.ErrNotAuthorized:
		s.cut(cl, code, sayso.MessageOf(b.Err))
	case e.qos == 0: // lost, and counted
	case retry:
		s.end(cl, code, sayso.MessageOf(b.Err))
	default:
		code.Reason = sayso.MessageOf(b.Err)
		s.answer(cl, e, code)
	}
}

// judge says what to tell a device of which not all was accepted, and whether
// that ends the connection. What nobody can read is kept for the owner first.
func (s *Server) judge(se *session, b *door.Batch) (code packets.Code, ends bool) {
	if err := s.cfg.Door.Paired(se.device); err != nil {
		return packets.ErrNotAuthorized, true
	}
	for event, r := range b.Refused() {
		if f := r.Fault(); f != sayso.Invalid && f != sayso.TooLarge {
			continue
		}
		if err := s.cfg.Door.Quarantine(s.ctx, se.device, event, r.Message); err != nil {
			return codeOf(err)
		}
	}
	return codeOf(b.Err)
}

// codeOf is the reason code of an error, and whether it ends the connection.
func codeOf(err error) (code packets.Code, ends bool) {
	switch sayso.FaultOf(err) {
	case sayso.Invalid, sayso.TooLarge:
		return packets.ErrPayloadFormatInvalid, false
	case sayso.Conflict:
		return packets.ErrImplementationSpecificError, false
	case sayso.Unauthorized, sayso.Denied, sayso.NotFound:
		return packets.ErrNotAuthorized, false
	case sayso.Full:
		return packets.ErrQuotaExceeded, true
	case sayso.Busy, sayso.Cancelled:
		return packets.ErrServerBusy, true
	}
	return packets.ErrUnspecifiedError, true
}

// answer acknowledges a message. MQTT 3.1.1 knows no refusal (section 3.3.5): a
// message that the device may not send ends the connection; any other that is
// not accepted is acknowledged, so that it is not sent for ever.
func (s *Server) answer(cl *mochi.Client, e entry, code packets.Code) {
	if e.qos == 0 {
		return
	}
	if e.qos == 1 && code == packets.CodeSuccess {
		// The same four bytes in both versions, as mochi would write them.
		if _, err := cl.Net.Conn.Write([]byte{packets.Puback << 4, 2, byte(e.id >> 8), byte(e.id)}); err != nil {
			cl.Stop(err) // the device sends the message again
		}
		return
	}
	if cl.Properties.ProtocolVersion < 5 && code.Code == packets.ErrNotAuthorized.Code {
		cl.Stop(code)
		return
	}
	kind := packets.Puback
	if e.qos == 2 {
		kind = packets.Pubrec
	}
	p := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: e.id, ReasonCode: code.Code}
	if code.Code >= packets.ErrUnspecifiedError.Code {
		p.Properties.ReasonString = code.Reason
	} else if e.qos == 2 {
		p.Created = now().Unix()
		cl.State.Inflight.Set(p)
		cl.State.Inflight.DecreaseReceiveQuota()
	}
	_ = cl.WritePacket(p) // a device that is gone sends the message again
}
