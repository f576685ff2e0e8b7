package standard

import (
	"fmt"
	"strconv"

	"sayso"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

func (d *decoder) event(n int) {
	var name, timestamp, duration, metadata, tags member
	d.cursor.Open()
	for key, ok := d.cursor.Member(); ok; key, ok = d.cursor.Member() {
		switch string(key) {
		case "name":
			d.take(&name)
		case "timestamp":
			d.take(&timestamp)
		case "durationNs":
			d.take(&duration)
		case "metadata":
			d.take(&metadata)
		case "tags":
			d.take(&tags)
		default:
			d.cursor.Skip()
		}
	}
	if d.cursor.Err() != nil {
		return
	}
	if name.kind != jsonscan.String {
		d.builder.Reject(place("events", n), "want a text as name, got "+name.kind.String())
		return
	}
	e := sayso.Event{Name: string(name.raw)}
	at, err := timeOf(timestamp)
	if err == nil {
		e.DurationNS, err = nanoseconds(duration)
	}
	if err != nil {
		d.builder.Reject(e.Name, err.Error())
		return
	}
	e.Metadata = d.metadata(e.Name, metadata)
	e.Tags = d.tags(e.Name, tags)
	d.builder.Event(e, at)
}

// nanoseconds reads a whole number, 0 if it is missing.
func nanoseconds(m member) (uint64, error) {
	if m.kind == jsonscan.None || m.kind == jsonscan.Null {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(m.raw), 10, 64)
	if m.kind != jsonscan.Number || err != nil {
		return 0, fmt.Errorf("durationNs is not a whole number from 0 to 2^64-1")
	}
	return n, nil
}

// metadata reads a text that holds JSON.
func (d *decoder) metadata(event string, m member) string {
	reason := ""
	switch m.kind {
	case jsonscan.None, jsonscan.Null:
		return ""
	case jsonscan.String:
		text := m.raw
		switch {
		case len(text) == 0:
			return ""
		case len(text) > message.MaxMetadata:
			reason = fmt.Sprintf("%d bytes are over %d", len(text), message.MaxMetadata)
		case jsonscan.Valid(text) != nil:
			reason = "the text is " + jsonscan.Valid(text).Error()
		default:
			return string(text)
		}
	default:
		reason = "want a text that holds JSON, got " + m.kind.String()
	}
	d.builder.Reject(event+".metadata", reason)
	return ""
}

// tags reads a list of labels. A label that is no text, empty or too long is
// left out.
func (d *decoder) tags(event string, m member) (list []string) {
	switch m.kind {
	case jsonscan.None, jsonscan.Null:
		return nil
	case jsonscan.Array:
	default:
		d.builder.Reject(event+".tags", "want a list, got "+m.kind.String())
		return nil
	}
	c := jsonscan.New(m.raw)
	c.Open()
	for n := 0; c.Element(); n++ {
		var tag []byte
		if c.Kind() == jsonscan.String {
			tag = c.Text()
		} else {
			c.Skip()
		}
		switch {
		case len(tag) == 0 || len(tag) > message.MaxTag:
			d.builder.Reject(event+".tags", fmt.Sprintf("tag %d is not a text of 1 to %d bytes", n, message.MaxTag))
		case len(list) == message.MaxTags:
			d.builder.Reject(event+".tags", fmt.Sprintf("over %d tags", message.MaxTags))
			return list
		default:
			list = append(list, string(tag))
		}
	}
	return list
}
