package mqtt

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"sayso/car/door"
)

// pipes is a listener whose connections are in memory, so that a test can let
// time pass.
type pipes struct {
	next chan net.Conn
	once sync.Once
	end  chan struct{}
}

func newPipes() *pipes { return &pipes{next: make(chan net.Conn), end: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() (net.Conn, error) {
	here, there := net.Pipe()
	p.next <- there
	return here, nil
}

// quiet runs a test in time of its own, on connections in memory.
func quiet(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		w := newWorld(t, nil).serve(p, p.dial)
		test(t, w)
	})
}

// lasts tells how long a connection lives that is written to a byte at a time.
func lasts(t *testing.T, conn net.Conn, text []byte, every time.Duration) time.Duration {
	t.Helper()
	began := now()
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range text {
			if _, err := conn.Write(text[i : i+1]); err != nil {
				return
			}
			time.Sleep(every)
		}
	}()
	_, err := io.Copy(io.Discard, conn)
	took := now().Sub(began)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
	conn.Close()
	<-written
	return took
}

// A connection on which a packet takes too long is closed within 15 s, be it the
// first packet or any other.
func TestSlowConnectionsAreClosed(t *testing.T) {
	quiet(t, func(t *testing.T, w *world) {
		car := w.add(1)
		hello := car.greeting(t)
		event, err := encode(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, PacketID: 1, TopicName: car.topic("status"), Payload: car.speed(1)})
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			text []byte
			in   bool
		}{
			"nothing at all": {nil, false}, "the first packet": {hello, false}, "a length without end": {[]byte{0x10, 0xff, 0xff}, false},
			"an event": {event, true}, "a packet of many bytes": {append([]byte{0x32, 0xff, 0xff, 0x03}, make([]byte, 60)...), true}, "a type and no length": {[]byte{0x32}, true},
		} {
			conn, err := w.dial()
			if err != nil {
				t.Fatal(err)
			}
			if c.in {
				go conn.Write(hello)
				if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
			}
			if d := lasts(t, conn, c.text, 10*time.Second); d < door.Grace || d > 15*time.Second {
				t.Errorf("%s: closed after %s", name, d)
			}
			conn.Close()
		}
		synctest.Wait()
		if f := w.server.Figures(); f.Slow != 6 || len(w.parcels()) != 0 {
			t.Errorf("%+v, %d kept", f, len(w.parcels()))
		}
	})
}

// greeting is the first packet of a device as bytes.
func (c *car) greeting(t testing.TB) []byte {
	p := c.hello(4, c.token())
	p.FixedHeader.Type, p.Connect.ProtocolName, p.Connect.UsernameFlag, p.Connect.PasswordFlag = packets.Connect, []byte("MQTT"), true, true
	b, err := encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A device on a slow line that keeps the least rate gets its event through, and
// one that says nothing stays while its keepalive lasts.
func TestALowRateIsEnough(t *testing.T) {
	quiet(t, func(t *testing.T, w *world) {
		car := w.add(1)
		c := car.open(5)
		big := bytes.TrimSuffix(car.speed(1), []byte("}"))
		big = append(big, `,"padding":"`...)
		big = append(append(big, bytes.Repeat([]byte("x"), 60_000)...), `"}`...)
		text, err := encode(packets.Packet{ProtocolVersion: 5, FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, PacketID: 1, TopicName: car.topic("status"), Payload: big})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for part := range chunks(text, 1000) {
				if _, err := c.conn.Write(part); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(480 * time.Millisecond)
			}
		}()
		if err := c.conn.SetReadDeadline(now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if pk, err := c.next(); err != nil || pk.FixedHeader.Type != packets.Puback || pk.ReasonCode != 0x99 {
			// the header of an event has at most 8 KiB: it arrived and was judged
			t.Fatalf("%v, type %d, code %#x", err, pk.FixedHeader.Type, pk.ReasonCode)
		}
		time.Sleep(80 * time.Second) // keepalive 60 s, and half as much again
		if err := c.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}}); err != nil {
			t.Fatal(err)
		}
		c.expect(packets.Pingresp)
		began := now()
		if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if pk, err := c.next(); err == nil {
			t.Fatalf("got a packet of type %d", pk.FixedHeader.Type)
		}
		if d := now().Sub(began); d < 89*time.Second || d > 92*time.Second {
			t.Errorf("closed after %s of silence", d)
		}
	})
}

func chunks(b []byte, n int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			k := min(n, len(b))
			if !yield(b[:k]) {
				return
			}
			b = b[k:]
		}
	}
}

// The stream of packets is followed right however it is cut.
func TestFramesAreFollowed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var stream []byte
		var ends []int
		for range 1 + rng.IntN(5) {
			n := []int{0, 1, 100, 127, 128, 300, 16_383, 16_384, 20_000}[rng.IntN(9)]
			stream = append(stream, 0x30)
			for v := n; ; {
				b := byte(v & 0x7f)
				if v >>= 7; v > 0 {
					stream = append(stream, b|0x80)
					continue
				}
				stream = append(stream, b)
				break
			}
			stream = append(stream, make([]byte, n)...)
			ends = append(ends, len(stream))
		}
		var f frame
		for at := 0; at < len(stream); {
			n := min(1+rng.IntN(20_000), len(stream)-at)
			whole := f.feed(stream[at : at+n])
			ended, last := false, 0
			for _, e := range ends {
				ended = ended || (e > at && e <= at+n)
				if e <= at+n {
					last = e
				}
			}
			at += n
			if whole != ended || f.got != at-last {
				t.Fatalf("at %d of ends %v: whole %v, %d bytes of the next", at, ends, whole, f.got)
			}
		}
	}
}

// Whatever is written to the door, it does not panic, keeps nothing of somebody
// unproven, and lets go.
func FuzzPackets(f *testing.F) {
	f.Add([]byte{0x10, 0x00}, false)
	f.Add([]byte{0x30, 0x04, 0x00, 0x01, 'a', 'b'}, true)
	f.Add([]byte{0xe0, 0x00}, true)
	f.Add([]byte{0x82, 0x08, 0x00, 0x01, 0x00, 0x00, 0x03, 'a', '/', '#', 0x01}, true)
	f.Add([]byte{0xf0, 0x02, 0x18, 0x00}, true)
	f.Add([]byte{0x62, 0x02, 0x00, 0x09, 0x50, 0x02, 0x00, 0x09}, true)
	p := newPipes()
	w := newWorld(f, nil).serve(p, p.dial)
	hello := w.add(1).greeting(f)
	f.Fuzz(func(t *testing.T, text []byte, in bool) {
		conn, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		if in {
			if _, err := conn.Write(hello); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
		}
		before := len(w.parcels())
		read := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, conn); close(read) }()
		_ = conn.SetWriteDeadline(now().Add(5 * time.Second))
		_, _ = conn.Write(text)
		_, _ = conn.Write([]byte{0xc0, 0x00, 0xe0, 0x00})
		conn.Close()
		<-read
		if n := w.server.Figures().Faults; n > 0 {
			t.Fatalf("%d panics", n)
		}
		if n := len(w.parcels()); !in && n != before {
			t.Fatalf("%d kept of somebody unproven", n-before)
		}
	})
}
