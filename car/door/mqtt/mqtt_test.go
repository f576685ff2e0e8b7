package mqtt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"sayso"
	"sayso/car/door"
	"sayso/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func versions(t *testing.T, test func(t *testing.T, version byte)) {
	for _, v := range []byte{5, 4} {
		t.Run(map[byte]string{5: "MQTT 5", 4: "MQTT 3.1.1"}[v], func(t *testing.T) { test(t, v) })
	}
}

func TestAcknowledgedMeansKept(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		car := w.add(7)
		c := car.open(version)
		hold := make(chan struct{})
		w.mu.Lock()
		w.hold = hold
		w.mu.Unlock()
		for i := range 5 {
			c.publish(1, uint16(i+1), car.topic("status"), car.speed(float64(i)))
		}
		c.publish(2, 6, car.topic("status"), car.speed(6))
		c.silent(200 * time.Millisecond)
		if n := len(w.parcels()); n != 0 {
			t.Fatalf("%d kept while the store holds", n)
		}
		close(hold)
		for i := range 5 {
			if ack := c.expect(packets.Puback); ack.PacketID != uint16(i+1) || ack.ReasonCode != 0 {
				t.Errorf("acknowledgement %d is for %d, code %#x", i+1, ack.PacketID, ack.ReasonCode)
			}
		}
		c.expect(packets.Pubrec)
		if n := len(w.parcels()); n != 6 {
			t.Errorf("%d kept, want 6", n)
		}
		if err := c.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrel, Qos: 1}, PacketID: 6}); err != nil {
			t.Fatal(err)
		}
		if ack := c.expect(packets.Pubcomp); ack.PacketID != 6 || ack.ReasonCode != 0 {
			t.Errorf("PUBCOMP for %d, code %#x", ack.PacketID, ack.ReasonCode)
		}
		for i, p := range w.parcels() {
			if p.Vehicle != 7 || len(p.Readings) != 1 {
				t.Errorf("parcel %d: vehicle %d, %d readings", i, p.Vehicle, len(p.Readings))
			}
		}
	})
}

func TestQualityTwoAgainAfterALostConnection(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		car := w.add(1)
		hello := car.hello(version, car.token())
		hello.Connect.Clean = false
		hello.Properties.SessionExpiryInterval, hello.Properties.SessionExpiryIntervalFlag = 600, true
		for range 3 {
			c, _, err := w.connect(hello)
			if err != nil {
				t.Fatal(err)
			}
			c.publish(2, 9, car.topic("status"), car.speed(1))
			for {
				if pk := c.expect(packets.Pubrec); pk.PacketID == 9 && pk.ReasonCode == 0 {
					break
				} else if pk.ReasonCode != 0 {
					t.Fatalf("PUBREC with code %#x", pk.ReasonCode)
				}
			}
			c.conn.Close()
		}
		if n := len(w.parcels()); n != 1 {
			t.Errorf("%d kept, want 1", n)
		}
	})
}

func TestWhatCannotBeKeptNowIsNotAcknowledged(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		for fault, code := range map[sayso.Fault]byte{sayso.Busy: 0x89, sayso.Full: 0x97, sayso.Internal: 0x80} {
			w := newWorld(t, nil).listen()
			car := w.add(1)
			c := car.open(version)
			w.mu.Lock()
			w.fail = sayso.Fail(fault, "store", "no")
			w.mu.Unlock()
			c.publish(0, 0, car.topic("status"), car.speed(1)) // lost, and not a reason to end
			c.publish(1, 1, car.topic("status"), car.speed(1))
			c.ended(code)
			eventually(t, "both are counted", func() bool { return w.outcome(fault.String()) == 2 })
		}
	})
}

func TestPoisonIsKeptForTheOwnerAndDoesNotBlock(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		car := w.add(3)
		c := car.open(version)
		poison := [][]byte{nil, []byte("{"), []byte("\xff\x00"), []byte(`{"data":{}}`), []byte(strings.Repeat("x", 70_000))}
		for i, p := range poison {
			c.publish(1, uint16(2*i+1), car.topic("status"), p)
			c.publish(1, uint16(2*i+2), car.topic("status"), car.speed(float64(i)))
		}
		for i := range poison {
			want := byte(0)
			if version == 5 {
				want = 0x99
			}
			if ack := c.expect(packets.Puback); ack.PacketID != uint16(2*i+1) || ack.ReasonCode != want || (version == 5 && ack.Properties.ReasonString == "") {
				t.Errorf("poison %d: acknowledgement of %d with code %#x %q", i, ack.PacketID, ack.ReasonCode, ack.Properties.ReasonString)
			}
			if ack := c.expect(packets.Puback); ack.ReasonCode != 0 {
				t.Errorf("after poison %d: code %#x", i, ack.ReasonCode)
			}
		}
		var quarantined int
		for _, p := range w.parcels() {
			if p.Envelope.Type != door.TypeRefused {
				continue
			}
			quarantined++
			if p.Vehicle != 3 || len(p.Rejected) != 1 || p.Rejected[0].Reason == "" || int64(len(p.Envelope.Data)) > w.door.MaxBody {
				t.Errorf("quarantined: %+v", p)
			}
		}
		if quarantined != len(poison) || w.outcome("quarantined") != len(poison) {
			t.Errorf("%d quarantined, %d counted, want %d", quarantined, w.outcome("quarantined"), len(poison))
		}
	})
}

func TestBatchesOverMQTT(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		car := w.add(3)
		c := car.open(version)
		array := fmt.Appendf(nil, " [%s, {\"bad\": 1} ,%s]", car.speed(1), car.speed(2))
		c.publish(1, 1, car.topic("status"), array)
		want := byte(0)
		if version == 5 {
			want = 0x99
		}
		if ack := c.expect(packets.Puback); ack.ReasonCode != want {
			t.Errorf("code %#x, want %#x", ack.ReasonCode, want)
		}
		kept := 3 // two and the one in quarantine
		if version == 5 {
			c.publish(1, 2, car.topic("events"), fmt.Appendf(nil, "%s\n\n%s\n", car.speed(3), car.speed(4)), func(p *packets.Properties) { p.ContentType = "application/x-ndjson" })
			c.expect(packets.Puback)
			kept += 2
		}
		if n := len(w.parcels()); n != kept {
			t.Errorf("%d kept, want %d", n, kept)
		}
	})
}

func TestAnUnpairedDeviceIsCutOff(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		idle, busy, stays := w.add(1), w.add(2), w.add(3)
		c1, c2, c3 := idle.open(version), busy.open(version), stays.open(version)
		w.mu.Lock()
		w.block-- // so that the block of the next line is nothing new
		w.mu.Unlock()
		busy.unpair()
		c2.publish(1, 1, busy.topic("status"), busy.speed(1))
		c2.ended(0x87)
		idle.unpair()
		c1.ended(0x87)
		c3.publish(1, 1, stays.topic("status"), stays.speed(1))
		c3.expect(packets.Puback)
		if n := len(w.parcels()); n != 1 {
			t.Errorf("%d kept, want 1", n)
		}
		if f := w.server.Figures(); f.CutOff != 2 {
			t.Errorf("figures %+v", f)
		}
		if _, ack, err := w.connect(idle.hello(version, idle.token())); err == nil && ack.ReasonCode == 0 {
			t.Error("it got in again")
		}
	})
}

func TestASessionBelongsToAKey(t *testing.T) {
	w := newWorld(t, nil).listen()
	mine, other := w.add(1), w.add(2)
	first := mine.open(5)
	thief := other.hello(5, other.token())
	thief.Connect.ClientIdentifier = mine.address.String()
	if _, ack, err := w.connect(thief); err != nil || ack.ReasonCode != 0x85 {
		t.Errorf("another key under the identifier: %v, code %#x", err, ack.ReasonCode)
	}
	first.publish(1, 1, mine.topic("status"), mine.speed(1))
	first.expect(packets.Puback)
	// The same key in another spelling, and without an identifier.
	again := mine.hello(5, mine.token())
	again.Connect.ClientIdentifier = strings.ToLower(mine.address.String())
	second, ack, err := w.connect(again)
	if err != nil || ack.ReasonCode != 0 {
		t.Fatalf("the same key: %v, code %#x", err, ack.ReasonCode)
	}
	first.ended(0x8e)
	again.Connect.ClientIdentifier = ""
	third, ack, err := w.connect(again)
	if err != nil || ack.Properties.AssignedClientID != mine.address.String() {
		t.Fatalf("without an identifier: %v, got %q", err, ack.Properties.AssignedClientID)
	}
	second.ended(0x8e)
	third.publish(1, 1, mine.topic("status"), mine.speed(2))
	third.expect(packets.Puback)
	if n := w.server.Figures().TakenOver; n != 2 {
		t.Errorf("%d taken over are counted", n)
	}
}

func TestTheProofRunsOut(t *testing.T) {
	w := newWorld(t, nil).listen()
	car := w.add(1)
	c := car.open(5)
	w.clock.(*clock.Manual).Advance(time.Hour)
	w.mu.Lock()
	w.block++
	w.mu.Unlock()
	c.ended(packets.ErrMaxConnectTime.Code)
}

func TestWhatADeviceIsTold(t *testing.T) {
	w := newWorld(t, nil).listen()
	car := w.add(1)
	hello := car.hello(5, car.token())
	hello.Connect.Keepalive = 0
	_, ack, err := w.connect(hello)
	if err != nil {
		t.Fatal(err)
	}
	p := ack.Properties
	if !p.RetainAvailableFlag || p.RetainAvailable != 0 || !p.SharedSubAvailableFlag || p.SharedSubAvailable != 0 ||
		p.MaximumPacketSize != uint32(w.door.MaxBody)*door.BatchFactor+slack || p.ReceiveMaximum != maxInLine || p.ServerKeepAlive != 1200 {
		t.Errorf("%+v", p)
	}
}

func TestRetainedWillsAndDollar(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		car, other := w.add(1), w.add(2)
		watcher := other.open(version)
		if err := watcher.write(subscribe(other.topic("#"))); err != nil {
			t.Fatal(err)
		}
		watcher.expect(packets.Suback)
		hello := car.hello(version, car.token())
		hello.Connect.WillFlag, hello.Connect.WillTopic, hello.Connect.WillPayload = true, other.topic("commands"), []byte("boo")
		c, ack, err := w.connect(hello)
		if err != nil || ack.ReasonCode != 0 {
			t.Fatalf("a will: %v, code %#x", err, ack.ReasonCode)
		}
		c.conn.Close()
		watcher.silent(200 * time.Millisecond)

		c = car.open(version)
		if err := c.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1, Retain: true}, PacketID: 1, TopicName: car.topic("status"), Payload: car.speed(1)}); err != nil {
			t.Fatal(err)
		}
		if version == 5 {
			c.ended(0x9a)
		} else {
			c.expect(packets.Puback) // the flag does nothing
		}
		if n := w.server.broker.Topics.Retained.Len(); n > 20 { // those of mochi under $SYS
			t.Errorf("%d retained", n)
		}
		c = car.open(version)
		c.publish(1, 1, "$SYS/broker/version", car.speed(2))
		c.ended(0x90)
	})
}

func TestTooManyEventsSlowADeviceDown(t *testing.T) {
	w := newWorld(t, func(d *door.Door) { d.Clock = clock.System{}; d.Rates = door.NewRates(20) })
	w.clock = clock.System{}
	w.listen()
	car := w.add(1)
	w.tokens[car.token()] = bearer{car.address, now().Add(time.Hour)}
	c := car.open(5)
	began := now()
	const n = 110 // a hundred at once, then twenty per second
	go func() {
		for i := range n {
			c.publish(1, uint16(i+1), car.topic("status"), car.speed(float64(i)))
		}
	}()
	for range n {
		if ack := c.expect(packets.Puback); ack.ReasonCode != 0 {
			t.Fatalf("code %#x", ack.ReasonCode)
		}
	}
	if took := now().Sub(began); took < 400*time.Millisecond {
		t.Errorf("%d events took %s only", n, took)
	}
}

func TestSignatureOnMessagesWhereRequired(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, func(d *door.Door) { d.Signatures = door.Require }).listen()
		car := w.add(1)
		c := car.open(version)
		c.publish(1, 1, car.topic("status"), car.speed(1))
		if version == 5 {
			if ack := c.expect(packets.Puback); ack.ReasonCode != 0x87 {
				t.Errorf("code %#x", ack.ReasonCode)
			}
		} else {
			c.ended(0)
		}
		if n := len(w.parcels()); n != 0 {
			t.Errorf("%d kept", n)
		}
	})
}

func TestMessagesOfOneDeviceShareASync(t *testing.T) {
	w := newWorld(t, nil).listen()
	car := w.add(1)
	c := car.open(5)
	hold := make(chan struct{})
	w.mu.Lock()
	w.hold = hold
	w.mu.Unlock()
	for i := range maxInLine {
		c.publish(1, uint16(i+1), car.topic("status"), car.speed(float64(i)))
	}
	eventually(t, "all are under way at once", func() bool { n, _ := w.door.Gate.Busy(); return n >= maxInLine })
	close(hold)
	for range maxInLine {
		c.expect(packets.Puback)
	}
	eventually(t, "all left the gate", func() bool { n, _ := w.door.Gate.Busy(); return n == 0 })
	if list := w.parcels(); !slices.IsSortedFunc(list, func(a, b *door.Parcel) int {
		return int(a.Readings[0].Value.Number - b.Readings[0].Value.Number)
	}) {
		t.Error("they are kept in another order")
	}
}

func subscribe(filters ...string) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 77}
	for _, f := range filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f, Qos: 1})
	}
	return pk
}
