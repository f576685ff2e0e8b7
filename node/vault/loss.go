package vault

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Loss is the error of a store that does not hold what it must hold. It is
// never repaired silently.
type Loss struct {
	What     string
	From, To uint64   // the sequences that are missing or altered, where known; To 0: all from there on
	Vehicles []uint64 // whose commits are among them, ascending
	Unnamed  uint64   // how many of the sequences are of a vehicle that nothing left tells
}

// lossVehicles is how many vehicles an error names.
const lossVehicles = 20

func (l *Loss) Error() string {
	var b strings.Builder
	b.WriteString("vault: refusing to open: " + l.What)
	if l.From == 0 {
		return b.String()
	}
	if b.WriteString(fmt.Sprintf("; this concerns the sequences from %d", l.From)); l.To > 0 {
		b.WriteString(fmt.Sprintf(" to %d", l.To))
	}
	if n := len(l.Vehicles); n > 0 {
		b.WriteString(fmt.Sprintf(", of the vehicles %v", l.Vehicles[:min(n, lossVehicles)]))
		if n > lossVehicles {
			b.WriteString(fmt.Sprintf(" and %d more", n-lossVehicles))
		}
	}
	if l.Unnamed > 0 {
		b.WriteString(fmt.Sprintf("; of %d of them nothing that is left tells whose they are", l.Unnamed))
	}
	return b.String()
}

func lossf(format string, a ...any) error { return &Loss{What: fmt.Sprintf(format, a...)} }

// lossOf is a loss of the sequences from one to another.
func lossOf(from, to uint64, format string, a ...any) error {
	return &Loss{What: fmt.Sprintf(format, a...), From: from, To: to}
}

// name adds to a loss that opening has met whose commits it concerns: of those
// that are in the rows the rows tell it, of others what is whole of the log. The
// log was promised to be there up to some position. Another error stays as it is.
func (v *Vault) name(err error, promised position) error {
	var loss *Loss
	if !errors.As(err, &loss) {
		return err
	}
	have, haveErr := appliedIn(v.db)
	if haveErr != nil {
		return errors.Join(err, haveErr)
	}
	last := cmp.Or(loss.To, max(promised.seq, have.seq))
	if loss.From == 0 { // what cannot be read of the log is in the rows up to there
		loss.From = have.seq + 1
	}
	if last < loss.From {
		loss.From = 0
		return err
	}
	seen := make(map[uint64]uint64) // the vehicle of each sequence
	if rowsErr := v.inRows(loss, seen); rowsErr != nil {
		return errors.Join(err, rowsErr)
	}
	if logErr := v.journal.inLog(loss, seen); logErr != nil {
		return errors.Join(err, logErr)
	}
	loss.Unnamed = last - loss.From + 1
	for seq := range seen {
		if seq <= last {
			loss.Unnamed--
		}
	}
	loss.Vehicles = slices.Compact(slices.Sorted(maps.Values(seen)))
	return err
}

// covers says whether a sequence is among those of the loss.
func (l *Loss) covers(seq uint64) bool { return seq >= l.From && (l.To == 0 || seq <= l.To) }

// inRows notes the vehicles of a loss as the rows of commits tell them.
func (v *Vault) inRows(loss *Loss, seen map[uint64]uint64) error {
	upper := after([]byte{kindSeq})
	if loss.To > 0 {
		upper = seqKey(nil, loss.To+1)
	}
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: seqKey(nil, loss.From), UpperBound: upper})
	if err != nil {
		return fmt.Errorf("vault: rows of commits: %w", err)
	}
	var c commit
	for ok := it.First(); ok; ok = it.Next() {
		if c.parse(it.Key(), it.Value()) == nil {
			seen[c.seq] = c.vehicle
		}
	}
	return errors.Join(it.Error(), it.Close())
}

// inLog notes them as every frame tells that is whole by itself, wherever in the
// log it is.
func (j *journal) inLog(loss *Loss, seen map[uint64]uint64) error {
	numbers, err := j.listSegments(0)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		b, err := j.content(n)
		if err != nil {
			return err
		}
		eachFrame(b, func(f *frame) {
			if f.kind != frameEnd && len(f.payload) >= 8 && loss.covers(f.seq) {
				seen[f.seq] = binary.LittleEndian.Uint64(f.payload)
			}
		})
	}
	return nil
}

// eachFrame gives the valid frames of a segment, whatever is between them.
func eachFrame(b []byte, yield func(*frame)) {
	for i := 0; i+frameHead+frameTail <= len(b); {
		f, size, ok := parseFrame(b[i:])
		if !ok {
			i++
			continue
		}
		yield(&f)
		i += size
	}
}
