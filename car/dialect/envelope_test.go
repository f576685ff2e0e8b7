package dialect

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"sayso"
)

const (
	vehicle42 = "did:erc721:137:0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF:42"
	device43  = "did:erc721:137:0x4804e8D1661cd1a1e5dDdE1ff458A7f878c0aC6D:43"
)

var sender = mustAddress("0x1111111111111111111111111111111111111111")

// with renders an envelope from a good one and changes; a change to "" leaves
// the member out. Values are JSON.
func with(changes ...string) string {
	members := map[string]string{
		"specversion": `"1.0"`, "id": `"evt-1"`, "type": `"dimo.status"`, "subject": `"` + vehicle42 + `"`, "producer": `"` + device43 + `"`,
		"time": `"2025-03-04T12:00:00Z"`, "dataversion": `"default/v1.0"`, "data": `{"signals": []}`,
	}
	order := []string{"specversion", "id", "type", "subject", "producer", "time", "dataversion", "data"}
	for i := 0; i < len(changes); i += 2 {
		if _, known := members[changes[i]]; !known {
			order = append(order, changes[i])
		}
		members[changes[i]] = changes[i+1]
	}
	var b strings.Builder
	for _, name := range order {
		if members[name] != "" {
			fmt.Fprintf(&b, ",%q: %s", name, members[name])
		}
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

func TestEnvelopeRules(t *testing.T) {
	long := strings.Repeat("x", MaxHeader)
	for _, x := range []struct{ name, body, want string }{
		{"good", with(), ""},
		{"source is not looked at when the sender is proven", with("source", `"somebody"`), ""},
		{"a header member that is no text reads as empty", with("type", `5`, "dataversion", `[]`, "id", `{}`), ""},
		{"unknown members", with("x-a", `{"b": [1]}`), ""},
		{"nanoseconds", with("time", `"2025-03-04T12:00:00.123456789+02:00"`), ""},
		{"just not too far ahead", with("time", `"2025-03-04T12:06:00Z"`), ""},
		{"empty payload", with("data", ""), ""},
		{"nested 32 deep", with("data", strings.Repeat("[", 31)+strings.Repeat("]", 31)), ""},
		{"large payload", with("data", `"`+long+`"`), ""},

		{"nested too deep", with("data", strings.Repeat("[", 32)+strings.Repeat("]", 32)), "nested deeper than 32"},
		{"not JSON", `{"id": `, "the envelope is not valid JSON at byte 7: want a value"},
		{"a list", `[` + with() + `]`, "the envelope is a list, want one object"},
		{"two", with() + with(), "something follows the value"},
		{"not UTF-8", with("x", "\"\xff\""), "the text is not UTF-8"},
		{"alphabet of id", with("id", `"a;b"`), `id "a;b" may hold only`},
		{"alphabet of type", with("type", `"a\u0000b"`), "type "},
		{"alphabet of dataversion", with("dataversion", `"v1+x"`), "dataversion "},
		{"alphabet of dataschema", with("dataschema", `"http://x/?a=b"`), "dataschema "},
		{"alphabet of subject", with("subject", `"did;x"`), "subject "},
		{"alphabet of producer", with("producer", `"did;x"`), "producer "},
		{"content type", with("datacontenttype", `"application/xml"`), `datacontenttype "application/xml" is not allowed with data: want application/json`},
		{"both payloads", with("data_base64", `"e30="`), "data and data_base64 are both present"},
		{"both payloads, one null", with("data", "null", "data_base64", `"e30="`), "data and data_base64 are both present"},
		{"base64 without type", with("data", "", "data_base64", `"e30="`), "data_base64 needs a datacontenttype"},
		{"base64 of a wrong type", with("data", "", "data_base64", `"e30="`, "datacontenttype", `"text/plain"`), "is not allowed: want"},
		{"base64 that is no text", with("data", "", "data_base64", `5`, "datacontenttype", `"image/png"`), "data_base64 is a number, want a text"},
		{"base64 in another alphabet", with("data", "", "data_base64", `"-_8="`, "datacontenttype", `"image/png"`), "not standard base64"},
		{"base64 with a line break", with("data", "", "data_base64", `"e30=\n"`, "datacontenttype", `"image/png"`), "not standard base64"},
		{"base64 with stray bits", with("data", "", "data_base64", `"e31="`, "datacontenttype", `"image/png"`), "not standard base64"},
		{"no producer", with("producer", ""), "producer is missing"},
		{"producer is an account", with("producer", `"did:ethr:137:0x4804e8D1661cd1a1e5dDdE1ff458A7f878c0aC6D"`), "producer: "},
		{"subject is an account", with("subject", `"did:ethr:137:0x4804e8D1661cd1a1e5dDdE1ff458A7f878c0aC6D"`), "is not the DID of a token"},
		{"subject without end", with("subject", `"did:erc721:`+strings.Repeat("1", 5000)+`"`), "is too long for a DID"},
		{"subject is nothing", with("subject", `"car"`), `subject: "car" is not a DID`},
		{"time is a number", with("time", "1741089600"), "time is a number, want a text"},
		{"time without zone", with("time", `"2025-03-04T12:00:00"`), "is not of RFC 3339"},
		{"time with a space", with("time", `"2025-03-04 12:00:00Z"`), "is not of RFC 3339"},
		{"time ahead", with("time", `"2025-03-04T12:06:00.000001Z"`), "is more than 5 minutes ahead"},
		{"large header", with("x", `"`+long+`"`), "the envelope without its payload has"},
		{"large tags", with("tags", `["`+strings.Repeat(`","`, 3000)+`"]`), "the envelope without its payload has"},
	} {
		t.Run(x.name, func(t *testing.T) {
			ce, err := Envelope([]byte(x.body), Arrival{Source: sender, Time: arrived})
			if x.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if ce.Source != sender || ce.Subject.String() != vehicle42 || ce.Producer.String() != device43 {
					t.Errorf("parties: %+v", ce)
				}
				return
			}
			if err == nil || sayso.FaultOf(err) != sayso.Invalid || !strings.Contains(sayso.MessageOf(err), x.want) {
				t.Errorf("got %v, want %q", err, x.want)
			}
			if len(sayso.MessageOf(err)) > 400 {
				t.Errorf("the message has %d bytes", len(sayso.MessageOf(err)))
			}
			if !reflect.DeepEqual(ce, sayso.CloudEvent{}) {
				t.Errorf("a refused envelope gave %+v", ce)
			}
		})
	}
}

func TestEnvelopeContent(t *testing.T) {
	body := `{"data" : {"a":  1.50} , "id":"first","id":"second", "data": 7, "tags":["x",5,"y"], "tags": ["z"], "source": "0xABCDEF0000000000000000000000000000000001",
		"s\u0075bject": "did:nft:137:0xba5738a18d83d41847dffbdc6101d37c69c9b0cf_042", "producer": "` + device43 + `", "time": "2025-03-04T13:00:00.5+01:00",
		"signature": "0x00", "raweventid": "r;1", "dataschema": "s", "x": [1, 2], "x": 3, "type": "", "specversion": "0.3"}`
	ce, err := Envelope([]byte(body), Arrival{Time: arrived})
	if err != nil {
		t.Fatal(err)
	}
	subject, _ := sayso.ParseDID(vehicle42)
	producer, _ := sayso.ParseDID(device43)
	want := sayso.CloudEvent{
		Source: mustAddress("0xabcdef0000000000000000000000000000000001"), Subject: subject, Producer: producer, ID: "first",
		Time: time.Date(2025, 3, 4, 12, 0, 0, 5e8, time.UTC), DataContentType: "application/json", DataSchema: "s", Signature: "0x00",
		RawEventID: "r;1", Tags: []string{"x", "", "y"}, Extras: map[string][]byte{"x": []byte("[1, 2]")}, Data: []byte(`{"a":  1.50}`),
	}
	if !reflect.DeepEqual(ce, want) {
		t.Errorf("got\n%+v\nwant\n%+v", ce, want)
	}
}

func TestEnvelopeDefaults(t *testing.T) {
	device, _ := sayso.ParseDID(device43)
	from := Arrival{Source: sender, Producer: device, Time: arrived}
	for name, body := range map[string]string{
		"nothing but data":        `{"data": {}}`,
		"null and zero":           `{"data": {}, "time": null, "id": null, "subject": null, "producer": null}`,
		"empty and the zero time": `{"data": {}, "time": "0001-01-01T00:00:00Z", "id": "", "subject": "", "producer": ""}`,
	} {
		ce, err := Envelope([]byte(body), from)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ce.Subject.String() != device43 || ce.Producer.String() != device43 || !ce.Time.Equal(arrived) || len(ce.ID) != 32 {
			t.Errorf("%s: %+v", name, ce)
		}
		again, _ := Envelope([]byte(body), from)
		other, _ := Envelope([]byte(body+" "), from)
		if again.ID != ce.ID || other.ID == ce.ID {
			t.Errorf("%s: the id is not that of the bytes: %s, %s, %s", name, ce.ID, again.ID, other.ID)
		}
	}
	if _, err := Envelope([]byte(`{"data": {}}`), Arrival{Producer: device, Time: arrived}); err == nil {
		t.Error("an envelope without a source is accepted")
	}
	for _, source := range []string{"0x12", strings.Repeat("0", 5000)} {
		_, err := Envelope([]byte(with("source", `"`+source+`"`)), Arrival{Time: arrived})
		if err == nil || !strings.Contains(sayso.MessageOf(err), "is not an address") || len(sayso.MessageOf(err)) > 300 {
			t.Errorf("a source that is no address: %v", err)
		}
	}
}

// TestHeaderSize finds the largest header that is accepted and counts its bytes.
func TestHeaderSize(t *testing.T) {
	largest := 0
	for n := MaxHeader - 700; n < MaxHeader; n++ {
		ce, err := Envelope([]byte(with("x", `"`+strings.Repeat("x", n)+`"`)), Arrival{Source: sender, Time: arrived})
		if err != nil {
			break
		}
		ce.Data = nil
		largest = len(Encode(ce))
	}
	if largest != MaxHeader {
		t.Errorf("the largest header that is accepted has %d bytes, want %d", largest, MaxHeader)
	}
}

func TestEncode(t *testing.T) {
	body := with("source", `"0x1111111111111111111111111111111111111111"`, "tags", `["a","b"]`, "zz", `{ }`, "aa", `1`, "signature", `"s"`, "raweventid", `"r"`, "dataschema", `"d"`)
	ce, err := Envelope([]byte(body), Arrival{Time: arrived})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"specversion":"1.0","type":"dimo.status","source":"0x1111111111111111111111111111111111111111","subject":"` + vehicle42 +
		`","id":"evt-1","time":"2025-03-04T12:00:00Z","datacontenttype":"application/json","dataschema":"d","dataversion":"default/v1.0","producer":"` + device43 +
		`","signature":"s","raweventid":"r","tags":["a","b"],"aa":1,"zz":{ },"data":{"signals": []}}`
	if got := string(Encode(ce)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	ce, err = Envelope([]byte(with("data", "", "data_base64", `"/+8="`, "datacontenttype", `"image/png"`)), Arrival{Source: sender, Time: arrived})
	if err != nil {
		t.Fatal(err)
	}
	if !ce.Base64 || string(ce.Data) != "\xff\xef" || !strings.HasSuffix(string(Encode(ce)), `,"data_base64":"/+8="}`) {
		t.Errorf("base64: %+v\n%s", ce, Encode(ce))
	}
	if got := string(Encode(sayso.CloudEvent{})); !strings.Contains(got, `"subject":"","id":""`) || strings.Contains(got, `"data`) {
		t.Errorf("an empty event is %s", got)
	}
}

// FuzzEnvelope compares with encoding/json what an accepted envelope says, and
// demands that writing and reading it again changes nothing.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(with()))
	f.Add(drive())
	f.Add([]byte(with("data", "", "data_base64", `"e30="`, "datacontenttype", `"image/png"`)))
	f.Add([]byte(with("tags", `["a",1]`, "x", `{"y":"\u00e4"}`, "signature", `"\ud800\n"`, "id", "5", "time", "null")))
	f.Add([]byte(with("subject", `"did:nft:137:0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF_42"`)))
	f.Add([]byte(with("producer", `"did:erc721:`+strings.Repeat("e", 1000)+`"`)))
	cat := loadCatalogue(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		from := Arrival{Source: sender, Time: arrived}
		ce, err := Envelope(body, from)
		if err != nil {
			if sayso.FaultOf(err) != sayso.Invalid || len(sayso.MessageOf(err)) > 600 {
				t.Fatalf("error %v", err)
			}
			return
		}
		checkAgainstJSON(t, body, ce)
		encoded := Encode(ce)
		back, err := Envelope(encoded, Arrival{Time: arrived})
		if err != nil {
			t.Fatalf("%s\nwritten as\n%s\nis refused: %v", body, encoded, err)
		}
		if back.Data == nil {
			back.Data = ce.Data // no payload and an empty one are written alike
		}
		if !sameEvent(ce, back) {
			t.Fatalf("%s\nread as\n%+v\nafter writing\n%+v", body, ce, back)
		}
		if again := Encode(back); string(again) != string(encoded) {
			t.Fatalf("written as\n%s\nthen as\n%s", encoded, again)
		}
		// A payload may be anything; the panic guard must have nothing to do.
		if _, err := Decode(cat, ce, Window{Now: arrived}); err != nil && errors.Unwrap(err) != nil {
			t.Fatalf("payload %s: %v", ce.Data, err)
		}
	})
}

func sameEvent(a, b sayso.CloudEvent) bool {
	same := a.Time.Equal(b.Time) && maps.EqualFunc(a.Extras, b.Extras, func(x, y []byte) bool { return string(x) == string(y) })
	a.Time, a.Extras, b.Time, b.Extras = time.Time{}, nil, time.Time{}, nil
	if len(a.Tags)+len(b.Tags) == 0 {
		a.Tags, b.Tags = nil, nil
	}
	return same && reflect.DeepEqual(a, b)
}
