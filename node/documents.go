package node

import (
	"context"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"sayso/owner/document/shelf"
	"sayso/protocol/chain"
)

// openDocuments opens the shelf of the documents behind grants.
func (n *Node) openDocuments(context.Context) error {
	var err error
	n.Documents, err = shelf.Open(shelf.Config{
		Path: filepath.Join(n.Config.Data, "documents.db"), RootKey: n.inner, Former: n.root, Registry: n.Registry, Clock: n.Clock, Log: n.Log,
		Gateway: n.Config.DocumentGateway,
		Contract: func(ctx context.Context, account common.Address, digest common.Hash, sig []byte) (bool, error) {
			return chain.IsValidSignature(ctx, n.Client, account, digest, sig)
		},
	})
	if err == nil {
		n.closers = append(n.closers, n.Documents.Close)
	}
	return err
}
