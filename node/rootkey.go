package node

import (
	"path/filepath"

	"sayso/internal/rootkey"
	"sayso/node/vault"
)

// OpenRootKey opens the key that the vault's keys are sealed with: from a
// passphrase where one is given, else from a file outside the data folder.
func (c Config) OpenRootKey() (vault.RootKey, error) {
	if c.Passphrase != "" {
		return rootkey.FromPassphrase([]byte(c.Passphrase), filepath.Join(c.Data, "passphrase.salt"))
	}
	return rootkey.FromFile(c.rootKeyFile())
}

// rootKeyFile is where the root key is, if there is no passphrase.
func (c Config) rootKeyFile() string {
	if c.RootKey != "" {
		return c.RootKey
	}
	return filepath.Join(c.Keys, "root.key")
}
