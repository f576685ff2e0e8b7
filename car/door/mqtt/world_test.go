package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/client/device"
	"sayso/internal/clock"
	"sayso/owner/registry"
)

const home = "http://node.example:8480"

var start = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// world is a door with devices in vehicles and a store that keeps in memory.
type world struct {
	noSources
	t      testing.TB
	door   *door.Door
	server *Server
	dial   func() (net.Conn, error)
	clock  clock.Clock

	connections int

	mu       sync.Mutex
	devices  map[sayso.Address]registry.Device
	vehicles map[uint64]registry.Vehicle
	block    uint64
	tokens   map[string]bearer
	kept     []*door.Parcel
	bodies   map[string][32]byte
	fail     error         // of the store
	hold     chan struct{} // while not nil nothing is kept until it is closed
	outcomes map[string]int
}

type bearer struct {
	device sayso.Address
	until  time.Time
}

func info() registry.ChainInfo {
	return registry.ChainInfo{ID: 1337, Vehicle: sayso.Address{1}, AftermarketDevice: sayso.Address{2}}
}

func newWorld(t testing.TB, change func(*door.Door)) *world {
	t.Helper()
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, clock: clock.NewManual(start), block: 1, connections: 4096,
		devices: map[sayso.Address]registry.Device{}, vehicles: map[uint64]registry.Vehicle{},
		tokens: map[string]bearer{}, bodies: map[string][32]byte{}, outcomes: map[string]int{},
	}
	w.door = &door.Door{
		Catalogue: cat, State: w, Clock: w.clock, Chain: info(), MaxBody: 64 << 10,
		Device: func(raw string) (sayso.Address, error) { a, _, err := w.token(raw); return a, err },
		Keep: func(ctx context.Context, p *door.Parcel) (bool, error) {
			wait, err := w.begin(ctx, p)
			if err != nil {
				return false, err
			}
			return wait(ctx)
		},
		Begin: w.begin,
		Count: func(outcome string) { w.mu.Lock(); w.outcomes[outcome]++; w.mu.Unlock() },
		Gate:  door.NewGate(1024, 64<<20),
	}
	if change != nil {
		change(w.door)
	}
	return w
}

// listen opens the door on a real socket.
func (w *world) listen() *world {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	return w.serve(l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
}

func (w *world) serve(l net.Listener, dial func() (net.Conn, error)) *world {
	w.dial = dial
	var err error
	w.server, err = New(Config{
		Door: w.door, Log: slog.New(slog.DiscardHandler), Home: home, Connections: w.connections, Token: w.token,
		Block: func() uint64 { w.mu.Lock(); defer w.mu.Unlock(); return w.block },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.server.Serve(l); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := w.server.Close(); err != nil {
			w.t.Error(err)
		}
		if n := w.server.Figures().Faults; n > 0 {
			w.t.Errorf("%d connections ended in a panic", n)
		}
	})
	return w
}

func (w *world) token(raw string) (sayso.Address, time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b, ok := w.tokens[raw]
	if !ok {
		return sayso.Address{}, time.Time{}, sayso.Fail(sayso.Unauthorized, "token", "not a token of this node")
	}
	return b.device, b.until, nil
}

// DeviceByAddress and Vehicle are the registry.
// noSources is a chain without synthetic devices and connections.
type noSources struct{}

func (noSources) Device(uint64) (d registry.Device, ok bool)                         { return d, ok }
func (noSources) Synthetic(uint64) (s registry.Synthetic, ok bool)                   { return s, ok }
func (noSources) SyntheticByAddress(sayso.Address) (s registry.Synthetic, ok bool)   { return s, ok }
func (noSources) Manufacturer(uint64) (m registry.Manufacturer, ok bool)             { return m, ok }
func (noSources) ConnectionByAddress(sayso.Address) (c registry.Connection, ok bool) { return c, ok }

func (w *world) DeviceByAddress(a sayso.Address) (registry.Device, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.devices[a]
	return d, ok
}

func (w *world) Vehicle(id uint64) (registry.Vehicle, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.vehicles[id]
	return v, ok
}

// begin is the store.
func (w *world) begin(_ context.Context, p *door.Parcel) (func(context.Context) (bool, error), error) {
	w.mu.Lock()
	fail, hold := w.fail, w.hold
	w.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	return func(ctx context.Context) (bool, error) {
		if hold != nil {
			select {
			case <-hold:
			case <-ctx.Done():
				return false, sayso.Fail(sayso.Busy, "store", "not kept in time")
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		key := p.Envelope.Source.String() + " " + p.Envelope.Subject.String() + " " + p.Envelope.ID
		if body, ok := w.bodies[key]; ok {
			if body != p.Body {
				return false, sayso.Fail(sayso.Conflict, "store", "another message has the id")
			}
			return true, nil
		}
		w.bodies[key] = p.Body
		w.kept = append(w.kept, p)
		return false, nil
	}, nil
}

func (w *world) parcels() []*door.Parcel {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*door.Parcel(nil), w.kept...)
}

func (w *world) outcome(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outcomes[name]
}

// car is a device in a vehicle.
type car struct {
	w       *world
	key     *ecdsa.PrivateKey
	address sayso.Address
	id      uint64
}

// add registers a device and puts it into a vehicle of the same number.
func (w *world) add(id uint64) *car {
	w.t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		w.t.Fatal(err)
	}
	c := &car{w: w, key: key, address: sayso.Address(crypto.PubkeyToAddress(key.PublicKey)), id: id}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.devices[c.address] = registry.Device{ID: id, Address: c.address, Pairings: []registry.Pairing{{Vehicle: id, From: start.Add(-24 * time.Hour).Unix()}}}
	w.vehicles[id] = registry.Vehicle{ID: id, Device: id, Owners: []registry.Ownership{{Owner: sayso.Address{9}, From: start.Add(-48 * time.Hour).Unix()}}}
	w.tokens[c.token()] = bearer{c.address, start.Add(time.Hour)}
	return c
}

// unpair takes the device out of its vehicle, as a new block does.
func (c *car) unpair() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	d := c.w.devices[c.address]
	d.Pairings = []registry.Pairing{{Vehicle: c.id, From: d.Pairings[0].From, To: start.Unix()}}
	c.w.devices[c.address] = d
	c.w.block++
}

func (c *car) token() string { return "token-of-" + c.address.String() }

func (c *car) topic(what string) string { return topicRoot + c.address.String() + "/" + what }

// sign makes the signature of a hash, v 27 or 28.
func (c *car) sign(hash [32]byte) []byte {
	sig, err := crypto.Sign(hash[:], c.key)
	if err != nil {
		c.w.t.Fatal(err)
	}
	sig[64] += 27
	return sig
}

// signed is a password that is a signature.
func (c *car) signed(at time.Time, nonce string) string {
	p := Password{Time: at.Unix(), Nonce: nonce}
	p.Signature = "0x" + hex.EncodeToString(c.sign(personal(SignInText(home, c.address, p.Time, nonce))))
	return p.String()
}

// speed is an event with one reading.
func (c *car) speed(value float64) []byte {
	body, err := device.Report{Time: start, Signals: []device.Signal{{Name: "speed", Time: start, Value: sayso.NumberValue(value)}}}.Body(device.Identity{
		Subject: sayso.NFT(1337, info().Vehicle, c.id), Producer: sayso.NFT(1337, info().AftermarketDevice, c.id), Source: c.address,
	})
	if err != nil {
		c.w.t.Fatal(err)
	}
	return body
}

// client speaks MQTT.
type client struct {
	t       testing.TB
	conn    net.Conn
	in      *bufio.Reader
	version byte
}

// connect sends a CONNECT packet and gives the answer; the connection is nil
// where there is none.
func (w *world) connect(pk packets.Packet) (*client, packets.Packet, error) {
	conn, err := w.dial()
	if err != nil {
		return nil, packets.Packet{}, err
	}
	w.t.Cleanup(func() { conn.Close() })
	c := &client{t: w.t, conn: conn, in: bufio.NewReader(conn), version: pk.ProtocolVersion}
	pk.FixedHeader.Type = packets.Connect
	pk.Connect.ProtocolName = []byte("MQTT")
	pk.Connect.UsernameFlag = len(pk.Connect.Username) > 0
	pk.Connect.PasswordFlag = len(pk.Connect.Password) > 0
	if err := c.write(pk); err != nil {
		return nil, packets.Packet{}, err
	}
	ack, err := c.read()
	return c, ack, err
}

// hello is the CONNECT packet of a device.
func (c *car) hello(version byte, password string) packets.Packet {
	return packets.Packet{ProtocolVersion: version, Connect: packets.ConnectParams{
		Clean: true, Keepalive: 60, ClientIdentifier: c.address.String(), Username: []byte(c.address.String()), Password: []byte(password),
	}}
}

// open connects with a token.
func (c *car) open(version byte) *client {
	c.w.t.Helper()
	cl, ack, err := c.w.connect(c.hello(version, c.token()))
	if err != nil || ack.ReasonCode != 0 {
		c.w.t.Fatalf("connect: %v, code %#x %s", err, ack.ReasonCode, ack.Properties.ReasonString)
	}
	return cl
}

func (c *client) write(pk packets.Packet) error {
	pk.ProtocolVersion = c.version
	b, err := encode(pk)
	if err != nil {
		return err
	}
	_, err = c.conn.Write(b)
	return err
}

func encode(pk packets.Packet) ([]byte, error) {
	var buf bytes.Buffer
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&buf)
	case packets.Publish:
		err = pk.PublishEncode(&buf)
	case packets.Pubrel:
		err = pk.PubrelEncode(&buf)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&buf)
	case packets.Pingreq:
		err = pk.PingreqEncode(&buf)
	default:
		err = fmt.Errorf("packets of type %d are not sent", pk.FixedHeader.Type)
	}
	return buf.Bytes(), err
}

// read gives the next packet within five seconds.
func (c *client) read() (pk packets.Packet, err error) {
	if err := c.conn.SetReadDeadline(now().Add(5 * time.Second)); err != nil {
		return pk, err
	}
	return c.next()
}

func (c *client) next() (pk packets.Packet, err error) {
	b, err := c.in.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(b); err != nil {
		return pk, err
	}
	if pk.FixedHeader.Remaining, _, err = packets.DecodeLength(c.in); err != nil {
		return pk, err
	}
	rest := make([]byte, pk.FixedHeader.Remaining)
	if _, err := io.ReadFull(c.in, rest); err != nil {
		return pk, err
	}
	pk.ProtocolVersion = c.version
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackDecode(rest)
	case packets.Puback:
		err = pk.PubackDecode(rest)
	case packets.Pubrec:
		err = pk.PubrecDecode(rest)
	case packets.Pubcomp:
		err = pk.PubcompDecode(rest)
	case packets.Suback:
		err = pk.SubackDecode(rest)
	case packets.Publish:
		err = pk.PublishDecode(rest)
	case packets.Disconnect:
		if len(rest) > 0 {
			err = pk.DisconnectDecode(rest)
		}
	}
	return pk, err
}

// publish sends a message.
func (c *client) publish(qos byte, id uint16, topic string, payload []byte, props ...func(*packets.Properties)) {
	c.t.Helper()
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, PacketID: id, TopicName: topic, Payload: payload}
	for _, p := range props {
		p(&pk.Properties)
	}
	if err := c.write(pk); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads a packet of a type.
func (c *client) expect(kind byte) packets.Packet {
	c.t.Helper()
	pk, err := c.read()
	if err != nil || pk.FixedHeader.Type != kind {
		c.t.Fatalf("want a packet of type %d, got type %d code %#x %q, %v", kind, pk.FixedHeader.Type, pk.ReasonCode, pk.Properties.ReasonString, err)
	}
	return pk
}

// ended checks that the connection is closed, after a DISCONNECT with the code in
// MQTT 5 and without any packet in 3.1.1.
func (c *client) ended(code byte) {
	c.t.Helper()
	pk, err := c.read()
	if c.version == 5 {
		if err != nil || pk.FixedHeader.Type != packets.Disconnect || pk.ReasonCode != code {
			c.t.Fatalf("want a DISCONNECT with code %#x, got type %d code %#x, %v", code, pk.FixedHeader.Type, pk.ReasonCode, err)
		}
		pk, err = c.read()
	}
	if err == nil {
		c.t.Fatalf("want the end of the connection, got type %d code %#x", pk.FixedHeader.Type, pk.ReasonCode)
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatal("the connection does not end")
	}
}

// silent checks that nothing comes for a while.
func (c *client) silent(d time.Duration) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(now().Add(d)); err != nil {
		c.t.Fatal(err)
	}
	if b, err := c.in.Peek(1); err == nil {
		c.t.Fatalf("want silence, got a packet that begins with %#x", b[0])
	} else if e, ok := err.(net.Error); !ok || !e.Timeout() {
		c.t.Fatalf("want silence, got %v", err)
	}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 500 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s: not within 5 s", what)
}
