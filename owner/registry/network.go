package registry

import (
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"

	"sayso"
)

// Connection is the licence of a data source, for which synthetic devices speak.
type Connection struct {
	ID          string        `json:"id"` // decimal, up to 256 bits
	Name        string        `json:"name"`
	Address     sayso.Address `json:"address"` // of its key
	Owner       sayso.Address `json:"owner"`
	MintedAt    int64         `json:"mintedAt"`
	Integration bool          `json:"integration,omitempty"` // of the form before 2025, whose ids are small numbers
}

// StorageNode is where a vehicle's data may be kept.
type StorageNode struct {
	ID       string        `json:"id"` // decimal, up to 256 bits
	Label    string        `json:"label"`
	Address  sayso.Address `json:"address"`
	Owner    sayso.Address `json:"owner"`
	URI      string        `json:"uri"`
	MintedAt int64         `json:"mintedAt"`
}

// Stake are tokens that are set aside for a time.
type Stake struct {
	ID          uint64        `json:"id"`
	Owner       sayso.Address `json:"owner"`
	Level       uint64        `json:"level"`
	Points      string        `json:"points"` // decimal
	Amount      string        `json:"amount"` // decimal, in the token's smallest unit
	StakedAt    int64         `json:"stakedAt"`
	EndsAt      int64         `json:"endsAt"`
	WithdrawnAt int64         `json:"withdrawnAt,omitempty"`
	Vehicle     uint64        `json:"vehicle,omitempty"` // 0 = none
}

// Name is a name that somebody registered, mostly of a vehicle.
type Name struct {
	Node     string        `json:"node"` // 32 bytes as 0x and hexadecimal digits: the hash that is its token id
	Owner    sayso.Address `json:"owner"`
	Text     string        `json:"text,omitempty"`
	Vehicle  uint64        `json:"vehicle,omitempty"`
	MintedAt int64         `json:"mintedAt"`
	Expires  int64         `json:"expires,omitempty"` // 0 = not told
}

// Bytes is the node.
func (n *Name) Bytes() (b [32]byte) {
	hex.Decode(b[:], []byte(n.Node[min(2, len(n.Node)):]))
	return b
}

// Number is the lowest 64 bits of the token id.
func (n *Name) Number() int64 {
	b := n.Bytes()
	return int64(binary.BigEndian.Uint64(b[24:]))
}

func (n *Name) key() string {
	b := n.Bytes()
	return inTime(n.MintedAt, b[:])
}

// NameOf is how a node is written.
func NameOf(node [32]byte) string { return "0x" + hex.EncodeToString(node[:]) }

// NamePlace is where a name stands in a list of names.
func NamePlace(mintedAt int64, node [32]byte) string { return inTime(mintedAt, node[:]) }

// Privilege is one right of the form before grants.
type Privilege struct {
	SetAt   int64 `json:"setAt"`
	Expires int64 `json:"expires"`
}

// Privileges are what somebody may do with a vehicle in the form before grants,
// by the number of the right. They are shown, and open nothing.
type Privileges struct {
	Vehicle uint64               `json:"vehicle"`
	User    sayso.Address        `json:"user"`
	Rights  map[uint64]Privilege `json:"rights"`
}

// Definition says that a manufacturer's table has a device definition.
type Definition struct {
	ID    string `json:"id"`
	Table uint64 `json:"table"`
	Model string `json:"model"`
	Year  int64  `json:"year"`
	SetAt int64  `json:"setAt"`
}

func definitionKey(table uint64, id string) string { return numberKey(table) + "/" + id }

// id32 is a decimal number of up to 256 bits in 32 bytes, so that the highest
// sorts first.
func id32(decimal string) []byte {
	n, _ := new(big.Int).SetString(decimal, 10)
	if n == nil || n.Sign() < 0 || n.BitLen() > 256 {
		n = new(big.Int)
	}
	return n.FillBytes(make([]byte, 32))
}

// flipped turns an order round.
func flipped(b []byte) []byte {
	out := slices.Clone(b)
	for i := range out {
		out[i] = ^out[i]
	}
	return out
}

// Connection reads a connection; the others read their kinds.
func (tx *Tx) Connection(id string) (Connection, bool) {
	return read[Connection](tx, connections, templateKey(id))
}

// StorageNode reads a storage node.
func (tx *Tx) StorageNode(id string) (StorageNode, bool) {
	return read[StorageNode](tx, storageNodes, templateKey(id))
}

// Stake reads a stake.
func (tx *Tx) Stake(id uint64) (Stake, bool) { return read[Stake](tx, stakes, numberKey(id)) }

// Name reads a name.
func (tx *Tx) Name(node string) (Name, bool) { return read[Name](tx, names, node) }

// Privileges reads what somebody may do with a vehicle in the older form.
func (tx *Tx) Privileges(vehicle uint64, user sayso.Address) (Privileges, bool) {
	return read[Privileges](tx, privileges, grantKey(vehicle, user))
}

// Definition reads a device definition.
func (tx *Tx) Definition(table uint64, id string) (Definition, bool) {
	return read[Definition](tx, definitions, definitionKey(table, id))
}

// PutConnection writes a connection; the others write their kinds.
func (tx *Tx) PutConnection(c Connection) { change(tx, connections, templateKey(c.ID), &c) }

// PutStorageNode writes a storage node.
func (tx *Tx) PutStorageNode(n StorageNode) { change(tx, storageNodes, templateKey(n.ID), &n) }

// PutStake writes a stake.
func (tx *Tx) PutStake(s Stake) { change(tx, stakes, numberKey(s.ID), &s) }

// PutName writes a name.
func (tx *Tx) PutName(n Name) { change(tx, names, n.Node, &n) }

// PutPrivileges writes what somebody may do with a vehicle in the older form.
func (tx *Tx) PutPrivileges(p Privileges) {
	if key := grantKey(p.Vehicle, p.User); len(p.Rights) > 0 {
		change(tx, privileges, key, &p)
	} else if _, ok := tx.Privileges(p.Vehicle, p.User); ok {
		change[Privileges](tx, privileges, key, nil)
	}
}

// PutDefinition writes a device definition.
func (tx *Tx) PutDefinition(d Definition) {
	change(tx, definitions, definitionKey(d.Table, d.ID), &d)
}

// DeleteDefinition removes a device definition.
func (tx *Tx) DeleteDefinition(table uint64, id string) {
	tx.drop(definitions, definitionKey(table, id))
}

// DeleteConnection removes a connection whose token was burned.
func (tx *Tx) DeleteConnection(id string) { tx.drop(connections, templateKey(id)) }

// DeleteStorageNode removes a storage node whose token was burned.
func (tx *Tx) DeleteStorageNode(id string) { tx.drop(storageNodes, templateKey(id)) }

// DeleteName removes a name whose token was burned.
func (tx *Tx) DeleteName(node string) { tx.drop(names, node) }

// DeletePrivileges removes every right on a vehicle in the older form.
func (tx *Tx) DeletePrivileges(vehicle uint64) {
	tx.dropAll(privileges, ofNumber(privilegesOnVehicle, vehicle), func(row any) bool {
		p, ok := row.(*Privileges)
		return ok && p.Vehicle == vehicle
	})
}

// drop removes a row that is there.
func (tx *Tx) drop(k kind, key string) {
	if f := (fact{k, key}); tx.draft.row(f) != nil {
		tx.draft.put(f, nil)
	}
}

// dropAll removes the rows under a mark, and those of the move so far that
// belong there.
func (tx *Tx) dropAll(k kind, m mark, belongs func(row any) bool) {
	r := tx.draft.r
	r.mu.RLock()
	keys := r.state.texts.under(m).keys()
	r.mu.RUnlock()
	for f, row := range tx.draft.over {
		if f.kind == k && belongs(row) {
			keys = append(keys, f.key)
		}
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if belongs(tx.draft.row(fact{k, key})) {
			tx.drop(k, key)
		}
	}
}
