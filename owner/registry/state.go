package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	shares        kind = "share" // grants of other assets than vehicles
	connections   kind = "connection"
	storageNodes  kind = "storagenode"
	stakes        kind = "stake"
	names         kind = "name"
	privileges    kind = "privilege"
	definitions   kind = "definition"
	earnings      kind = "earning"
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
	case grants, shares:
		return read(&Grant{})
	case licences:
		return read(&Licence{})
	case templates:
		return read(&Template{})
	case synthetics:
		return read(&Synthetic{})
	case connections:
		return read(&Connection{})
	case storageNodes:
		return read(&StorageNode{})
	case stakes:
		return read(&Stake{})
	case names:
		return read(&Name{})
	case privileges:
		return read(&Privileges{})
	case definitions:
		return read(&Definition{})
	case earnings:
		return read(&Earning{})
	}
	return nil, fmt.Errorf("registry: unknown kind of fact %q", k)
}

// state is the registry in memory: rows by key, and what they are looked for by.
type state struct {
	rows    *packedRows
	numbers *lookup[uint64]
	texts   *lookup[string]
}

func newState() *state {
	var t texts
	return &state{newRows(&t), newLookup[uint64](numberKeeper{}), newLookup[string](textKeeper{&t})}
}

// put replaces a row (nil removes it) and keeps the look-ups true. Earnings are
// read from the file: there are more of them than of all else.
func (s *state) put(f fact, row any) {
	if f.kind == earnings {
		return
	}
	old := s.rows.get(f)
	before, now := entriesOf(old), entriesOf(row)
	s.numbers.change(before.numbers, now.numbers)
	s.texts.change(before.texts, now.texts)
	s.rows.put(f, row)
}

// grantees are those to whom a vehicle is granted, sorted.
func (s *state) grantees(vehicle uint64) (out []sayso.Address) {
	for _, key := range s.texts.under(ofNumber(granteesOfVehicle, vehicle)).keys() {
		out = append(out, sayso.Address([]byte(key)))
	}
	return out
}

func compareAddresses(a, b sayso.Address) int { return bytes.Compare(a[:], b[:]) }

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
