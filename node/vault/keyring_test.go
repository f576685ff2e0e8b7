package vault

import (
	"errors"
	"path"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Whoever asks for a key while its slot is being overwritten hears that it is
// erased, as afterwards, and not that the key file is damaged.
func TestAKeyThatIsBeingDestroyed(t *testing.T) {
	var ask atomic.Pointer[func()]
	cfg := testConfig(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f := ask.Load(); f != nil && path.Base(op.Path) == keysName && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			(*f)()
		}
		return nil
	})))
	v := testOpen(t, cfg)
	fill(t, v, 1, 3)
	if err := v.see(t.Context(), "test", v.Seq()); err != nil {
		t.Fatal(err)
	}
	slots := v.keys.retire(owner{1, 1})
	if len(slots) != 1 {
		t.Fatal(slots)
	}
	forget := func() {
		v.keys.cache.drop(slots[0])
		v.keys.shelf.drop(slotOwner(slots[0]))
	}
	forget()
	if _, err := v.keys.bySlot(slots[0]); err != nil {
		t.Fatal("before: ", err)
	}
	asked := 0
	f := func() {
		asked++
		forget()
		if _, err := v.keys.bySlot(slots[0]); !errors.Is(err, errErased) {
			t.Errorf("while it is overwritten: %v", err)
		}
	}
	ask.Store(&f)
	err := v.keys.destroy(owner{1, 1}, slots)
	ask.Store(nil)
	if err != nil || asked < 2 {
		t.Fatalf("%d writes and syncs, %v", asked, err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}
