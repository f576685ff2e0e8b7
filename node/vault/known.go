package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// unknown answers the deposits whose key is among what is applied, and gives the
// others. It belongs to write: one look at the rows serves all that came while
// the last group was synced. What is on its way to the rows needs no look, for
// its key is among those in flight.
func (v *Vault) unknown(list []*pending) []*pending {
	k, err := v.openKnown()
	if err != nil {
		v.refuseAll(list, err)
		return nil
	}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b *pending) int { return bytes.Compare(a.key[:], b.key[:]) })
	for _, p := range sorted {
		if p.kind == frameDeposit {
			p.old, p.err = k.find(p)
		}
	}
	if err := k.close(); err != nil {
		v.refuseAll(list, err)
		return nil
	}
	return slices.DeleteFunc(list, func(p *pending) bool {
		if p.old || p.err != nil {
			v.leave(p)
			v.refuse(p, p.err)
		}
		return p.old || p.err != nil
	})
}

// known looks idempotency keys up, best in ascending order.
type known struct {
	it  *pebble.Iterator
	key []byte
}

func (v *Vault) openKnown() (known, error) {
	it, err := v.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{kindKey}, UpperBound: []byte{kindKey + 1}, KeyTypes: pebble.IterKeyTypePointsOnly, UseL6Filters: true,
	})
	if err != nil {
		return known{}, fmt.Errorf("vault: idempotency keys: %w", err)
	}
	return known{it: it}, nil
}

// find says whether the key of a deposit is there. If so, the deposit gets the
// sequence and the body that are kept, with which whoever waits compares.
func (k *known) find(p *pending) (bool, error) {
	k.key = idemKey(k.key[:0], p.key)
	if !k.it.SeekPrefixGE(k.key) {
		return false, k.it.Error() // the next look would forget it
	}
	val := k.it.Value()
	if len(val) != 24 {
		return false, errShort
	}
	p.seq = binary.BigEndian.Uint64(val)
	copy(p.body[:], val[8:])
	return true, nil
}

func (k *known) close() error { return errors.Join(k.it.Error(), k.it.Close()) }
