package mqtt

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"sayso/car/door"
)

const listenerID = "devices"

// writeTime is how long a device may take to read what it is sent.
const writeTime = 10 * time.Second

// listener accepts connections, reads the packet that opens each before
// anything is set aside for it, and hands them to mochi.
type listener struct {
	s      *Server
	net    net.Listener
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
	conns  sync.WaitGroup
}

// Init, ID, Address, Protocol and Close are for mochi.
func (l *listener) Init(*slog.Logger) error { return nil }

// ID names the listener.
func (l *listener) ID() string { return listenerID }

// Address is where it listens.
func (l *listener) Address() string { return l.net.Addr().String() }

// Protocol is that of the transport.
func (l *listener) Protocol() string { return "tcp" }

// Close ends the listening, then the connections, and waits for them. It does not let mochi end them:
// that takes a lock twice for reading, which hangs when a device goes at the
// same time.
func (l *listener) Close(listeners.CloseFn) {
	// What cannot be closed is closed.
	_ = l.net.Close()
	for _, cl := range l.s.broker.Clients.GetAll() {
		if !cl.Closed() {
			l.s.end(cl, packets.ErrServerShuttingDown, "the node stops")
		}
	}
	l.wait()
}

// Serve accepts until the listener is closed.
func (l *listener) Serve(establish listeners.EstablishFn) {
	for {
		c, err := l.net.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			l.s.cfg.Log.Warn("MQTT: a connection could not be accepted", "error", err)
			time.Sleep(50 * time.Millisecond) // out of files: others must end first
			continue
		}
		if !l.enter(c) {
			c.Close()
			l.s.refused.Add(1)
			continue
		}
		go func() {
			defer l.leave(c)
			l.handle(c, establish)
		}()
	}
}

func (l *listener) enter(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.open) >= l.s.cfg.Connections {
		return false
	}
	l.open[c] = true
	l.conns.Add(1)
	return true
}

func (l *listener) leave(c net.Conn) {
	c.Close()
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
	l.conns.Done()
}

// hurry leaves the connections little time to read their end.
func (l *listener) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for c := range l.open {
		_ = c.SetWriteDeadline(now().Add(500 * time.Millisecond)) // of a closed one it does not matter
	}
}

// wait ends what is left and waits for it.
func (l *listener) wait() {
	l.mu.Lock()
	for c := range l.open {
		c.Close()
	}
	l.mu.Unlock()
	l.conns.Wait()
}

// handle serves one connection. A panic ends that connection alone.
func (l *listener) handle(c net.Conn, establish listeners.EstablishFn) {
	defer func() {
		if p := recover(); p != nil {
			l.s.faults.Add(1)
			l.s.cfg.Log.Error("BUG: a connection over MQTT panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	first, err := readConnect(c)
	if err != nil {
		l.s.refused.Add(1)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.s.slow.Add(1)
		}
		return
	}
	conn := &conn{Conn: c, s: l.s, first: first}
	defer conn.settle()
	_ = establish(listenerID, conn) // why it ended is for the device, and was told
	if conn.tooSlow {
		l.s.slow.Add(1)
	}
}

var errNoConnect = errors.New("mqtt: the first packet is no CONNECT of reasonable size")

// readConnect reads the packet that opens a connection.
func readConnect(c net.Conn) ([]byte, error) {
	if err := c.SetReadDeadline(now().Add(door.Grace)); err != nil {
		return nil, err
	}
	head := make([]byte, 0, 5)
	size, shift := 0, 0
	for {
		var b [1]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return nil, err
		}
		if head = append(head, b[0]); len(head) == 1 {
			if b[0] != 0x10 {
				return nil, errNoConnect
			}
			continue
		}
		size |= int(b[0]&0x7f) << shift
		shift += 7
		if b[0] < 0x80 {
			break
		}
		if shift > 21 {
			return nil, errNoConnect
		}
	}
	if size > maxConnect {
		return nil, errNoConnect
	}
	packet := append(head, make([]byte, size)...)
	_, err := io.ReadFull(c, packet[len(head):])
	return packet, err
}

// conn is a connection on which a packet must not take too long. Reading is
// done by one goroutine, which also sets the deadlines.
type conn struct {
	net.Conn
	s       *Server
	first   []byte // the packet that opened it, to be read again
	old     bool   // not MQTT 5, which has no packet to tell a device to go
	session *session

	packet  frame
	began   time.Time // of the packet that has not all arrived
	idle    time.Time // deadline between packets
	set     time.Time // deadline that is set
	large   func()    // gives back the memory of a large packet
	written atomic.Int64
	tooSlow bool
}

// Read gives the first packet, then what arrives.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if err != nil {
		c.tooSlow = !c.began.IsZero() && errors.Is(err, os.ErrDeadlineExceeded)
		return n, err
	}
	whole := c.packet.feed(p[:n])
	if err := c.account(whole); err != nil {
		return 0, err
	}
	switch {
	case c.packet.got == 0:
		if !c.began.IsZero() {
			c.began = time.Time{}
			err = c.arm(c.idle)
		}
	case whole || c.began.IsZero():
		c.began = now()
		fallthrough
	default:
		err = c.arm(c.began.Add(door.Grace + time.Duration(c.packet.got)*time.Second/door.MinRate))
	}
	return n, err
}

// account takes memory for a large packet before mochi learns of its size, and
// gives it back when the packet is there. While there is none, the device is not
// read from. Mochi holds a packet twice.
func (c *conn) account(whole bool) error {
	if whole && c.large != nil {
		c.large()
		c.large = nil
	}
	if !c.packet.body || c.large != nil || c.packet.rest > int(c.s.broker.Options.Capabilities.MaximumPacketSize) {
		return nil // of a packet that is too large mochi wants no more than the size
	}
	release, err := c.s.cfg.Door.Gate.Large(c.s.ctx, 2*int64(c.packet.rest))
	c.large = release
	return err
}

// arm sets the read deadline, up to a second later than asked, so that it need
// not be moved with every packet.
func (c *conn) arm(t time.Time) error {
	if d := c.set.Sub(t); d >= 0 && d <= time.Second {
		return nil
	}
	c.set = t.Add(time.Second)
	return c.Conn.SetReadDeadline(c.set)
}

// SetDeadline is called between packets, with the end of the keepalive.
func (c *conn) SetDeadline(t time.Time) error {
	c.idle = t
	if !c.began.IsZero() {
		return nil
	}
	return c.arm(t)
}

// Write sends, unless it is what the protocol version does not know.
func (c *conn) Write(p []byte) (int, error) {
	const disconnect = 0xe0
	if c.old && len(p) == 2 && p[0] == disconnect {
		return len(p), nil
	}
	t := now()
	if last := c.written.Load(); t.Unix() != last && c.s.ctx.Err() == nil {
		c.written.Store(t.Unix())
		if err := c.Conn.SetWriteDeadline(t.Add(writeTime)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// settle gives back what a connection that ends has.
func (c *conn) settle() {
	if c.large != nil {
		c.large()
	}
	if c.session != nil {
		c.s.connected.Add(-1)
	}
}

func connOf(cl *mochi.Client) *conn {
	c, _ := cl.Net.Conn.(*conn)
	return c
}

// frame follows the packets of a stream: a byte of type, the length of the rest
// in one to four bytes, the rest.
type frame struct {
	got   int // bytes of the packet under way
	shift int
	rest  int
	body  bool // the length is known
}

// feed takes what was read and says whether a packet came to its end.
func (f *frame) feed(p []byte) (whole bool) {
	for len(p) > 0 {
		if f.body {
			n := min(f.rest, len(p))
			f.rest, f.got, p = f.rest-n, f.got+n, p[n:]
		} else {
			b := p[0]
			p = p[1:]
			if f.got++; f.got > 1 {
				f.rest |= int(b&0x7f) << f.shift
				f.shift += 7
				f.body = b < 0x80 || f.shift > 21
			}
		}
		if f.body && f.rest == 0 {
			*f, whole = frame{}, true
		}
	}
	return whole
}
