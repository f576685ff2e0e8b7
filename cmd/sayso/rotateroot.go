package main

import (
	"errors"
	"fmt"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/vault"
)

type rotateRootCmd struct {
	store
	NewPassphrase string `help:"Put the data under this passphrase instead of a new random key. Give it in the environment."`
}

// Help shows an example.
func (rotateRootCmd) Help() string {
	return "Example: sayso keys rotate-root --data ./sayso-data --keys ./sayso-keys. Stop the node first. No data is written again, so it takes seconds."
}

// Run changes the root key.
func (c *rotateRootCmd) Run() error {
	if err := c.there(); err != nil {
		return err
	}
	old, err := c.config().RotateRoot(c.NewPassphrase, clock.System{}.Now())
	if errors.Is(err, vault.ErrOtherRootKey) {
		return fmt.Errorf("%w: are --keys and the passphrase those of the node on %s?", err, c.Data)
	}
	if errors.Is(err, vault.ErrInUse) {
		return sayso.Fail(sayso.Busy, "root key", "a node runs on "+c.Data+": stop it, give the command again, and start it")
	}
	if err != nil {
		return err
	}
	out := map[string]string{"old": old}
	return show(c.JSON, out, fmt.Sprintf("Everything in %s is under a new root key; the old one opens nothing of it any more.\nThe old one is kept as %s, because backups made before now need it: remove it once you keep none of them.\nBack the new one up: without it nobody can read the data.\n", c.Data, old))
}
