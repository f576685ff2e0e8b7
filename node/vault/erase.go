package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// messageKinds are the kinds of rows that are cloud events.
var messageKinds = []byte{kindCloudEvent, kindStatement, kindTombstone}

// Erased says what an erasure took.
type Erased struct {
	Seq    uint64 // of the erasure: what was kept before it is gone
	Events uint64 // cloud events that went
}

// Erase destroys the key of an ownership epoch, see [Engine].
func (v *Vault) Erase(ctx context.Context, vehicle uint64, epoch uint32) error {
	_, err := v.erase(ctx, owner{vehicle, epoch})
	return err
}

// EraseCounted is [Vault.Erase] and counts what it takes.
func (v *Vault) EraseCounted(ctx context.Context, vehicle uint64, epoch uint32) (Erased, error) {
	own := owner{vehicle, epoch}
	events, seen, err := v.countEvents(ctx, own)
	if err != nil {
		return Erased{}, err
	}
	seq, err := v.erase(ctx, own)
	if err != nil {
		return Erased{}, err
	}
	// What came between the counting and the erasure is told by the commits.
	err = v.reading(ctx, "vault.Erase", func(snap *pebble.Snapshot) error {
		between, err := countCommitted(ctx, snap, own, seen+1, seq)
		events += between
		return err
	})
	return Erased{seq, events}, err
}

// CountEvents is the number of cloud events of an ownership epoch.
func (v *Vault) CountEvents(ctx context.Context, vehicle uint64, epoch uint32) (uint64, error) {
	n, _, err := v.countEvents(ctx, owner{vehicle, epoch})
	return n, err
}

// countEvents counts, and tells up to which sequence.
func (v *Vault) countEvents(ctx context.Context, own owner) (n, seq uint64, err error) {
	err = v.reading(ctx, "vault.CountEvents", func(snap *pebble.Snapshot) error {
		p, err := appliedIn(snap)
		if err != nil {
			return err
		}
		seq = p.seq
		for _, kind := range messageKinds {
			start := appendPrefix(nil, kind, own.vehicle, own.epoch)
			it, err := snap.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: start, UpperBound: after(start)})
			if err != nil {
				return err
			}
			for ok := it.First(); ok; ok = it.Next() {
				n++
			}
			if err := errors.Join(it.Error(), it.Close()); err != nil {
				return err
			}
		}
		return nil
	})
	return n, seq, err
}

// countCommitted counts the cloud events of an owner among the commits from a
// sequence on and before another.
func countCommitted(ctx context.Context, snap *pebble.Snapshot, own owner, from, to uint64) (n uint64, err error) {
	it, err := snap.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: seqKey(nil, from), UpperBound: seqKey(nil, to)})
	if err != nil {
		return 0, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		b, err := it.ValueAndErr()
		if err != nil || len(b) < 8 || binary.BigEndian.Uint64(b) != own.vehicle {
			continue
		}
		for b = b[8:]; len(b) >= 13; b = b[13:] {
			if slices.Contains(messageKinds, b[0]) && binary.BigEndian.Uint32(b[1:]) == own.epoch {
				n++
			}
		}
	}
	return n, errors.Join(it.Error(), it.Close())
}

// erase puts an erasure in line and waits until it is done.
func (v *Vault) erase(ctx context.Context, own owner) (seq uint64, err error) {
	const op = "vault.Erase"
	if err := v.enterCall(ctx, op); err != nil {
		return 0, err
	}
	defer v.leaveCall()
	p := &pending{kind: frameErase, owner: own, done: make(chan struct{})}
	if err := v.enqueue(p); err != nil {
		return 0, err
	}
	if err := v.wait(ctx, op, p); err != nil {
		return 0, err
	}
	return p.seq, nil
}
