package front_test

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"sayso"
	"sayso/car/door"
	"sayso/car/door/mqtt"
	"sayso/node/vault"
	"sayso/owner/registry"
)

// overMQTT opens the MQTT door beside the other one.
func (w *world) overMQTT(connections int) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	s, err := mqtt.New(mqtt.Config{
		Door: w.front.Door, Log: slog.New(slog.DiscardHandler), Home: home, Token: w.front.DeviceToken, Connections: connections,
		Block: func() uint64 { b, _ := w.registry.Head(); return b.Number },
	})
	w.must(err)
	w.must(s.Serve(l))
	w.t.Cleanup(func() { w.must(s.Close()) })
	return l.Addr().String()
}

// publish connects as a device and sends one message. It answers whether the
// device was let in and what the acknowledgement said; code 0xff is a connection
// that ended.
func (w *world) publish(address string, who sayso.Address, password, body string) (in bool, code byte) {
	w.t.Helper()
	conn, err := net.Dial("tcp", address)
	w.must(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := paho.NewClient(paho.ClientConfig{Conn: conn, PacketTimeout: 10 * time.Second})
	ack, err := c.Connect(ctx, &paho.Connect{
		ClientID: who.String(), CleanStart: true, KeepAlive: 60, UsernameFlag: true, Username: who.String(), PasswordFlag: true, Password: []byte(password),
	})
	if err != nil || ack.ReasonCode != 0 {
		return false, 0
	}
	res, err := c.Publish(ctx, &paho.Publish{QoS: 1, Topic: mqtt.Topic(who.String()), Payload: []byte(body)})
	if res == nil {
		w.t.Logf("%v", err)
		return true, 0xff
	}
	return true, res.ReasonCode
}

// believed counts what the vault has of all cars besides records of messages
// that nobody can read.
func (w *world) believed() (n int) {
	for _, v := range []uint64{car, twin, elsewhere, 7004} {
		for epoch := range uint32(5) {
			w.must(w.vault.CloudEvents(context.Background(), vault.View{Vehicle: v, Epochs: []uint32{epoch}}, 0, sayso.At(noon.Add(time.Hour)), func(s vault.Stored) bool {
				if s.Envelope.Type != door.TypeRefused {
					n++
				}
				return true
			}))
		}
	}
	return n
}

// The forged messages over MQTT: those with a wrong token by whoever holds it,
// those with a wrong signature over the session of the device itself where the
// door asks for signatures.
func TestForgedMessagesOverMQTT(t *testing.T) {
	w := newWorld(t)
	w.garage()
	tokens := w.badTokens()
	delete(tokens, "the token without the word") // is right here
	device := strings.TrimPrefix(w.deviceLogin("device"), "Bearer ")
	w.fold(func(tx *registry.Tx) { tx.DeleteDevice(12) })
	address := w.overMQTT(100)
	n := 0
	for name, l := range tokens {
		for _, who := range []string{"device", "unpaired", "elsewhere", "taken out", "moved on", "to be removed", "owner", "eve"} {
			n++
			if in, code := w.publish(address, account(who), strings.TrimPrefix(l.bearer, "Bearer "), l.body()); in && code < 0x80 {
				t.Errorf("%s as %s: code %#x", name, who, code)
			}
		}
	}
	w.front.Door.Signatures = door.Require
	signed := badSignatures()
	maps.Copy(signed, badSenders())
	for _, session := range []string{ // only the source is wrong, and the session says it
		"no source", "the zero source", "a source that is a DID", "a source that is no address", "a source that is a number",
		"another source, own signature", "back-fill with a signature alone",
	} {
		if _, there := signed[session]; !there {
			t.Errorf("no forged message %q", session)
		}
		delete(signed, session)
	}
	for name, l := range signed {
		n++
		if in, code := w.publish(address, account("device"), device, l.body()); !in || code < 0x80 {
			t.Errorf("%s: let in %v, code %#x", name, in, code)
		}
	}
	if kept := w.believed(); kept != 0 {
		t.Errorf("%d kept", kept)
	}
	if in, code := w.publish(address, account("device"), device, genuine("right").body()); !in || code != 0 || w.believed() != 1 {
		t.Errorf("the genuine message: let in %v, code %#x, %d kept", in, code, w.believed())
	}
	t.Logf("%d forged messages over MQTT, none kept", n)
}
