// Package express answers the one request that arrives all the time without the
// price of all that HTTP can be: a small POST to one path, in HTTP/1.1, with a
// known length. It stands between a listener and an [http.Server]. A request of
// any other form goes to the server with every byte, and the connection with it,
// so that nothing is refused here and nothing is read in two ways.
package express

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sayso/internal/clock"
)

// The bounds of time, as an [http.Server] has them.
const (
	headTime  = 10 * time.Second // from the first byte of a request to the end of its head
	idleTime  = 2 * time.Minute  // between two requests
	writeTime = time.Minute      // for an answer
	lazy      = time.Second      // by so much a deadline that moves may be late
)

// Lane takes connections of a listener, answers the requests that are its own,
// and gives the rest to who accepts from it. It is a [net.Listener].
type Lane struct {
	net.Listener
	path    string
	handler http.Handler
	log     *slog.Logger

	others chan net.Conn
	failed chan error // of the listener
	down   chan struct{}
	closed atomic.Bool
	once   sync.Once
	err    error

	mu    sync.Mutex
	conns map[*conn]struct{}
	ended sync.WaitGroup
	date  atomic.Pointer[dated]
}

// New answers POST requests to a path by the handler, which gets no context of
// the connection and cannot take it over. It starts to accept at once.
func New(l net.Listener, path string, h http.Handler, log *slog.Logger) *Lane {
	lane := &Lane{
		Listener: l, path: path, handler: h, log: log,
		others: make(chan net.Conn), failed: make(chan error), down: make(chan struct{}), conns: map[*conn]struct{}{},
	}
	go lane.take()
	return lane
}

// take accepts, until the listener is closed.
func (l *Lane) take() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			select {
			case l.failed <- err: // the server waits a little and accepts again
				continue
			case <-l.down:
				return
			}
		}
		k := &conn{lane: l, Conn: c, remote: c.RemoteAddr().String()}
		l.mu.Lock()
		if l.closed.Load() {
			l.mu.Unlock()
			c.Close()
			continue
		}
		l.conns[k] = struct{}{}
		l.ended.Add(1)
		l.mu.Unlock()
		go k.serve()
	}
}

// Accept gives a connection that brings something else.
func (l *Lane) Accept() (net.Conn, error) {
	select {
	case c := <-l.others:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.down:
		return nil, net.ErrClosed
	}
}

// Close accepts no more and ends what is idle. Requests under way are answered,
// see [Lane.Drain].
func (l *Lane) Close() error {
	l.once.Do(func() {
		l.closed.Store(true)
		close(l.down)
		l.err = l.Listener.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		for k := range l.conns {
			if k.idle.Load() {
				_ = k.SetReadDeadline(time.Unix(1, 0)) // one that is closed needs none
			}
		}
	})
	return l.err
}

// Drain closes, waits until what is under way is answered, and cuts off what is
// not when the context ends.
func (l *Lane) Drain(ctx context.Context) error {
	err := l.Close()
	done := make(chan struct{})
	go func() {
		l.ended.Wait()
		close(done)
	}()
	select {
	case <-done:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	for k := range l.conns {
		err = errors.Join(err, k.Conn.Close())
	}
	l.mu.Unlock()
	return errors.Join(err, ctx.Err())
}

// dated is the Date header of a second.
type dated struct {
	second int64
	line   string
}

func (l *Lane) dateLine(now time.Time) string {
	d := l.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &dated{now.Unix(), "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		l.date.Store(d)
	}
	return d.line
}

// conn is a connection as long as it brings nothing else.
type conn struct {
	net.Conn
	lane   *Lane
	remote string
	in     buffer
	head   head // of the request before
	out    answer
	idle   atomic.Bool

	readBy, writeBy time.Time // the deadlines as set
}

func (k *conn) serve() {
	mine := true
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			k.lane.log.Error("a handler panicked", "panic", p, "stack", string(debug.Stack()))
		}
		if mine {
			k.Conn.Close()
		}
		k.lane.mu.Lock()
		delete(k.lane.conns, k)
		k.lane.mu.Unlock()
		k.lane.ended.Done()
	}()
	k.in.from = k.Conn
	for first := true; ; first = false {
		length, ok, err := k.next(first)
		if err != nil {
			return
		}
		if !ok {
			mine = !k.handOver()
			return
		}
		if !k.answer(length) {
			return
		}
	}
}

// next waits for a request and reads its head. Not ok means that it is not for
// this lane; nothing is taken from the connection then.
func (k *conn) next(first bool) (length int, ok bool, err error) {
	now := clock.System{}.Now()
	if first {
		err = k.readUntil(now.Add(headTime))
	} else if k.readBy.Sub(now) < idleTime-lazy {
		err = k.readUntil(now.Add(idleTime))
	}
	if err != nil {
		return 0, false, err
	}
	k.idle.Store(true)
	if k.lane.closed.Load() {
		return 0, false, net.ErrClosed
	}
	for {
		length, state := k.head.parse(k.in.bytes(), k.lane.path)
		switch state {
		case whole:
			k.idle.Store(false)
			k.in.skip(k.head.size)
			return length, true, nil
		case other:
			k.idle.Store(false)
			return 0, false, nil
		}
		had := len(k.in.bytes())
		if had > 0 && k.readBy.After(now.Add(headTime+lazy)) { // its first bytes came without the others
			if err := k.readUntil(now.Add(headTime)); err != nil {
				return 0, false, err
			}
		}
		if err := k.in.fill(); err != nil {
			return 0, false, err
		}
		if had == 0 {
			now = clock.System{}.Now()
		}
	}
}

func (k *conn) readUntil(t time.Time) error {
	k.readBy = t
	return k.SetReadDeadline(t)
}

// handOver gives the connection to the server, with what was read of it.
func (k *conn) handOver() bool {
	if k.SetDeadline(time.Time{}) != nil {
		return false
	}
	c := &handed{Conn: k.Conn, read: append([]byte(nil), k.in.bytes()...)}
	select {
	case k.lane.others <- c:
		return true
	case <-k.lane.down:
		return false
	}
}

// answer has the handler answer, and takes from the connection what it left of
// the body. It answers whether the connection goes on.
func (k *conn) answer(length int) bool {
	w := &k.out
	w.reset(k, length)
	k.lane.handler.ServeHTTP(w, w.request())
	now := clock.System{}.Now()
	if k.writeBy.Sub(now) < writeTime/2 {
		k.writeBy = now.Add(writeTime)
		if k.SetWriteDeadline(k.writeBy) != nil {
			return false
		}
	}
	if _, err := k.Conn.Write(w.text(now)); err != nil {
		return false
	}
	if w.closes() {
		return false
	}
	if w.rest > len(k.in.bytes()) && k.readUntil(now.Add(headTime)) != nil {
		return false
	}
	return k.in.discard(w.rest) == nil
}

// handed is a connection of which something was read already.
type handed struct {
	net.Conn
	read []byte
}

func (c *handed) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// CloseWrite is for the server, which lets a peer read an answer to the end.
func (c *handed) CloseWrite() error {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		return t.CloseWrite()
	}
	return nil
}
