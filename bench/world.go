package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/car/door"
	"sayso/client"
	"sayso/internal/clock"
	"sayso/internal/express"
	"sayso/internal/rootkey"
	"sayso/node/front"
	"sayso/node/vault"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

// benchChain stands for a chain; nobody asks it.
var benchChain = registry.ChainInfo{ID: 368976, Vehicle: sayso.Address{1: 0xca, 19: 1}, AftermarketDevice: sayso.Address{1: 0xde, 19: 2}}

// world is what answers: the handlers of a node on a listener and a disk.
type world struct {
	registry *registry.Registry
	vault    *vault.Vault
	front    *front.Front
	base     string
	address  string
	owner    *chain.Key
	devices  []device
	closers  []func() error
}

// device is a device's key, and the same in hexadecimal for the generator.
type device struct {
	*chain.Key
	secret string
}

func newDevice() (d device, err error) {
	k, err := crypto.GenerateKey()
	if err != nil {
		return d, err
	}
	d.secret = hex.EncodeToString(crypto.FromECDSA(k))
	d.Key, err = chain.ParseKey(d.secret)
	return d, err
}

// openWorld has as many vehicles of one owner, each with a device.
func openWorld(dir string, vehicles int) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return w, err
	}
	if w.registry, err = registry.Open(registry.Config{Path: filepath.Join(dir, "registry.db"), Chain: benchChain}); err != nil {
		return w, err
	}
	w.closers = append(w.closers, w.registry.Close)
	now, err := w.registry.Clock(clock.System{})
	if err != nil {
		return w, err
	}
	if err := w.settle(vehicles); err != nil {
		return w, err
	}
	root, err := rootkey.New([32]byte{7})
	if err != nil {
		return w, err
	}
	if w.vault, err = vault.Open(vault.Config{Dir: filepath.Join(dir, "vault"), RootKey: root, Clock: now, MinFreeBytes: 1}); err != nil {
		return w, err
	}
	w.closers = append(w.closers, w.vault.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return w, err
	}
	w.address = l.Addr().String()
	w.base = "http://" + w.address
	w.front, err = front.New(front.Config{
		Registry: w.registry, Vault: w.vault, Clock: now, Log: slog.New(slog.DiscardHandler),
		Keys: dir, BaseURL: w.base, MaxBody: 1 << 20, Count: func(string) {},
	})
	if err != nil {
		l.Close()
		return w, err
	}
	w.serve(l, w.front, w.front.Door)
	w.registry.Looked(now.Now())
	return w, nil
}

// serve answers on a listener until the world closes; the door's handler answers
// what comes on the lane, as in a node.
func (w *world) serve(l net.Listener, h, intake http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute}
	go server.Serve(express.New(l, door.Path, intake, slog.New(slog.DiscardHandler)))
	w.closers = append(w.closers, server.Close)
}

func (w *world) close() (err error) {
	for i := len(w.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, w.closers[i]())
	}
	return err
}

// settle folds what a chain would have told.
func (w *world) settle(vehicles int) error {
	var err error
	if w.owner, err = chain.NewKey(); err != nil {
		return err
	}
	owner := sayso.Address(w.owner.Address())
	since := time.Now().Add(-1000 * time.Hour).Unix()
	return w.registry.Fold(registry.Block{Number: 1, Hash: [32]byte{1}, Time: since}, func(tx *registry.Tx) error {
		tx.PutManufacturer(registry.Manufacturer{ID: 1, Name: "Maker", Owner: owner, MintedAt: since})
		for id := uint64(1); id <= uint64(vehicles); id++ {
			key, err := newDevice()
			if err != nil {
				return err
			}
			w.devices = append(w.devices, key)
			tx.PutVehicle(registry.Vehicle{ID: id, Manufacturer: 1, MintedAt: since, Device: id, Owners: []registry.Ownership{{Owner: owner, From: since, Block: 1}}})
			tx.PutDevice(registry.Device{
				ID: id, Manufacturer: 1, Address: sayso.Address(key.Address()), Owner: owner, MintedAt: since, ClaimedAt: since,
				Pairings: []registry.Pairing{{Vehicle: id, From: since}},
			})
		}
		return nil
	})
}

func vehicle(id uint64) sayso.DID { return sayso.NFT(benchChain.ID, benchChain.Vehicle, id) }

// credentials sign every device in, or leave the proof to its signatures.
func (w *world) credentials(ctx context.Context, signed bool) ([]credentials, error) {
	list := make([]credentials, len(w.devices))
	errs := make(chan error, len(list))
	api := client.New(w.base)
	each(len(list), func(i int) {
		key := w.devices[i]
		id := uint64(i + 1)
		list[i] = credentials{Subject: vehicle(id), Producer: sayso.NFT(benchChain.ID, benchChain.AftermarketDevice, id), Key: key.secret}
		if signed {
			return
		}
		var err error
		list[i].Bearer, err = api.SignIn(ctx, token.DeviceClient, w.base, sayso.Address(key.Address()), key.Key)
		if err != nil {
			errs <- err
		}
	})
	if len(errs) > 0 {
		return nil, fmt.Errorf("signing in: %w", <-errs)
	}
	return list, nil
}

// throughDoor measures acknowledgements of the door. Watch begins a profile
// once the devices have signed in, and answers what ends it.
func throughDoor(ctx context.Context, dir string, conns int, d time.Duration, signed bool, watch func() (func(), error)) (figure, error) {
	w, err := openWorld(dir, conns)
	if err != nil {
		return figure{}, err
	}
	defer w.close()
	senders, err := w.credentials(ctx, signed)
	if err != nil {
		return figure{}, err
	}
	stop, err := watch()
	if err != nil {
		return figure{}, err
	}
	defer stop()
	f, err := drive(ctx, task{
		Address: w.address, Path: "/v1/devices/events", Lasts: d, Begin: time.Now().Add(-time.Hour).Truncate(time.Second),
		Signed: signed, Most: int(25_000*d.Seconds()) / conns, Senders: senders,
	})
	if err != nil {
		return f, err
	}
	if kept := int(w.vault.Seq()); kept < f.Events {
		return f, fmt.Errorf("%d events were acknowledged and %d kept", f.Events, kept)
	}
	return f, w.vault.Err()
}

// emptyHandler measures the same requests against a handler that reads the body
// and answers.
func emptyHandler(ctx context.Context, conns int, d time.Duration) (figure, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return figure{}, err
	}
	w := &world{}
	defer w.close()
	nothing := http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		for n := 0; n < len(body); {
			m, err := r.Body.Read(body[n:])
			if n += m; err != nil && n < len(body) {
				out.WriteHeader(http.StatusBadRequest)
				return
			}
		}
	})
	w.serve(l, nothing, nothing)
	key, err := newDevice()
	if err != nil {
		return figure{}, err
	}
	one := credentials{Subject: vehicle(1), Producer: sayso.NFT(benchChain.ID, benchChain.AftermarketDevice, 1), Key: key.secret, Bearer: strings.Repeat("x", 700)}
	senders := make([]credentials, conns)
	for i := range senders {
		senders[i] = one
	}
	return drive(ctx, task{Address: l.Addr().String(), Path: "/", Lasts: d, Begin: time.Now(), Senders: senders})
}
