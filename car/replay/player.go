package replay

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/client/device"
	"sayso/internal/clock"
)

// Format is a kind of recording.
type Format string

// The formats.
const (
	Candump Format = "candump"
	CSV     Format = "csv"
	NDJSON  Format = "ndjson"
)

// Options say what to replay and how.
type Options struct {
	Path      string // the recording
	Format    Format // empty: by the name, .log or .candump, .csv, .ndjson, .jsonl or .json
	DBC       string // path of the table, for a CAN log
	Map       string // path of a map, see [ParseMap]; empty: the embedded one that fits
	Rename    map[string]string
	Every     time.Duration // at most one reading of a signal in that time; 0: all
	Batch     int           // readings per cloud event; 0: 100
	KeepTime  bool          // leave times as recorded
	Speed     float64       // 1: as fast as it was recorded, 10: ten times; 0: as fast as it goes
	Identity  device.Identity
	Catalogue *catalogue.Catalogue
	Clock     clock.Clock
	Problem   func(Problem) // told of everything that is passed over; may be nil
}

// Message is one cloud event to send.
type Message struct {
	Body     []byte
	File     string
	Line     int // where it begins
	Readings int
	Due      time.Duration // when to send it, after the first; 0 without a speed
}

// Player replays one recording. It is used by one goroutine.
type Player struct {
	opts    Options
	file    *os.File
	reader  reader
	shift   time.Duration
	first   time.Time
	read    int
	skipped int
	why     Problem
}

// Open opens a recording. Unless the times are kept, it is read once to find
// its first and last reading; then all times are moved by one amount, so that
// without a speed the last reading is now, and with one each reading is sent
// when it says, or, faster than recorded, up to that much later: no reading is
// ever ahead of the clock. Errors name the file.
func Open(o Options) (*Player, error) {
	if o.Catalogue == nil || o.Clock == nil || o.Speed < 0 {
		return nil, sayso.Fail(sayso.Invalid, "replay.Open", "a catalogue, a clock and a speed of at least 0 are needed")
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	if o.Format == "" {
		var err error
		if o.Format, err = formatOf(o.Path); err != nil {
			return nil, err
		}
	}
	p := &Player{opts: o}
	if !o.KeepTime {
		first, last, err := p.span()
		if err != nil {
			return nil, err
		}
		p.shift = shiftFor(first, last, o.Clock.Now(), o.Speed).Truncate(time.Microsecond)
	}
	return p, p.start(p.report)
}

// formatOf goes by the end of the file's name.
func formatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".log", ".candump":
		return Candump, nil
	case ".csv":
		return CSV, nil
	case ".ndjson", ".jsonl", ".json":
		return NDJSON, nil
	}
	return "", failFile(path, "its name does not say what it is: give the format, candump, csv or ndjson")
}

// shiftFor is what to add to every time, see [Open].
func shiftFor(first, last, now time.Time, speed float64) time.Duration {
	switch {
	case first.IsZero():
		return 0
	case speed == 0:
		return now.Sub(last)
	case speed <= 1:
		return now.Sub(first)
	}
	return now.Add(time.Duration(float64(last.Sub(first)) / speed)).Sub(last)
}

// span reads the whole recording for its first and last time.
func (p *Player) span() (first, last time.Time, err error) {
	if err := p.start(func(Problem) {}); err != nil {
		return first, last, err
	}
	defer p.file.Close()
	for {
		r, err := p.reader.next()
		if err == io.EOF {
			return first, last, nil
		}
		if err != nil {
			return first, last, failFile(p.opts.Path, err.Error())
		}
		if first.IsZero() || r.first.Before(first) {
			first = r.first
		}
		if r.last.After(last) {
			last = r.last
		}
	}
}

func (p *Player) report(problem Problem) {
	if p.skipped == 0 {
		p.why = problem
	}
	p.skipped++
	if p.opts.Problem != nil {
		p.opts.Problem(problem)
	}
}

// start opens the file and makes its reader.
func (p *Player) start(tell func(Problem)) error {
	f, err := os.Open(p.opts.Path)
	if err != nil {
		return &sayso.Error{Op: "replay.Open", Fault: sayso.NotFound, Message: err.Error(), Err: err}
	}
	at := func(line, column int, why string) {
		tell(Problem{File: p.opts.Path, Line: line, Column: column, Why: why})
	}
	o := &p.opts
	switch o.Format {
	case Candump:
		var m *Mapping
		if m, err = loadMapping(o, tell); err == nil {
			p.reader = &canLog{lines: newLines(f), mapping: m, batch: batch{limit: o.Batch}, thin: thin{every: o.Every}, problem: at}
		}
	case CSV:
		var t *csvTable
		if t, err = newCSVTable(f, o.Rename, o.Catalogue, at); err != nil {
			err = failFile(o.Path+":1", err.Error())
		} else {
			t.batch.limit, t.thin.every = o.Batch, o.Every
			p.reader = t
		}
	case NDJSON:
		p.reader = &ndjson{lines: newLines(f), problem: at}
	default:
		err = failFile(o.Path, fmt.Sprintf("unknown format %q: want candump, csv or ndjson", o.Format))
	}
	if err != nil {
		f.Close()
		return err
	}
	p.file = f
	return nil
}

// loadMapping reads the table and the map of a CAN log.
func loadMapping(o *Options, tell func(Problem)) (*Mapping, error) {
	if o.DBC == "" {
		return nil, failFile(o.Path, "a CAN log needs a DBC table")
	}
	text, err := os.ReadFile(o.DBC)
	if err != nil {
		return nil, &sayso.Error{Op: "replay.Open", Fault: sayso.NotFound, Message: err.Error(), Err: err}
	}
	table, problems := ParseDBC(o.DBC, string(text))
	for _, problem := range problems {
		tell(problem)
	}
	if len(table.Messages) == 0 {
		return nil, failFile(o.DBC, "there is no message in it; it is not a DBC table")
	}
	if o.Map == "" {
		m, name := DefaultMap(table, o.Catalogue)
		if name == "" {
			return nil, failFile(o.DBC, "no built-in map knows this table; give a map")
		}
		return m, nil
	}
	if text, err = os.ReadFile(o.Map); err != nil {
		return nil, &sayso.Error{Op: "replay.Open", Fault: sayso.NotFound, Message: err.Error(), Err: err}
	}
	m, problems := ParseMap(o.Map, string(text), table, o.Catalogue, false)
	for _, problem := range problems {
		tell(problem)
	}
	if m.Rules == 0 {
		why := "there is no rule in it"
		if len(problems) > 0 {
			why = "none of its rules is usable; the first: " + problems[0].Error()
		}
		return nil, failFile(o.Map, why)
	}
	return m, nil
}

// Next makes the next message; io.EOF ends the recording. A recording of
// which nothing could be read ends with an error that says what was wrong
// first.
func (p *Player) Next() (Message, error) {
	for {
		r, err := p.reader.next()
		if err == io.EOF && p.read == 0 {
			why := "nothing in it can be replayed"
			if p.skipped > 0 {
				why += fmt.Sprintf("; %d problems, the first: %v", p.skipped, p.why)
			}
			return Message{}, failFile(p.opts.Path, why)
		}
		if err == io.EOF {
			return Message{}, io.EOF
		}
		if err != nil {
			return Message{}, failFile(p.opts.Path, err.Error())
		}
		m, err := p.message(r)
		if err != nil {
			if sayso.FaultOf(err) == sayso.Internal {
				return Message{}, err // the signer failed
			}
			p.report(Problem{File: p.opts.Path, Line: r.line, Why: err.Error()})
			continue
		}
		p.read++
		return m, nil
	}
}

// message moves the times of a record and writes it.
func (p *Player) message(r record) (Message, error) {
	m := Message{File: p.opts.Path, Line: r.line, Readings: r.readings}
	if p.first.IsZero() {
		p.first = r.last
	}
	if p.opts.Speed > 0 {
		m.Due = time.Duration(float64(max(0, r.last.Sub(p.first))) / p.opts.Speed)
	}
	var err error
	if r.envelope == nil {
		r.report.Time = r.report.Time.Add(p.shift)
		for i := range r.report.Signals {
			r.report.Signals[i].Time = r.report.Signals[i].Time.Add(p.shift)
		}
		m.Body, err = r.report.Body(p.opts.Identity)
		return m, err
	}
	if p.shift != 0 {
		if r.envelope, err = shiftEnvelope(r.envelope, p.shift); err != nil {
			return m, err
		}
	}
	m.Body, err = device.Readdress(r.envelope, p.opts.Identity)
	return m, err
}

// Play sends every message at its time and returns how many were sent. It
// stops at the first error of the sender.
func (p *Player) Play(ctx context.Context, send func(context.Context, Message) error) (int, error) {
	began := p.opts.Clock.Now()
	for n := 0; ; n++ {
		m, err := p.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if wait := m.Due - p.opts.Clock.Now().Sub(began); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
			case <-t.C:
			}
			t.Stop()
		}
		if ctx.Err() != nil {
			return n, &sayso.Error{Op: "replay.Play", Fault: sayso.Cancelled, Message: "stopped", Err: ctx.Err()}
		}
		if err := send(ctx, m); err != nil {
			return n, err
		}
	}
}

// Problems is how many lines, cells and values were passed over so far.
func (p *Player) Problems() int { return p.skipped }

// Close closes the recording.
func (p *Player) Close() error { return p.file.Close() }

func failFile(path, why string) error {
	return &sayso.Error{Op: "replay", Fault: sayso.Invalid, Subject: path, Message: why}
}
