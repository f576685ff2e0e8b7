package door_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"sayso"
	"sayso/car/door"
	"sayso/internal/clock"
)

func zstandard(s string, options ...zstd.EOption) string {
	var b bytes.Buffer
	w, _ := zstd.NewWriter(&b, options...)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// noise is text that does not compress.
func noise(n int) string {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[rng.IntN(36)]
	}
	return string(b)
}

// What is decompressed is bounded by size and by ratio before it is there.
func TestCompression(t *testing.T) {
	s := newStreet(t)
	s.door.MaxBody = 1 << 20
	padded := func(id string, n int) string {
		e := event(id, speeds(now))
		return e[:len(e)-1] + `,"data2":"` + strings.Repeat("x", n) + `"}`
	}
	mixed := func(id string, n int) string { // compresses to about a half
		e := event(id, speeds(now))
		return e[:len(e)-1] + `,"tags":["` + noise(n) + strings.Repeat("x", n) + `"]}`
	}
	for _, c := range []struct {
		name, body, encoding, form string
		status, kept               int
	}{
		{"zstd", zstandard(event("z1", speeds(now))), "zstd", "", 200, 1},
		{"zstd in capitals", zstandard(event("z2", speeds(now))), "ZSTD", "", 200, 1},
		{"zstd without a size", func() string {
			var b bytes.Buffer
			w, _ := zstd.NewWriter(&b)
			w.Write([]byte(event("z3", speeds(now))))
			w.Flush()
			w.Close()
			return b.String()
		}(), "zstd", "", 200, 1},
		{"a batch", zstandard(event("z4", speeds(now)) + "\n" + event("z5", speeds(now))), "zstd", "application/x-ndjson", 200, 2},
		{"zstd that is none", event("z6", speeds(now)), "zstd", "", 400, 0},
		{"zstd that is gzip", zipped(event("z7", speeds(now))), "zstd", "", 400, 0},
		{"zstd that ends early", zstandard(event("z8", speeds(now)))[:80], "zstd", "", 400, 0},
		{"nothing", "", "zstd", "", 400, 0},
		{"small and grows much", zstandard(padded("z9", 60_000)), "zstd", "", 400, 0}, // decompressed, and then the header is too large
		{"grows too much, zstd", zstandard(padded("z10", 900_000)), "zstd", "", 413, 0},
		{"grows too much, gzip", zipped(padded("z11", 900_000)), "gzip", "", 413, 0},
		{"grows within the ratio", zstandard(mixed("z12", 100_000)), "zstd", "", 400, 0}, // so is this one's
		{"over the size", zstandard(mixed("z13", 600_000)), "zstd", "", 413, 0},
		{"a window that is too large", zstandard(strings.Repeat(noise(1000), 20_000), zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false)), "zstd", "application/x-ndjson", 400, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(s.kept)
			status, out := s.post(c.body, "Content-Encoding", c.encoding, "Content-Type", c.form)
			if status != c.status || len(s.kept)-before != c.kept {
				t.Errorf("%d %s, %d kept", status, out, len(s.kept)-before)
			}
			if strings.HasPrefix(c.name, "a window") && !strings.Contains(out, "window") {
				t.Errorf("%s", out)
			}
			if status == 413 && !strings.Contains(out, "times its size") && !strings.Contains(out, "over the limit") {
				t.Errorf("%s", out)
			}
		})
	}
}

// One device that sends too much waits; the others do not notice.
func TestRates(t *testing.T) {
	r := door.NewRates(10)
	s := newStreet(t)
	hands := s.door.Clock.(*clock.Manual)
	s.door.Rates = r
	post := func(i int, header ...string) (int, string, string) {
		h := map[string]string{}
		for k := 0; k+1 < len(header); k += 2 {
			h[header[k]] = header[k+1]
		}
		status, head, out := s.send(request{body: strings.NewReader(event(fmt.Sprint(i), speeds(now))), header: h})
		return status, head.Get("Retry-After"), out
	}
	for i := range 50 {
		header := []string{}
		if i%2 == 0 {
			header = []string{"Authorization", "Bearer device"}
		}
		if status, _, out := post(i, header...); status != 200 {
			t.Fatalf("event %d: %d %s", i, status, out)
		}
	}
	for _, header := range [][]string{nil, {"Authorization", "Bearer device"}} {
		status, after, out := post(50, header...)
		if status != 429 || after != "1" {
			t.Errorf("%d, Retry-After %q, %s", status, after, out)
		}
		refusal(t, status, out)
	}
	if len(s.kept) != 50 || s.outcomes["busy"] != 2 {
		t.Errorf("%d kept, %v", len(s.kept), s.outcomes)
	}
	forged := strings.Replace(event("forged", speeds(now)), `"speed"`, `"other"`, 1)
	hands.Advance(100 * time.Millisecond)
	for range 20 { // a forged signature does not use up what is the device's
		if status, _ := s.post(forged); status != 401 {
			t.Fatalf("%d", status)
		}
	}
	if status, _, out := post(51); status != 200 {
		t.Errorf("after a tenth of a second: %d %s", status, out)
	}
	// A batch of more than there is goes through and is paid for later.
	hands.Advance(time.Second)
	var lines strings.Builder
	for i := range 100 {
		lines.WriteString(event(fmt.Sprint("b", i), speeds(now)) + "\n")
	}
	batch := []string{"Authorization", "Bearer device", "Content-Type", "application/x-ndjson"}
	if status, out := s.post(lines.String(), batch...); status != 200 {
		t.Errorf("%d %s", status, out)
	}
	status, head, _ := s.send(request{body: strings.NewReader(lines.String()), header: map[string]string{"Authorization": "Bearer device", "Content-Type": "application/x-ndjson", "Accept": "application/json"}})
	if status != 429 || head.Get("Retry-After") != "10" {
		t.Errorf("%d, Retry-After %q", status, head.Get("Retry-After"))
	}
}

// A flood is turned away with 503 while what was let in goes through.
func TestTheGate(t *testing.T) {
	s := newStreet(t)
	s.door.Gate = door.NewGate(4, 64<<20)
	held, letGo := make(chan struct{}, 100), make(chan struct{})
	keep := s.door.Keep
	s.door.Keep = func(ctx context.Context, p *door.Parcel) (bool, error) {
		held <- struct{}{}
		<-letGo
		return keep(ctx, p)
	}
	type answer struct {
		status int
		after  string
	}
	answers := make(chan answer, 40)
	post := func(i int) {
		status, head, _ := s.send(request{body: strings.NewReader(event(fmt.Sprint(i), speeds(now))), header: signedIn})
		answers <- answer{status, head.Get("Retry-After")}
	}
	for i := range 4 {
		go post(i)
	}
	for range 4 {
		<-held
	}
	leave, err := s.door.Gate.Enter(t.Context(), false) // strangers have a place of their own
	s.must(err)
	leave()
	for i := range 30 {
		go post(4 + i)
	}
	for range 30 {
		if a := <-answers; a.status != 503 || a.after != "1" {
			t.Errorf("%+v", a)
		}
	}
	if now, refused := s.door.Gate.Busy(); now != 4 || refused != 30 {
		t.Errorf("%d under way, %d refused", now, refused)
	}
	close(letGo)
	for range 4 {
		if a := <-answers; a.status != 200 {
			t.Errorf("%+v", a)
		}
	}
	if now, _ := s.door.Gate.Busy(); now != 0 || len(s.kept) != 4 {
		t.Errorf("%d under way, %d kept", now, len(s.kept))
	}
}

// Large messages share memory; those of the unproven a part of it.
func TestLargeMessagesShareMemory(t *testing.T) {
	s := newStreet(t)
	s.door.MaxBody, s.door.Gate = 300<<10, door.NewGate(100, 1<<20)
	begin := func(bearer bool) net.Conn {
		conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
		s.must(err)
		t.Cleanup(func() { conn.Close() })
		head := "POST " + door.Path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 250000\r\n"
		if bearer {
			head += "Authorization: Bearer device\r\n"
		}
		_, err = io.WriteString(conn, head+"\r\n{")
		s.must(err)
		return conn
	}
	answered := func(conn net.Conn) int {
		conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return 0
		}
		return res.StatusCode
	}
	first := begin(false)
	if got := answered(first); got != 0 {
		t.Errorf("the first: %d", got)
	}
	if got := answered(begin(false)); got != 503 {
		t.Errorf("another of nobody: %d", got)
	}
	var devices []net.Conn
	for range 3 {
		devices = append(devices, begin(true))
	}
	for i, c := range devices {
		if got := answered(c); got != 0 {
			t.Errorf("device %d: %d", i, got)
		}
	}
	if got := answered(begin(true)); got != 503 {
		t.Errorf("a fourth: %d", got)
	}
	if status, out := s.post(event("small", speeds(now))); status != 200 {
		t.Errorf("a small one: %d %s", status, out)
	}
	first.Close()
	for i := 0; ; i++ {
		if got := answered(begin(true)); got == 0 {
			break
		} else if i == 50 {
			t.Fatalf("after one went away: %d", got)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// pipes is a listener of connections in memory.
type pipes struct {
	next chan net.Conn
	end  chan struct{}
	once sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.next:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.end) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A body that comes a byte at a time ends the connection within 15 s; one that
// keeps the least rate gets through, however long it takes.
func TestSlowBodies(t *testing.T) {
	s := newStreet(t)
	s.door.MaxBody = 300 << 10
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{next: make(chan net.Conn), end: make(chan struct{})}
		server := &http.Server{Handler: s.door, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second}
		go server.Serve(p)
		defer server.Close()
		send := func(body string, piece int, every time.Duration) (status int, took time.Duration) {
			here, there := net.Pipe()
			p.next <- there
			began := time.Now()
			written := make(chan struct{})
			defer func() { here.Close(); <-written }()
			go func() {
				defer close(written)
				if _, err := fmt.Fprintf(here, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
					return
				}
				for len(body) > 0 {
					n := min(piece, len(body))
					if _, err := io.WriteString(here, body[:n]); err != nil {
						return
					}
					body = body[n:]
					time.Sleep(every)
				}
			}()
			res, err := http.ReadResponse(bufio.NewReader(here), nil)
			if err == nil {
				status = res.StatusCode
				_, _ = io.Copy(io.Discard, here) // until the connection is closed, or there is no more
			}
			return status, time.Since(began)
		}
		if status, took := send(event("slow", speeds(now)), 1, time.Second); status == 200 || took > 15*time.Second {
			t.Errorf("a byte a second: %d after %s", status, took)
		}
		if status, took := send(strings.Repeat(" ", 200_000)+"{", 500, 300*time.Millisecond); status != 400 || took > 30*time.Second {
			t.Errorf("a large one below the rate: %d after %s", status, took)
		}
		server.IdleTimeout = time.Second
		if status, took := send(strings.Repeat(" ", 200_000)+event("steady", speeds(now)), 2500, time.Second); status != 200 || took < 70*time.Second {
			t.Errorf("above the rate: %d after %s", status, took)
		}
		if len(s.kept) != 1 {
			t.Errorf("%d kept", len(s.kept))
		}
	})
}

// The events of a batch are put in line in their order before any is waited for.
func TestABatchSharesASync(t *testing.T) {
	s := newStreet(t)
	var order []string
	var waited int
	s.door.MaxBody = 1 << 20
	s.door.Begin = func(ctx context.Context, p *door.Parcel) (func(context.Context) (bool, error), error) {
		if waited > 0 {
			t.Error("one was waited for before all were in line")
		}
		order = append(order, p.Envelope.ID)
		return func(ctx context.Context) (bool, error) { waited++; return s.keep(ctx, p) }, nil
	}
	var list, want []string
	for i := range 200 {
		want = append(want, fmt.Sprint("e", i))
		list = append(list, event(want[i], speeds(now)))
	}
	status, out := s.post("["+strings.Join(list, ",")+"]", "Content-Type", "application/cloudevents-batch+json", "Accept", "application/json")
	var results []door.Result
	s.must(json.Unmarshal([]byte(out), &results))
	if status != 200 || waited != 200 || strings.Join(order, " ") != strings.Join(want, " ") || len(results) != 200 {
		t.Errorf("%d, %d waited for, %d results, order %v", status, waited, len(results), order)
	}
	for i, r := range results {
		if r.ID != want[i] || !r.Accepted {
			t.Errorf("result %d: %+v", i, r)
		}
	}
}

// What can be kept later makes the answer say so, whatever else is wrong.
func TestABatchOfWhichSomeMayComeAgain(t *testing.T) {
	s := newStreet(t)
	s.door.Keep = func(ctx context.Context, p *door.Parcel) (bool, error) {
		if p.Envelope.ID == "busy" {
			return false, sayso.Fail(sayso.Busy, "vault", "later")
		}
		return s.keep(ctx, p)
	}
	body := `{"bad":1}` + "\n" + event("good", speeds(now)) + "\n" + event("busy", speeds(now)) + "\n[]\n"
	status, head, out := s.send(request{body: strings.NewReader(body), header: map[string]string{"Content-Type": "application/x-ndjson", "Accept": "application/json"}})
	var results []door.Result
	s.must(json.Unmarshal([]byte(out), &results))
	if status != 503 || head.Get("Retry-After") != "1" || len(results) != 4 || len(s.kept) != 1 {
		t.Fatalf("%d %v %s", status, head, out)
	}
	for i, code := range []int{400, 0, 503, 400} {
		if r := results[i]; (r.Error == nil) != (code == 0) || (r.Error != nil && r.Error.Code != code) || r.Rejected == nil {
			t.Errorf("result %d: %+v", i, r)
		}
	}
}

// The three uses of a signature, for a device that signed in.
func TestSignatureModes(t *testing.T) {
	good, wrong, none := event("good", speeds(now)), "", ""
	wrong = strings.Replace(event("wrong", speeds(now)), `"speed"`, `"obdEngineLoad"`, 1)
	none = fmt.Sprintf(`{"id":"none","time":%q,"data":%s}`, now.Format(time.RFC3339), speeds(now))
	type want struct{ good, wrong, none int }
	for mode, w := range map[string]want{"off": {200, 200, 200}, "record": {200, 200, 200}, "require": {200, 401, 401}} {
		t.Run(mode, func(t *testing.T) {
			s := newStreet(t)
			var err error
			s.door.Signatures, err = door.ParseSignatureMode(mode)
			s.must(err)
			counted := map[string]int{}
			var mu sync.Mutex
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			s.door.Checks = &door.Checks{Keep: s.keep, Count: func(o string) { mu.Lock(); counted[o]++; mu.Unlock() }}
			running.Go(func() { s.door.Checks.Run(ctx) })
			defer running.Wait()
			defer cancel()
			for body, status := range map[string]int{good: w.good, wrong: w.wrong, none: w.none} {
				for range 2 { // the second is a repetition and is not checked again
					if got, out := s.post(body, "Authorization", "Bearer device"); got != status {
						t.Errorf("%s: %d %s", body, got, out)
					}
				}
			}
			if mode != "record" {
				return
			}
			for i := 0; ; i++ {
				mu.Lock()
				n := counted["valid"] + counted["wrong"] + counted["missing"]
				mu.Unlock()
				if n == 3 {
					break
				}
				if i == 300 {
					t.Fatalf("%v", counted)
				}
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
			running.Wait()
			if counted["valid"] != 1 || counted["wrong"] != 1 || counted["missing"] != 1 || len(counted) != 3 {
				t.Errorf("%v", counted)
			}
			if len(s.kept) != 4 {
				t.Fatalf("%d kept", len(s.kept))
			}
			mark := s.kept[slices.IndexFunc(s.kept, func(p *door.Parcel) bool { return len(p.Rejected) > 0 })]
			if mark.Envelope.ID != "wrong/signature" || len(mark.Readings) != 0 || len(mark.Rejected) != 1 || mark.Rejected[0].Name != "signature" {
				t.Errorf("%+v", mark)
			}
		})
	}
}

// Split agrees with encoding/json on what is JSON, and loses no byte of what is
// not.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{`[]`, `[1,2]`, ` [ {"a":"],["} , [[]] ] `, `[{"a":1},`, `[,]`, `[[[`, `["\"",{}]x`, "{}\n\n{} \n", `[}{,"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		lines, err := door.Split(body, door.Lines)
		if err != nil && sayso.FaultOf(err) != sayso.TooLarge {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.SplitSeq(string(body), "\n") {
			if line = strings.Trim(line, " \t\r\n"); line != "" {
				want = append(want, line)
			}
		}
		if err == nil && len(lines) != len(want) || err != nil && len(want) <= door.MaxBatch {
			t.Fatalf("%q: %d lines, want %d (%v)", body, len(lines), len(want), err)
		}
		for i := range lines {
			if string(lines[i]) != want[i] {
				t.Errorf("line %d: %q, want %q", i, lines[i], want[i])
			}
		}
		list, err := door.Split(body, door.Array)
		var oracle []json.RawMessage
		if json.Unmarshal(body, &oracle) == nil && oracle != nil && len(oracle) <= door.MaxBatch {
			if err != nil || len(list) != len(oracle) {
				t.Fatalf("%q: %q, %v; want %d", body, list, err, len(oracle))
			}
			for i := range list {
				if string(list[i]) != string(oracle[i]) {
					t.Errorf("element %d: %q, want %q", i, list[i], oracle[i])
				}
			}
		} else if err == nil {
			if got, want := strip(bytes.Join(list, nil)), strip(body); got != want {
				t.Errorf("%q is split into %q", body, list)
			}
		}
	})
}

// strip leaves out what may stand between elements.
func strip(b []byte) (n int) {
	for _, c := range b {
		if !strings.ContainsRune("[], \t\r\n", rune(c)) {
			n++
		}
	}
	return n
}
