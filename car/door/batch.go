package door

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"time"

	"sayso"
)

// The bounds of a batch.
const (
	BatchFactor = 8      // how many times the size of one event a batch may have
	MaxBatch    = 10_000 // events
)

// batchPatience is how long the events of a batch may take to be kept, all
// together.
const batchPatience = 10 * time.Second

// Form is how events are written in a message.
type Form uint8

// The forms: one event as JSON; a JSON array of events (CloudEvents 1.0, JSON
// format, section 4); one event per line.
const (
	One Form = iota
	Array
	Lines
)

// FormOf reads a content type. One event is also what an unknown type stands
// for, since the envelope is judged anyway; it fails on one that cannot be read.
func FormOf(contentType string) (Form, error) {
	switch contentType {
	case "", "application/cloudevents+json", "application/json":
		return One, nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return One, sayso.Fail(sayso.Invalid, op, "Content-Type "+strconv.Quote(contentType)+" cannot be read: send one event as application/cloudevents+json, or many as application/cloudevents-batch+json or application/x-ndjson")
	case kind == "application/cloudevents-batch+json":
		return Array, nil
	case kind == "application/x-ndjson", kind == "application/ndjson", kind == "application/jsonl":
		return Lines, nil
	}
	return One, nil
}

// Split finds the events of a batch, each as the bytes it consists of. It looks
// at brackets and quotes only, so that an event that is no JSON costs none of
// the others; what follows an event that does not end counts as part of it. It
// fails on what is no array, and on more than [MaxBatch] events.
func Split(body []byte, form Form) ([][]byte, error) {
	switch form {
	case Array:
		return splitArray(body)
	case Lines:
		return splitLines(body)
	}
	return [][]byte{body}, nil
}

const space = " \t\r\n"

func tooMany() error {
	return sayso.Fail(sayso.TooLarge, op, "the batch has more than "+strconv.Itoa(MaxBatch)+" events: send it in parts")
}

func splitLines(body []byte) (out [][]byte, err error) {
	for len(body) > 0 {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte{'\n'})
		if line = bytes.Trim(line, space); len(line) == 0 {
			continue
		}
		if len(out) == MaxBatch {
			return nil, tooMany()
		}
		out = append(out, line)
	}
	return out, nil
}

func splitArray(body []byte) (out [][]byte, err error) {
	body = bytes.Trim(body, space)
	if len(body) < 2 || body[0] != '[' {
		return nil, sayso.Fail(sayso.Invalid, op, "the batch is no JSON array of events")
	}
	body = body[1:]
	for {
		n := element(body)
		e := bytes.Trim(body[:n], space)
		last := n == len(body) || body[n] == ']'
		if !(last && len(e) == 0 && len(out) == 0) {
			if len(out) == MaxBatch {
				return nil, tooMany()
			}
			out = append(out, e)
		}
		if last {
			if n+1 < len(body) {
				out = append(out, body[n+1:]) // what follows the array, to be refused
			}
			return out, nil
		}
		body = body[n+1:]
	}
}

// element is the length of what stands before the comma or the bracket that
// ends an element.
func element(b []byte) int {
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			return i
		case c == '}' || c == ']':
			depth = max(0, depth-1)
		}
	}
	return len(b)
}

// Refusal is why an event was not accepted.
type Refusal struct {
	Code    int    `json:"code"` // the HTTP status that the event alone would have got
	Message string `json:"message"`
	again   bool
	fault   sayso.Fault
}

// Fault is the kind of the error.
func (r *Refusal) Fault() sayso.Fault { return r.fault }

// Batch is what became of the events of a message, in their order. Err is nil if
// all were accepted; else that of an event which sending the message again can
// help, if there is one; else that of the first which was refused. What is
// accepted is kept in any case, and costs nothing when it is sent again.
type Batch struct {
	Results []Result
	Err     error
	events  [][]byte
}

// Refused gives the bytes and the error of each event that was not accepted and
// never will be.
func (b *Batch) Refused() iter.Seq2[[]byte, *Refusal] {
	return func(yield func([]byte, *Refusal) bool) {
		for i := range b.Results {
			if r := b.Results[i].Error; r != nil && !r.again && !yield(b.events[i], r) {
				return
			}
		}
	}
}

// TakeBatch handles the events of a message, each judged alone. They are put in
// line in their order, so that they share the sync of the disk and an earlier
// one is kept before a later one.
func (d *Door) TakeBatch(ctx context.Context, body []byte, form Form, signedIn sayso.Address, backfill bool) Batch {
	return d.takeBatch(ctx, body, form, from{device: signedIn, backfill: backfill})
}

func (d *Door) takeBatch(ctx context.Context, body []byte, form Form, f from) Batch {
	wait, err := d.submit(ctx, body, form, f)
	if err != nil {
		return Batch{Err: err}
	}
	return wait(ctx)
}

// Submit is the first half of [Door.TakeBatch]: it judges the events and puts
// them in line without waiting for the disk. The other half is wait, which must
// be called, once: only it says what is kept. The error is of the message as a
// whole; it is a [*Limited] if the device sent too much.
func (d *Door) Submit(ctx context.Context, body []byte, form Form, signedIn sayso.Address, backfill bool) (wait func(context.Context) Batch, err error) {
	return d.submit(ctx, body, form, from{device: signedIn, backfill: backfill})
}

func (d *Door) submit(ctx context.Context, body []byte, form Form, f from) (wait func(context.Context) Batch, err error) {
	b := &batch{door: d, form: form}
	if form == One {
		b.alone.event[0] = body
		b.events, b.results, b.errs, b.line = b.alone.event[:], b.alone.result[:], b.alone.err[:], b.alone.line[:]
	} else {
		if b.events, err = Split(body, form); err != nil {
			return nil, err
		}
		n := len(b.events)
		b.results, b.errs, b.line = make([]Result, n), make([]error, n), make([]underway, n)
	}
	if !f.device.IsZero() {
		if err := d.Rates.take(f.device, len(b.events), d.Clock.Now()); err != nil {
			return nil, err
		}
	}
	for i, e := range b.events {
		if limit := d.limit(f); int64(len(e)) > limit {
			b.errs[i] = overLimit(limit)
		} else {
			b.line[i], b.results[i].ID, b.errs[i] = d.begin(ctx, e, f)
		}
	}
	return b.wait, nil
}

// batch is a message in line.
type batch struct {
	door    *Door
	form    Form
	events  [][]byte
	results []Result
	errs    []error
	line    []underway

	alone struct { // what the slices are of where there is one event
		event  [1][]byte
		result [1]Result
		err    [1]error
		line   [1]underway
	}
}

// wait waits for all events.
func (b *batch) wait(ctx context.Context) Batch {
	if len(b.events) > 1 { // one has the patience of what keeps it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, batchPatience)
		defer cancel()
	}
	out := Batch{Results: b.results, events: b.events}
	for i := range b.events {
		if b.errs[i] == nil {
			b.results[i], b.errs[i] = b.door.finish(ctx, b.line[i])
		}
		if b.errs[i] != nil && sayso.FaultOf(b.errs[i]) == sayso.Cancelled && ctx.Err() == context.DeadlineExceeded {
			b.errs[i] = sayso.Fail(sayso.Busy, op, "not kept in time; send it again")
		}
		b.door.count(b.results[i], b.errs[i])
		out.note(i, b.errs[i], b.form)
	}
	return out
}

// count notes what became of an event.
func (d *Door) count(r Result, err error) {
	switch {
	case err != nil:
		d.Count(sayso.FaultOf(err).String())
	case r.Duplicate:
		d.Count("duplicate")
	default:
		d.Count("kept")
	}
}

// note writes an error into the result of event i and into that of the batch.
func (b *Batch) note(i int, err error, form Form) {
	if err == nil {
		return
	}
	r := &b.Results[i]
	r.Rejected = []sayso.Rejection{}
	r.Error = &Refusal{statusOf(err), sayso.MessageOf(err), again(err), sayso.FaultOf(err)}
	if b.Err != nil && (!again(err) || again(b.Err)) {
		return
	}
	if b.Err = err; form != One {
		b.Err = inBatch(i, err)
	}
}

// again says whether sending the same again can help.
func again(err error) bool {
	f := sayso.FaultOf(err)
	return f == sayso.Busy || f == sayso.Full || f == sayso.Internal || f == sayso.Cancelled
}

// inBatch says which event of the batch an error is of.
func inBatch(i int, err error) error {
	return &sayso.Error{Op: op, Fault: sayso.FaultOf(err), Message: fmt.Sprintf("event %d of the batch: %s", i+1, sayso.MessageOf(err)), Err: err}
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	if _, limited := AsLimited(err); limited {
		return http.StatusTooManyRequests
	}
	return sayso.FaultOf(err).Status()
}
