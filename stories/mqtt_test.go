package stories

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	paho3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/rogpeppe/go-internal/testscript"

	"sayso"
	"sayso/client"
	"sayso/owner/token"
)

// overMQTT speaks to the MQTT door with the published clients for Go.
func (s *story) overMQTT(ts *testscript.TestScript, args []string) error {
	switch {
	case len(args) >= 6 && args[0] == "publish":
		var files [][]byte
		for _, name := range args[5:] {
			files = append(files, []byte(strings.TrimSuffix(ts.ReadFile(name), "\n")))
		}
		publish := map[string]func([]string, [][]byte) ([]byte, error){"3": s.paho3, "5": s.paho5}[args[1]]
		if publish == nil {
			return fmt.Errorf("MQTT %s: want 3 or 5", args[1])
		}
		codes, err := publish(args[2:5], files)
		if err != nil {
			return refusal{err}
		}
		s.said, s.head = fmt.Sprintf("% x\n", codes), "published\n"
		return nil
	case len(args) == 3 && args[0] == "storm":
		acks, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return s.stormMQTT(ts, args[1], acks)
	}
	return errors.New("usage: mqtt publish 3|5 USER PASSWORD TOPIC FILE... | mqtt storm DEVICE ACKS")
}

// mqttTime is the longest that an answer may take.
const mqttTime = 20 * time.Second

// paho3 publishes in MQTT 3.1.1, whose acknowledgements have no code.
func (s *story) paho3(who []string, files [][]byte) (codes []byte, err error) {
	c, err := s.connect3(who[0], who[1])
	if err != nil {
		return nil, err
	}
	defer c.Disconnect(100)
	for _, f := range files {
		t := c.Publish(who[2], 1, false, f)
		if !t.WaitTimeout(mqttTime) {
			return nil, errors.New("no acknowledgement")
		}
		if t.Error() != nil {
			return nil, t.Error()
		}
		codes = append(codes, 0)
	}
	return codes, nil
}

func (s *story) connect3(user, password string) (paho3.Client, error) {
	o := paho3.NewClientOptions().AddBroker("tcp://" + s.mqtt).SetProtocolVersion(4).SetClientID(user).
		SetUsername(user).SetPassword(password).SetAutoReconnect(false).SetConnectTimeout(mqttTime)
	c := paho3.NewClient(o)
	t := c.Connect()
	if !t.WaitTimeout(mqttTime) {
		return nil, errors.New("no answer to CONNECT")
	}
	return c, t.Error()
}

// paho5 publishes in MQTT 5. Files that begin with a bracket are batches.
func (s *story) paho5(who []string, files [][]byte) (codes []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), mqttTime)
	defer cancel()
	refused := make(chan error, 16)
	c, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{{Scheme: "mqtt", Host: s.mqtt}}, KeepAlive: 30,
		ConnectUsername: who[0], ConnectPassword: []byte(who[1]),
		OnConnectError: func(err error) { refused <- err },
		ClientConfig:   paho.ClientConfig{ClientID: who[0]},
	})
	if err != nil {
		return nil, err
	}
	up := make(chan error, 1)
	go func() { up <- c.AwaitConnection(ctx) }()
	select {
	case err = <-refused:
	case err = <-up:
	}
	if err != nil {
		cancel()
		<-c.Done()
		return nil, err
	}
	for _, f := range files {
		p := &paho.Publish{QoS: 1, Topic: who[2], Payload: f, Properties: &paho.PublishProperties{ContentType: "application/cloudevents+json"}}
		if f[0] == '[' {
			p.Properties.ContentType = "application/cloudevents-batch+json"
		}
		answer, err := c.Publish(ctx, p)
		if answer == nil {
			return nil, err
		}
		codes = append(codes, answer.ReasonCode)
	}
	return codes, c.Disconnect(ctx)
}

// stormMQTT has a device publish many messages at once and kills the node in
// the middle; the log of it is what audit compares with.
func (s *story) stormMQTT(ts *testscript.TestScript, name string, acks int) error {
	file, err := os.Create(filepath.Join(s.dir, "oplog"))
	if err != nil {
		return err
	}
	defer file.Close()
	s.log = s.newLog(file)
	one, err := s.sender(name)
	if err != nil {
		return err
	}
	bearer, err := s.bearer(name)
	if err != nil {
		return err
	}
	c, err := s.connect3(one.by.Source.String(), bearer)
	if err != nil {
		return err
	}
	defer c.Disconnect(0)
	var waiting sync.WaitGroup
	acked := make(chan error, 10*acks)
	vehicle := one.by.Subject.String()
	for n := range 10 * acks {
		body, err := one.body(n)
		if err != nil {
			return err
		}
		if err := s.log.note("begin", vehicle, n); err != nil {
			return err
		}
		t := c.Publish("v1/devices/"+one.by.Source.String()+"/status", 1, false, body)
		waiting.Go(func() {
			t.Wait()
			if t.Error() != nil {
				return // its fate is open
			}
			acked <- s.log.note("ack", vehicle, n)
		})
	}
	for range acks {
		if err := <-acked; err != nil {
			return err
		}
	}
	if err := s.kill(); err != nil {
		return err
	}
	waiting.Wait()
	ts.Logf("counted: %d of %d acknowledged before kill -9", acks+len(acked), 10*acks)
	return nil
}

// bearer is a device's token.
func (s *story) bearer(name string) (string, error) {
	api := client.New("http://" + s.http)
	at, err := api.Chain(context.Background())
	if err != nil {
		return "", err
	}
	key, err := s.keyOf(name)
	if err != nil {
		return "", err
	}
	return api.SignIn(context.Background(), token.DeviceClient, at.Home, sayso.Address(key.Address()), key)
}
