package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// damage is what of the store is known to be missing or altered. A read that
// meets it fails; all other data is served.
type damage struct {
	mu   sync.Mutex
	list []Finding
}

// Damage is what of the store is known to be missing or altered: found by the
// last [Vault.Verify], or since then by a read.
func (v *Vault) Damage() []Finding {
	v.damage.mu.Lock()
	defer v.damage.mu.Unlock()
	return slices.Clone(v.damage.list)
}

// Damaged says in one line what is damaged; nil while nothing is known to be.
func (v *Vault) Damaged() error {
	list := v.Damage()
	if len(list) == 0 {
		return nil
	}
	var texts []string
	for i := range list[:min(3, len(list))] {
		texts = append(texts, list[i].String())
	}
	if more := len(list) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return errors.New("data is missing or altered: " + strings.Join(texts, "; "))
}

// note adds to what is known to be damaged, and tells the log what is new.
func (v *Vault) note(f Finding) {
	v.damage.mu.Lock()
	known := len(v.damage.list) >= maxFindings || slices.ContainsFunc(v.damage.list, func(x Finding) bool { return x.What == f.What })
	if !known {
		v.damage.list = append(v.damage.list, f)
	}
	v.damage.mu.Unlock()
	if !known {
		v.cfg.Log.Error("data is missing or altered", "part", f.Part, "what", f.What, "from", f.From, "to", f.To, "vehicles", f.Vehicles)
	}
}

// know replaces what is known by what a whole verification has found.
func (v *Vault) know(found []Finding) {
	for i := range found {
		v.note(found[i])
	}
	v.damage.mu.Lock()
	defer v.damage.mu.Unlock()
	v.damage.list = slices.Clone(found)
}

// corrupt hears from Pebble of a file that is not as it was written. Whoever was
// reading is told of an error; the vault goes on, because the rest is whole.
func (v *Vault) corrupt(info pebble.DataCorruptionInfo) {
	f := Finding{Part: "rows", What: fmt.Sprintf("file %s is damaged (%s); it holds rows from %s to %s", path.Base(info.Path), firstLine(info.Details), describe(info.Bounds.Start), describe(info.Bounds.End.Key))}
	for _, key := range [][]byte{info.Bounds.Start, info.Bounds.End.Key} {
		if len(key) >= prefixLen && slices.Contains(sealedKinds, key[0]) {
			f.note(binary.BigEndian.Uint64(key[1:]))
		}
	}
	v.note(f)
}
