package vault_test

import (
	"path"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestBallastIsSpaceForTheNextStart: it is taken while the vault runs, as soon as
// there is space for it, and is free again before a start writes anything.
func TestBallastIsSpaceForTheNextStart(t *testing.T) {
	const name = "data/vault/ballast"
	mem := vfs.NewMem()
	var full atomic.Bool
	var opening atomic.Bool
	full.Store(true)
	cfg := config(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if opening.Load() && op.Kind == errorfs.OpCreate && path.Dir(op.Path) == "data/vault/rows" {
			opening.Store(false)
			if _, err := mem.Stat(name); err == nil {
				t.Error("the rows are opened while the ballast still takes the space")
			}
		}
		if full.Load() && path.Base(op.Path) == "ballast" && op.Kind == errorfs.OpFileWrite {
			return syscall.ENOSPC
		}
		return nil
	})))
	cfg.CheckpointEvery = 5 * time.Millisecond
	there := func() bool {
		info, err := mem.Stat(name)
		return err == nil && info.Size() >= cfg.SegmentBytes
	}
	for n := range 3 {
		opening.Store(true)
		v := open(t, cfg)
		if keep(t, v, string(rune('a'+n))); n == 0 {
			time.Sleep(50 * time.Millisecond)
			if there() {
				t.Error("a ballast on a full disk")
			}
			full.Store(false)
		}
		for range 500 {
			if there() {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !there() {
			t.Error("there is no ballast")
		}
		if err := v.Err(); err != nil {
			t.Error(err)
		}
		check(t, v.Close())
	}
}
