package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"sayso"
	"sayso/car/door/mqtt"
	"sayso/internal/clock"
	"sayso/protocol/chain"
)

type deviceTokenCmd struct {
	remote
	Name string `help:"Name of the device's key." default:"device"`
	Sign bool   `help:"Print a password for MQTT that is a signature: it is good once, within five minutes."`
}

// Help shows an example.
func (deviceTokenCmd) Help() string {
	return `Example: mosquitto_pub -V 5 -p 1883 -q 1 -u 0x… -P "$(sayso device token --name dongle)" -t v1/devices/0x…/status -f event.json`
}

// Run prints what a device proves itself with: as a bearer over HTTP, as the
// password over MQTT.
func (c *deviceTokenCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	key, err := c.key(c.Name)
	if err != nil {
		return err
	}
	address := sayso.Address(key.Address())
	var secret string
	if c.Sign {
		secret, err = signedPassword(d.at.Home, key)
	} else {
		secret, err = d.deviceToken(ctx, key)
	}
	if err != nil {
		return err
	}
	return show(c.JSON, map[string]any{"address": address.String(), "token": secret, "topic": mqtt.Topic(address.String())}, secret+"\n")
}

// signedPassword is a password that is a signature, with a nonce of its own.
func signedPassword(home string, key *chain.Key) (string, error) {
	nonce := make([]byte, 12)
	rand.Read(nonce)
	p := mqtt.Password{Time: clock.System{}.Now().Unix(), Nonce: hex.EncodeToString(nonce)}
	sig, err := key.PersonalSign([]byte(mqtt.SignInText(home, sayso.Address(key.Address()), p.Time, p.Nonce)))
	if err != nil {
		return "", err
	}
	p.Signature = "0x" + hex.EncodeToString(sig)
	return p.String(), nil
}
