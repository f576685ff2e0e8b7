package dialect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"testing"

	"sayso"
)

// checkAgainstJSON reads an accepted body with encoding/json, member by member,
// and compares.
func checkAgainstJSON(t *testing.T, body []byte, ce sayso.CloudEvent) {
	t.Helper()
	members := firstMembers(t, body)
	for _, m := range []struct{ name, got string }{
		{"type", ce.Type}, {"dataschema", ce.DataSchema}, {"dataversion", ce.DataVersion}, {"signature", ce.Signature}, {"raweventid", ce.RawEventID},
	} {
		if want, _ := textOf(members[m.name]); m.got != want {
			t.Fatalf("%s\n%s is %q, want %q", body, m.name, m.got, want)
		}
	}
	if id, _ := textOf(members["id"]); id != "" && id != ce.ID {
		t.Fatalf("%s\nid is %q, want %q", body, ce.ID, id)
	}
	for _, m := range []struct {
		name string
		got  sayso.DID
	}{{"producer", ce.Producer}, {"subject", ce.Subject}} {
		text, _ := textOf(members[m.name])
		if text == "" {
			text, _ = textOf(members["producer"])
		}
		want, err := sayso.ParseDID(text)
		if err != nil || !reflect.DeepEqual(m.got, want) {
			t.Fatalf("%s\n%s is %v, want %q", body, m.name, m.got, text)
		}
	}
	if text, ok := textOf(members["data_base64"]); ok {
		want, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !ce.Base64 || !bytes.Equal(ce.Data, want) {
			t.Fatalf("%s\ndata_base64 is %q, %v", body, ce.Data, err)
		}
	} else if ce.Base64 || !bytes.Equal(ce.Data, members["data"]) {
		t.Fatalf("%s\ndata is %q, want %q", body, ce.Data, members["data"])
	}
	known := 0
	for _, name := range []string{"specversion", "type", "source", "subject", "producer", "id", "time", "datacontenttype", "dataschema",
		"dataversion", "signature", "raweventid", "tags", "data", "data_base64"} {
		if _, ok := members[name]; ok {
			known++
		}
	}
	if len(members) != known+len(ce.Extras) {
		t.Fatalf("%s\nhas %d members, %d known and %d extra", body, len(members), known, len(ce.Extras))
	}
	for name, got := range ce.Extras {
		if !bytes.Equal(got, members[name]) {
			t.Fatalf("%s\n%s is %s, want %s", body, name, got, members[name])
		}
	}
}

// firstMembers reads an object with encoding/json and keeps the first of equal
// names.
func firstMembers(t *testing.T, body []byte) map[string]json.RawMessage {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		t.Fatalf("%s\naccepted, encoding/json says %v %v", body, tok, err)
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatalf("%s\naccepted, encoding/json says %v", body, err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatalf("%s\naccepted, encoding/json says %v", body, err)
		}
		if _, again := members[name.(string)]; !again {
			members[name.(string)] = value
		}
	}
	return members
}

func textOf(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(raw, &s) == nil
}
