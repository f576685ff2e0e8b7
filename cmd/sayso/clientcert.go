package main

import (
	"fmt"
	"os"
	"path/filepath"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/durable"
	"sayso/internal/pki"
	"sayso/node"
)

type clientCertCmd struct {
	Address string `arg:"" help:"Address of the connection licence."`
	Keys    string `help:"Folder of the secret keys of the node." default:"./sayso-keys" type:"path"`
	Out     string `help:"Folder for the certificate and its key." default:"." type:"path"`
	JSON    bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (clientCertCmd) Help() string {
	return "Example: sayso keys client 0xc4035Fecb1cc906130423EF05f9C20977F643722. The connection comes with both files to the port of --connections; they are good for a year."
}

// Run signs a certificate for a connection.
func (c *clientCertCmd) Run() error {
	a, err := sayso.ParseAddress(c.Address)
	if err != nil {
		return err
	}
	cert, key, err := pki.Issue(node.Config{Keys: c.Keys}.ConnectionsDir(), a.String(), clock.System{}.Now())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return err
	}
	files := map[string]string{"certificate": filepath.Join(c.Out, a.String()+".pem"), "key": filepath.Join(c.Out, a.String()+".key")}
	if err := durable.WriteFile(files["key"], key, 0o600); err != nil {
		return err
	}
	if err := durable.WriteFile(files["certificate"], cert, 0o644); err != nil {
		return err
	}
	return show(c.JSON, files, fmt.Sprintf("%s and %s: the certificate of the connection and its key.\n", files["certificate"], files["key"]))
}
