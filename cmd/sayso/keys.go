package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/token"
)

type keysCmd struct {
	Rotate rotateCmd `cmd:"" help:"Make the next key that tokens are signed with."`

	Client clientCertCmd `cmd:"" help:"Sign the certificate that a connection comes with."`

	RotateRoot rotateRootCmd `cmd:"" help:"Put the data of a node that does not run under a new root key."`
}

type rotateCmd struct {
	Keys   string `help:"Folder of the secret keys of the node." default:"./sayso-keys" type:"path"`
	Tokens string `help:"Whose tokens: developer, vehicle or both." enum:"developer,vehicle,both" default:"both"`
	Stolen bool   `help:"A key was stolen: sign with the new one from now on and end every token of the old ones."`
	JSON   bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (rotateCmd) Help() string {
	return "Example: sayso keys rotate. A running node takes the new key in by itself and publishes it before it signs; older tokens stay good until they expire."
}

// Run makes the keys.
func (c *rotateCmd) Run() error {
	if _, err := os.Stat(c.Keys); err != nil {
		return sayso.Fail(sayso.NotFound, "keys", fmt.Sprintf("there is no folder %s: name the one of the node with --keys", c.Keys))
	}
	now := clock.System{}.Now()
	from := map[string]time.Time{}
	var text strings.Builder
	for _, kind := range []string{token.DeveloperKeys, token.VehicleKeys} {
		if c.Tokens != "both" && !strings.HasPrefix(kind, c.Tokens) {
			continue
		}
		at, err := token.Rotate(c.Keys, kind, now, c.Stolen)
		if err != nil {
			return err
		}
		from[kind] = at
		if c.Stolen {
			fmt.Fprintf(&text, "%s: a new key signs from now on; every older token has ended.\n", kind)
		} else {
			fmt.Fprintf(&text, "%s: a new key signs from %s; older tokens stay good until they expire.\n", kind, at.Format(time.RFC3339))
		}
	}
	return show(c.JSON, from, text.String())
}
