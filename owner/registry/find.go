package registry

import (
	"cmp"
	"slices"

	"sayso"
)

// numberUnder reads the row with the highest number under a mark.
func numberUnder[T any](r *Registry, k kind, m mark) (out T, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if id, there := r.state.numbers.newest(m); there {
		return row[T](r.state, k, numberKey(id))
	}
	return out, false
}

// textUnder reads the row with the last key under a mark; key turns a place in a
// list into the key of the row.
func textUnder[T any](r *Registry, k kind, m mark, key func(string) string) (out T, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if place, there := r.state.texts.newest(m); there {
		return row[T](r.state, k, key(place))
	}
	return out, false
}

func same(key string) string { return key }

// SyntheticByAddress finds the synthetic device whose key has that address.
func (r *Registry) SyntheticByAddress(a sayso.Address) (Synthetic, bool) {
	return numberUnder[Synthetic](r, synthetics, ofAccount(syntheticsByAddress, a))
}

// SyntheticFilter narrows a list of synthetic devices. Connection is an id.
type SyntheticFilter struct {
	Owner      *sayso.Address
	Connection *string
}

// SyntheticList is the synthetic devices that match; burned ones are none.
func (r *Registry) SyntheticList(f SyntheticFilter) List[uint64, Synthetic] {
	var marks []mark
	if f.Owner != nil {
		marks = append(marks, ofAccount(syntheticsByOwner, *f.Owner))
	}
	if f.Connection != nil {
		marks = append(marks, mark{syntheticsByConnection, *f.Connection})
	}
	if marks == nil {
		marks = []mark{{by: allSynthetics}}
	}
	return List[uint64, Synthetic]{r: r, sets: under(numbersOf, marks...), read: numbered[Synthetic](synthetics)}
}

// Connection finds a connection by its decimal number.
func (r *Registry) Connection(id string) (Connection, bool) {
	return get[Connection](r, connections, templateKey(id))
}

// ConnectionByName finds a connection by its exact name.
func (r *Registry) ConnectionByName(name string) (Connection, bool) {
	return textUnder[Connection](r, connections, mark{connectionsByName, name}, same)
}

// ConnectionByAddress finds the connection whose key has that address.
func (r *Registry) ConnectionByAddress(a sayso.Address) (Connection, bool) {
	return textUnder[Connection](r, connections, ofAccount(connectionsByAddress, a), same)
}

// Connections lists the connections, integrations of the form before 2025 left
// out, newest first, then by address.
func (r *Registry) Connections() []Connection {
	out := rowsUnder[Connection](r, connections, mark{by: allConnections}, same)
	out = slices.DeleteFunc(out, func(c Connection) bool { return c.Integration })
	slices.SortFunc(out, func(a, b Connection) int {
		return cmp.Or(cmp.Compare(b.MintedAt, a.MintedAt), compareAddresses(a.Address, b.Address))
	})
	return out
}

// StorageNode finds a storage node by its decimal number.
func (r *Registry) StorageNode(id string) (StorageNode, bool) {
	return get[StorageNode](r, storageNodes, templateKey(id))
}

// Stake finds a stake by its number.
func (r *Registry) Stake(id uint64) (Stake, bool) { return get[Stake](r, stakes, numberKey(id)) }

// StakeOn finds the stake that is attached to a vehicle.
func (r *Registry) StakeOn(vehicle uint64) (Stake, bool) {
	return numberUnder[Stake](r, stakes, ofNumber(stakesByVehicle, vehicle))
}

// StakeList is the stakes, of an owner where one is given, that keep says yes to.
func (r *Registry) StakeList(owner *sayso.Address, keep func(*Stake) bool) List[uint64, Stake] {
	m := mark{by: allStakes}
	if owner != nil {
		m = ofAccount(stakesByOwner, *owner)
	}
	l := List[uint64, Stake]{r: r, sets: under(numbersOf, m), read: numbered[Stake](stakes)}
	if keep != nil {
		l.some = func(s *state, id uint64) bool {
			v, ok := row[Stake](s, stakes, numberKey(id))
			return ok && keep(&v)
		}
	}
	return l
}

// placed is the key of a name at a place in a list.
func placed(place string) string {
	var node [32]byte
	copy(node[:], place[8:])
	return NameOf(node)
}

// Name finds a name by its node.
func (r *Registry) Name(node [32]byte) (Name, bool) { return get[Name](r, names, NameOf(node)) }

// NameByText finds a name by how it reads.
func (r *Registry) NameByText(text string) (Name, bool) {
	return textUnder[Name](r, names, mark{namesByText, text}, placed)
}

// NameByNumber finds a name by the lowest 64 bits of its token id.
func (r *Registry) NameByNumber(n int64) (Name, bool) {
	return textUnder[Name](r, names, mark{namesByNumber, numberKey(uint64(n))}, placed)
}

// NameOn finds the newest name that stands for a vehicle.
func (r *Registry) NameOn(vehicle uint64) (Name, bool) {
	return textUnder[Name](r, names, ofNumber(namesByVehicle, vehicle), placed)
}

// NameList is the names, of an owner where one is given, by [NamePlace].
func (r *Registry) NameList(owner *sayso.Address) List[string, Name] {
	m := mark{by: allNames}
	if owner != nil {
		m = ofAccount(namesByOwner, *owner)
	}
	return List[string, Name]{r: r, sets: under(textsOf, m), read: func(s *state, place string) (Name, bool) {
		return row[Name](s, names, placed(place))
	}}
}

// Privileges lists what is granted on a vehicle in the form before grants.
func (r *Registry) Privileges(vehicle uint64) []Privileges {
	return rowsUnder[Privileges](r, privileges, ofNumber(privilegesOnVehicle, vehicle), same)
}

// Definition finds a device definition by its id, of the highest table that has it.
func (r *Registry) Definition(id string) (Definition, bool) {
	return textUnder[Definition](r, definitions, mark{definitionsByID, id}, func(table string) string { return table + "/" + id })
}

// DefinitionList is the device definitions of a table by their ids.
func (r *Registry) DefinitionList(table uint64) List[string, Definition] {
	return List[string, Definition]{r: r, sets: under(textsOf, ofNumber(definitionsOfTable, table)), read: func(s *state, id string) (Definition, bool) {
		return row[Definition](s, definitions, definitionKey(table, id))
	}}
}

// ManufacturerOfTable finds the manufacturer whose device definitions a table holds.
func (r *Registry) ManufacturerOfTable(table uint64) (Manufacturer, bool) {
	return numberUnder[Manufacturer](r, manufacturers, ofNumber(manufacturerOfTable, table))
}

// rowsUnder reads every row under a mark.
func rowsUnder[T any](r *Registry, k kind, m mark, key func(string) string) (out []T) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, place := range r.state.texts.under(m).keys() {
		if v, ok := row[T](r.state, k, key(place)); ok {
			out = append(out, v)
		}
	}
	return out
}
