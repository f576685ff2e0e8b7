package vault

import "errors"

// Err says why the vault takes nothing in: it has failed, or there is no space.
// It is nil while all is well.
func (v *Vault) Err() error {
	if err := v.failure(); err != nil {
		return err
	}
	if v.full.Load() != 0 {
		return errors.New("there is no space to keep more; reads go on")
	}
	return nil
}
