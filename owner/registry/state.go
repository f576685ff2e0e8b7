package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sayso"
)

// kind is a table of facts.
type kind string

const (
	manufacturers kind = "manufacturer"
	vehicles      kind = "vehicle"
	devices       kind = "device"
	grants        kind = "grant"
	licences      kind = "licence"
	templates     kind = "template"
	synthetics    kind = "synthetic"
)

// fact names one row: kind and primary key in text form.
type fact struct {
	kind kind
	key  string
}

func numberKey(id uint64) string { return strconv.FormatUint(id, 10) }

func grantKey(vehicle uint64, grantee sayso.Address) string {
	return numberKey(vehicle) + "/" + grantee.Lower()
}

// decode reads a row of a kind.
func decode(k kind, body []byte) (any, error) {
	read := func(v any) (any, error) { return v, json.Unmarshal(body, v) }
	switch k {
	case manufacturers:
		return read(&Manufacturer{})
	case vehicles:
		return read(&Vehicle{})
	case devices:
		return read(&Device{})
	case grants:
		return read(&Grant{})
	case licences:
		return read(&Licence{})
	case templates:
		return read(&Template{})
	case synthetics:
		return read(&Synthetic{})
	}
	return nil, fmt.Errorf("registry: unknown kind of fact %q", k)
}

// state is the registry in memory: rows by key, and the look-ups that reads
// need.
type state struct {
	rows packedRows

	vehicleIDs, deviceIDs, licenceIDs []uint64 // ascending
	manufacturerIDs                   []uint64

	deviceByAddress map[sayso.Address][]uint64 // ascending; the last one answers
	licenceByClient map[sayso.Address][]uint64
	licenceByAlias  map[string][]uint64
	vehiclesByOwner map[sayso.Address]map[uint64]bool
	grantees        map[uint64]map[sayso.Address]bool // by vehicle
	granted         map[sayso.Address]map[uint64]bool // by grantee
}

func newState() *state {
	return &state{
		rows:            packedRows{},
		deviceByAddress: map[sayso.Address][]uint64{},
		licenceByClient: map[sayso.Address][]uint64{},
		licenceByAlias:  map[string][]uint64{},
		vehiclesByOwner: map[sayso.Address]map[uint64]bool{},
		grantees:        map[uint64]map[sayso.Address]bool{},
		granted:         map[sayso.Address]map[uint64]bool{},
	}
}

// put replaces a row (nil removes it) and keeps the look-ups true.
func (s *state) put(f fact, row any) {
	if old := s.rows.get(f); old != nil {
		s.unlink(old)
	}
	s.rows.put(f, row)
	if row != nil {
		s.link(row)
	}
}

func (s *state) link(row any) {
	switch r := row.(type) {
	case *Manufacturer:
		insert(&s.manufacturerIDs, r.ID)
	case *Vehicle:
		insert(&s.vehicleIDs, r.ID)
		if !r.Burned {
			add(s.vehiclesByOwner, r.Owner(), r.ID)
		}
	case *Device:
		insert(&s.deviceIDs, r.ID)
		remember(s.deviceByAddress, r.Address, r.ID)
	case *Grant:
		add(s.grantees, r.Vehicle, r.Grantee)
		add(s.granted, r.Grantee, r.Vehicle)
	case *Licence:
		insert(&s.licenceIDs, r.ID)
		remember(s.licenceByClient, r.ClientID, r.ID)
		if r.Alias != "" {
			remember(s.licenceByAlias, r.Alias, r.ID)
		}
	}
}

func (s *state) unlink(row any) {
	switch r := row.(type) {
	case *Manufacturer:
		remove(&s.manufacturerIDs, r.ID)
	case *Vehicle:
		remove(&s.vehicleIDs, r.ID)
		drop(s.vehiclesByOwner, r.Owner(), r.ID)
	case *Device:
		remove(&s.deviceIDs, r.ID)
		forget(s.deviceByAddress, r.Address, r.ID)
	case *Grant:
		drop(s.grantees, r.Vehicle, r.Grantee)
		drop(s.granted, r.Grantee, r.Vehicle)
	case *Licence:
		remove(&s.licenceIDs, r.ID)
		forget(s.licenceByClient, r.ClientID, r.ID)
		forget(s.licenceByAlias, r.Alias, r.ID)
	}
}

func insert(ids *[]uint64, id uint64) {
	if i, found := slices.BinarySearch(*ids, id); !found {
		*ids = slices.Insert(*ids, i, id)
	}
}

func remove(ids *[]uint64, id uint64) {
	if i, found := slices.BinarySearch(*ids, id); found {
		*ids = slices.Delete(*ids, i, i+1)
	}
}

func add[K, V comparable](m map[K]map[V]bool, k K, v V) {
	if m[k] == nil {
		m[k] = map[V]bool{}
	}
	m[k][v] = true
}

func drop[K, V comparable](m map[K]map[V]bool, k K, v V) {
	if delete(m[k], v); len(m[k]) == 0 {
		delete(m, k)
	}
}

// remember and forget keep the ids that a key stands for.
func remember[K comparable](m map[K][]uint64, k K, id uint64) {
	list := m[k]
	insert(&list, id)
	m[k] = list
}

func forget[K comparable](m map[K][]uint64, k K, id uint64) {
	list := m[k]
	if remove(&list, id); len(list) == 0 {
		delete(m, k)
		return
	}
	m[k] = list
}

// newest is the highest id of a key, 0 where it has none.
func newest[K comparable](m map[K][]uint64, k K) uint64 {
	if list := m[k]; len(list) > 0 {
		return list[len(list)-1]
	}
	return 0
}

// row finds a row of a type.
func row[T any](s *state, k kind, key string) (out T, ok bool) {
	p, ok := s.rows.get(fact{k, key}).(*T)
	if !ok {
		return out, false
	}
	return *p, true
}

// slugOf is the form of a manufacturer's name in URLs.
func slugOf(name string) string {
	return strings.Trim(strings.ReplaceAll(strings.ToLower(name), " ", "-"), "-")
}
