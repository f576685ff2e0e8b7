package door_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/internal/clock"
	"sayso/owner/registry"
)

// The street of these tests. Car 1 was anna's from the first of March, ben's
// from the second and is carl's from the third. The device is in it since the
// second of March at six, and was in car 2 before.
var (
	now    = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	days   = [4]time.Time{1: now.Add(-60 * time.Hour), 2: now.Add(-36 * time.Hour), 3: now.Add(-12 * time.Hour)}
	paired = days[2].Add(6 * time.Hour)
	chain  = registry.ChainInfo{ID: 31337, Vehicle: sayso.Address{1: 0xca}, AftermarketDevice: sayso.Address{1: 0xde}}
	cat, _ = catalogue.Load()
)

const maxBody = 4096

// patience is after how long an answer that does not come is a failure.
const patience = 20 * time.Second

var secret, _ = crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))

func self() sayso.Address { return sayso.Address(crypto.PubkeyToAddress(secret.PublicKey)) }

// street is a door with a real registry, and a keeper that writes down what it
// is given.
type street struct {
	t        *testing.T
	registry *registry.Registry
	door     *door.Door
	server   *httptest.Server

	mu       sync.Mutex
	kept     []*door.Parcel
	bodies   map[string][32]byte // by source, subject and id
	fails    error               // what keeping answers instead
	outcomes map[string]int
}

func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{t: t, bodies: map[string][32]byte{}, outcomes: map[string]int{}}
	var err error
	s.registry, err = registry.Open(registry.Config{Path: filepath.Join(t.TempDir(), "r"), Chain: chain})
	s.must(err)
	t.Cleanup(func() { s.registry.Close() })
	s.must(s.registry.Fold(registry.Block{Number: 1, Time: now.Unix() - 10}, func(tx *registry.Tx) error {
		v := registry.Vehicle{ID: 1}
		for i, name := range []string{"anna", "ben", "carl"} {
			v.Owners = append(v.Owners, registry.Ownership{Owner: sayso.Address{19: name[0]}, From: days[i+1].Unix(), Block: 1})
		}
		tx.PutVehicle(v)
		tx.PutVehicle(registry.Vehicle{ID: 2, Owners: v.Owners[:1]})
		tx.PutDevice(registry.Device{ID: 9, Address: self(), Pairings: []registry.Pairing{
			{Vehicle: 2, From: days[1].Unix(), To: paired.Add(-time.Hour).Unix()}, {Vehicle: 1, From: paired.Unix()},
		}})
		return nil
	}))
	s.door = &door.Door{
		Catalogue: cat, State: s.registry, Clock: clock.NewManual(now), Chain: chain, MaxBody: maxBody, Keep: s.keep,
		Device: func(raw string) (sayso.Address, error) {
			if raw != "device" {
				return sayso.Address{}, sayso.Fail(sayso.Unauthorized, "test", "not a token of this node")
			}
			return self(), nil
		},
		Count: func(outcome string) { s.mu.Lock(); s.outcomes[outcome]++; s.mu.Unlock() },
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+door.Path, s.door)
	s.server = httptest.NewServer(mux)
	s.server.Client().Timeout = patience
	t.Cleanup(s.server.Close)
	return s
}

func (s *street) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// keep is a vault as the door knows it: the same key with the same body is a
// duplicate, with another a conflict.
func (s *street) keep(_ context.Context, p *door.Parcel) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return false, s.fails
	}
	k := p.Envelope.Source.String() + p.Envelope.Subject.String() + p.Envelope.ID
	if body, there := s.bodies[k]; there {
		if body != p.Body {
			return false, sayso.Fail(sayso.Conflict, "test", "same key, other body")
		}
		return true, nil
	}
	s.bodies[k] = p.Body
	s.kept = append(s.kept, p)
	return false, nil
}

// event writes a cloud event with readings of the speed and signs it.
func event(id string, data string) string {
	sum := sayso.Keccak256([]byte(data))
	sig, _ := crypto.Sign(sum[:], secret)
	sig[64] += 27
	return fmt.Sprintf(`{"id":%q,"source":%q,"time":%q,"signature":"0x%s","data":%s}`, id, self(), now.Format(time.RFC3339), hex.EncodeToString(sig), data)
}

// speeds is a payload with the speed at some times.
func speeds(at ...time.Time) string {
	var list []string
	for i, t := range at {
		list = append(list, fmt.Sprintf(`{"name":"speed","timestamp":%q,"value":%d}`, t.Format(time.RFC3339Nano), i+1))
	}
	return `{"signals":[` + strings.Join(list, ",") + `]}`
}

// request is what is sent.
type request struct {
	body   io.Reader
	length int64 // 0: as it is; -1: chunked
	header map[string]string
}

func (s *street) send(r request) (int, http.Header, string) {
	s.t.Helper()
	in, err := http.NewRequest("POST", s.server.URL+door.Path, r.body)
	s.must(err)
	if r.length == -1 {
		in.ContentLength, in.Body = -1, io.NopCloser(r.body)
	}
	for k, v := range r.header {
		in.Header.Set(k, v)
	}
	res, err := s.server.Client().Do(in)
	s.must(err)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	s.must(err)
	return res.StatusCode, res.Header, string(out)
}

func (s *street) post(body string, header ...string) (int, string) {
	s.t.Helper()
	h := map[string]string{}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	status, _, out := s.send(request{body: strings.NewReader(body), header: h})
	return status, out
}

// sized is an event of so many bytes.
func sized(id string, n int) string {
	e := event(id, speeds(now))
	return e[:len(e)-1] + `,"padding":"` + strings.Repeat("x", n-len(e)-len(`,"padding":""`)) + `"}`
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func TestSizesAndForms(t *testing.T) {
	s := newStreet(t)
	big := sized("big", maxBody)
	for _, c := range []struct {
		name   string
		body   string
		length int64
		header map[string]string
		status int
		kept   int
	}{
		{"one event", event("a", speeds(now)), 0, nil, 200, 1},
		{"at the limit", big, 0, nil, 200, 1},
		{"at the limit, in chunks", sized("big2", maxBody), -1, nil, 200, 1},
		{"over the limit", sized("c", maxBody+1), 0, nil, 413, 0},
		{"over the limit, in chunks", sized("d", maxBody+1), -1, nil, 413, 0},
		{"far over the limit, in chunks", strings.Repeat(" ", 1<<20), -1, nil, 413, 0},
		{"nothing", "", 0, nil, 400, 0},
		{"nothing, in chunks", "", -1, nil, 400, 0},
		{"white space", " \n", 0, nil, 400, 0},
		{"no JSON", "{", 0, nil, 400, 0},
		{"a text", `"x"`, 0, nil, 400, 0},
		{"an array without saying so", "[" + event("e", speeds(now)) + "]", 0, nil, 400, 0},
		{"two events", event("f", speeds(now)) + event("g", speeds(now)), 0, nil, 400, 0},
		{"JSON", event("h", speeds(now)), 0, map[string]string{"Content-Type": "application/json; charset=utf-8"}, 200, 1},
		{"cloud event", event("i", speeds(now)), 0, map[string]string{"Content-Type": "application/cloudevents+json"}, 200, 1},
		{"a type that cannot be read", event("j", speeds(now)), 0, map[string]string{"Content-Type": "a b c"}, 400, 0},
		{"a batch", "[" + event("k", speeds(now)) + "," + event("l", speeds(now)) + "]", 0, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, 200, 2},
		{"lines", event("m", speeds(now)) + "\n\n" + event("n", speeds(now)), 0, map[string]string{"Content-Type": "application/x-ndjson"}, 200, 2},
		{"an empty batch", "[]", 0, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, 200, 0},
		{"no batch", event("o", speeds(now)), 0, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, 400, 0},
		{"a batch with a large event", "[" + sized("p", maxBody+1) + "," + event("q", speeds(now)) + "]", 0, map[string]string{"Content-Type": "application/cloudevents-batch+json"}, 413, 1},
		{"a batch over its limit", strings.Repeat(" ", door.BatchFactor*maxBody+1), -1, map[string]string{"Content-Type": "application/x-ndjson"}, 413, 0},
		{"gzip", zipped(event("r", speeds(now))), 0, map[string]string{"Content-Encoding": "gzip"}, 200, 1},
		{"gzip that is none", event("s", speeds(now)), 0, map[string]string{"Content-Encoding": "gzip"}, 400, 0},
		{"gzip that ends early", zipped(event("t", speeds(now)))[:60], 0, map[string]string{"Content-Encoding": "gzip"}, 400, 0},
		{"gzip of too much", zipped(sized("u", maxBody+1)), 0, map[string]string{"Content-Encoding": "gzip"}, 413, 0},
		{"a bomb", zipped(strings.Repeat(" ", 50<<20)), 0, map[string]string{"Content-Encoding": "gzip"}, 413, 0},
		{"an unknown encoding", event("v", speeds(now)), 0, map[string]string{"Content-Encoding": "br"}, 400, 0},
		{"two encodings", event("w", speeds(now)), 0, map[string]string{"Content-Encoding": "gzip, gzip"}, 400, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(s.kept)
			status, _, out := s.send(request{strings.NewReader(c.body), c.length, c.header})
			if status != c.status || len(s.kept)-before != c.kept {
				t.Errorf("%d %s, %d kept", status, out, len(s.kept)-before)
			}
			if status == 200 && out != "" {
				t.Errorf("the answer to who does not ask for JSON is %q", out)
			}
			if status != 200 {
				refusal(t, status, out)
			}
		})
	}
}

// refusal checks the body of an error.
func refusal(t *testing.T, status int, out string) {
	t.Helper()
	var body struct {
		Code    int
		Message string
	}
	if err := json.Unmarshal([]byte(out), &body); err != nil || body.Code != status || body.Message == "" || strings.Contains(out, "/car/") {
		t.Errorf("the error is %s", out)
	}
}

// A sender that stops before it has sent what it announced leaves nothing.
func TestABodyThatEndsEarly(t *testing.T) {
	s := newStreet(t)
	body := event("early", speeds(now))
	for _, head := range []string{fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body)+10, body), fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(body), body)} {
		conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
		s.must(err)
		s.must(conn.SetDeadline(clock.System{}.Now().Add(patience)))
		_, err = io.WriteString(conn, "POST "+door.Path+" HTTP/1.1\r\nHost: x\r\n"+head)
		s.must(err)
		s.must(conn.(*net.TCPConn).CloseWrite())
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			res.Body.Close()
		}
		if conn.Close(); os.IsTimeout(err) || err == nil && res.StatusCode != 400 || len(s.kept) != 0 {
			t.Errorf("%v %v, %d kept", res, err, len(s.kept))
		}
	}
}

// What became of each value is told to who asks for JSON.
func TestResults(t *testing.T) {
	s := newStreet(t)
	data := `{"signals":[{"name":"speed","timestamp":"2026-03-03T11:00:00Z","value":1},{"name":"speed","timestamp":"2026-03-03T11:00:01Z","value":9999},
		{"name":"warpFactor","timestamp":"2026-03-03T11:00:00Z","value":1},{"name":"speed","timestamp":"2026-03-03T12:06:00Z","value":1}],
		"events":[{"name":"behavior.harshBraking","timestamp":"2026-03-03T11:00:00Z"}]}`
	status, out := s.post(event("r", data), "Accept", "application/json")
	var r door.Result
	s.must(json.Unmarshal([]byte(out), &r))
	if status != 200 || r.ID != "r" || !r.Accepted || r.Duplicate || r.Signals != 1 || r.Events != 1 || len(r.Rejected) != 3 {
		t.Errorf("%d %s", status, out)
	}
	for _, rejected := range r.Rejected {
		if rejected.Name == "" || rejected.Reason == "" {
			t.Errorf("%+v", rejected)
		}
	}
	if _, again := s.post(event("r", data), "Accept", "application/json"); !strings.Contains(again, `"duplicate":true`) {
		t.Errorf("%s", again)
	}
	if status, out = s.post(event("none", speeds(now)), "Accept", "application/json"); !strings.Contains(out, `"rejected":[]`) {
		t.Errorf("%d %s", status, out)
	}
	status, out = s.post("["+event("b1", speeds(now))+","+`{"id":"b2"}`+","+event("r", data)+","+event("b3", `{}`)+"]", "Accept", "application/json", "Content-Type", "application/cloudevents-batch+json")
	var list []door.Result
	s.must(json.Unmarshal([]byte(out), &list))
	if status != 400 || len(list) != 4 || !list[0].Accepted || list[1].Accepted || list[1].Error == nil || !list[2].Duplicate || list[3].Accepted {
		t.Errorf("%d %s", status, out)
	}
	if want := map[string]int{"kept": 3, "duplicate": 2, "invalid": 2}; !maps.Equal(s.outcomes, want) {
		t.Errorf("counted %v, want %v", s.outcomes, want)
	}
}

// The same id with another body leaves a record for the owner, once, and no
// reading.
func TestConflicts(t *testing.T) {
	s := newStreet(t)
	s.post(event("x", speeds(now)))
	other := event("x", speeds(now.Add(-time.Minute), now))
	for range 2 {
		if status, out := s.post(other); status != 409 {
			t.Errorf("%d %s", status, out)
		} else {
			refusal(t, status, out)
		}
	}
	if len(s.kept) != 2 {
		t.Fatalf("%d kept", len(s.kept))
	}
	record := s.kept[1]
	if !strings.HasPrefix(record.Envelope.ID, "x/") || len(record.Readings)+len(record.Events) != 0 || len(record.Rejected) != 1 || record.Rejected[0].Name != "id" ||
		!strings.Contains(string(record.Envelope.Data), "speed") {
		t.Errorf("%+v", record)
	}
	if status, _ := s.post(event("x", speeds(now))); status != 200 {
		t.Errorf("the first body again: %d", status)
	}
	mine := event("", speeds(now))
	s.post(mine)
	if status, _ := s.post(mine); status != 200 || len(s.kept) != 3 {
		t.Errorf("without an id: %d, %d kept", status, len(s.kept))
	}
}

// A message that is not kept is not acknowledged, and says whether to come
// again.
func TestKeepingFails(t *testing.T) {
	s := newStreet(t)
	for _, c := range []struct {
		fails  error
		status int
		again  string
	}{
		{sayso.Fail(sayso.Busy, "vault", "later"), 503, "1"}, {sayso.Fail(sayso.Full, "vault", "no space"), 507, "60"},
		{sayso.Fail(sayso.Internal, "vault", "secret path"), 500, ""}, {io.ErrUnexpectedEOF, 500, ""}, {sayso.Fail(sayso.TooLarge, "vault", "large"), 413, ""},
	} {
		for _, form := range []string{"", "application/x-ndjson"} {
			s.fails = c.fails
			status, header, out := s.send(request{body: strings.NewReader(event("f", speeds(now))), header: map[string]string{"Content-Type": form}})
			if status != c.status || header.Get("Retry-After") != c.again || strings.Contains(out, "secret") || strings.Contains(out, "EOF") {
				t.Errorf("%v: %d %s, Retry-After %q", c.fails, status, out, header.Get("Retry-After"))
			}
			refusal(t, status, out)
		}
	}
	s.fails = nil
	if status, _ := s.post(event("f", speeds(now))); status != 200 || len(s.kept) != 1 {
		t.Errorf("afterwards: %d, %d kept", status, len(s.kept))
	}
}

// What is older than the window comes only by a signed-in device that says so.
func TestBackfill(t *testing.T) {
	s := newStreet(t)
	old := speeds(now.Add(-40*24*time.Hour), now.Add(-29*24*time.Hour), now.Add(6*time.Minute))
	signedIn := []string{"Authorization", "Bearer device"}
	for _, c := range []struct {
		name     string
		header   []string
		status   int
		signals  int
		backfill bool
	}{
		{"live", signedIn, 200, 1, false},
		{"back-fill", append([]string{"Sayso-Backfill", "true"}, signedIn...), 200, 2, true},
		{"another word", append([]string{"Sayso-Backfill", "1"}, signedIn...), 200, 1, false},
		{"back-fill with a signature", []string{"Sayso-Backfill", "true"}, 403, 0, false},
		{"back-fill with a bad token", []string{"Sayso-Backfill", "true", "Authorization", "Bearer x"}, 401, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(s.kept)
			status, out := s.post(event(c.name, old), c.header...)
			if status != c.status || (status == 200) != (len(s.kept) == before+1) {
				t.Fatalf("%d %s", status, out)
			}
			if status == 200 && (len(s.kept[before].Readings) != c.signals || s.kept[before].Backfill != c.backfill) {
				t.Errorf("%+v", s.kept[before])
			}
		})
	}
}

// A signature over the payload alone counts for the times at which the device
// was in the car; who signed in says in which car it is, which counts where the
// device was in no other.
func TestWhenTheDeviceWasInTheCar(t *testing.T) {
	s := newStreet(t)
	inOther := paired.Add(-2 * time.Hour)
	between := paired.Add(-30 * time.Minute)
	for _, c := range []struct {
		name     string
		at       []time.Time
		signedIn bool
		status   int
		kept     int // readings
	}{
		{"in the car", []time.Time{paired, now}, false, 200, 2},
		{"in another car", []time.Time{inOther}, false, 403, 0},
		{"in no car", []time.Time{between}, false, 403, 0},
		{"before any car", []time.Time{days[1].Add(-time.Hour)}, false, 403, 0},
		{"some of them", []time.Time{inOther, between, paired.Add(-time.Second), paired, now}, false, 200, 3},
		{"just before", []time.Time{paired.Add(-15 * time.Second)}, false, 200, 1},
		{"not so just before", []time.Time{paired.Add(-15*time.Second - time.Microsecond)}, false, 403, 0},
		{"signed in", []time.Time{inOther, between, now}, true, 200, 2},
		{"signed in, all in another car", []time.Time{inOther}, true, 403, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(s.kept)
			var header []string
			if c.signedIn {
				header = []string{"Authorization", "Bearer device"}
			}
			status, out := s.post(event(c.name, speeds(c.at...)), header...)
			readings := 0
			for _, p := range s.kept[before:] {
				readings += len(p.Readings)
			}
			if status != c.status || readings != c.kept || status != 200 && len(s.kept) != before {
				t.Errorf("%d %s, %d readings", status, out, readings)
			}
		})
	}
}

// Each reading belongs to the owner of its time, to the microsecond, and so does
// the envelope. Where values of several owners stand in it, refused or not, its
// payload is kept for nobody.
func TestOwnersOfReadings(t *testing.T) {
	s := newStreet(t)
	sale := days[3]
	before := sale.Add(-time.Microsecond)
	for _, c := range []struct {
		name     string
		sent     time.Time
		data     string
		epochs   []uint32
		envelope uint32
		withheld bool
	}{
		{"across the sale", now, speeds(before, sale, now), []uint32{2, 3, 3}, 3, true},
		{"after the sale", now, speeds(sale, now), []uint32{3, 3}, 3, false},
		{"sent before the sale", before, speeds(sale), []uint32{3}, 3, false},
		{"before the sale, sent after", now, speeds(before), []uint32{2}, 2, false},
		{"an event before the sale", now, fmt.Sprintf(`{"events":[{"name":"a.b","timestamp":%q}]}`, before.Format(time.RFC3339Nano)), []uint32{2}, 2, false},
		{"a refused value before the sale", now, fmt.Sprintf(`{"signals":[{"name":"speed","timestamp":%q,"value":1},{"name":"speed","timestamp":%q,"value":-5}]}`, stamp(now), stamp(before)), []uint32{3}, 3, true},
		{"an unknown signal before the sale", now, fmt.Sprintf(`{"signals":[{"name":"speed","timestamp":%q,"value":1},{"name":"x","timestamp":%q,"value":1}]}`, stamp(now), stamp(before)), []uint32{3}, 3, true},
		{"a value of the wrong kind before the sale", now, fmt.Sprintf(`{"signals":[{"name":"speed","timestamp":%q,"value":1},{"name":"speed","timestamp":%q,"value":[]}]}`, stamp(now), stamp(before)), []uint32{3}, 3, true},
		{"a refused event before the sale", now, fmt.Sprintf(`{"signals":[{"name":"speed","timestamp":%q,"value":1}],"events":[{"name":"no","timestamp":%q}]}`, stamp(now), stamp(before)), []uint32{3}, 3, true},
		{"a clock that was never set", now, speeds(time.Unix(0, 0).UTC(), now), []uint32{3}, 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := len(s.kept)
			e := strings.Replace(event(c.name, c.data), now.Format(time.RFC3339), stamp(c.sent), 1)
			if status, out := s.post(e, "Authorization", "Bearer device"); status != 200 || len(s.kept) != n+1 {
				t.Fatalf("%d %s", status, out)
			}
			p := s.kept[n]
			var epochs []uint32
			for _, r := range p.Readings {
				epochs = append(epochs, r.Epoch)
			}
			for _, e := range p.Events {
				epochs = append(epochs, e.Epoch)
			}
			if withheld := len(p.Envelope.Data) == 0; withheld != c.withheld {
				t.Errorf("withheld %v: %+v", withheld, p)
			}
			if !slices.Equal(epochs, c.epochs) || p.Epoch != c.envelope || p.Vehicle != 1 {
				t.Errorf("car %d, ownerships %v, envelope %d", p.Vehicle, epochs, p.Epoch)
			}
		})
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// A device that is taken out of the car sends no more, from the next block; one
// that is put in may at once.
func TestPairingIsAskedAtEveryMessage(t *testing.T) {
	s := newStreet(t)
	head, _ := s.registry.Head()
	pair := func(list ...registry.Pairing) {
		b := registry.Block{Number: head.Number + 1, Parent: head.Hash, Hash: sayso.Keccak256([]byte{byte(head.Number)}), Time: now.Unix()}
		s.must(s.registry.Fold(b, func(tx *registry.Tx) error {
			d, _ := tx.Device(9)
			d.Pairings = list
			tx.PutDevice(d)
			return nil
		}))
		head = b
	}
	for i, c := range []struct {
		list   []registry.Pairing
		status int
		car    uint64
	}{
		{[]registry.Pairing{{Vehicle: 1, From: paired.Unix()}}, 200, 1},
		{[]registry.Pairing{{Vehicle: 1, From: paired.Unix(), To: now.Unix() - 60}}, 403, 0},
		{[]registry.Pairing{{Vehicle: 1, From: paired.Unix(), To: now.Unix() - 60}, {Vehicle: 2, From: now.Unix() - 30}}, 200, 2},
		{nil, 403, 0},
		{[]registry.Pairing{{Vehicle: 77, From: paired.Unix()}}, 403, 0},
	} {
		pair(c.list...)
		for _, header := range [][]string{nil, {"Authorization", "Bearer device"}} {
			n := len(s.kept)
			status, out := s.post(event(fmt.Sprint(i, " ", len(header)), speeds(now)), header...)
			if status != c.status || (status == 200) != (len(s.kept) == n+1) || status == 200 && s.kept[n].Vehicle != c.car {
				t.Errorf("%v: %d %s", c.list, status, out)
			}
		}
	}
}
