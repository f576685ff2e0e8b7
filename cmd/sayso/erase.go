package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"sayso"
)

type eraseCmd struct {
	remote
	Vehicle   uint64 `help:"Vehicle." required:""`
	Ownership uint32 `help:"Erase only what was kept in this ownership, 1 being the first owner's [all that were yours]."`
	As        string `help:"Name of the owner's key." default:"owner"`
	Yes       bool   `help:"Do it. What is erased does not come back."`
	Show      bool   `help:"Only show the certificates of earlier erasures."`
}

// Help shows an example.
func (eraseCmd) Help() string { return "Example: sayso vehicle erase --vehicle 3 --as alice --yes" }

// Run erases and shows the certificates.
func (c *eraseCmd) Run(ctx context.Context) error {
	if !c.Yes && !c.Show {
		return sayso.Fail(sayso.Invalid, "erase", fmt.Sprintf("everything that was kept of vehicle %d while it was yours would be gone for ever: add --yes if you mean it", c.Vehicle))
	}
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	login, err := d.signIn(ctx, c.As)
	if err != nil {
		return err
	}
	var list []string
	if c.Show {
		list, err = d.api.Erasures(ctx, login, c.Vehicle)
	} else {
		list, err = d.api.Erase(ctx, login, c.Vehicle, c.Ownership)
	}
	if err != nil {
		return err
	}
	var text strings.Builder
	out := []map[string]any{}
	for _, certificate := range list {
		says, err := claimsOf(certificate)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "Erased: %v messages of ownership %v of %v, at %v.\nCertificate, signed with a key of %s/certificates/keys:\n%s\n", says["events"], says["ownership"], says["sub"], says["erasedAt"], d.api.Base, certificate)
		out = append(out, map[string]any{"certificate": certificate, "says": says})
	}
	if len(list) == 0 {
		text.WriteString("Nothing was erased of that vehicle for this owner.\n")
	}
	return show(c.JSON, out, text.String())
}

// claimsOf is what a signed certificate says.
func claimsOf(certificate string) (says map[string]any, err error) {
	parts := strings.Split(certificate, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("the node answered no certificate: %s", certificate)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	return says, json.Unmarshal(body, &says)
}
