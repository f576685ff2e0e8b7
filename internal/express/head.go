package express

import (
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// What a lane takes. A head that is larger, or a longer body, is for the server.
const (
	maxHead  = 4 << 10
	maxBody  = 64 << 10
	maxLines = 40
)

// buffer is what was read of a connection and not used yet.
type buffer struct {
	from       io.Reader
	room       [maxHead]byte
	start, end int
}

func (b *buffer) bytes() []byte { return b.room[b.start:b.end] }

func (b *buffer) skip(n int) {
	if b.start += n; b.start == b.end {
		b.start, b.end = 0, 0
	}
}

// fill reads what there is. The buffer must not be full of one head.
func (b *buffer) fill() error {
	if b.start > 0 {
		b.end = copy(b.room[:], b.bytes())
		b.start = 0
	}
	n, err := b.from.Read(b.room[b.end:])
	b.end += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// Read gives what was read before what comes.
func (b *buffer) Read(p []byte) (int, error) {
	if b.start == b.end {
		return b.from.Read(p)
	}
	n := copy(p, b.bytes())
	b.skip(n)
	return n, nil
}

func (b *buffer) discard(n int) error {
	for {
		have := min(n, len(b.bytes()))
		b.skip(have)
		if n -= have; n == 0 {
			return nil
		}
		if err := b.fill(); err != nil { // what comes behind stays
			return err
		}
	}
}

// head is the head of a request. Devices send the same one over and over, which
// is read once.
type head struct {
	text   []byte // of the header lines, as they came
	size   int    // of the whole
	length int
	host   string
	header http.Header
}

// state is what can be said of the bytes so far.
type state int

const (
	part  state = iota // of something that may be for the lane
	whole              // a head for the lane
	other              // something for the server
)

var headEnd = []byte("\r\n\r\n")

// parse reads a head at the start of b and answers the length of the body. Only
// a form about which no two readers disagree is for the lane.
func (h *head) parse(b []byte, path string) (length int, s state) {
	line := len("POST ") + len(path) + len(" HTTP/1.1\r\n")
	if !begins(b, path) {
		return 0, other
	}
	if len(b) < line {
		return 0, part
	}
	if n := len(h.text); n > 0 && len(b) >= line+n && bytes.Equal(b[line:line+n], h.text) {
		h.size = line + n
		return h.length, whole
	}
	end := bytes.Index(b[line-2:], headEnd) // there may be no header at all
	if end < 0 {
		if len(b) == maxHead {
			return 0, other
		}
		return 0, part
	}
	h.size = line - 2 + end + len(headEnd)
	if !h.read(b[line:h.size]) {
		h.text = h.text[:0]
		return 0, other
	}
	return h.length, whole
}

// begins says whether b is the request line of the path, or the start of it.
func begins(b []byte, path string) bool {
	for _, s := range [...]string{"POST ", path, " HTTP/1.1\r\n"} {
		n := min(len(b), len(s))
		if string(b[:n]) != s[:n] {
			return false
		}
		b = b[n:]
	}
	return true
}

// read takes the header lines, the empty one included.
func (h *head) read(text []byte) bool {
	h.text = append(h.text[:0], text...)
	h.host, h.length, h.header = "", -1, make(http.Header, 8)
	lines := 0
	for rest := string(text); rest != "\r\n"; lines++ {
		line, after, ok := strings.Cut(rest, "\r\n")
		if !ok || lines == maxLines || !h.line(line) {
			return false
		}
		rest = after
	}
	return h.host != "" && h.length >= 0
}

// line takes a header line.
func (h *head) line(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !all(name, inName) {
		return false
	}
	value = strings.Trim(value, " \t")
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Host":
		if h.host != "" || !all(value, inHost) {
			return false
		}
		h.host = value
		return true
	case "Content-Length":
		if h.length >= 0 || !h.setLength(value) {
			return false
		}
	case "Connection":
		if !strings.EqualFold(value, "keep-alive") || h.header[name] != nil {
			return false
		}
	case "Transfer-Encoding", "Trailer", "Te", "Expect", "Upgrade", "Pragma", "Http2-Settings", "Keep-Alive", "Proxy-Connection":
		return false
	}
	h.header[name] = append(h.header[name], value)
	return true
}

func (h *head) setLength(text string) bool {
	if len(text) > len("65536") || !all(text, func(c byte) bool { return '0' <= c && c <= '9' }) {
		return false
	}
	h.length = 0
	for _, c := range []byte(text) {
		h.length = 10*h.length + int(c-'0')
	}
	return h.length <= maxBody
}

// all says whether a text that is not empty consists of such bytes.
func all(text string, such func(byte) bool) bool {
	for i := range len(text) {
		if !such(text[i]) {
			return false
		}
	}
	return text != ""
}

func inName(c byte) bool { return letter(c) || c == '-' || c == '_' }

func inHost(c byte) bool {
	return letter(c) || c == '-' || c == '.' || c == ':' || c == '[' || c == ']'
}

func letter(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// request is the request of a head. The header is shared by those that have the
// same, so that a handler must not change it.
func (h *head) request(to *url.URL, r *http.Request) {
	*r = http.Request{
		Method: http.MethodPost, URL: to, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h.header, ContentLength: int64(h.length), Host: h.host, RequestURI: to.Path,
	}
}
