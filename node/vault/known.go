package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// unknown answers the deposits whose key is among what is applied, and gives the
// others. It belongs to write: one look at the rows serves all that came while
// the last group was synced. What is on its way to the rows needs no look, for
// its key is among those in flight. The recent are asked before the tables are
// opened: a key is taken from there only when a table has it.
func (v *Vault) unknown(list []*pending) []*pending {
	v.recent.find(list)
	k, err := v.openKnown()
	if err != nil {
		v.refuseAll(list, err)
		return nil
	}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b *pending) int { return bytes.Compare(a.key[:], b.key[:]) })
	for _, p := range sorted {
		if p.kind == frameDeposit && !p.old {
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

// recent are the idempotency keys of the rows that may be in no table yet: a look
// into a hash table costs a small part of one into Pebble's write buffers. It has
// about fifty bytes for each record in those.
type recent struct {
	mu        sync.Mutex
	now, then map[[16]byte]keptBody
	top, last uint64 // the last sequences in now and in then
}

// keptBody is what an idempotency key stands for.
type keptBody struct {
	seq  uint64
	body [16]byte
}

// keyed is an idempotency key with it.
type keyed struct {
	key [16]byte
	keptBody
}

// add takes in what has just become visible.
func (r *recent) add(list []keyed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		r.now = make(map[[16]byte]keptBody)
	}
	for i := range list {
		r.now[list[i].key], r.top = list[i].keptBody, list[i].seq
	}
}

// find marks the deposits that are known.
func (r *recent) find(list []*pending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range list {
		if p.kind != frameDeposit {
			continue
		}
		was, ok := r.now[p.key]
		if !ok {
			if was, ok = r.then[p.key]; !ok {
				continue
			}
		}
		p.old, p.seq, p.body = true, was.seq, was.body
	}
}

// flushed says that everything up to a sequence is in the tables.
func (r *recent) flushed(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq >= r.last {
		r.then, r.now, r.last = r.now, nil, r.top
	}
}

// known looks idempotency keys up in the tables, best in ascending order.
type known struct {
	it  *pebble.Iterator
	key []byte
}

func (v *Vault) openKnown() (known, error) {
	it, err := v.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{kindKey}, UpperBound: []byte{kindKey + 1}, KeyTypes: pebble.IterKeyTypePointsOnly, UseL6Filters: true,
		OnlyReadGuaranteedDurable: true,
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
