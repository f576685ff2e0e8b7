package stories

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"sayso"
	"sayso/client"
	"sayso/client/device"
	"sayso/internal/clock"
	"sayso/protocol/chain"
)

// letter writes a cloud event with one speed, as a device would, or as a forger
// who knows all that is public and has a key: each part can be another's.
func (s *story) letter(ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: letter FILE DEVICE SPEED [signer=KEY|none] [source=KEY] [subject=DID] [producer=DID] [id=ID]")
	}
	speed, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return err
	}
	with := map[string]string{"signer": args[1], "source": args[1]}
	for _, a := range args[3:] {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return fmt.Errorf("%q: want name=value", a)
		}
		with[name] = expand(ts, value)
	}
	by, err := s.whoseLetter(args[1], with)
	if err != nil {
		return err
	}
	now := clock.System{}.Now()
	body, err := device.Report{ID: with["id"], Time: now, Signals: []device.Signal{{Name: "speed", Time: now, Value: sayso.NumberValue(speed)}}}.Body(by)
	if err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[0]), body, 0o600)
}

// whoseLetter is who a letter says that it is from: what is not told otherwise
// is the device's own.
func (s *story) whoseLetter(name string, with map[string]string) (by device.Identity, err error) {
	source, err := s.keyOf(with["source"])
	if err != nil {
		return by, err
	}
	own, err := s.keyOf(name)
	if err != nil {
		return by, err
	}
	if by, err = s.identity(sayso.Address(own.Address())); err != nil {
		return by, err
	}
	by.Source = sayso.Address(source.Address())
	for part, to := range map[string]*sayso.DID{"subject": &by.Subject, "producer": &by.Producer} {
		if with[part] == "" {
			continue
		}
		if *to, err = sayso.ParseDID(with[part]); err != nil {
			return by, err
		}
	}
	if with["signer"] == "none" {
		return by, nil
	}
	signer, err := s.keyOf(with["signer"])
	if err != nil {
		return by, err
	}
	by.Sign = func(digest [32]byte) ([]byte, error) { return signer.Sign(digest) }
	return by, nil
}

// keyOf is the key of a name.
func (s *story) keyOf(name string) (*chain.Key, error) {
	return chain.LoadKey(filepath.Join(s.dir, "sayso-keys", name+".key"))
}

// identity is what the node tells of a device by its address. One without a
// vehicle is its own subject.
func (s *story) identity(address sayso.Address) (by device.Identity, err error) {
	api := client.New("http://" + s.http)
	answer, err := api.Ask(context.Background(), "/identity/query", "", `query($a: Address!) { aftermarketDevice(by: {address: $a}) { tokenDID vehicle { tokenDID } } }`, map[string]any{"a": address})
	if err != nil {
		return by, err
	}
	var data struct {
		AftermarketDevice struct {
			TokenDID string
			Vehicle  *struct{ TokenDID string }
		}
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil {
		return by, err
	}
	by.Source = address
	if by.Producer, err = sayso.ParseDID(data.AftermarketDevice.TokenDID); err != nil {
		return by, err
	}
	by.Subject = by.Producer
	if data.AftermarketDevice.Vehicle != nil {
		by.Subject, err = sayso.ParseDID(data.AftermarketDevice.Vehicle.TokenDID)
	}
	return by, err
}
