package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sayso/bench/iot"
	"sayso/internal/rootkey"
	"sayso/node/vault"
)

// vaultPeer is the vault.
type vaultPeer struct {
	*iot.Vault
	bytes map[string]uint64 // by part
}

func openVault(d *iot.Data, dir string) (peer, error) {
	root, err := rootkey.New([32]byte{7})
	if err != nil {
		return nil, err
	}
	const memory = 512 << 20 // what a node gives it unless told otherwise
	v, err := vault.Open(vault.Config{Dir: filepath.Join(dir, "vault"), RootKey: root, MemoryBytes: memory, MinFreeBytes: 1, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return nil, err
	}
	e, err := iot.NewVault(v, d)
	return &vaultPeer{Vault: e}, err
}

func (p *vaultPeer) version() string {
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "working tree"
	}
	return strings.TrimSpace(string(out))
}

// settle packs what the packer has not got to yet, and merges.
func (p *vaultPeer) settle(ctx context.Context) error {
	if err := p.Engine.Pack(ctx); err != nil {
		return err
	}
	if _, _, err := p.Engine.Compact(ctx); err != nil {
		return err
	}
	for last := uint64(0); last != p.Engine.Stats().DiskBytes; time.Sleep(time.Second) { // files that were merged go in the background
		last = p.Engine.Stats().DiskBytes
	}
	f, err := p.Engine.Stat(ctx, nil)
	p.bytes = f.Bytes
	fmt.Fprintf(os.Stderr, "  the vault has, in bytes, %v; rows %v\n", f.Bytes, f.Rows)
	return err
}

func (p *vaultPeer) use() usage   { return own() }
func (p *vaultPeer) close() error { return p.Engine.Close() }

// disk is the rows and the keys, envelopes and what knows repetitions included.
func (p *vaultPeer) disk() float64 { return float64(p.bytes["rows"] + p.bytes["keys"]) }
