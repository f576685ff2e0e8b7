package document

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sayso"
)

var (
	alice  = sayso.Address{19: 0xa1}
	mallet = sayso.Address{19: 0xb2}
	car    = sayso.NFT(137, sayso.Address{19: 0xcc}, 7)
)

// sample is a document as other tools write it: members in another order, with
// more than we read.
func sample(data string) string {
	return `{"id":"x","specVersion":"1.0","source":"` + alice.String() + `","time":"2026-01-01T00:00:00Z","dataversion":"sacd/v1.0","type":"dimo.sacd", "data": ` +
		data + `,"signature":"0x` + strings.Repeat("ab", 65) + `"}`
}

func data(more string) string {
	return fmt.Sprintf(`{"grantor":{"address":"%s","name":"Alice"}, "grantee":{"address":"%s"}, "additionalDates":{}%s}`, alice.Lower(), mallet, more)
}

func TestParseReadsADocument(t *testing.T) {
	raw := data(`,"effectiveAt":"2026-01-02T00:00:00Z","expiresAt":"2026-02-02T00:00:00.5+01:00","permissionTemplateId":"007","asset":"` + car.String() + `","agreements":[
		{"type":"permission","asset":"A","permissions":[{"name":"privilege:GetRawData","description":"d"},{"name":"other"}],"attachments":[],"extensions":{}},
		{"type":"cloudevent","asset":"B","eventType":"*","source":"s","ids":["1"],"tags":null,"effectiveAt":"0001-01-01T00:00:00Z","expiresAt":""},
		{"type":"cloudevent","asset":"B","eventType":"e","source":"s","ids":[]},
		{"type":"payment","asset":"C","payment":{"amount":1}}]`)
	got, err := Parse([]byte(sample(raw)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Document{
		Type: TypeGrant, Data: []byte(raw), Signature: bytes.Repeat([]byte{0xab}, 65), Grantor: alice, Grantee: mallet,
		Window: Window{time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 1, 23, 0, 0, 5e8, time.UTC)},
		Asset:  car.String(), Template: "7",
		Agreements: []Agreement{
			{Kind: KindPermission, Asset: "A", Permissions: []string{"privilege:GetRawData", "other"}},
			{Kind: KindCloudEvent, Asset: "B", Filter: Filter{"*", "s", []string{"1"}, []string{"*"}}},
			{Kind: KindCloudEvent, Asset: "B", Filter: Filter{"e", "s", []string{}, []string{"*"}}},
			{Kind: "payment", Asset: "C"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseReadsATemplate(t *testing.T) {
	raw := `{"owner":{"address":"` + alice.String() + `"},"agreements":[{"type":"permission","asset":"did:ethr:137:x","permissions":[{"name":"p"}]}]}`
	got, err := Parse([]byte(strings.Replace(sample(raw), TypeGrant, TypeTemplate, 1)))
	if err != nil || got.Grantor != alice || !got.Grantee.IsZero() || got.Agreements[0].Permissions[0] != "p" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	good := sample(data(""))
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not there", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct{ doc, why string }{
		"nothing":              {"", "JSON object"},
		"a list":               {"[]", "JSON object"},
		"another type":         {edit(`"dimo.sacd"`, `"dimo.status"`), "type"},
		"a type in upper case": {edit(`"type"`, `"Type"`), "type"},
		"two data":             {edit(`"data":`, `"data":{},"data":`), "twice"},
		"two grantees":         {edit(`"grantee"`, `"grantee":{"address":"`+alice.String()+`"},"grantee"`), "twice"},
		"a hidden duplicate":   {edit(`"grantee"`, `"grant\u0065e":{"address":"`+alice.String()+`"},"grantee"`), "twice"},
		"no data":              {edit(`"data"`, `"Data"`), "data: missing"},
		"data as text":         {edit(`"data": {`, `"data": "{}", "x": {`), "data"},
		"no signature":         {edit(`"signature"`, `"sig"`), "signature"},
		"an empty signature":   {edit(strings.Repeat("ab", 65), ""), "signature"},
		"an odd signature":     {edit("0xab", "0xa"), "signature"},
		"a long signature":     {edit("0xab", "0x"+strings.Repeat("00", maxSignature)+"ab"), "signature"},
		"an odd address":       {edit(alice.Lower(), "0x12"), "grantor.address"},
		"a number as address":  {edit(`"`+alice.Lower()+`"`, "7"), "grantor.address"},
		"an odd time":          {sample(data(`,"expiresAt":"tomorrow"`)), "expiresAt"},
		"a time as number":     {sample(data(`,"expiresAt":1700000000}`)), ""},
		"an odd template":      {sample(data(`,"permissionTemplateId":"0x7"`)), "permissionTemplateId"},
		"a negative template":  {sample(data(`,"permissionTemplateId":-7`)), "permissionTemplateId"},
		"agreements as object": {sample(data(`,"agreements":{}`)), "agreements"},
		"an agreement as text": {sample(data(`,"agreements":["permission"]`)), "agreements[0]"},
		"ids as text":          {sample(data(`,"agreements":[{"type":"cloudevent","ids":"*"}]`)), "agreements[0].ids"},
		"null among the ids":   {sample(data(`,"agreements":[{"type":"cloudevent","ids":[null]}]`)), "agreements[0].ids"},
		"names as texts":       {sample(data(`,"agreements":[{"type":"permission","permissions":["x"]}]`)), "permissions[0]"},
		"a nameless one":       {sample(data(`,"agreements":[{"type":"permission","permissions":[{}]}]`)), "name: missing"},
		"invalid UTF-8":        {edit("Alice", "Al\xffce"), "UTF-8"},
		"something behind":     {good + "{}", "follows"},
		"too deep":             {sample(data(`,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40))), "deep"},
		"too large":            {edit("Alice", strings.Repeat("A", MaxBytes)), "at most"},
	} {
		d, err := Parse([]byte(c.doc))
		if err == nil {
			t.Errorf("%s: accepted as %+v", name, d)
		} else if !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v; want a word about %q", name, err, c.why)
		}
	}
}

func TestADraftReadsAsItWasMeant(t *testing.T) {
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	draft := Draft{
		Grantor: alice, Grantee: mallet, Asset: car, Window: Window{From: from, Until: from.AddDate(0, 1, 0)}, Template: "12",
		Permissions: sayso.PermissionSet(sayso.RawData, sayso.LiveData),
		Events:      []Filter{{EventType: "dimo.attestation", Tags: []string{"vehicle"}}},
	}
	raw, err := draft.Data()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Envelope(TypeGrant, raw, bytes.Repeat([]byte{1}, 65), from)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(doc)
	want := &Document{
		Type: TypeGrant, Data: raw, Signature: bytes.Repeat([]byte{1}, 65), Grantor: alice, Grantee: mallet,
		Window: draft.Window, Asset: car.String(), Template: "12",
		Agreements: []Agreement{
			{Kind: KindPermission, Asset: car.String(), Permissions: []string{"privilege:GetLiveData", "privilege:GetRawData"}},
			{Kind: KindCloudEvent, Asset: car.String(), Filter: Filter{"dimo.attestation", "*", []string{"*"}, []string{"vehicle"}}},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestWindow(t *testing.T) {
	at := time.Unix(1000, 0)
	for _, c := range []struct {
		w    Window
		want bool
	}{
		{Window{}, true}, {Window{From: at}, true}, {Window{Until: at}, false},
		{Window{From: at.Add(1)}, false}, {Window{Until: at.Add(1)}, true}, {Window{From: at.Add(1), Until: at}, false},
	} {
		if got := c.w.Holds(at); got != c.want {
			t.Errorf("%+v holds %v", c.w, got)
		}
	}
}

// The names that ipfs add and the multiformats documentation give to well-known
// contents.
func TestCIDsOfKnownContents(t *testing.T) {
	for _, c := range []struct{ content, cid string }{
		{"hello world", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"},
		{"hello world", "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"},
		{"hello world\n", "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"},
		{"", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"},
		{"", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"},
	} {
		got, err := ParseCID(c.cid)
		if err != nil || !got.Names([]byte(c.content)) {
			t.Errorf("%s: %v, names %q: %v", c.cid, err, c.content, got.Names([]byte(c.content)))
		}
		if got.Names([]byte(c.content + "x")) {
			t.Errorf("%s names another content", c.cid)
		}
	}
	if got := Of([]byte("hello world")); got.Source() != "ipfs://bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e" {
		t.Errorf("ours is %s", got.Source())
	}
	if long := bytes.Repeat([]byte("x"), MaxBytes); !Of(long).Names(long) {
		t.Error("a large document is not named by its own CID")
	}
}

func TestOneContentManyTexts(t *testing.T) {
	c := Of([]byte("hello world"))
	upper := strings.ToUpper(c.String())
	for name, s := range map[string]string{
		"base 32": c.String(), "base 16": "f" + hex.EncodeToString(c.bytes()), "base 58": "z" + encode58(c.bytes()),
	} {
		if got, err := ParseCID(s); err != nil || got != c {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, s := range map[string]string{
		"empty": "", "b": "b", "upper case": upper, "a path": c.String() + "/x", "a query": c.String() + "?x", "dots": "../" + c.String(),
		"padding": c.String() + "=", "another hash": "bafkqaaa", "cut": c.String()[:58], "a long one": strings.Repeat("b", 1000),
		"version 2": "f02" + hex.EncodeToString(c.bytes()[1:]), "dag-cbor": "f0171" + hex.EncodeToString(c.bytes()[2:]), "sha3": "f01551620" + hex.EncodeToString(c.bytes()[4:]),
		"Qm and a bad letter": "Qm" + strings.Repeat("0", 44), "Qm that is short": "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5",
		"an end bit": c.String()[:58] + "f",
	} {
		if got, err := ParseCID(s); err == nil {
			t.Errorf("%s: accepted as %s", name, got)
		}
	}
	for source, want := range map[string]bool{
		c.Source(): true, "ipfs://" + c.String() + "/sacd.json": false, "https://assets/ipfs/" + c.String(): false, c.String(): false, "": false, "ipfs://": false,
	} {
		if _, ok := ParseSource(source); ok != want {
			t.Errorf("source %q: %v", source, ok)
		}
	}
}

// encode58 is the oracle of decode58.
func encode58(b []byte) string {
	var out []byte
	digits := []int{}
	for _, c := range b {
		carry := int(c)
		for i := range digits {
			carry += digits[i] << 8
			digits[i] = carry % 58
			carry /= 58
		}
		for ; carry > 0; carry /= 58 {
			digits = append(digits, carry%58)
		}
	}
	for _, c := range b {
		if c != 0 {
			break
		}
		out = append(out, '1')
	}
	for i := len(digits) - 1; i >= 0; i-- {
		out = append(out, alphabet58[digits[i]])
	}
	return string(out)
}
