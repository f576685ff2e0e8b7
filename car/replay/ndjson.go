package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// ndjson reads a file of cloud events, one in each line.
type ndjson struct {
	lines   *lines
	problem func(line, column int, why string)
}

func (n *ndjson) next() (record, error) {
	for {
		line, err := n.lines.next()
		if err != nil {
			return record{}, err
		}
		r, err := readEnvelope([]byte(line))
		if err != nil {
			n.problem(n.lines.n, 0, err.Error())
			continue
		}
		r.line = n.lines.n
		return r, nil
	}
}

// stamped are the times in an envelope of the form default/v1.0.
type stamped struct {
	Time *time.Time `json:"time"`
	Data *struct {
		Signals []moment `json:"signals"`
		Events  []moment `json:"events"`
	} `json:"data"`
}

type moment struct {
	Timestamp *time.Time `json:"timestamp"`
}

// readEnvelope finds the times of an envelope: those of its readings and
// events, or else its own.
func readEnvelope(line []byte) (record, error) {
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(line, &whole); err != nil {
		return record{}, fmt.Errorf("not a cloud event: %w", err)
	}
	if (whole["data"] == nil) == (whole["data_base64"] == nil) {
		return record{}, fmt.Errorf("not a cloud event: want either data or data_base64")
	}
	r := record{envelope: bytes.Clone(line)}
	var s stamped
	if json.Unmarshal(line, &s) != nil {
		// Other forms of payload have times elsewhere: only the envelope counts.
		s = stamped{}
		var t time.Time
		if json.Unmarshal(whole["time"], &t) == nil {
			s.Time = &t
		}
	}
	if s.Data != nil {
		r.readings = len(s.Data.Signals)
		for _, m := range append(s.Data.Signals, s.Data.Events...) {
			r.widen(m.Timestamp)
		}
	}
	if r.first.IsZero() {
		r.widen(s.Time)
	}
	if r.first.IsZero() {
		return r, fmt.Errorf("the cloud event has no time")
	}
	return r, nil
}

func (r *record) widen(t *time.Time) {
	if t == nil || t.IsZero() {
		return
	}
	if r.first.IsZero() || t.Before(r.first) {
		r.first = *t
	}
	if r.last.IsZero() || t.After(r.last) {
		r.last = *t
	}
}

// shiftEnvelope moves every time of an envelope. The id gets a suffix, since
// it now names another body: the node refuses one id with two bodies.
func shiftEnvelope(line []byte, by time.Duration) ([]byte, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(line, &m); err != nil {
		return nil, err
	}
	var id string
	if json.Unmarshal(m["id"], &id) == nil && id != "" {
		m["id"] = quote(id + "-at" + strconv.FormatInt(by.Microseconds(), 36))
	}
	shiftMember(m, "time", by)
	var data map[string]json.RawMessage
	if json.Unmarshal(m["data"], &data) == nil && data != nil {
		changed := false
		for _, name := range []string{"signals", "events"} {
			var list []map[string]json.RawMessage
			if json.Unmarshal(data[name], &list) != nil || len(list) == 0 {
				continue
			}
			for _, item := range list {
				shiftMember(item, "timestamp", by)
			}
			data[name], changed = marshal(list), true
		}
		if changed {
			m["data"] = marshal(data)
		}
	}
	return marshal(m), nil
}

func shiftMember(m map[string]json.RawMessage, name string, by time.Duration) {
	var t time.Time
	if json.Unmarshal(m[name], &t) == nil && !t.IsZero() {
		m[name] = quote(t.Add(by).UTC().Format(time.RFC3339Nano))
	}
}

func quote(s string) json.RawMessage { return marshal(s) }

// marshal writes a value that was read from JSON, which cannot fail, without
// escaping what HTML would need.
func marshal(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n")
}
