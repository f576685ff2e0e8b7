package mqtt

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// memory is what the heap and the stacks have now.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// A device that is connected and says nothing costs little.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const n = 1000
	w := newWorld(t, nil).listen()
	cars := make([]*car, n)
	hellos := make([][]byte, n)
	for i := range cars {
		cars[i] = w.add(uint64(i + 1))
		hellos[i] = cars[i].greeting(t)
	}
	before := memory()
	began := now()
	for i := range cars {
		conn, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var ack [4]byte
		if _, err := conn.Write(hellos[i]); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(ack[:]); err != nil || ack != [4]byte{0x20, 2, 0, 0} {
			t.Fatalf("% x, %v", ack, err)
		}
	}
	took := now().Sub(began)
	each := int64(memory()-before) / n
	t.Logf("%d idle connections, %d bytes each, both ends; %.0f connections per second", n, each, n/took.Seconds())
	if each > 64<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	if got := w.server.Figures().Connected; got != n {
		t.Errorf("%d connected", got)
	}
}

// Coming and going, subscribing and being cut leaves nothing behind.
func TestComingAndGoingLeavesNothing(t *testing.T) {
	w := newWorld(t, nil).listen()
	const cars, rounds = 10, 30
	var wg sync.WaitGroup
	list := make([]*car, cars)
	for i := range list {
		list[i] = w.add(uint64(i + 1))
	}
	goroutines := runtime.NumGoroutine()
	for i, car := range list {
		wg.Go(func() {
			for round := range rounds {
				conn, err := w.dial()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = conn.Write(car.greeting(t))
				if round%3 > 0 {
					b, err := encode(func() packets.Packet { p := subscribe(car.topic("#")); p.ProtocolVersion = 4; return p }())
					if err != nil {
						t.Error(err)
					}
					_, _ = conn.Write(b)
				}
				if round%5 == 0 {
					_, _ = conn.Read(make([]byte, 4))
				}
				if (i+round)%4 == 0 {
					_, _ = conn.Write([]byte{0xe0, 0})
				}
				conn.Close()
			}
		})
	}
	wg.Wait()
	eventually(t, "all connections have ended", func() bool { return w.server.Figures().Connected == 0 })
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
	if n := w.server.broker.Clients.Len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if n := w.server.broker.Topics.Subscribers(list[0].topic("status")); len(n.Subscriptions) != 0 {
		t.Errorf("%d subscriptions are left", len(n.Subscriptions))
	}
	eventually(t, "no socket is left", func() bool {
		w.server.listen.mu.Lock()
		defer w.server.listen.mu.Unlock()
		return len(w.server.listen.open) == 0
	})
}

// More connections than may be are closed, and there is room again later.
func TestConnectionsAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	w.connections = 3
	w.listen()
	var open []*client
	for i := range 3 {
		open = append(open, w.add(uint64(i+1)).open(5))
	}
	car := w.add(9)
	if _, ack, err := w.connect(car.hello(5, car.token())); err == nil {
		t.Errorf("a fourth got code %#x", ack.ReasonCode)
	}
	open[0].conn.Close()
	eventually(t, "there is room", func() bool {
		_, ack, err := w.connect(car.hello(5, car.token()))
		return err == nil && ack.ReasonCode == 0
	})
	time.Sleep(10 * time.Millisecond)
}
