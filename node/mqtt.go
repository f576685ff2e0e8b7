package node

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"sayso/car/door"
	"sayso/car/door/mqtt"
	"sayso/client"
	"sayso/node/front"
)

// The bounds of the doors, all devices together.
const (
	maxUnderWay   = 256      // messages being judged and kept
	maxLargeBytes = 64 << 20 // of messages over 64 KiB
	maxMQTT       = 20_000   // connections
)

// devices is what listens to devices beside the HTTP server.
type devices struct {
	gate     *door.Gate
	door     *door.Door
	mqtt     *mqtt.Server // nil without it
	listener net.Listener
	ctx      context.Context // ends when the node closes
	tasks    sync.WaitGroup
}

// MQTT is the address that devices reach the node at over MQTT; empty without.
func (n *Node) MQTT() string {
	if n.devices.mqtt == nil {
		return ""
	}
	return n.devices.listener.Addr().String()
}

// listenMQTT takes the port, so that a taken one is told before anything is
// written.
func (n *Node) listenMQTT(context.Context) error {
	if n.Config.MQTT == "" || n.Config.MQTT == "off" {
		return nil
	}
	l, err := net.Listen("tcp", n.Config.MQTT)
	if err != nil {
		return fmt.Errorf("cannot listen on %s for MQTT: %w: another program has the port, perhaps a broker or another sayso; stop it, choose another with --mqtt 127.0.0.1:1884, or do without: --mqtt off", n.Config.MQTT, err)
	}
	n.devices.listener = l
	n.closers = append(n.closers, func() error { return ignore(l.Close(), net.ErrClosed) })
	if strings.HasSuffix(n.Config.MQTT, ":0") {
		n.Config.MQTT = l.Addr().String()
	}
	return nil
}

// deviceRules are the settings of the doors.
func (n *Node) deviceRules() (front.Devices, error) {
	mode, err := door.ParseSignatureMode(n.Config.Signatures)
	if n.Config.Signatures == "" {
		mode, err = door.Ignore, nil
	}
	n.devices.gate = door.NewGate(maxUnderWay, maxLargeBytes)
	return front.Devices{Signatures: mode, Rate: n.Config.DeviceRate, Gate: n.devices.gate, Checked: n.metrics.signature}, err
}

// openMQTT builds the MQTT door on the door of the HTTP server.
func (n *Node) openMQTT(f *front.Front) error {
	n.devices.door = f.Door
	var cancel context.CancelFunc
	n.devices.ctx, cancel = context.WithCancel(context.Background())
	n.closers = append(n.closers, func() error { cancel(); n.devices.tasks.Wait(); return nil })
	if n.devices.listener == nil {
		return nil
	}
	var err error
	n.devices.mqtt, err = mqtt.New(mqtt.Config{
		Door: f.Door, Log: n.Log, Home: n.Config.BaseURL(), Token: f.DeviceToken, Connections: maxMQTT,
		Block: func() uint64 { b, _ := n.Registry.Head(); return b.Number },
	})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.devices.mqtt.Close)
	return nil
}

// serveDevices starts what listens to devices and what checks their signatures.
func (n *Node) serveDevices() error {
	if c := n.devices.door.Checks; c != nil {
		n.devices.tasks.Go(func() { c.Run(n.devices.ctx) })
	}
	if n.devices.mqtt == nil {
		return nil
	}
	return n.devices.mqtt.Serve(n.devices.listener)
}

// stopDevices closes the MQTT door.
func (n *Node) stopDevices() error {
	if n.devices.mqtt == nil {
		return nil
	}
	return n.devices.mqtt.Close()
}

// mqttPart says whether the MQTT door listens.
func (n *Node) mqttPart() client.Part {
	if !n.devices.mqtt.Listening() {
		return client.Part{Why: "the MQTT door does not listen"}
	}
	return client.Part{Ready: true}
}
