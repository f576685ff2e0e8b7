package vault

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The ballast is space that the vault holds for its next start. On a disk that is
// full to the last block Pebble could not write the manifest that a start needs.
const (
	ballastName = "ballast"
	ballastMost = 8 << 20
)

// dropBallast gives the space free before a start needs it.
func (v *Vault) dropBallast() error {
	err := v.cfg.FS.Remove(v.cfg.FS.PathJoin(v.cfg.Dir, ballastName))
	if err != nil && !isNotExist(err) {
		return fmt.Errorf("vault: ballast: %w", err)
	}
	return nil
}

// takeBallast takes the space. Where there is none, there is no ballast, until
// there is some: it is tried again with every checkpoint.
func (v *Vault) takeBallast() error {
	if v.ballast {
		return nil
	}
	name := v.cfg.FS.PathJoin(v.cfg.Dir, ballastName)
	f, err := v.cfg.FS.Create(name, vfs.WriteCategoryUnspecified)
	if err == nil {
		zeros := make([]byte, 1<<20)
		for at := int64(0); at < min(ballastMost, v.cfg.SegmentBytes) && err == nil; at += int64(len(zeros)) {
			_, err = f.Write(zeros)
		}
		err = errors.Join(err, f.Sync(), f.Close())
	}
	switch {
	case vfs.IsNoSpaceError(err):
		return v.dropBallast()
	case err != nil:
		return fmt.Errorf("vault: ballast: %w", err)
	}
	v.ballast = true
	return nil
}
