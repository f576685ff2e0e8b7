package node

import (
	"path/filepath"

	"sayso/internal/rootkey"
	"sayso/node/vault"
)

// rootKey opens the key that the vault's keys are sealed with: from a
// passphrase where one is given, else from a file outside the data folder.
func (n *Node) rootKey() (vault.RootKey, error) {
	if n.Config.Passphrase != "" {
		return rootkey.FromPassphrase([]byte(n.Config.Passphrase), filepath.Join(n.Config.Data, "passphrase.salt"))
	}
	path := n.Config.RootKey
	if path == "" {
		path = filepath.Join(n.Config.Keys, "root.key")
	}
	return rootkey.FromFile(path)
}
