package document

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"sayso"
)

// maxSignature bounds what is handed to a contract account.
const maxSignature = 4096

// members reads a JSON object. Names are told apart by case, and one that is
// there twice is refused: two readers must not read two documents.
func members(raw []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("want a JSON object")
	}
	out := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("the member %q is there twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		out[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON object")
	}
	return out, nil
}

// object is a JSON object that is read member by member; the first error stays.
type object struct {
	path string
	m    map[string]json.RawMessage
	err  *error
}

// maxDepth is how deep documents may nest.
const maxDepth = 32

func (o object) fail(name string, why any) {
	if *o.err == nil {
		*o.err = fmt.Errorf("%s%s: %v", o.path, name, why)
	}
}

func (o object) absent(name string) bool {
	raw, ok := o.m[name]
	return !ok || string(raw) == "null"
}

// text is a string; absent is empty.
func (o object) text(name string) string {
	var s string
	if !o.absent(name) {
		if err := json.Unmarshal(o.m[name], &s); err != nil {
			o.fail(name, "want a string")
		}
	}
	return s
}

// texts is a list of strings; absent is nil.
func (o object) texts(name string) []string {
	if o.absent(name) {
		return nil
	}
	var list []*string
	if err := json.Unmarshal(o.m[name], &list); err != nil {
		o.fail(name, "want a list of strings")
	}
	out := make([]string, 0, len(list))
	for _, s := range list {
		if s == nil {
			o.fail(name, "want a list of strings")
			return nil
		}
		out = append(out, *s)
	}
	return out
}

// object is a member that is an object; absent has no members.
func (o object) object(name string) object {
	in := object{path: o.path + name + ".", err: o.err}
	if !o.absent(name) {
		m, err := members(o.m[name])
		if err != nil {
			o.fail(name, err)
		}
		in.m = m
	}
	return in
}

// objects is a list of objects; absent is empty.
func (o object) objects(name string) []object {
	if o.absent(name) {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(o.m[name], &list); err != nil {
		o.fail(name, "want a list of objects")
	}
	var out []object
	for i, raw := range list {
		in := object{path: fmt.Sprintf("%s%s[%d].", o.path, name, i), err: o.err}
		m, err := members(raw)
		if err != nil {
			in.fail("", err)
		}
		in.m = m
		out = append(out, in)
	}
	return out
}

// time is an RFC 3339 time; absent, empty and the year 1 are no bound.
func (o object) time(name string) time.Time {
	s := o.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		o.fail(name, "want a time as in 2026-01-02T15:04:05Z")
	}
	return t.UTC()
}

func (o object) window() Window { return Window{o.time("effectiveAt"), o.time("expiresAt")} }

// party is an object with an address.
func (o object) party(name string) sayso.Address {
	in := o.object(name)
	a, err := sayso.ParseAddress(in.text("address"))
	if err != nil {
		in.fail("address", "want 0x and 40 hexadecimal digits")
	}
	return a
}

// template is a decimal number, as a string or a number; 0 is none.
func (o object) template(name string) string {
	s := string(o.m[name])
	if o.absent(name) {
		return ""
	}
	if strings.HasPrefix(s, `"`) {
		s = o.text(name)
	}
	if len(s) > 78 || strings.Trim(s, "0123456789") != "" {
		o.fail(name, "want a decimal number")
	}
	return strings.TrimLeft(s, "0")
}

// Parse reads a document. What it returns holds no part of raw. It refuses what
// is ambiguous: invalid UTF-8, members that are there twice, anything after the
// envelope. It does not check the signature.
func Parse(raw []byte) (*Document, error) {
	const op = "document.Parse"
	refuse := func(why string) (*Document, error) {
		return nil, sayso.Fail(sayso.Invalid, op, "not a grant document: "+why)
	}
	switch {
	case len(raw) > MaxBytes:
		return nil, sayso.Fail(sayso.TooLarge, op, fmt.Sprintf("a document has at most %d bytes", MaxBytes))
	case !utf8.Valid(raw):
		return refuse("invalid UTF-8")
	case depth(raw) > maxDepth:
		return refuse("nested too deep")
	}
	var failed error
	m, err := members(raw)
	if err != nil {
		return refuse(err.Error())
	}
	envelope := object{m: m, err: &failed}
	d := &Document{Type: envelope.text("type"), Data: bytes.Clone(m["data"])}
	if failed == nil && d.Type != TypeGrant && d.Type != TypeTemplate {
		envelope.fail("type", fmt.Sprintf("want %s or %s", TypeGrant, TypeTemplate))
	}
	signature := envelope.text("signature")
	if d.Signature, err = hex.DecodeString(strings.TrimPrefix(signature, "0x")); err != nil || len(d.Signature) == 0 || len(d.Signature) > maxSignature {
		envelope.fail("signature", "want 0x and the signature in hexadecimal digits")
	}
	if envelope.absent("data") {
		envelope.fail("data", "missing")
	}
	d.read(envelope.object("data"))
	if failed != nil {
		return refuse(failed.Error())
	}
	return d, nil
}

// read fills in what the data say.
func (d *Document) read(data object) {
	if d.Type == TypeTemplate {
		d.Grantor = data.party("owner")
	} else {
		d.Grantor, d.Grantee = data.party("grantor"), data.party("grantee")
		d.Template = data.template("permissionTemplateId")
	}
	d.Window, d.Asset = data.window(), data.text("asset")
	for _, a := range data.objects("agreements") {
		d.Agreements = append(d.Agreements, agreement(a))
	}
}

func agreement(o object) Agreement {
	a := Agreement{Kind: o.text("type"), Asset: o.text("asset"), Window: o.window()}
	switch a.Kind {
	case KindPermission:
		for _, p := range o.objects("permissions") {
			name := p.text("name")
			if name == "" {
				p.fail("name", "missing")
			}
			a.Permissions = append(a.Permissions, name)
		}
	case KindCloudEvent:
		a.Filter = Filter{EventType: o.text("eventType"), Source: o.text("source"), IDs: o.texts("ids"), Tags: o.texts("tags")}
		if a.IDs == nil {
			a.IDs = []string{Any}
		}
		if a.Tags == nil {
			a.Tags = []string{Any}
		}
	}
	return a
}

// depth is how deep brackets nest, strings left out.
func depth(raw []byte) (deepest int) {
	at, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			at++
			deepest = max(deepest, at)
		case c == '}' || c == ']':
			at--
		}
	}
	return deepest
}
