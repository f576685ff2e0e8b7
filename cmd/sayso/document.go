package main

import (
	"context"
	"encoding/json"
	"strings"

	"sayso/owner/document"
)

type documentCmd struct {
	remote
	CID string `arg:"" help:"Name of the document, also in the form ipfs://<CID>."`
	As  string `help:"Who reads: the owner who signed it, or the app that it is made out to." default:"owner"`
}

// Help shows an example.
func (documentCmd) Help() string {
	return "Example: sayso document bafkrei... --as demo"
}

// Run prints a grant document.
func (c *documentCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	login, err := d.signIn(ctx, c.As)
	if err != nil {
		return err
	}
	body, err := d.api.Document(ctx, login, strings.TrimPrefix(c.CID, document.SourceScheme))
	if err != nil {
		return err
	}
	return show(c.JSON, json.RawMessage(body), string(body)+"\n")
}
