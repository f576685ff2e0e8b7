package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
	"sayso/car/door/mqtt"
	"sayso/protocol/chain"
)

// throughMQTT measures acknowledgements of quality of service 1 over MQTT: each
// device publishes one event after the acknowledgement of the one before.
func throughMQTT(ctx context.Context, dir string, conns int, d time.Duration, watch func() (func(), error)) (figure, error) {
	w, err := openWorld(dir, conns)
	if err != nil {
		return figure{}, err
	}
	defer w.close()
	address, err := w.openMQTT(conns)
	if err != nil {
		return figure{}, err
	}
	senders, err := w.credentials(ctx, false)
	if err != nil {
		return figure{}, err
	}
	stop, err := watch()
	if err != nil {
		return figure{}, err
	}
	defer stop()
	f, err := drive(ctx, task{Address: address, MQTT: true, Lasts: d, Begin: time.Now().Add(-time.Hour).Truncate(time.Second), Senders: senders})
	if err != nil {
		return f, err
	}
	if kept := int(w.vault.Seq()); kept < f.Events {
		return f, fmt.Errorf("%d events were acknowledged and %d kept", f.Events, kept)
	}
	return f, w.vault.Err()
}

// openMQTT opens the MQTT door on the door of the HTTP handlers.
func (w *world) openMQTT(conns int) (address string, err error) {
	s, err := mqtt.New(mqtt.Config{
		Door: w.front.Door, Log: slog.New(slog.DiscardHandler), Home: w.base, Token: w.front.DeviceToken,
		Block: func() uint64 { return 1 }, Connections: conns,
	})
	if err != nil {
		return "", err
	}
	w.closers = append(w.closers, s.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), s.Serve(l)
}

// prepareMQTT writes a sender's PUBLISH packet, into which each event is copied.
func (t *task) prepareMQTT(c credentials) (*sender, error) {
	key, err := chain.ParseKey(c.Key)
	if err != nil {
		return nil, err
	}
	address := sayso.Address(key.Address())
	s := &sender{event: newEvent(c.Subject, c.Producer, address, false, t.Begin)}
	connect := packets.Packet{ProtocolVersion: 4, FixedHeader: packets.FixedHeader{Type: packets.Connect}, Connect: packets.ConnectParams{
		ProtocolName: []byte("MQTT"), Clean: true, Keepalive: 600, ClientIdentifier: address.String(),
		UsernameFlag: true, Username: []byte(address.String()), PasswordFlag: true, Password: []byte(c.Bearer),
	}}
	publish := packets.Packet{ProtocolVersion: 4, FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, PacketID: 1,
		TopicName: mqtt.Topic(address.String()), Payload: s.event.body}
	var first, request bytes.Buffer
	if err := errors.Join(connect.ConnectEncode(&first), publish.PublishEncode(&request)); err != nil {
		return nil, err
	}
	s.connect, s.request = first.Bytes(), request.Bytes()
	s.body = len(s.request) - len(s.event.body)
	return s, nil
}

// sendMQTT is send over MQTT.
func (s *sender) sendMQTT(address string, stop *atomic.Bool) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 512)
	if _, err := conn.Write(s.connect); err != nil {
		return err
	}
	var answer [4]byte
	if _, err := io.ReadFull(in, answer[:]); err != nil {
		return err
	}
	if answer != [4]byte{0x20, 2, 0, 0} {
		return fmt.Errorf("CONNACK % x", answer)
	}
	for n := 0; !stop.Load(); n++ {
		copy(s.request[s.body:], s.event.set(n))
		id := uint16(n%65535 + 1)
		binary.BigEndian.PutUint16(s.request[s.body-2:], id)
		at := time.Now()
		if _, err := conn.Write(s.request); err != nil {
			return err
		}
		if _, err := io.ReadFull(in, answer[:]); err != nil {
			return err
		}
		if answer[0] != 0x40 || binary.BigEndian.Uint16(answer[2:]) != id {
			return fmt.Errorf("want PUBACK of %d, got % x", id, answer)
		}
		s.latencies = append(s.latencies, time.Since(at))
	}
	return nil
}
