package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sayso"
	"sayso/protocol/chain"
	"sayso/protocol/wallet"
)

// deviceMaker is the manufacturer of the devices that `device new` registers.
const deviceMaker = "Sayso Devices"

type deviceCmd struct {
	New  newDeviceCmd `cmd:"" help:"Make a device: a key, registered and claimed."`
	Pair pairCmd      `cmd:"" help:"Put a device into a vehicle."`

	Token deviceTokenCmd `cmd:"" help:"Print a device's token: a bearer over HTTP, the password over MQTT."`
}

type newDeviceCmd struct {
	remote
	Name    string `help:"Name of the device's key." default:"device"`
	As      string `help:"Name of the owner's key; made if it is not there." default:"owner"`
	Vehicle uint64 `help:"Pair it with this vehicle as well."`
}

// Help shows an example.
func (newDeviceCmd) Help() string {
	return "Example: sayso device new --name dongle --as alice --vehicle 13"
}

// Run registers a device.
func (c *newDeviceCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	path, err := c.keyFile(c.Name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return sayso.Fail(sayso.Conflict, "device", fmt.Sprintf("there is a key %s already: choose another --name", path))
	}
	owner, _, err := d.wallet(ctx, c.As, true)
	if err != nil {
		return err
	}
	maker, err := d.manufacturer(ctx, deviceMaker)
	if err != nil {
		return err
	}
	operator, _, err := d.wallet(ctx, "operator", false)
	if err != nil {
		return err
	}
	key, err := chain.LoadOrCreateKey(path)
	if err != nil {
		return err
	}
	id, err := register(ctx, operator, owner, maker, key)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Device %d (%s) belongs to %s. Its key is %s.\n", id, key, c.As, path)
	if c.Vehicle != 0 {
		if err := owner.PairDevice(ctx, id, c.Vehicle); err != nil {
			return err
		}
		text += fmt.Sprintf("It is paired with vehicle %d.\nNext: %s send --device %s speed=42.5\n", c.Vehicle, program(), c.Name)
	} else {
		text += fmt.Sprintf("Next: %s device pair --device %d --vehicle <id> --as %s\n", program(), id, c.As)
	}
	if err := d.api.Await(ctx, owner.Block()); err != nil {
		return err
	}
	return show(c.JSON, map[string]any{"device": id, "address": key.String(), "key": path, "vehicle": c.Vehicle}, text)
}

// register has the maker register a device's key and the owner claim it.
func register(ctx context.Context, maker, owner *wallet.Wallet, manufacturer uint64, key *chain.Key) (uint64, error) {
	ids, err := maker.RegisterDevices(ctx, manufacturer, []sayso.Address{sayso.Address(key.Address())})
	if err != nil {
		return 0, err
	}
	return ids[0], owner.ClaimDevice(ctx, ids[0], key)
}

type pairCmd struct {
	remote
	Device  uint64 `help:"Device." required:""`
	Vehicle uint64 `help:"Vehicle." required:""`
	As      string `help:"Name of the key that owns both." default:"owner"`
}

// Help shows an example.
func (pairCmd) Help() string { return "Example: sayso device pair --device 13 --vehicle 13 --as alice" }

// Run pairs a device.
func (c *pairCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	w, _, err := d.wallet(ctx, c.As, false)
	if err != nil {
		return err
	}
	if err := w.PairDevice(ctx, c.Device, c.Vehicle); err != nil {
		return err
	}
	if err := d.api.Await(ctx, w.Block()); err != nil {
		return err
	}
	return show(c.JSON, map[string]any{"device": c.Device, "vehicle": c.Vehicle},
		fmt.Sprintf("Device %d is paired with vehicle %d.\n", c.Device, c.Vehicle))
}
