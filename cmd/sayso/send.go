package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sayso"
	"sayso/car/door"
	"sayso/client/device"
	"sayso/internal/clock"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

type sendCmd struct {
	remote
	Device  string   `help:"Name of the device's key." default:"device"`
	File    string   `help:"Send this file, one cloud event as JSON, instead of readings." type:"existingfile"`
	Time    string   `help:"Time of the readings, RFC 3339 [now]."`
	ID      string   `help:"Id of the event [a hash of its data]."`
	Sign    bool     `help:"Sign the event with the device's key instead of signing in."`
	Reading []string `arg:"" optional:"" help:"Readings: speed=42.5 powertrainType=ELECTRIC currentLocationCoordinates=38.71,-9.14"`
}

// Help shows an example.
func (sendCmd) Help() string {
	return "Example: sayso send --device dongle speed=42.5 currentLocationCoordinates=38.7169,-9.1399"
}

// Run sends one cloud event.
func (c *sendCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	key, err := c.key(c.Device)
	if err != nil {
		return err
	}
	body, err := c.body(d, key)
	if err != nil {
		return err
	}
	bearer := ""
	if !c.Sign {
		if bearer, err = d.deviceToken(ctx, key); err != nil {
			return err
		}
	}
	result, err := d.api.Post(ctx, door.Path, bearer, nil, body)
	if err != nil {
		return err
	}
	return show(c.JSON, result, describe(result))
}

// deviceToken signs a device in.
func (d *desk) deviceToken(ctx context.Context, key *chain.Key) (string, error) {
	return d.api.SignIn(ctx, token.DeviceClient, d.at.Home, sayso.Address(key.Address()), key)
}

// body is the file, or an envelope around the readings of the command line.
func (c *sendCmd) body(d *desk, key *chain.Key) ([]byte, error) {
	if c.File != "" {
		return os.ReadFile(c.File)
	}
	if len(c.Reading) == 0 {
		return nil, sayso.Fail(sayso.Invalid, "send", "nothing to send: give readings such as speed=42.5, or --file event.json")
	}
	at := clock.System{}.Now()
	if c.Time != "" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, c.Time); err != nil {
			return nil, sayso.Fail(sayso.Invalid, "send", fmt.Sprintf("--time %q is not of RFC 3339, such as 2026-01-02T15:04:05Z", c.Time))
		}
	}
	report := device.Report{ID: c.ID, Time: clock.System{}.Now()}
	for _, r := range c.Reading {
		name, text, ok := strings.Cut(r, "=")
		if !ok {
			return nil, sayso.Fail(sayso.Invalid, "send", fmt.Sprintf("%q is not of the form signal=value", r))
		}
		report.Signals = append(report.Signals, device.Signal{Name: name, Time: at, Value: valueOf(text)})
	}
	by := device.Identity{
		Subject:  sayso.NFT(d.at.ID, d.at.AftermarketDevice, 0), // the door fills in the paired vehicle
		Producer: sayso.NFT(d.at.ID, d.at.AftermarketDevice, 0), // and the device
		Source:   sayso.Address(key.Address()),
	}
	if c.Sign {
		by.Sign = func(digest [32]byte) ([]byte, error) { return key.Sign(digest) }
	}
	return report.Body(by)
}

// valueOf reads a number, two numbers as a position, or else a text.
func valueOf(text string) sayso.Value {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return sayso.NumberValue(f)
	}
	if a, b, ok := strings.Cut(text, ","); ok {
		lat, err := strconv.ParseFloat(strings.TrimSpace(a), 64)
		lng, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
		if err == nil && err2 == nil {
			return sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lng})
		}
	}
	return sayso.TextValue(text)
}

// describe words what became of an event.
func describe(r json.RawMessage) string {
	var result door.Result
	if json.Unmarshal(r, &result) != nil {
		return string(r) + "\n"
	}
	text := fmt.Sprintf("Kept: %d readings, %d events (id %s).\n", result.Signals, result.Events, result.ID)
	if result.Duplicate {
		text = fmt.Sprintf("Kept before; nothing changes (id %s).\n", result.ID)
	}
	for _, x := range result.Rejected {
		text += fmt.Sprintf("  not accepted: %s: %s\n", x.Name, x.Reason)
	}
	return text
}
