package registry

import (
	"errors"
	"fmt"
	"time"

	"sayso"
)

// ErrFork says that a block does not follow the last one folded.
var ErrFork = errors.New("the block does not follow the last one folded")

// Move is a step along the chain: back to an earlier block, where Back says so,
// then forward over Blocks. Readers see the state before it or after it, and
// nothing between: a revocation that both branches of a fork hold is never
// missing.
type Move struct {
	Back   bool
	To     uint64  // with Back: a block that [Registry.At] knows, or 0 for none at all
	Blocks []Block // each the parent of the next
}

// Tx collects the changes of one block. Reads see the changes made so far.
type Tx struct {
	Block Block
	draft *draft
}

// edit is one change of a fact in one block; nil is a row that is not there.
type edit struct {
	fact
	before, after any
}

// folded is a block with its changes, each fact once, in order of first change.
type folded struct {
	Block
	edits []edit
	place map[fact]int // of a fact in edits
}

// draft is what a move has changed so far.
type draft struct {
	r      *Registry
	first  bool         // the registry was empty before
	over   map[fact]any // every fact that differs from the registry's; nil = removed
	blocks []folded
	err    error // of reading what is kept in the file alone
}

// row finds a fact as the draft has it.
func (d *draft) row(f fact) any {
	if v, changed := d.over[f]; changed {
		return v
	}
	if f.kind == earnings {
		e, err := d.r.earning(f.key)
		d.err = errors.Join(d.err, err)
		return e
	}
	d.r.mu.RLock()
	defer d.r.mu.RUnlock()
	return d.r.state.rows.get(f)
}

// put changes a fact in the block under way.
func (d *draft) put(f fact, v any) {
	b := &d.blocks[len(d.blocks)-1]
	i, again := b.place[f]
	if !again {
		i = len(b.edits)
		b.place[f] = i
		b.edits = append(b.edits, edit{fact: f, before: d.row(f)})
	}
	b.edits[i].after = v
	d.over[f] = v
}

func change[T any](tx *Tx, k kind, key string, v *T) {
	if v == nil {
		tx.draft.put(fact{k, key}, nil)
		return
	}
	tx.draft.put(fact{k, key}, v)
}

func read[T any](tx *Tx, k kind, key string) (out T, ok bool) {
	p, ok := tx.draft.row(fact{k, key}).(*T)
	if !ok {
		return out, false
	}
	return *p, true
}

// Vehicle, Device, Manufacturer, Licence and Grant read a row as it stands in
// the block so far.
func (tx *Tx) Vehicle(id uint64) (Vehicle, bool) { return read[Vehicle](tx, vehicles, numberKey(id)) }

// Device reads a device.
func (tx *Tx) Device(id uint64) (Device, bool) { return read[Device](tx, devices, numberKey(id)) }

// Manufacturer reads a manufacturer.
func (tx *Tx) Manufacturer(id uint64) (Manufacturer, bool) {
	return read[Manufacturer](tx, manufacturers, numberKey(id))
}

// Licence reads a licence.
func (tx *Tx) Licence(id uint64) (Licence, bool) { return read[Licence](tx, licences, numberKey(id)) }

// Grant reads a grant.
func (tx *Tx) Grant(vehicle uint64, grantee sayso.Address) (Grant, bool) {
	return read[Grant](tx, grants, grantKey(vehicle, grantee))
}

// PutVehicle writes a vehicle; the other Put functions their kinds.
func (tx *Tx) PutVehicle(v Vehicle) { change(tx, vehicles, numberKey(v.ID), &v) }

// PutDevice writes a device.
func (tx *Tx) PutDevice(d Device) { change(tx, devices, numberKey(d.ID), &d) }

// PutManufacturer writes a manufacturer.
func (tx *Tx) PutManufacturer(m Manufacturer) { change(tx, manufacturers, numberKey(m.ID), &m) }

// PutLicence writes a licence.
func (tx *Tx) PutLicence(l Licence) { change(tx, licences, numberKey(l.ID), &l) }

// PutGrant writes a grant.
func (tx *Tx) PutGrant(g Grant) { change(tx, grants, grantKey(g.Vehicle, g.Grantee), &g) }

// DeleteGrant removes a grant.
func (tx *Tx) DeleteGrant(vehicle uint64, grantee sayso.Address) {
	if _, ok := tx.Grant(vehicle, grantee); ok {
		change[Grant](tx, grants, grantKey(vehicle, grantee), nil)
	}
}

// DeleteDevice removes a device whose token was burned.
func (tx *Tx) DeleteDevice(id uint64) { change[Device](tx, devices, numberKey(id), nil) }

// DeleteGrants removes every grant of a vehicle.
func (tx *Tx) DeleteGrants(vehicle uint64) {
	r := tx.draft.r
	r.mu.RLock()
	list := r.state.grantees(vehicle)
	r.mu.RUnlock()
	for _, row := range tx.draft.over {
		if g, ok := row.(*Grant); ok && g.Asset.IsZero() && g.Vehicle == vehicle {
			list = append(list, g.Grantee)
		}
	}
	for _, g := range list {
		tx.DeleteGrant(vehicle, g)
	}
}

// Move makes a step along the chain: what it undoes, what apply changes in each
// block, the undo of that, and the cursor, in one transaction. It returns
// [ErrFork] where a block does not follow the one before. After an error nothing
// has changed.
func (r *Registry) Move(m Move, apply func(*Tx) error) error {
	d := &draft{r: r, over: map[fact]any{}}
	head, begun := r.Head()
	if m.Back {
		var err error
		if head, begun, err = r.back(m.To, d.over); err != nil {
			return fmt.Errorf("registry: back to block %d: %w", m.To, err)
		}
	}
	d.first = !begun
	for _, b := range m.Blocks {
		if begun && (b.Number != head.Number+1 || b.Parent != head.Hash) {
			return fmt.Errorf("%w: block %d", ErrFork, b.Number)
		}
		d.blocks = append(d.blocks, folded{Block: b, place: map[fact]int{}})
		if err := errors.Join(apply(&Tx{Block: b, draft: d}), d.err); err != nil {
			return fmt.Errorf("registry: block %d: %w", b.Number, err)
		}
		head, begun = b, true
	}
	recent, err := r.store(m, d, head)
	if err != nil {
		return fmt.Errorf("registry: block %d: %w", head.Number, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for f, v := range d.over {
		r.state.put(f, v)
	}
	r.setHead(head, begun)
	r.recent = recent
	if m.Back && len(m.Blocks) == 0 {
		r.seen = time.Time{} // what was taken back may be on the chain again
	}
	return nil
}

// back finds where a way back ends, and what each fact was there.
func (r *Registry) back(to uint64, over map[fact]any) (head Block, begun bool, err error) {
	if head, begun, err = r.At(to); err != nil {
		return head, begun, err
	}
	if !begun && to != 0 {
		return head, begun, errors.New("that block is not kept any more")
	}
	if !begun {
		return head, begun, r.noFacts(over)
	}
	list, err := pasts(r.db, int64(to))
	for _, p := range list {
		if _, lower := over[p.fact]; !lower {
			over[p.fact] = p.row
		}
	}
	return head, begun, err
}

// noFacts notes that every fact goes.
func (r *Registry) noFacts(over map[fact]any) error {
	rows, err := r.db.Query(`SELECT kind, key FROM facts UNION ALL SELECT ?, key FROM earnings`, earnings)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var f fact
		if err := rows.Scan(&f.kind, &f.key); err != nil {
			return err
		}
		over[f] = nil
	}
	return rows.Err()
}

// Fold adds one block.
func (r *Registry) Fold(b Block, apply func(*Tx) error) error {
	return r.Move(Move{Blocks: []Block{b}}, apply)
}

// Unwind takes back every block above number, which must be one that
// [Registry.At] still knows, or 0 for all of them. Nobody is [Registry.Fresh]
// until the chain is looked at again.
func (r *Registry) Unwind(number uint64) error {
	return r.Move(Move{Back: true, To: number}, nil)
}
