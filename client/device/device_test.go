package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/internal/clock"
)

var at = time.Date(2026, 5, 4, 3, 2, 1, 500_000_000, time.UTC)

func identity() Identity {
	return Identity{
		Subject:  sayso.NFT(31337, sayso.Address{19: 1}, 7),
		Producer: sayso.NFT(31337, sayso.Address{19: 2}, 9),
		Source:   sayso.Address{0: 0xde, 19: 3},
	}
}

func TestBody(t *testing.T) {
	r := Report{ID: "a-1", Time: at, VIN: "X", Signals: []Signal{
		{"speed", at, sayso.NumberValue(12.5)},
		{"powertrainType", at, sayso.TextValue("a \"b\" <ü>\n")},
		{"currentLocationCoordinates", at, sayso.LocationValue(sayso.Location{Latitude: 1.5, Longitude: -2, HDOP: 0.8, Heading: 90})},
	}, Events: []Event{{Name: "behavior.harshBraking", Time: at, Duration: time.Second, Metadata: `{"counterValue":1}`, Tags: []string{"x", "y"}}}}
	got, err := r.Body(identity())
	want := `{"specversion":"1.0","type":"dimo.status","id":"a-1","time":"2026-05-04T03:02:01.5Z","datacontenttype":"application/json","dataversion":"default/v1.0",` +
		`"source":"0xDE00000000000000000000000000000000000003","subject":"did:erc721:31337:0x0000000000000000000000000000000000000001:7","producer":"did:erc721:31337:0x0000000000000000000000000000000000000002:9",` +
		`"data":{"vin":"X","signals":[{"name":"speed","timestamp":"2026-05-04T03:02:01.5Z","value":12.5},` +
		`{"name":"powertrainType","timestamp":"2026-05-04T03:02:01.5Z","value":"a \"b\" <ü>\n"},` +
		`{"name":"currentLocationCoordinates","timestamp":"2026-05-04T03:02:01.5Z","value":{"latitude":1.5,"longitude":-2,"hdop":0.8,"heading":90}}],` +
		`"events":[{"name":"behavior.harshBraking","timestamp":"2026-05-04T03:02:01.5Z","durationNs":1000000000,"metadata":"{\"counterValue\":1}","tags":["x","y"]}]}}`
	if err != nil || !strings.EqualFold(string(got), want) {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	if !json.Valid(got) {
		t.Error("not JSON")
	}
	for name, r := range map[string]Report{
		"nothing":  {},
		"NaN":      {Signals: []Signal{{"speed", at, sayso.NumberValue(math.NaN())}}},
		"no value": {Signals: []Signal{{"speed", at, sayso.Value{}}}},
	} {
		if b, err := r.Body(identity()); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
}

func TestSignatureIsOverTheDataBytes(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	by := identity()
	by.Source = sayso.Address(crypto.PubkeyToAddress(key.PublicKey))
	by.Sign = func(digest [32]byte) ([]byte, error) {
		sig, err := crypto.Sign(digest[:], key)
		if err == nil {
			sig[64] += 27
		}
		return sig, err
	}
	body, err := Report{Time: at, VIN: "1M8GDM9AXKP042788"}.Body(by)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := Readdress([]byte(`{"data": {"a" : 1},"signature":"0x00"}`), by)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{body, moved} {
		var e struct {
			Signature string
			Data      json.RawMessage
		}
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		var sig []byte
		if _, err := fmt.Sscanf(e.Signature, "0x%x", &sig); err != nil || len(sig) != 65 || sig[64] < 27 {
			t.Fatalf("signature %q, %v", e.Signature, err)
		}
		sig[64] -= 27
		sum := sayso.Keccak256(e.Data)
		pub, err := crypto.SigToPub(sum[:], sig)
		if err != nil || crypto.PubkeyToAddress(*pub) != crypto.PubkeyToAddress(key.PublicKey) {
			t.Errorf("the signature is not of the device: %v in %s", err, b)
		}
	}
}

func TestReaddress(t *testing.T) {
	in := `{"subject":"did:erc721:1:0x0000000000000000000000000000000000000009:1","id":"k-1","zeta":[1, 2],"type":"dimo.status","source":"0x00","data":{"x" : 1.50},"signature":"0x12","time":"2026-01-01T00:00:00Z"}`
	got, err := Readdress([]byte(in), identity())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"specversion":"1.0","type":"dimo.status","id":"k-1","time":"2026-01-01T00:00:00Z","zeta":[1, 2],"source":"0xDE00000000000000000000000000000000000003",` +
		`"subject":"did:erc721:31337:0x0000000000000000000000000000000000000001:7","producer":"did:erc721:31337:0x0000000000000000000000000000000000000002:9","data":{"x" : 1.50}}`
	if !strings.EqualFold(string(got), want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"data":1,"data_base64":"eA=="}`, `{"data_base64":1}`} {
		if b, err := Readdress([]byte(bad), identity()); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%q: %s, %v", bad, b, err)
		}
	}
}

func TestHTTPDoor(t *testing.T) {
	now := clock.NewManual(at)
	cases := []struct {
		name   string
		status int
		header string
		fault  sayso.Fault
		later  bool
		after  time.Duration
	}{
		{"kept", 200, "", 0, false, 0},
		{"no content", 204, "", 0, false, 0},
		{"bad", 400, "", sayso.Invalid, false, 0},
		{"unproven", 401, "", sayso.Unauthorized, false, 0},
		{"not paired", 403, "", sayso.Denied, false, 0},
		{"other body", 409, "", sayso.Conflict, false, 0},
		{"odd", 418, "", sayso.Invalid, false, 0},
		{"too many", 429, "7", sayso.Busy, true, 7 * time.Second},
		{"busy", 503, at.Add(90 * time.Second).Format(http.TimeFormat), sayso.Busy, true, 89500 * time.Millisecond},
		{"busy for ever", 503, "999999", sayso.Busy, true, time.Hour},
		{"full", 507, "", sayso.Full, true, 0},
		{"broken", 502, "x", sayso.Internal, true, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || r.URL.Path != Path || r.Header.Get("Content-Type") != ContentType || r.Header.Get("Authorization") != "Bearer t-4" || string(b) != "{}" {
					t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, b)
				}
				if c.header != "" {
					w.Header().Set("Retry-After", c.header)
				}
				w.WriteHeader(c.status)
			}))
			defer node.Close()
			d := NewHTTPDoor(node.URL+"/", 2, now, func(_ context.Context, car int) (string, error) { return fmt.Sprintf("t-%d", car), nil })
			defer d.Close()
			err := d.Send(t.Context(), 4, []byte("{}"))
			var later *Later
			if (err != nil) != (c.status > 299) || err != nil && sayso.FaultOf(err) != c.fault || errors.As(err, &later) != c.later {
				t.Fatalf("%v", err)
			}
			if later != nil && later.After != c.after {
				t.Errorf("wait %v, want %v", later.After, c.after)
			}
		})
	}
}

func TestHTTPDoorUnreachable(t *testing.T) {
	node := httptest.NewServer(http.NotFoundHandler())
	node.Close()
	d := NewHTTPDoor(node.URL, 1, clock.System{}, nil)
	var later *Later
	if err := d.Send(t.Context(), 0, []byte("{}")); !errors.As(err, &later) || sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("%v", err)
	}
}

func TestHTTPDoorKeepsConnections(t *testing.T) {
	seen := map[string]bool{}
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen[r.RemoteAddr] = true }))
	defer node.Close()
	d := NewHTTPDoor(node.URL, 1, clock.System{}, nil)
	defer d.Close()
	for range 20 {
		if err := d.Send(t.Context(), 0, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 1 {
		t.Errorf("%d connections for 20 reports", len(seen))
	}
}
