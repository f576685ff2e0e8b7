package registry

import (
	"cmp"
	"encoding/binary"
	"strings"

	"sayso"
)

// index is what things are looked for by.
type index uint8

const (
	allManufacturers index = iota
	manufacturerOfTable
	manufacturersByName
	manufacturersBySlug

	allVehicles
	vehiclesByOwner
	vehiclesByMaker
	vehiclesByDefinition
	vehiclesByMake
	vehiclesByModel
	vehiclesByYear
	vehiclesByConnection
	vehiclesGrantedTo
	vehiclesPrivileged

	allDevices
	devicesByOwner
	devicesByBeneficiary
	devicesByMaker
	devicesByAddress
	devicesBySerial
	devicesByIMEI
	devicesByDevEUI

	allSynthetics
	syntheticsByOwner
	syntheticsByConnection
	syntheticsByAddress

	allLicences
	licencesByOwner
	licencesBySigner
	licencesByClient
	licencesByAlias

	allStakes
	stakesByOwner
	stakesByVehicle

	allConnections
	connectionsByName
	connectionsByAddress
	allNames
	namesByOwner
	namesByText
	namesByVehicle
	namesByNumber
	allTemplates
	templatesByCID
	privilegesOnVehicle
	granteesOfVehicle
	sharesOfAsset
	definitionsOfTable
	definitionsByID
)

// mark is one value of an index, such as one owner.
type mark struct {
	by    index
	value string
}

// entry is the key of a row under a mark.
type entry[K cmp.Ordered] struct {
	mark
	key K
}

func ofAccount(by index, a sayso.Address) mark { return mark{by, string(a[:])} }
func ofNumber(by index, n uint64) mark         { return mark{by, numberKey(n)} }
func ofWord(by index, s string) mark           { return mark{by, strings.ToLower(s)} }

// entries collects the places of one row.
type entries struct {
	numbers []entry[uint64]
	texts   []entry[string]
}

func (e *entries) number(m mark, key uint64) { e.numbers = append(e.numbers, entry[uint64]{m, key}) }
func (e *entries) text(m mark, key string)   { e.texts = append(e.texts, entry[string]{m, key}) }

// word puts a row under a word that it has.
func (e *entries) word(m mark, key uint64) {
	if m.value != "" {
		e.number(m, key)
	}
}

// account puts a row under an account that is known.
func (e *entries) account(by index, a sayso.Address, key uint64) {
	if !a.IsZero() {
		e.number(ofAccount(by, a), key)
	}
}

// entriesOf says under what a row is looked for.
func entriesOf(row any) (e entries) {
	switch r := row.(type) {
	case *Vehicle:
		e.vehicle(r)
	case *Device:
		e.device(r)
	case *Licence:
		e.licence(r)
	case *Manufacturer:
		e.number(mark{by: allManufacturers}, r.ID)
		e.number(mark{manufacturersByName, r.Name}, r.ID)
		e.number(mark{manufacturersBySlug, slugOf(r.Name)}, r.ID)
		if r.Table != 0 {
			e.number(ofNumber(manufacturerOfTable, r.Table), r.ID)
		}
	case *Synthetic:
		if r.BurnedAt == 0 {
			e.number(mark{by: allSynthetics}, r.ID)
			e.number(mark{syntheticsByConnection, r.Connection}, r.ID)
			e.account(syntheticsByAddress, r.Address, r.ID)
		}
	case *Stake:
		e.number(mark{by: allStakes}, r.ID)
		e.account(stakesByOwner, r.Owner, r.ID)
		if r.Vehicle != 0 {
			e.number(ofNumber(stakesByVehicle, r.Vehicle), r.ID)
		}
	case *Grant:
		if r.Asset.IsZero() {
			e.number(ofAccount(vehiclesGrantedTo, r.Grantee), r.Vehicle)
			e.text(ofNumber(granteesOfVehicle, r.Vehicle), string(r.Grantee[:]))
		} else {
			e.text(sharesOf(r.Asset, r.Token), shareKey(r.Asset, r.Token, r.Grantee))
		}
	default:
		e.named(row)
	}
	return e
}

func (e *entries) vehicle(v *Vehicle) {
	if v.Burned {
		return
	}
	e.number(mark{by: allVehicles}, v.ID)
	e.account(vehiclesByOwner, v.Owner(), v.ID)
	e.number(ofNumber(vehiclesByMaker, v.Manufacturer), v.ID)
	e.word(mark{vehiclesByDefinition, v.Definition}, v.ID)
	e.word(ofWord(vehiclesByMake, v.Attributes["Make"]), v.ID)
	e.word(ofWord(vehiclesByModel, v.Attributes["Model"]), v.ID)
	e.word(mark{vehiclesByYear, v.Attributes["Year"]}, v.ID)
	e.word(mark{vehiclesByConnection, v.Connection}, v.ID)
	if v.Synthetic != 0 {
		e.account(syntheticsByOwner, v.Owner(), v.Synthetic)
	}
}

func (e *entries) device(d *Device) {
	e.number(mark{by: allDevices}, d.ID)
	e.account(devicesByOwner, d.Owner, d.ID)
	e.account(devicesByBeneficiary, d.Earner(), d.ID)
	e.number(ofNumber(devicesByMaker, d.Manufacturer), d.ID)
	e.account(devicesByAddress, d.Address, d.ID)
	e.word(mark{devicesBySerial, d.Attributes["Serial"]}, d.ID)
	e.word(mark{devicesByIMEI, d.Attributes["IMEI"]}, d.ID)
	e.word(mark{devicesByDevEUI, d.Attributes["DevEUI"]}, d.ID)
}

func (e *entries) licence(l *Licence) {
	e.account(licencesByClient, l.ClientID, l.ID)
	e.word(mark{licencesByAlias, l.Alias}, l.ID)
	if l.Revoked || l.ClientID.IsZero() {
		return
	}
	e.number(mark{by: allLicences}, l.ID)
	e.account(licencesByOwner, l.Owner, l.ID)
	for key := range l.Signers {
		e.account(licencesBySigner, key, l.ID)
	}
}

// named are the places of rows that have no number counted from one.
func (e *entries) named(row any) {
	switch r := row.(type) {
	case *Connection:
		e.text(mark{by: allConnections}, r.ID)
		e.text(mark{connectionsByName, r.Name}, r.ID)
		e.text(ofAccount(connectionsByAddress, r.Address), r.ID)
	case *Name:
		key := r.key()
		e.text(mark{by: allNames}, key)
		e.text(ofAccount(namesByOwner, r.Owner), key)
		e.text(mark{namesByNumber, numberKey(uint64(r.Number()))}, key)
		if r.Text != "" {
			e.text(mark{namesByText, r.Text}, key)
		}
		if r.Vehicle != 0 {
			e.text(ofNumber(namesByVehicle, r.Vehicle), key)
		}
	case *Template:
		e.text(mark{by: allTemplates}, r.key())
		e.text(mark{templatesByCID, r.CID}, r.ID)
	case *Privileges:
		e.text(ofNumber(privilegesOnVehicle, r.Vehicle), grantKey(r.Vehicle, r.User))
		e.number(ofAccount(vehiclesPrivileged, r.User), r.Vehicle)
	case *Definition:
		e.text(ofNumber(definitionsOfTable, r.Table), r.ID)
		e.text(mark{definitionsByID, r.ID}, numberKey(r.Table))
	}
}

// inTime is a key that sorts by time, then by what is behind it.
func inTime(seconds int64, rest []byte) string {
	return string(append(binary.BigEndian.AppendUint64(nil, uint64(seconds)), rest...))
}
