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
			d.cursor.Take(&name)
		case "timestamp":
			d.cursor.Take(&timestamp)
		case "durationNs":
			d.cursor.Take(&duration)
		case "metadata":
			d.cursor.Take(&metadata)
		case "tags":
			d.cursor.Take(&tags)
		default:
			d.cursor.Skip()
		}
	}
	if d.cursor.Err() != nil {
		return
	}
	at, untimed := d.time(timestamp)
	refuse := func(name, reason string) {
		d.builder.Reject(name, reason)
		if untimed == nil {
			d.builder.RefusedAt(at)
		}
	}
	if name.Kind != jsonscan.String {
		refuse(place("events", n), "want a text as name, got "+name.Kind.String())
		return
	}
	e, err := sayso.Event{Name: string(name.Raw)}, untimed
	if err == nil {
		e.DurationNS, err = nanoseconds(duration)
	}
	if err != nil {
		refuse(e.Name, err.Error())
		return
	}
	var badMetadata string
	var badTags []string
	e.Metadata, badMetadata = metadataOf(metadata)
	e.Tags, badTags = tagsOf(tags)
	if !d.builder.Event(e, at) {
		return
	}
	if badMetadata != "" {
		d.builder.Reject(e.Name+".metadata", badMetadata)
	}
	for _, reason := range badTags {
		d.builder.Reject(e.Name+".tags", reason)
	}
}

// nanoseconds reads a whole number, 0 if it is missing.
func nanoseconds(m member) (uint64, error) {
	if m.Missing() {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(m.Raw), 10, 64)
	if m.Kind != jsonscan.Number || err != nil {
		return 0, fmt.Errorf("durationNs is not a whole number from 0 to 2^64-1")
	}
	return n, nil
}

// metadataOf reads a text that holds JSON, or says why it is none.
func metadataOf(m member) (text, reason string) {
	switch m.Kind {
	case jsonscan.None, jsonscan.Null:
		return "", ""
	case jsonscan.String:
	default:
		return "", "want a text that holds JSON, got " + m.Kind.String()
	}
	if len(m.Raw) == 0 {
		return "", ""
	}
	if len(m.Raw) > message.MaxMetadata {
		return "", fmt.Sprintf("%d bytes are over %d", len(m.Raw), message.MaxMetadata)
	}
	if err := jsonscan.Valid(m.Raw); err != nil {
		return "", "the text is " + err.Error()
	}
	return string(m.Raw), ""
}

// tagsOf reads a list of labels. A label that is no text, empty or too long is
// left out, with a reason.
func tagsOf(m member) (list, reasons []string) {
	switch m.Kind {
	case jsonscan.None, jsonscan.Null:
		return nil, nil
	case jsonscan.Array:
	default:
		return nil, []string{"want a list, got " + m.Kind.String()}
	}
	c := jsonscan.New(m.Raw)
	c.Open()
	for n := 0; c.Element(); n++ {
		var tag []byte
		if c.Kind() == jsonscan.String {
			tag = c.Text()
		} else {
			c.Skip()
		}
		switch {
		case len(list) == message.MaxTags || len(reasons) == message.MaxTags:
			return list, append(reasons, fmt.Sprintf("over %d tags", message.MaxTags))
		case len(tag) == 0 || len(tag) > message.MaxTag:
			reasons = append(reasons, fmt.Sprintf("tag %d is not a text of 1 to %d bytes", n, message.MaxTag))
		default:
			list = append(list, string(tag))
		}
	}
	return list, reasons
}
