package node

import (
	"context"
	"path/filepath"

	"sayso/node/erasure"
	"sayso/owner/token"
)

// openErasures opens the ledger of what owners had erased.
func (n *Node) openErasures(ctx context.Context) error {
	var err error
	n.certifier, err = token.OpenCertifier(n.Config.Keys, n.Config.BaseURL()+"/certificates", n.Clock)
	if err != nil {
		return err
	}
	n.Erasures, err = erasure.Open(ctx, erasure.Config{
		Path: filepath.Join(n.Config.Data, "erasures.db"), Vault: n.Vault, State: n.Registry, Chain: n.Registry.Chain(),
		Signer: n.certifier, Issuer: n.certifier.URL, Clock: n.Clock, Log: n.Log,
	})
	if err == nil {
		n.closers = append(n.closers, n.Erasures.Close)
	}
	return err
}
