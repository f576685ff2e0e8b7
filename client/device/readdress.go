package device

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sayso"
)

// kept is the order in which the members of a re-addressed envelope are
// written; the identity's own members and the payload follow, extras last.
var kept = [...]string{"type", "id", "time", "datacontenttype", "dataschema", "dataversion", "raweventid", "tags"}

// Readdress rewrites a recorded envelope so that another device can send it:
// subject, producer, source and signature become those of the identity; every
// other member, and the bytes of the payload, stay as they are. A missing id
// becomes a hash of the payload. It fails on what is not a JSON object and on
// an envelope without payload.
func Readdress(envelope []byte, by Identity) ([]byte, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(envelope, &m); err != nil {
		return nil, sayso.Fail(sayso.Invalid, "device.Readdress", "not a JSON object: "+err.Error())
	}
	data, base64 := m["data"], m["data_base64"]
	if (data == nil) == (base64 == nil) {
		return nil, sayso.Fail(sayso.Invalid, "device.Readdress", "want either data or data_base64")
	}
	payload := data
	if payload == nil {
		var text string
		if err := json.Unmarshal(base64, &text); err != nil {
			return nil, sayso.Fail(sayso.Invalid, "device.Readdress", "data_base64 is not a string")
		}
		payload = []byte(text)
	}
	if id := bytes.TrimSpace(m["id"]); len(id) < 3 || id[0] != '"' {
		m["id"] = fmt.Appendf(nil, "%q", ContentID(payload))
	}
	b := make([]byte, 0, len(envelope)+400)
	b = append(b, `{"specversion":"1.0"`...)
	for _, name := range kept {
		if v, ok := m[name]; ok {
			b = appendMember(b, name, v)
			delete(m, name)
		}
	}
	for _, name := range []string{"specversion", "subject", "producer", "source", "signature", "data", "data_base64"} {
		delete(m, name)
	}
	for _, name := range sortedKeys(m) {
		b = appendMember(b, name, m[name])
	}
	if data != nil {
		return appendSigned(b, by, data)
	}
	return appendBinary(b, by, payload, base64)
}

func appendMember(b []byte, name string, v json.RawMessage) []byte {
	b = append(b, ',')
	b = appendText(b, name)
	b = append(b, ':')
	return append(b, v...)
}

// appendBinary is appendSigned for data_base64: the signature is over the
// base64 text, as for attestations (spec ingest 1.6).
func appendBinary(b []byte, by Identity, text []byte, quoted json.RawMessage) ([]byte, error) {
	b, err := appendWho(b, by, text)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"data_base64":`...)
	b = append(b, quoted...)
	return append(b, '}'), nil
}
