package front_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sayso/car/door"
	"sayso/car/door/mqtt"
	"sayso/owner/registry"
)

// herd is many devices that send as fast as they are answered.
type herd struct {
	w       *world
	devices []string // names
	tokens  []string
	n       atomic.Int64
}

// newHerd registers devices in a vehicle each.
func newHerd(w *world, size int) *herd {
	h := &herd{w: w}
	w.fold(func(tx *registry.Tx) {
		for i := range size {
			name := fmt.Sprint("herd ", i)
			h.devices = append(h.devices, name)
			id := uint64(20_000 + i)
			since := bought[1].Unix()
			tx.PutVehicle(registry.Vehicle{ID: id, Owners: []registry.Ownership{{Owner: account("owner"), From: since, Block: tx.Block.Number}}})
			tx.PutDevice(registry.Device{ID: id, Manufacturer: 1, Address: account(name), Owner: account("owner"), Pairings: []registry.Pairing{{Vehicle: id, From: since}}})
		}
	})
	for _, name := range h.devices {
		h.tokens = append(h.tokens, strings.TrimPrefix(w.deviceLogin(name), "Bearer "))
	}
	return h
}

// event is a message that was not sent before.
func (h *herd) event() []byte {
	return fmt.Appendf(nil, `{"id":"e%d","data":%s}`, h.n.Add(1), measured)
}

// tally is what became of the messages of some time.
type tally struct {
	kept, refused, wrong atomic.Int64
	mu                   sync.Mutex
	waits                []time.Duration
	took, cpu            time.Duration // from the moment at which all were connected
}

func (t *tally) rate() float64 { return float64(t.kept.Load()) / t.took.Seconds() }

func (t *tally) p99() time.Duration {
	if len(t.waits) == 0 {
		return 0
	}
	slices.Sort(t.waits)
	return t.waits[len(t.waits)*99/100].Round(time.Millisecond)
}

// each sends over connection i; it calls ready when it is connected, and stops
// when the channel that this answers says so.
type each func(i int, t *tally, ready func(connected bool) *atomic.Bool)

// run has connections send for a while, all from the same moment.
func (h *herd) run(conns int, d time.Duration, send each) *tally {
	var t tally
	var stop atomic.Bool
	var connecting, sending sync.WaitGroup
	start := make(chan struct{})
	connecting.Add(conns)
	for i := range conns {
		sending.Go(func() {
			send(i, &t, func(connected bool) *atomic.Bool {
				if !connected {
					t.wrong.Add(1)
				}
				connecting.Done()
				<-start
				return &stop
			})
		})
	}
	connecting.Wait()
	began, before := time.Now(), spent()
	time.AfterFunc(d, func() { stop.Store(true) })
	close(start)
	sending.Wait()
	t.took, t.cpu = time.Since(began), spent()-before
	return &t
}

// overHTTP sends again at once whatever the answer says.
func (h *herd) overHTTP(i int, t *tally, ready func(bool) *atomic.Bool) {
	h.overHTTPEvery(0)(i, t, ready)
}

// overHTTPEvery sends with a pause between.
func (h *herd) overHTTPEvery(pause time.Duration) each {
	return func(i int, t *tally, ready func(bool) *atomic.Bool) { h.http(i, t, ready, pause) }
}

func (h *herd) http(i int, t *tally, ready func(bool) *atomic.Bool, pause time.Duration) {
	c := h.call(h.tokens[i%len(h.tokens)])
	defer c.close()
	stop := ready(c.post(h.event()) != 0) // the first message of a connection costs more than all later ones
	var waits []time.Duration
	for n := i; !stop.Load(); time.Sleep(pause) {
		n += 32 // every load is of all devices, or the larger would also be of more vehicles
		c.head = headOf(h.tokens[n%len(h.tokens)])
		body := h.event()
		at := time.Now()
		switch status := c.post(body); status {
		case 200:
			t.kept.Add(1)
			waits = append(waits, time.Since(at))
		case 503, 429:
			t.refused.Add(1)
		default:
			t.wrong.Add(1)
			return
		}
	}
	t.mu.Lock()
	t.waits = append(t.waits, waits...)
	t.mu.Unlock()
}

// caller is a connection to the door.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
	head string
	out  []byte
}

// call connects with a token, or without.
func (h *herd) call(token string) *caller {
	c := &caller{head: headOf(token)}
	var err error
	if c.conn, err = net.Dial("tcp", h.w.server.Listener.Addr().String()); err != nil {
		return &caller{}
	}
	c.in = bufio.NewReader(c.conn)
	return c
}

func headOf(token string) string {
	const first = "POST " + door.Path + " HTTP/1.1\r\nHost: x\r\n"
	if token == "" {
		return first
	}
	return first + "Authorization: Bearer " + token + "\r\n"
}

func (c *caller) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// post is the status of the answer to a message; 0 if there is none, or if it
// says to come again but not when.
func (c *caller) post(body []byte) int {
	if c.conn == nil {
		return 0
	}
	c.out = fmt.Appendf(c.out[:0], "%sContent-Length: %d\r\n\r\n%s", c.head, len(body), body)
	if _, err := c.conn.Write(c.out); err != nil {
		return 0
	}
	first, err := c.in.Peek(len("HTTP/1.1 200"))
	if err != nil {
		return 0
	}
	if string(first[9:]) == "200" { // all of it comes at once, and it is not worth a parser
		_, err = c.in.Discard(c.in.Buffered())
		return map[bool]int{true: 200}[err == nil]
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if again := res.StatusCode == 503 || res.StatusCode == 429; again && res.Header.Get("Retry-After") != "1" {
		return 0
	}
	return res.StatusCode
}

// overMQTT is the same in MQTT 3.1.1, where nobody is refused but made to wait.
func (h *herd) overMQTT(address string) each {
	return func(i int, t *tally, ready func(bool) *atomic.Bool) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			ready(false)
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		user, topic := account(h.devices[i]).String(), mqtt.Topic(account(h.devices[i]).String())
		text := func(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }
		letIn := h.exchange(conn, in, 0x10, text("MQTT")+"\x04\xc2\x00\x3c"+text(user)+text(user)+text(h.tokens[i]), "\x20\x02\x00\x00") &&
			h.exchange(conn, in, 0x32, text(topic)+"\x00\x07"+string(h.event()), "\x40\x02\x00\x07")
		stop := ready(letIn)
		if !letIn {
			return
		}
		var waits []time.Duration
		for !stop.Load() {
			at := time.Now()
			if !h.exchange(conn, in, 0x32, text(topic)+"\x00\x07"+string(h.event()), "\x40\x02\x00\x07") {
				t.wrong.Add(1)
				return
			}
			t.kept.Add(1)
			waits = append(waits, time.Since(at))
		}
		t.mu.Lock()
		t.waits = append(t.waits, waits...)
		t.mu.Unlock()
	}
}

func (h *herd) exchange(out io.Writer, in io.Reader, kind byte, rest, want string) bool {
	packet := []byte{kind}
	for n := len(rest); ; n >>= 7 {
		if n < 128 {
			packet = append(packet, byte(n))
			break
		}
		packet = append(packet, byte(n)|0x80)
	}
	if _, err := out.Write(append(packet, rest...)); err != nil {
		return false
	}
	got := make([]byte, len(want))
	_, err := io.ReadFull(in, got)
	return err == nil && string(got) == want
}

// resident is the memory that the process has, in MiB; 0 where that is not told.
func resident() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int
	if _, err := fmt.Fscan(bytes.NewReader(text), &size, &pages); err != nil {
		return 0
	}
	return pages * os.Getpagesize() >> 20
}

// strangers sends events that nobody's device has signed, again at once whatever
// the answer says. What they are answered counts as refused.
func (h *herd) strangers(i int, t *tally, ready func(bool) *atomic.Bool) {
	name := fmt.Sprint("stranger ", i)
	body := fmt.Appendf(nil, `{"id":"f","source":%q,"signature":%q,"data":%s}`, account(name), signData(name, measured), measured)
	c := h.call("")
	defer c.close()
	for stop := ready(c.post(body) != 0); !stop.Load(); t.refused.Add(1) {
		if status := c.post(body); status != 403 && status != 503 {
			t.wrong.Add(1)
			return
		}
	}
}

// spent is the CPU time that the process has used.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// goodput adds up what several rounds kept, and the CPU time they took.
type goodput struct {
	kept, refused, wrong int64
	cpu                  time.Duration
}

// add adds a round.
func (g *goodput) add(t *tally) {
	g.kept, g.refused, g.wrong, g.cpu = g.kept+t.kept.Load(), g.refused+t.refused.Load(), g.wrong+t.wrong.Load(), g.cpu+t.cpu
}

// of is how much is kept for the same CPU time, in parts of another. On a machine
// whose cores are busy that is the part of the capacity that is left, however
// much of the machine there is.
func (g *goodput) of(other *goodput) float64 {
	return float64(g.kept) / g.cpu.Seconds() / (float64(other.kept) / other.cpu.Seconds())
}

// leftOver is the part of the capacity that must be left at ten times the load.
// On a quiet machine it is nine tenths. What refusing costs is bounded by the
// second, so that it weighs more where other programs leave little of the
// machine; and the senders have their share of the time. Without the bound a
// twentieth is left.
const leftOver = 0.15

// At ten times the load what is kept stays as much, the rest is told when to come
// again, and memory stays bounded: whether those that are too many are devices
// or strangers. Each round of the usual load is followed by one of each other,
// and what is compared is what is kept for the same CPU time.
func TestOverload(t *testing.T) {
	w := newWorld(t)
	const usual, places, tenfold, lasts, rounds = 32, 32, 320, 300 * time.Millisecond, 3
	w.front.Door.Gate = door.NewGate(places, 64<<20)
	h := newHerd(w, tenfold)
	address := w.overMQTT(2 * tenfold) // those of the run before may not have ended
	goroutines := runtime.NumGoroutine()
	memory := watchMemory()
	for name, send := range map[string]each{"HTTP": h.overHTTP, "MQTT": h.overMQTT(address)} {
		h.run(tenfold, lasts, send) // so that every vehicle has its key, and every connection was opened once
		var normal, flood, forged goodput
		for range rounds {
			normal.add(h.run(usual, lasts, send))
			flood.add(h.run(tenfold, lasts, send))
			normal.add(h.run(usual, lasts, send))
			forged.add(h.run(usual+tenfold, lasts, func(i int, t *tally, ready func(bool) *atomic.Bool) {
				if i < usual {
					send(i, t, ready)
				} else {
					h.strangers(i, t, ready)
				}
			}))
		}
		t.Logf("%s: %d connections keep %d; %d keep %.0f %% of it for the same CPU time, %d refused; %d strangers beside leave %.0f %%, %d refused",
			name, usual, normal.kept, tenfold, 100*flood.of(&normal), flood.refused, tenfold, 100*forged.of(&normal), forged.refused)
		for _, g := range []*goodput{&normal, &flood, &forged} {
			if g.wrong > 0 || g.kept == 0 {
				t.Errorf("%s: %d kept, %d refused, %d answers of another kind", name, g.kept, g.refused, g.wrong)
			}
		}
		if normal.refused > 0 {
			t.Errorf("%s: %d refused without need", name, normal.refused)
		}
		if flood.of(&normal) < leftOver || forged.of(&normal) < leftOver {
			t.Errorf("%s: less than %.0f %% of the capacity is left", name, 100*leftOver)
		}
		if name == "HTTP" && flood.refused == 0 {
			t.Error("nobody was turned away")
		}
	}
	before, most := memory()
	t.Logf("memory: %d MiB before, %d MiB at most, senders included", before, most)
	if most > before+400 {
		t.Errorf("memory grew from %d to %d MiB", before, most)
	}
	if n, _ := w.front.Door.Gate.Busy(); n != 0 {
		t.Errorf("%d still under way", n)
	}
	for i := 0; runtime.NumGoroutine() > goroutines+20; i++ {
		if i == 300 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
		w.server.CloseClientConnections()
		time.Sleep(10 * time.Millisecond)
	}
}

// watchMemory looks at what the process has until it is asked.
func watchMemory() func() (before, most int) {
	before := resident()
	most := before
	watch, done := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		for watch.Err() == nil {
			most = max(most, resident())
			time.Sleep(20 * time.Millisecond)
		}
	})
	return func() (int, int) {
		done()
		watching.Wait()
		return before, most
	}
}

// One device that sends without pause over many connections is held to its rate,
// and the others are not refused anything. Their delay is printed: the flood has
// its share of the machine, wherever it is turned away.
func TestANoisyNeighbour(t *testing.T) {
	w := newWorld(t)
	const others, loud, lasts = 8, 64, 800 * time.Millisecond
	w.front.Door.Gate = door.NewGate(1024, 64<<20)
	h := newHerd(w, others)
	noise := &herd{w: w, devices: []string{"device"}, tokens: []string{strings.TrimPrefix(w.deviceLogin("device"), "Bearer ")}}
	h.run(others, lasts, h.overHTTP)
	quiet := h.run(others, lasts, h.overHTTP)
	w.front.Door.Rates = door.NewRates(20)
	var flood *tally
	var wg sync.WaitGroup
	wg.Go(func() { flood = noise.run(loud, lasts, noise.overHTTP) })
	calm := h.run(others, lasts, h.overHTTPEvery(100*time.Millisecond))
	wg.Wait()
	t.Logf("%d others: alone %.0f/s, p99 %s; beside %d connections of one device: p99 %s, %d refused; the loud one: %d kept, %d refused",
		others, quiet.rate(), quiet.p99(), loud, calm.p99(), calm.refused.Load(), flood.kept.Load(), flood.refused.Load())
	if calm.refused.Load()+calm.wrong.Load() > 0 || calm.kept.Load() == 0 {
		t.Errorf("of the others %d were kept, %d refused, %d answered otherwise", calm.kept.Load(), calm.refused.Load(), calm.wrong.Load())
	}
	if most := 100 + int64(20*flood.took.Seconds()) + 20; flood.kept.Load() > most || flood.refused.Load() == 0 || flood.wrong.Load() > 0 {
		t.Errorf("of the loud one %d were kept, at most %d; %d refused, %d answered otherwise", flood.kept.Load(), most, flood.refused.Load(), flood.wrong.Load())
	}
}
