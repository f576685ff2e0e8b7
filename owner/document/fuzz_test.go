package document

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"sayso"
)

// What is accepted reads the same with encoding/json, and signing again what was
// read gives the same document: there is one reading.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample(data(`,"permissionTemplateId":"7","agreements":[{"type":"permission","asset":"A","permissions":[{"name":"p"}]},{"type":"cloudevent","ids":["1"]}]`))))
	f.Add([]byte(strings.Replace(sample(`{"owner":{"address":"`+alice.String()+`"}}`), TypeGrant, TypeTemplate, 1)))
	f.Add([]byte(`{"type":"dimo.sacd","data":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		d, err := Parse(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		checkAgainstJSON(t, raw, d)
	})
}

// checkAgainstJSON reads the envelope with encoding/json into maps and compares.
func checkAgainstJSON(t *testing.T, raw []byte, d *Document) {
	t.Helper()
	var envelope struct {
		Data json.RawMessage
		Any  map[string]any `json:"-"`
	}
	if err := json.Unmarshal(raw, &envelope.Any); err != nil {
		t.Fatalf("accepted what is no JSON: %v", err)
	}
	var said map[string]any
	if err := json.Unmarshal(d.Data, &said); err != nil {
		t.Fatalf("the data are no object: %v", err)
	}
	whole, err := json.Marshal(envelope.Any["data"])
	part, err2 := json.Marshal(said)
	if err != nil || err2 != nil || !bytes.Equal(whole, part) || !bytes.Contains(raw, d.Data) {
		t.Fatalf("the data are not those of the envelope: %s / %s", whole, part)
	}
	if envelope.Any["type"] != d.Type {
		t.Fatalf("type %v / %s", envelope.Any["type"], d.Type)
	}
	address := func(member string) sayso.Address {
		o, _ := said[member].(map[string]any)
		s, _ := o["address"].(string)
		a, _ := sayso.ParseAddress(s)
		return a
	}
	if d.Type == TypeGrant && (address("grantor") != d.Grantor || address("grantee") != d.Grantee) || d.Type == TypeTemplate && address("owner") != d.Grantor {
		t.Fatalf("parties %v, read as %+v", said, d)
	}
	agreements, _ := said["agreements"].([]any)
	if len(agreements) != len(d.Agreements) {
		t.Fatalf("%d agreements, read %d", len(agreements), len(d.Agreements))
	}
	for i, a := range d.Agreements {
		o := agreements[i].(map[string]any)
		asset, _ := o["asset"].(string)
		names, _ := o["permissions"].([]any)
		if asset != a.Asset || a.Kind == KindPermission && len(names) != len(a.Permissions) || a.Kind != KindPermission && a.Permissions != nil {
			t.Fatalf("agreement %v, read as %+v", o, a)
		}
		for j, n := range a.Permissions {
			if names[j].(map[string]any)["name"] != n {
				t.Fatalf("permission %v, read as %q", names[j], n)
			}
		}
	}
}

// Every accepted CID is written one way in its base, and names no content but
// its own.
func FuzzCID(f *testing.F) {
	for _, s := range []string{
		"bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD",
		"f01551220" + strings.Repeat("ab", 32), "z" + encode58(Of(nil).bytes()), "b", "Qm",
	} {
		f.Add(s, []byte("hello world"))
	}
	f.Fuzz(func(t *testing.T, s string, content []byte) {
		if c := Of(content); !c.Names(content) || c.Names(append(bytes.Clone(content), 0)) {
			t.Fatalf("%s of %x", c, content)
		}
		c, err := ParseCID(s)
		if err != nil {
			return
		}
		again, err := ParseCID(c.String())
		if err != nil || again != c {
			t.Fatalf("%q is read as %s and that as %s, %v", s, c, again, err)
		}
		oracle := map[byte]string{
			'b': "b" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(c.bytes())),
			'f': "f" + hex.EncodeToString(c.bytes()),
			'z': "z" + encode58(c.bytes()),
			'Q': encode58(append([]byte{0x12, 32}, c.digest[:]...)),
		}
		if want := oracle[s[0]]; s != want {
			t.Fatalf("%q is accepted; the one way to write it is %q", s, want)
		}
	})
}
