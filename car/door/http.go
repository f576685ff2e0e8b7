package door

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/token"
)

// Path is where devices post their events.
const Path = "/v1/devices/events"

// BackfillHeader asks for the back-fill lane, which takes readings older than
// the live window; it is open to devices that signed in.
const BackfillHeader = "Sayso-Backfill"

// ServeHTTP takes a cloud event, or a batch of them (docs/formats/device-http.md).
// The answer to one event is an empty 200, or the [Result] where the request
// accepts JSON. That to a batch is an empty 200 if every event is kept; else the
// status of an event that sending again helps, or that of the first refused.
// Where the request accepts JSON, the body is the list of results.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.serve(w, r, d.bearer) }

// serve answers a request of whom the proof tells.
func (d *Door) serve(w http.ResponseWriter, r *http.Request, proof func(*http.Request) (from, error)) {
	body, err := d.handle(w, r, proof)
	switch {
	case body != nil:
		retryAfter(w, err)
		status := http.StatusOK
		if err != nil {
			status = statusOf(err)
		}
		reply(w, status, body)
	case err == errCrowded:
		d.Gate.Hold(r.Context())
		crowded.write(w)
	case err != nil:
		d.Gate.Hold(r.Context())
		refuse(w, err)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// handle takes what a request brings. The body is what to answer, nil for
// nothing more than the error. When it returns, the message has no place and no
// memory any more.
func (d *Door) handle(w http.ResponseWriter, r *http.Request, proof func(*http.Request) (from, error)) (body any, err error) {
	m, err := d.message(w, r, proof)
	if err != nil {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			// What is left of the body is read before the answer leaves (net/http),
			// so it must not take long. A server that cannot set a deadline has its own.
			_ = http.NewResponseController(w).SetReadDeadline(clock.System{}.Now().Add(Grace + maxHold))
		}
		d.count(Result{}, err)
		return nil, err
	}
	defer m.release()
	leave, err := d.Gate.Enter(r.Context(), m.proven())
	if err != nil {
		d.count(Result{}, err)
		return nil, err
	}
	defer leave()
	if m.form == One {
		result, err := d.take(r.Context(), m.body, m.from)
		d.count(result, err)
		if err != nil || !wantsJSON(r) {
			return nil, err
		}
		return result, nil
	}
	b := d.takeBatch(r.Context(), m.body, m.form, m.from)
	if b.Results == nil && b.Err != nil {
		d.count(Result{}, b.Err)
		return nil, b.Err
	}
	if !wantsJSON(r) {
		return nil, b.Err
	}
	return b.Results, b.Err
}

// message is what a request brings.
type message struct {
	from
	form    Form
	body    []byte
	release func()
}

// message reads a request. What can be refused by its head is, and its body is
// not read.
func (d *Door) message(w http.ResponseWriter, r *http.Request, proof func(*http.Request) (from, error)) (m message, err error) {
	encoding, err := encodingOf(r.Header.Get("Content-Encoding"))
	if err != nil {
		return m, err
	}
	if m.form, err = FormOf(r.Header.Get("Content-Type")); err != nil {
		return m, err
	}
	claims := r.Header.Get("Authorization") != ""
	if err := d.turnAway(w, r, claims); err != nil { // before anything is looked at that costs more
		return m, err
	}
	if m.from, err = proof(r); err != nil {
		return m, err
	}
	proven := m.proven()
	if m.backfill = strings.EqualFold(r.Header.Get(BackfillHeader), "true"); m.backfill && !proven {
		return m, sayso.Fail(sayso.Denied, op, "the back-fill lane is open to signed-in devices only: send the device's token as a bearer")
	}
	if proven != claims {
		if err := d.turnAway(w, r, proven); err != nil {
			return m, err
		}
	}
	if !m.device.IsZero() && m.form == One { // who sends too much takes nobody's place
		if err := d.Rates.take(m.device, 1, d.Clock.Now()); err != nil {
			return m, err
		}
	}
	limit := d.limit(m.from)
	if m.form != One {
		limit *= BatchFactor
	}
	body, release, err := d.read(w, r, limit, proven)
	if err != nil {
		return m, err
	}
	var more func()
	if m.body, more, err = d.decoded(body, encoding, limit, proven); err != nil {
		release()
		return m, err
	}
	m.release = func() { more(); release() }
	return m, nil
}

// turnAway says whether a message is one too many.
func (d *Door) turnAway(w http.ResponseWriter, r *http.Request, proven bool) error {
	err := d.Gate.Crowded(proven)
	if err != nil && (r.ContentLength < 0 || r.ContentLength > small) {
		w.Header().Set("Connection", "close") // net/http would read the rest first
	}
	return err
}

// bearer reads who signed in, if anybody did.
func (d *Door) bearer(r *http.Request) (f from, err error) {
	raw, err := token.Bearer(r.Header.Get("Authorization"))
	if err == nil && raw != "" {
		f.device, err = d.Device(raw)
	}
	return f, err
}

// MaxStatement is the least that a statement may have in bytes, whatever
// [Door.MaxBody] is: documents are larger than what a car says.
const MaxStatement = 32 << 20

// limit is how many bytes one event may have.
func (d *Door) limit(f from) int64 {
	if f.states {
		return max(d.MaxBody, MaxStatement)
	}
	return d.MaxBody
}

func overLimit(n int64) error {
	return sayso.Fail(sayso.TooLarge, op, "the message is over the limit of "+strconv.FormatInt(n, 10)+" bytes")
}

// read takes the body up to the limit. Memory grows with what arrives, not with
// what is announced.
func (d *Door) read(w http.ResponseWriter, r *http.Request, limit int64, proven bool) (body []byte, release func(), err error) {
	size := r.ContentLength
	if size > limit {
		return nil, nil, overLimit(limit)
	}
	if size < 0 {
		size = limit
	}
	if release, err = d.Gate.reserve(size, proven); err != nil {
		w.Header().Set("Connection", "close") // the body is not read
		return nil, nil, err
	}
	in := &steady{Reader: r.Body, answer: w}
	if r.ContentLength >= 0 && r.ContentLength <= small { // and not over the limit
		body, release = d.room(int(r.ContentLength)) // as a small one it has reserved nothing
		_, err = io.ReadFull(in, body)
	} else {
		in.Reader = http.MaxBytesReader(w, r.Body, limit)
		var buf bytes.Buffer
		_, err = buf.ReadFrom(in)
		body = buf.Bytes()
	}
	if err == nil {
		return body, release, nil
	}
	release()
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, nil, overLimit(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close") // the rest is not waited for
		return nil, nil, &sayso.Error{Op: op, Fault: sayso.Invalid, Message: "the message came too slowly", Err: err}
	}
	return nil, nil, &sayso.Error{Op: op, Fault: sayso.Invalid, Message: "the message ended early", Err: err}
}

// bodies are of small messages.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// room is memory for a small message, until it is answered. What checks signatures
// after that has memory of its own.
func (d *Door) room(n int) (body []byte, release func()) {
	if d.Signatures == Record {
		return make([]byte, n), func() {}
	}
	b := bodies.Get().(*[]byte)
	*b = slices.Grow((*b)[:0], n)[:n]
	return *b, func() { bodies.Put(b) }
}

// A message may take Grace and then must have come at MinRate on average, and
// within MaxTime.
const (
	Grace   = 10 * time.Second
	MinRate = 2 << 10 // bytes per second
	MaxTime = 5 * time.Minute
)

// steady reads a body whose sender must not be too slow.
type steady struct {
	io.Reader
	answer   http.ResponseWriter
	began    time.Time
	got, set int64
}

// Read sets the deadline at the first call and moves it as bytes arrive. It is
// by the clock of the machine, as sockets are.
func (s *steady) Read(p []byte) (int, error) {
	if s.began.IsZero() {
		s.began, s.set = clock.System{}.Now(), math.MinInt64/2
	}
	if s.got-s.set >= 8*MinRate {
		s.set = s.got
		// A server that cannot set one has its own.
		_ = http.NewResponseController(s.answer).SetReadDeadline(s.began.Add(min(MaxTime, Grace+time.Duration(s.got)*time.Second/MinRate)))
	}
	n, err := s.Reader.Read(p)
	s.got += int64(n)
	return n, err
}

func wantsJSON(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "json") }

// refuse answers an error with its status and, where trying again helps, when.
func refuse(w http.ResponseWriter, err error) {
	retryAfter(w, err)
	status := statusOf(err)
	reply(w, status, Refusal{Code: status, Message: sayso.MessageOf(err)})
}

// written is a refusal that is the same each time, written once.
type written struct {
	status int
	header http.Header
	body   []byte
}

var crowded = func() (a written) {
	var w recorded
	refuse(&w, errCrowded)
	return written(w)
}()

// write answers with it. The values of the header are shared by all answers.
func (a *written) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// recorded is an answer on its way to be one of those.
type recorded written

// Header is that of the answer.
func (r *recorded) Header() http.Header {
	if r.header == nil {
		r.header = http.Header{}
	}
	return r.header
}

// WriteHeader takes the status.
func (r *recorded) WriteHeader(status int) { r.status = status }

// Write takes the body.
func (r *recorded) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return len(p), nil
}

// AsLimited finds the [*Limited] in an error.
func AsLimited(err error) (*Limited, bool) {
	var l *Limited
	ok := errors.As(err, &l)
	return l, ok
}

// retryAfter says in how many seconds trying again may help.
func retryAfter(w http.ResponseWriter, err error) {
	if err == nil {
		return
	}
	seconds := 0
	switch sayso.FaultOf(err) {
	case sayso.Busy:
		seconds = 1
	case sayso.Full:
		seconds = 60
	}
	if l, ok := AsLimited(err); ok {
		seconds = int(math.Ceil(l.After.Seconds()))
	}
	if seconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
