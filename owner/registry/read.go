package registry

import (
	"iter"
	"slices"
	"strconv"
	"time"

	"sayso"
)

// get reads one row under the lock.
func get[T any](r *Registry, k kind, key string) (T, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return row[T](r.state, k, key)
}

// Vehicle finds a vehicle by its token id, burned ones too.
func (r *Registry) Vehicle(id uint64) (Vehicle, bool) {
	return get[Vehicle](r, vehicles, numberKey(id))
}

// Device finds an aftermarket device by its token id.
func (r *Registry) Device(id uint64) (Device, bool) { return get[Device](r, devices, numberKey(id)) }

// DeviceByAddress finds the device whose key has that address.
func (r *Registry) DeviceByAddress(a sayso.Address) (Device, bool) {
	return numberUnder[Device](r, devices, ofAccount(devicesByAddress, a))
}

// Label is what is printed on a device.
type Label struct{ by index }

// The labels.
var (
	Serial = Label{devicesBySerial}
	IMEI   = Label{devicesByIMEI}
	DevEUI = Label{devicesByDevEUI}
)

// DeviceByLabel finds the newest device with that label.
func (r *Registry) DeviceByLabel(l Label, text string) (Device, bool) {
	return numberUnder[Device](r, devices, mark{l.by, text})
}

// Manufacturer finds a manufacturer by its token id.
func (r *Registry) Manufacturer(id uint64) (Manufacturer, bool) {
	return get[Manufacturer](r, manufacturers, numberKey(id))
}

// ManufacturerByName finds a manufacturer by its exact name.
func (r *Registry) ManufacturerByName(name string) (Manufacturer, bool) {
	return numberUnder[Manufacturer](r, manufacturers, mark{manufacturersByName, name})
}

// ManufacturerBySlug finds a manufacturer by the form of its name in URLs.
func (r *Registry) ManufacturerBySlug(slug string) (Manufacturer, bool) {
	return numberUnder[Manufacturer](r, manufacturers, mark{manufacturersBySlug, slug})
}

// Manufacturers lists them by ascending token id.
func (r *Registry) Manufacturers() []Manufacturer {
	l := List[uint64, Manufacturer]{r: r, sets: under(numbersOf, mark{by: allManufacturers}), read: numbered[Manufacturer](manufacturers)}
	return slices.Collect(l.Up(nil))
}

// Grant finds the grant of a vehicle to a grantee as it stands at the head,
// expired ones too, with what the grantee has in the final state.
func (r *Registry) Grant(vehicle uint64, grantee sayso.Address) (Grant, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	key := grantKey(vehicle, grantee)
	g, ok := row[Grant](r.state, grants, key)
	if ok {
		r.before(key, &g)
	}
	return g, ok
}

// Grants lists the grants of a vehicle, newest first, then by grantee.
func (r *Registry) Grants(vehicle uint64) []Grant {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []Grant
	for _, grantee := range r.state.grantees(vehicle) {
		key := grantKey(vehicle, grantee)
		if g, ok := row[Grant](r.state, grants, key); ok {
			r.before(key, &g)
			out = append(out, g)
		}
	}
	slices.SortFunc(out, newestFirst)
	return out
}

// Licence finds a developer licence by its token id.
func (r *Registry) Licence(id uint64) (Licence, bool) {
	return get[Licence](r, licences, numberKey(id))
}

// LicenceByClient finds a licence by its client id. Signers and redirect URIs
// are those that stand at the head and in the final state.
func (r *Registry) LicenceByClient(a sayso.Address) (Licence, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	l, ok := r.licenceUnder(ofAccount(licencesByClient, a))
	if ok {
		l = r.settled(l)
	}
	return l, ok
}

// LicenceByAlias finds a licence by its alias.
func (r *Registry) LicenceByAlias(alias string) (Licence, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.licenceUnder(mark{licencesByAlias, alias})
}

func (r *Registry) licenceUnder(m mark) (l Licence, ok bool) {
	if id, there := r.state.numbers.newest(m); there {
		return row[Licence](r.state, licences, numberKey(id))
	}
	return l, false
}

// VehicleFilter narrows a list of vehicles; the members that are set must all
// hold. Privileged is the owner, a grantee of an unexpired grant or the holder
// of an unexpired privilege. Connection is an id.
type VehicleFilter struct {
	Owner, Privileged *sayso.Address
	Make, Model       *string
	Year              *int
	Manufacturer      *uint64
	Definition        *string
	Connection        *string
	Now               time.Time // for Privileged
}

// Vehicles lists the vehicles that match, burned ones left out, by descending
// token id.
func (r *Registry) Vehicles(f VehicleFilter) iter.Seq[Vehicle] { return r.VehicleList(f).Down(nil) }

// VehicleList is the vehicles that match, burned ones left out.
func (r *Registry) VehicleList(f VehicleFilter) List[uint64, Vehicle] {
	l := List[uint64, Vehicle]{r: r, sets: under(numbersOf, f.marks()...), read: numbered[Vehicle](vehicles)}
	if who := f.Privileged; who != nil {
		marks := f.marks()
		l.sets = func(s *state) []union[uint64] {
			return append(under(numbersOf, marks...)(s), union[uint64]{
				s.numbers.under(ofAccount(vehiclesByOwner, *who)), s.numbers.under(ofAccount(vehiclesGrantedTo, *who)), s.numbers.under(ofAccount(vehiclesPrivileged, *who)),
			})
		}
		l.some = func(s *state, id uint64) bool { return r.privileged(s, id, *who, f.Now.Unix()) }
	}
	return l
}

// marks are what all the members of the filter stand for.
func (f VehicleFilter) marks() (out []mark) {
	if f.Owner != nil {
		out = append(out, ofAccount(vehiclesByOwner, *f.Owner))
	}
	if f.Make != nil {
		out = append(out, ofWord(vehiclesByMake, *f.Make))
	}
	if f.Model != nil {
		out = append(out, ofWord(vehiclesByModel, *f.Model))
	}
	if f.Year != nil {
		out = append(out, mark{vehiclesByYear, strconv.Itoa(*f.Year)})
	}
	if f.Manufacturer != nil {
		out = append(out, ofNumber(vehiclesByMaker, *f.Manufacturer))
	}
	if f.Definition != nil {
		out = append(out, mark{vehiclesByDefinition, *f.Definition})
	}
	if f.Connection != nil {
		out = append(out, mark{vehiclesByConnection, *f.Connection})
	}
	if out == nil {
		out = []mark{{by: allVehicles}}
	}
	return out
}

// privileged says whether somebody owns a vehicle or may do something with it;
// the lock is held.
func (r *Registry) privileged(s *state, id uint64, who sayso.Address, now int64) bool {
	v, ok := row[Vehicle](s, vehicles, numberKey(id))
	if !ok || v.Burned {
		return false
	}
	g, granted := row[Grant](s, grants, grantKey(id, who))
	if v.Owner() == who || granted && now < g.Expires && !g.Set().Empty() {
		return true
	}
	p, _ := row[Privileges](s, privileges, grantKey(id, who))
	for _, right := range p.Rights {
		if now < right.Expires {
			return true
		}
	}
	return false
}

// DeviceFilter narrows a list of devices.
type DeviceFilter struct {
	Owner, Beneficiary *sayso.Address
	Manufacturer       *uint64
}

// DeviceList is the devices that match.
func (r *Registry) DeviceList(f DeviceFilter) List[uint64, Device] {
	var marks []mark
	if f.Owner != nil {
		marks = append(marks, ofAccount(devicesByOwner, *f.Owner))
	}
	if f.Beneficiary != nil {
		marks = append(marks, ofAccount(devicesByBeneficiary, *f.Beneficiary))
	}
	if f.Manufacturer != nil {
		marks = append(marks, ofNumber(devicesByMaker, *f.Manufacturer))
	}
	if marks == nil {
		marks = []mark{{by: allDevices}}
	}
	return List[uint64, Device]{r: r, sets: under(numbersOf, marks...), read: numbered[Device](devices)}
}

// LicenceFilter narrows a list of licences.
type LicenceFilter struct{ Owner, Signer *sayso.Address }

// Licences lists the licences that match, revoked ones left out, by descending
// token id.
func (r *Registry) Licences(f LicenceFilter) iter.Seq[Licence] { return r.LicenceList(f).Down(nil) }

// LicenceList is the licences that match, revoked ones left out.
func (r *Registry) LicenceList(f LicenceFilter) List[uint64, Licence] {
	var marks []mark
	if f.Owner != nil {
		marks = append(marks, ofAccount(licencesByOwner, *f.Owner))
	}
	if f.Signer != nil {
		marks = append(marks, ofAccount(licencesBySigner, *f.Signer))
	}
	if marks == nil {
		marks = []mark{{by: allLicences}}
	}
	return List[uint64, Licence]{r: r, sets: under(numbersOf, marks...), read: numbered[Licence](licences)}
}
