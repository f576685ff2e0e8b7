package replay

import (
	"bufio"
	"io"
	"time"

	"sayso/client/device"
)

// Limits of one cloud event.
const (
	defaultBatch = 100             // readings
	longestSpan  = 5 * time.Second // from its first reading to its last
	longestLine  = 32 << 20        // bytes of a line of a file
)

// record is what becomes one message: a report to be written, or an envelope
// as recorded.
type record struct {
	line        int // where it begins
	first, last time.Time
	readings    int
	report      device.Report
	envelope    []byte // if not nil, instead of the report
}

// reader reads records in the order of the file; io.EOF ends it.
type reader interface {
	next() (record, error)
}

// batch gathers readings into records.
type batch struct {
	limit int
	open  record
}

// full says whether a reading at t has no place in the open record.
func (b *batch) full(t time.Time, readings int) bool {
	return b.open.readings > 0 && (b.open.readings+readings > b.limit || t.Sub(b.open.first) > longestSpan || t.Before(b.open.first))
}

func (b *batch) add(line int, s device.Signal) {
	if b.open.readings == 0 {
		b.open = record{line: line, first: s.Time, last: s.Time}
	}
	if s.Time.After(b.open.last) {
		b.open.last = s.Time
	}
	b.open.readings++
	b.open.report.Signals = append(b.open.report.Signals, s)
}

// take returns the open record and opens another.
func (b *batch) take() (record, bool) {
	r := b.open
	b.open = record{}
	r.report.Time = r.last
	return r, r.readings > 0
}

// thin lets through one reading of a signal per interval.
type thin struct {
	every time.Duration
	last  map[string]time.Time
}

func (t *thin) keep(signal string, at time.Time) bool {
	if t.every <= 0 {
		return true
	}
	last, seen := t.last[signal]
	if seen && at.Sub(last) < t.every && !at.Before(last) {
		return false
	}
	if t.last == nil {
		t.last = map[string]time.Time{}
	}
	t.last[signal] = at
	return true
}

// lines numbers the lines of a file. A line that is too long is an error.
type lines struct {
	in *bufio.Scanner
	n  int
}

func newLines(r io.Reader) *lines {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), longestLine)
	return &lines{in: s}
}

// next returns the next line that is neither blank nor a # comment.
func (l *lines) next() (string, error) {
	for l.in.Scan() {
		l.n++
		if s := l.in.Text(); s != "" && s[0] != '#' && s != "\r" {
			return s, nil
		}
	}
	if err := l.in.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}
