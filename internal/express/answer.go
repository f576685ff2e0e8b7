package express

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answer is what the handler writes, whole before it is sent; and the body that
// it reads.
type answer struct {
	conn   *conn
	header http.Header
	status int
	body   []byte
	wire   []byte
	rest   int // of the body of the request
}

// reset begins the answer to a request with a body of so many bytes.
func (w *answer) reset(k *conn, length int) {
	w.conn, w.rest, w.status = k, length, 0
	if w.header == nil {
		w.header = http.Header{}
	}
	clear(w.header)
	w.body = w.body[:0]
}

// request is a new one, since a handler may keep what it puts into it.
func (w *answer) request() *http.Request {
	r := &struct {
		http.Request
		url url.URL
	}{url: url.URL{Path: w.conn.lane.path}}
	w.conn.head.request(&r.url, &r.Request)
	r.Body, r.RemoteAddr = w, w.conn.remote
	if w.rest == 0 {
		r.Body = http.NoBody
	}
	return &r.Request
}

// Header is that of the answer.
func (w *answer) Header() http.Header { return w.header }

// WriteHeader sets the status; the first counts.
func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write adds to the body of the answer.
func (w *answer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

// SetReadDeadline is for an [http.ResponseController]. What has come needs none.
func (w *answer) SetReadDeadline(t time.Time) error {
	if w.rest <= len(w.conn.in.bytes()) {
		return nil
	}
	return w.conn.readUntil(t)
}

// Read reads the body of the request.
func (w *answer) Read(p []byte) (int, error) {
	if w.rest == 0 {
		return 0, io.EOF
	}
	if len(p) > w.rest {
		p = p[:w.rest]
	}
	n, err := w.conn.in.Read(p)
	if w.rest -= n; err == io.EOF && w.rest > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close is that of the body: the lane reads what is left.
func (w *answer) Close() error { return nil }

func (w *answer) closes() bool {
	return strings.EqualFold(w.header.Get("Connection"), "close")
}

// text is the answer as it is sent.
func (w *answer) text(now time.Time) []byte {
	w.WriteHeader(http.StatusOK)
	b := append(w.wire[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(w.status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(w.status)...)
	b = append(b, "\r\n"...)
	w.header.Del("Content-Length")
	for name, values := range w.header {
		for _, value := range values {
			b = append(append(append(append(b, name...), ": "...), line.Replace(value)...), "\r\n"...)
		}
	}
	b = append(b, w.conn.lane.dateLine(now)...)
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, int64(len(w.body)), 10)
	b = append(b, "\r\n\r\n"...)
	w.wire = append(b, w.body...)
	return w.wire
}

// line keeps a value on its line.
var line = strings.NewReplacer("\r", " ", "\n", " ")
