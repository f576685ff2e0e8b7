package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"sayso"
	"sayso/car/door"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/front"
	"sayso/node/vault"
	"sayso/owner/registry"
)

// fixtureChain stands for a chain; nobody asks it.
var fixtureChain = registry.ChainInfo{ID: 368976, Vehicle: sayso.Address{1: 0xca, 19: 1}, AftermarketDevice: sayso.Address{1: 0xde, 19: 2}}

// app is who asks: every owner granted it everything.
var app = sayso.Address{1: 0xaa, 19: 3}

// carsPerOwner is how many cars an owner has.
const carsPerOwner = 3

// party derives the address of somebody.
func party(role string, id uint64) sayso.Address {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(role), id))
	return sayso.Address(sum[:20])
}

// world is a node without chain and sockets.
type world struct {
	registry *registry.Registry
	vault    *vault.Vault
	clock    clock.Clock
	door     *door.Door
}

func (w *world) close() {
	if w.vault != nil {
		w.vault.Close()
	}
	w.registry.Close()
}

// open fills the registry, where it is not there from an earlier run, and opens
// an empty vault.
func open(s settings, dir string) (*world, error) {
	path := filepath.Join(s.dir, fmt.Sprintf("million-registry-%d.db", s.vehicles))
	if err := fixture(path, s.vehicles); err != nil {
		return nil, fmt.Errorf("the registry's fixture: %w", err)
	}
	began := time.Now()
	w := &world{}
	var err error
	if w.registry, err = registry.Open(registry.Config{Path: path, Chain: fixtureChain}); err != nil {
		return nil, err
	}
	took := time.Since(began)
	p := processNow()
	fmt.Printf("registry: %d cars with owner, device and grant read in %.1f s; %.0f bytes of live heap for each; memory %.0f MiB\n",
		s.vehicles, took.Seconds(), liveHeap()/float64(s.vehicles), mib(p.resident))
	now, err := w.registry.Clock(clock.System{})
	if err != nil {
		return w, err
	}
	w.clock = now
	root, err := rootkey.New([32]byte{7})
	if err != nil {
		return w, err
	}
	w.vault, err = vault.Open(vault.Config{Dir: filepath.Join(dir, "vault"), RootKey: root, Clock: now, MemoryBytes: s.memory << 20, MinFreeBytes: 1,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return w, err
	}
	f, err := front.New(front.Config{
		Registry: w.registry, Vault: w.vault, Clock: now, Log: slog.New(slog.DiscardHandler),
		Keys: dir, BaseURL: "http://localhost", MaxBody: 1 << 20, Count: func(string) {},
		Devices: front.Devices{Gate: door.NewGate(1024, 64<<20), Rate: 100},
	})
	if err != nil {
		return w, err
	}
	w.door = f.Door
	w.registry.Looked(now.Now())
	return w, nil
}

// fixture writes the registry of so many cars. Each block of facts is buried
// under as many empty ones as a fork may be deep, as facts are that were folded
// long ago: the undo of such blocks is not kept.
func fixture(path string, vehicles int) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	began := time.Now()
	unfinished := path + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	r, err := registry.Open(registry.Config{Path: unfinished, Chain: fixtureChain})
	if err != nil {
		return err
	}
	since := time.Now().Add(-1000 * time.Hour).Unix()
	number := uint64(0)
	const each = 20_000
	for from := 0; from < vehicles; from += each {
		m := registry.Move{}
		for range registry.Depth + 2 {
			number++
			m.Blocks = append(m.Blocks, registry.Block{Number: number, Hash: hashOf(number), Parent: hashOf(number - 1), Time: since})
		}
		first := m.Blocks[0].Number
		err := r.Move(m, func(tx *registry.Tx) error {
			if tx.Block.Number == first {
				settle(tx, from+1, min(from+each, vehicles), since)
			}
			return nil
		})
		if err != nil {
			r.Close()
			return err
		}
	}
	if err := r.Close(); err != nil {
		return err
	}
	fmt.Printf("registry: fixture of %d cars written in %.1f s\n", vehicles, time.Since(began).Seconds())
	return os.Rename(unfinished, path)
}

func hashOf(n uint64) (h [32]byte) {
	if n > 0 {
		binary.BigEndian.PutUint64(h[:], n)
	}
	return h
}

// settle writes what is known of some cars.
func settle(tx *registry.Tx, first, last int, since int64) {
	if first == 1 {
		tx.PutManufacturer(registry.Manufacturer{ID: 1, Name: "Maker", Owner: party("maker", 1), MintedAt: since})
	}
	all := sayso.PermissionSet(sayso.NonLocationHistory, sayso.LocationHistory).Bits()
	for id := uint64(first); id <= uint64(last); id++ {
		owner := party("owner", id/carsPerOwner)
		tx.PutVehicle(registry.Vehicle{
			ID: id, Manufacturer: 1, Definition: "maker_model_2024", MintedAt: since, Device: id,
			Attributes: map[string]string{"Make": "Maker", "Model": "Model", "Year": "2024"},
			Owners:     []registry.Ownership{{Owner: owner, From: since, Block: tx.Block.Number}},
		})
		tx.PutDevice(registry.Device{
			ID: id, Manufacturer: 1, Address: party("device", id), Owner: owner, MintedAt: since, ClaimedAt: since,
			Attributes: map[string]string{"Serial": fmt.Sprintf("SN%012d", id), "HardwareRevision": "2"},
			Pairings:   []registry.Pairing{{Vehicle: id, From: since}},
		})
		tx.PutGrant(registry.Grant{
			Vehicle: id, Grantee: app, Right: registry.Right{Permissions: fmt.Sprintf("0x%x", all), Expires: registry.Forever},
			Source: "", CreatedAt: since, Block: tx.Block.Number,
		})
	}
}
