package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sayso"
	"sayso/car/door/mqtt"
	"sayso/client"
	"sayso/client/device"
	"sayso/internal/clock"
	"sayso/node"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
	"sayso/protocol/wallet"
	"sayso/sim"
)

// ownerKey is the name of the key that owns the simulated cars.
const ownerKey = "owner"

// settle makes sure that every simulated car has its vehicle and device on
// chain. It goes on where an earlier start was interrupted.
func settle(ctx context.Context, n *node.Node, cfg Street) (*street, error) {
	since, err := n.Client.HeaderByNumber(ctx, 0)
	if err != nil {
		return nil, err
	}
	cars, err := sim.New(sim.Config{Seed: 1, Cars: cfg.Cars, Every: cfg.Every, Since: time.Unix(int64(since.Time), 0)})
	if err != nil {
		return nil, err
	}
	s := &street{cars: cars}
	key, err := chain.LoadOrCreateKey(filepath.Join(n.Config.Keys, ownerKey+".key"))
	if err != nil {
		return nil, err
	}
	info := n.Registry.Chain()
	if s.owner, err = wallet.Open(n.Client, key, info); err != nil {
		return nil, err
	}
	operator, err := wallet.Open(n.Client, n.Operator, info)
	if err != nil {
		return nil, err
	}
	d := &desk{remote: remote{Node: n.Config.BaseURL(), Keys: n.Config.Keys}, api: client.New(n.Config.BaseURL()), chain: n.Client}
	if d.at, err = d.api.Chain(ctx); err != nil {
		return nil, err
	}
	if err := d.fuel(ctx, key); err != nil {
		return nil, err
	}
	makers, err := makers(ctx, n, operator, cars)
	if err != nil {
		return nil, err
	}
	if err := s.enlist(ctx, n, operator, makers); err != nil {
		return nil, err
	}
	if err := d.api.Await(ctx, max(s.owner.Block(), operator.Block())); err != nil {
		return nil, err
	}
	return s, n.Settle(ctx)
}

// makers are the manufacturers of the cars and of their devices, by name;
// those that are not on chain are registered.
func makers(ctx context.Context, n *node.Node, operator *wallet.Wallet, cars *sim.Street) (map[string]uint64, error) {
	out := map[string]uint64{}
	var fresh []string
	for _, name := range append([]string{deviceMaker}, makesOf(cars)...) {
		if m, ok := n.Registry.ManufacturerByName(name); ok {
			out[name] = m.ID
		} else {
			fresh = append(fresh, name)
		}
	}
	if len(fresh) == 0 {
		return out, nil
	}
	ids, err := operator.MintManufacturers(ctx, operator.Address(), fresh)
	if err != nil {
		return nil, err
	}
	for i, name := range fresh {
		out[name] = ids[i]
	}
	return out, nil
}

func makesOf(cars *sim.Street) []string {
	seen := map[string]bool{}
	var out []string
	for _, c := range cars.Cars() {
		if !seen[c.Model.Make] {
			seen[c.Model.Make] = true
			out = append(out, c.Model.Make)
		}
	}
	return out
}

// carKey is the key of a car's device, made from the street owner's key.
func carKey(n *node.Node, car int) (*chain.Key, error) {
	return chain.LoadOrCreateKey(filepath.Join(n.Config.Keys, "street", fmt.Sprintf("car-%02d.key", car+1)))
}

// enlist registers the devices that are not on chain, and has each car's
// vehicle minted and paired.
func (s *street) enlist(ctx context.Context, n *node.Node, operator *wallet.Wallet, makers map[string]uint64) error {
	cars := s.cars.Cars()
	keys := make([]*chain.Key, len(cars))
	devices := make([]uint64, len(cars))
	var fresh []sayso.Address
	var at []int
	for i := range cars {
		var err error
		if keys[i], err = carKey(n, i); err != nil {
			return err
		}
		a := sayso.Address(keys[i].Address())
		if d, ok := n.Registry.DeviceByAddress(a); ok {
			devices[i] = d.ID
			continue
		}
		fresh, at = append(fresh, a), append(at, i)
	}
	if len(fresh) > 0 {
		ids, err := operator.RegisterDevices(ctx, makers[deviceMaker], fresh)
		if err != nil {
			return err
		}
		for i, id := range ids {
			devices[at[i]] = id
		}
	}
	left := s.leftOver(n, devices)
	return s.each(func(i int) error {
		vehicle, err := s.birth(ctx, n, cars[i], devices[i], left[i], keys[i], makers)
		if err != nil {
			return fmt.Errorf("car %d, %s: %w", i+1, cars[i].Name(), err)
		}
		if i == 0 {
			s.first = vehicle
		}
		info := n.Registry.Chain()
		cars[i].Identify(device.Identity{
			Subject: sayso.NFT(info.ID, info.Vehicle, vehicle), Producer: sayso.NFT(info.ID, info.AftermarketDevice, devices[i]),
			Source: sayso.Address(keys[i].Address()),
		})
		return nil
	})
}

// each runs a step for all cars at once, so that their transactions share
// blocks.
func (s *street) each(step func(int) error) error {
	errs := make(chan error, len(s.cars.Cars()))
	var wg sync.WaitGroup
	for i := range s.cars.Cars() {
		wg.Go(func() {
			if err := step(i); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// birth gives a car its vehicle, unless one is there, and puts its device into
// it, unless that is so.
func (s *street) birth(ctx context.Context, n *node.Node, car *sim.Car, id, vehicle uint64, key *chain.Key, makers map[string]uint64) (uint64, error) {
	d, _ := n.Registry.Device(id)
	if p, ok := d.Paired(); ok {
		return p.Vehicle, nil
	}
	if d.ClaimedAt == 0 {
		if err := s.owner.ClaimDevice(ctx, id, key); err != nil {
			return 0, err
		}
	}
	if vehicle == 0 {
		var err error
		vehicle, err = s.owner.MintVehicle(ctx, wallet.Car{
			Manufacturer: makers[car.Model.Make], Owner: s.owner.Address(), Definition: car.Model.Definition,
			Make: car.Model.Make, Model: car.Model.Name, Year: car.Model.Year,
		})
		if err != nil {
			return 0, err
		}
	}
	return vehicle, s.owner.PairDevice(ctx, id, vehicle)
}

// leftOver finds, for each car without a pairing, a vehicle of its model that
// an interrupted start minted and did not get to pair.
func (s *street) leftOver(n *node.Node, devices []uint64) map[int]uint64 {
	owner := s.owner.Address()
	waiting := map[string][]uint64{}
	for v := range n.Registry.Vehicles(registry.VehicleFilter{Owner: &owner}) {
		if v.Device == 0 {
			waiting[v.Definition] = append(waiting[v.Definition], v.ID)
		}
	}
	out := map[int]uint64{}
	for i, car := range s.cars.Cars() {
		d, _ := n.Registry.Device(devices[i])
		list := waiting[car.Model.Definition]
		if _, paired := d.Paired(); paired || len(list) == 0 {
			continue
		}
		out[i], waiting[car.Model.Definition] = list[0], list[1:]
	}
	return out
}

// door sends as each car's device, signed in.
func (s *street) door(n *node.Node) sim.Sender {
	api := client.New(n.Config.BaseURL())
	tokens := make([]struct {
		sync.Mutex
		raw     string
		expires time.Time
	}, len(s.cars.Cars()))
	return device.NewHTTPDoor(n.Config.BaseURL(), len(s.cars.Cars()), clock.System{}, func(ctx context.Context, car int) (string, error) {
		t := &tokens[car]
		t.Lock()
		defer t.Unlock()
		now := clock.System{}.Now()
		if now.Before(t.expires) {
			return t.raw, nil
		}
		key, err := carKey(n, car)
		if err != nil {
			return "", err
		}
		if t.raw, err = api.SignIn(ctx, token.DeviceClient, n.Config.BaseURL(), sayso.Address(key.Address()), key); err != nil {
			return "", err
		}
		t.expires = now.Add(token.DeveloperTerm / 2)
		return t.raw, nil
	})
}

// newest is the highest vehicle number.
func newest(n *node.Node) uint64 {
	for v := range n.Registry.Vehicles(registry.VehicleFilter{}) {
		return v.ID
	}
	return 0
}

// screen says where everything is.
func screen(n *node.Node, s *street) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	base, me := n.Config.BaseURL(), program()
	line("\nSayso is ready.\n")
	line("  Node      %s      (what is there: %s/, ready: %s/ready)", base, base, base)
	line("  Chain     %s      (chain %d)", n.ChainURL(), n.Registry.Chain().ID)
	if at := n.MQTT(); at != "" {
		line("  MQTT      %s      (devices)", at)
	}
	line("  Data      %s", n.Config.Data)
	line("  Keys      %s      (keep them; who has them owns the cars)", n.Config.Keys)
	if s == nil {
		line("")
		return b.String()
	}
	did := sayso.NFT(n.Registry.Chain().ID, n.Registry.Chain().Vehicle, s.first)
	line("  Cars      %d drive; they belong to %s (key %q)\n", len(s.cars.Cars()), s.owner.Address(), ownerKey)
	line("Look at a car as its owner:")
	line("  %s vehicle list", me)
	line("  %s ask --vehicle %d", me, s.first)
	line("The same with curl:")
	line("  TOKEN=$(%s ask --vehicle %d --print-token)", me, s.first)
	line(`  curl -s %s/query -H "Authorization: Bearer $TOKEN" -d '{"query":"{ signalsLatest(subject: \"%s\") { speed { timestamp value } } }"}'`, base, did)
	line("Let an app in, for an hour, then cut it off:")
	line("  %s app new demo && %s grant --vehicle %d --to demo --for 1h", me, me, s.first)
	line("  %s ask --vehicle %d --as demo; %s revoke --vehicle %d --from demo", me, s.first, me, s.first)
	line("A program for DIMO's published SDK works unchanged; `app new` prints one:")
	line("  HTTPS_PROXY=%s node your-app.mjs", base)
	line("A device of your own:")
	line("  %s vehicle mint --make Fiat --model Panda --year 2012 && %s device new --vehicle %d", me, me, newest(n)+1)
	line("  %s send --device device speed=42.5", me)
	line("  or POST %s%s with the token that `%s device token` prints as the bearer", base, device.Path, me)
	if at := n.MQTT(); at != "" {
		line("  or MQTT at %s, topic %s: the address is the user name, the token the password", at, mqtt.Topic("<address>"))
	}
	line("Something is not as it should be?  %s doctor", me)
	line("\nCtrl-C stops. The next start finds everything again.\n")
	return b.String()
}
