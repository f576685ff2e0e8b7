package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/schollz/progressbar/v3"

	"sayso"
	"sayso/node"
	"sayso/node/operator"
	"sayso/node/vault"
)

type vaultCmd struct {
	Stat    vaultStatCmd    `cmd:"" help:"Count what is kept, and how much space it takes."`
	Verify  vaultVerifyCmd  `cmd:"" help:"Read everything that is kept and name what is missing or altered."`
	Rebuild vaultRebuildCmd `cmd:"" help:"Derive readings, latest values, roll-ups and summaries again from the cloud events, and compare them or write what differs."`
	Compact vaultCompactCmd `cmd:"" help:"Give back the space of what was replaced or erased."`
	Backup  vaultBackupCmd  `cmd:"" help:"Copy everything but the secret keys into a folder, while the node runs or not."`
	Restore vaultRestoreCmd `cmd:"" help:"Put a backup into a new data folder."`
}

// store is what the verbs about a data folder take. A node that runs on the
// folder does what they ask; where none runs, they open it themselves.
type store struct {
	Data       string `help:"Folder of what the node keeps." default:"./sayso-data" type:"path"`
	Keys       string `help:"Folder of the secret keys of the node." default:"./sayso-keys" type:"path"`
	RootKey    string `help:"File of the root key [<keys>/root.key]." type:"path"`
	Passphrase string `help:"Passphrase of the data, if there is one instead of the root key file. Give it in the environment."`
	JSON       bool   `help:"Print JSON." name:"json"`
}

// config are the settings of a node as far as they are about its folders.
func (s store) config() node.Config {
	return node.Config{Data: s.Data, Keys: s.Keys, RootKey: s.RootKey, Passphrase: s.Passphrase}
}

// there refuses a folder that holds no store.
func (s store) there() error {
	if _, err := os.Stat(filepath.Join(s.Data, "vault", "checkpoint")); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return sayso.Fail(sayso.NotFound, "vault", fmt.Sprintf("nothing is kept in %s: name the data folder of the node with --data", s.Data))
	}
	return nil
}

// do has a verb of the operator done.
func (s store) do(ctx context.Context, verb string, args any, doing string, out any) error {
	return s.doCounting(ctx, verb, args, doing, "B", out)
}

// doCounting is do for what counts something else than bytes.
func (s store) doCounting(ctx context.Context, verb string, args any, doing, unit string, out any) error {
	if err := s.there(); err != nil {
		return err
	}
	bar := newMeter(doing, unit)
	defer bar.end()
	err := operator.Call(ctx, s.Data, verb, args, bar.tell, out)
	if !errors.Is(err, operator.ErrNobody) {
		return err
	}
	v, err := s.open()
	if err != nil {
		return err
	}
	body, err := json.Marshal(args)
	if err == nil {
		err = operator.Do(ctx, node.OperatorVerbs(s.Data, v), verb, body, bar.tell).Take(out)
	}
	return errors.Join(err, v.Close())
}

// open opens the vault of a node that does not run.
func (s store) open() (*vault.Vault, error) {
	if s.Passphrase == "" {
		file := s.RootKey
		if file == "" {
			file = filepath.Join(s.Keys, "root.key")
		}
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return nil, sayso.Fail(sayso.NotFound, "vault", fmt.Sprintf("there is no root key %s: name the folder of the keys with --keys, or give the passphrase in SAYSO_PASSPHRASE", file))
		}
	}
	root, err := s.config().OpenRootKey()
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(vault.Config{Dir: s.config().VaultDir(), RootKey: root, Log: logger("warn"), MinFreeBytes: 1})
	var loss *vault.Loss
	if errors.As(err, &loss) {
		return nil, fmt.Errorf("%w\nWhat is there was not changed. Put a backup in place: %s vault restore BACKUP --data NEW-FOLDER", err, program())
	}
	return v, err
}

// meter shows how far something has come: a bar on a terminal, else a line for
// each tenth.
type meter struct {
	doing, unit string
	bar         *progressbar.ProgressBar
	told        uint64 // tenths
}

func newMeter(doing, unit string) *meter {
	m := &meter{doing: doing, unit: unit}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		if m.bar = progressbar.Default(-1, doing); unit == "B" {
			m.bar = progressbar.DefaultBytes(-1, doing)
		}
	}
	return m
}

func (m *meter) tell(p operator.Progress) {
	if m.bar != nil {
		if p.Of > 0 {
			m.bar.ChangeMax64(int64(p.Of))
		}
		m.bar.Set64(int64(p.Done))
		return
	}
	if p.Of == 0 {
		return
	}
	if tenth := p.Done * 10 / p.Of; tenth > m.told {
		m.told = tenth
		of := fmt.Sprint(p.Of, " ", m.unit)
		if m.unit == "B" {
			of = size(p.Of)
		}
		fmt.Fprintf(os.Stderr, "%s: %d%% of %s\n", m.doing, tenth*10, of)
	}
}

func (m *meter) end() {
	if m.bar != nil {
		m.bar.Finish()
		fmt.Fprintln(os.Stderr)
	}
}

// size is a number of bytes for people.
func size(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	case n < 10<<30:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
