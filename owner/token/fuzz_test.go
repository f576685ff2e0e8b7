package token

import (
	"encoding/base64"
	"strings"
	"testing"

	"sayso"
)

// A bearer is a token exactly where the header is the word, in whatever case, a
// space and something.
func FuzzBearer(f *testing.F) {
	for _, s := range []string{"", "Bearer", "Bearer ", "Bearer x", "bearer  x ", "BEARER a.b.c", "Basic x", "Bearer\tx", "x Bearer y", "Bearer x y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		raw, err := Bearer(header)
		want := ""
		if len(header) > 7 && strings.EqualFold(header[:6], "bearer") && header[6] == ' ' {
			want = strings.TrimSpace(header[7:])
		}
		if raw != want || (err == nil) != (want != "" || header == "") {
			t.Errorf("%q: %q %v, want %q", header, raw, err, want)
		}
	})
}

// The address in a subject is found exactly where the bytes are a protobuf
// message that begins with the user id.
func FuzzSubjectAddress(f *testing.F) {
	f.Add(subject(sayso.Address{1, 2, 3}))
	f.Add("")
	f.Add("CioweDAw")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("\n\xff0x")))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("\x12\x04web3")))
	f.Fuzz(func(t *testing.T, s string) {
		a, err := subjectAddress(s)
		b, bad := base64.RawURLEncoding.DecodeString(s)
		want, ok := sayso.Address{}, false
		if bad == nil && len(b) >= 44 && b[0] == '\n' && b[1] == 42 {
			parsed, wrong := sayso.ParseAddress(string(b[2:44]))
			want, ok = parsed, wrong == nil
		}
		if a != want && ok || ok != (err == nil) {
			t.Errorf("%q: %v %v, want %v %v", s, a, err, want, ok)
		}
		if err == nil && len(b) == 50 && strings.HasSuffix(string(b), "\x12\x04web3") {
			if again, err := subjectAddress(subject(a)); err != nil || again != a {
				t.Errorf("%v does not come back: %v %v", a, again, err)
			}
		}
	})
}
