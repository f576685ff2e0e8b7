package vault

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"sayso/internal/rootkey"
)

// house is whose data key seals the small things of other parts of a node. No
// vehicle has the number 0.
var house = owner{}

const infoInner = "sayso vault: small things 1"

// ensureInner makes the key of [Vault.Inner] where there is none.
func (v *Vault) ensureInner() error {
	if k, err := v.keys.current(house); k != nil || err != nil {
		return err
	}
	if err := v.keys.room(1); err != nil {
		return err
	}
	if _, err := v.keys.ensure(house); err != nil {
		return err
	}
	return v.keys.flush()
}

// Inner is a key for the small things that other parts of a node seal. It is kept
// in the key file as the data keys are, so that another root key needs nothing of
// those parts. It is there if [Config.Inner] was set.
func (v *Vault) Inner() (RootKey, error) {
	k, err := v.keys.current(house)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errors.New("vault: there is no inner key: Config.Inner was not set")
	}
	secret, err := hkdf.Key(sha256.New, k.secret[:], nil, infoInner, rootkey.Size)
	if err != nil {
		return nil, fmt.Errorf("vault: deriving a key: %w", err)
	}
	return rootkey.New([rootkey.Size]byte(secret))
}
