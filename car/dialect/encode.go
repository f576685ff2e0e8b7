package dialect

import (
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"sayso"
	"sayso/car/dialect/internal/jsonscan"
)

// Encode writes a cloud event in the order of spec ingest 1.1: the known
// members, the unknown ones by name, the payload. Members that are empty are
// left out where the specification allows it. Data that came as data_base64 is
// written as data_base64. Data and the members of Extras must be valid JSON;
// they are written byte for byte.
func Encode(ce sayso.CloudEvent) []byte {
	out := appendHeader(make([]byte, 0, len(ce.Data)*4/3+640), ce)
	switch {
	case ce.Base64:
		out = append(out, `,"data_base64":"`...)
		out = base64.StdEncoding.AppendEncode(out, ce.Data)
		out = append(out, '"')
	case len(ce.Data) > 0:
		out = append(out, `,"data":`...)
		out = append(out, ce.Data...)
	}
	return append(out, '}')
}

// appendHeader writes everything up to the payload, without the last bracket.
func appendHeader(out []byte, ce sayso.CloudEvent) []byte {
	text := func(name, value string) {
		out = append(out, `,"`...)
		out = append(out, name...)
		out = append(out, `":`...)
		out = jsonscan.AppendText(out, value)
	}
	optional := func(name, value string) {
		if value != "" {
			text(name, value)
		}
	}
	out = append(out, `{"specversion":"1.0"`...)
	text("type", ce.Type)
	text("source", ce.Source.String())
	text("subject", did(ce.Subject))
	text("id", ce.ID)
	text("time", ce.Time.UTC().Format(time.RFC3339Nano))
	optional("datacontenttype", ce.DataContentType)
	optional("dataschema", ce.DataSchema)
	optional("dataversion", ce.DataVersion)
	text("producer", did(ce.Producer))
	optional("signature", ce.Signature)
	optional("raweventid", ce.RawEventID)
	if len(ce.Tags) > 0 {
		out = append(out, `,"tags":`...)
		for i, t := range ce.Tags {
			out = append(out, "[,"[min(i, 1)])
			out = jsonscan.AppendText(out, t)
		}
		out = append(out, ']')
	}
	for _, name := range slices.Sorted(maps.Keys(ce.Extras)) {
		out = append(out, ',')
		out = jsonscan.AppendText(out, name)
		out = append(out, ':')
		out = append(out, ce.Extras[name]...)
	}
	return out
}

func did(d sayso.DID) string {
	if d.Method == "" {
		return ""
	}
	return d.String()
}
