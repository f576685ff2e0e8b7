package jsonscan

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestValid(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, x := range []struct{ text, want string }{
		{`{}`, ""}, {` [ ] `, ""}, {`{"a":[1,-0.5e+3,"x",true,false,null,{"b":{}}]}`, ""}, {`0`, ""}, {`"\u00e4\ud83d\ude00\"\\\/\b\f\n\r\t"`, ""},
		{deep(MaxDepth), ""},
		{deep(MaxDepth + 1), "not valid JSON at byte 32: nested deeper than 32"},
		{``, "not valid JSON at byte 0: want a value"},
		{`{"a":1,}`, "not valid JSON at byte 7: want the name of a member"},
		{`[1,]`, "not valid JSON at byte 3: want a value"},
		{`[,1]`, "not valid JSON at byte 1: want a value"},
		{`[1 2]`, "not valid JSON at byte 3: want a comma or a closing bracket"},
		{`{"a" 1}`, "not valid JSON at byte 5: want a colon"},
		{`{"a":1]`, "not valid JSON at byte 6: want a comma or a closing bracket"},
		{`{a:1}`, "not valid JSON at byte 1: want the name of a member"},
		{`{} {}`, "not valid JSON at byte 3: something follows the value"},
		{`01`, "not valid JSON at byte 0: want a number"},
		{`1.`, "not valid JSON at byte 0: want a number"},
		{`-`, "not valid JSON at byte 0: want a number"},
		{`1e`, "not valid JSON at byte 0: want a number"},
		{`tru`, "not valid JSON at byte 0: want true, false or null"},
		{`"a`, "not valid JSON at byte 2: the text does not end"},
		{`"\x"`, "not valid JSON at byte 1: unknown escape"},
		{`"\u12"`, "not valid JSON at byte 1: unknown escape"},
		{"\"\n\"", "not valid JSON at byte 1: control character in a text"},
		{"\"\xff\"", "not valid JSON at byte 0: the text is not UTF-8"},
		{"\ufeff{}", "not valid JSON at byte 0: want a value"},
		{`[`, "not valid JSON at byte 1: want a value"},
		{"{}\x00", "not valid JSON at byte 2: something follows the value"},
	} {
		got := ""
		if err := Valid([]byte(x.text)); err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%s: got %q, want %q", x.text, got, x.want)
		}
	}
}

// tree builds what encoding/json would, out of cursor calls. Of equal names the
// last stays, as there.
func tree(c *Cursor) any {
	switch c.Kind() {
	case Object:
		m := map[string]any{}
		c.Open()
		for name, ok := c.Member(); ok; name, ok = c.Member() {
			m[string(name)] = tree(c)
		}
		return m
	case Array:
		l := []any{}
		c.Open()
		for c.Element() {
			l = append(l, tree(c))
		}
		return l
	case String:
		return string(c.Text())
	case Number:
		return json.Number(c.Digits())
	case Bool:
		return string(c.Skip()) == "true"
	}
	c.Skip()
	return nil
}

// FuzzCursor compares with encoding/json: what it takes for valid, and what it
// reads. The differences are ours: UTF-8 and the depth are checked.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,"x\u00e4\ud800\ud83d\ude00",true,false,null,{"b":{}}]}`, `[]`, `"\ud83d\u0041"`, `1e`, `{"a":1,}`, ` 12 `, "[1]x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Valid(text)
		c := New(text)
		got := tree(&c)
		if (c.End() == nil) != (err == nil) {
			t.Fatalf("skipping says %v, reading %v", err, c.Err())
		}
		if err != nil {
			if json.Valid(text) && utf8.Valid(text) && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("%q refused: %v", text, err)
			}
			return
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("%q accepted, encoding/json says %v", text, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: read %#v, want %#v", text, got, want)
		}
		if s, ok := got.(string); ok {
			var back string
			if err := json.Unmarshal(AppendText(nil, s), &back); err != nil || back != s {
				t.Fatalf("%q written as %s: %v", s, AppendText(nil, s), err)
			}
			if n := len(AppendText(nil, s)); n > len(text) {
				t.Fatalf("%q was written longer: %d bytes for %d", s, n, len(text))
			}
		}
	})
}

func TestAppendText(t *testing.T) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "äö€😀\u2028<&>"} {
		var back string
		if err := json.Unmarshal(AppendText(nil, s), &back); err != nil || back != s {
			t.Errorf("%q written as %s", s, AppendText(nil, s))
		}
	}
	if got := string(AppendText(nil, "a\xffb")); got != "\"a\ufffdb\"" {
		t.Errorf("got %s", got)
	}
}
