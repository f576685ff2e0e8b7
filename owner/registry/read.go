package registry

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	r.mu.RLock()
	defer r.mu.RUnlock()
	return row[Device](r.state, devices, numberKey(newest(r.state.deviceByAddress, a)))
}

// Manufacturer finds a manufacturer by its token id.
func (r *Registry) Manufacturer(id uint64) (Manufacturer, bool) {
	return get[Manufacturer](r, manufacturers, numberKey(id))
}

// ManufacturerByName finds a manufacturer by its exact name or its slug.
func (r *Registry) ManufacturerByName(name string) (Manufacturer, bool) {
	for _, m := range r.Manufacturers() {
		if m.Name == name || slugOf(m.Name) == name {
			return m, true
		}
	}
	return Manufacturer{}, false
}

// Manufacturers lists them by ascending token id.
func (r *Registry) Manufacturers() []Manufacturer {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]Manufacturer, 0, len(r.state.manufacturerIDs))
	for _, id := range r.state.manufacturerIDs {
		if m, ok := row[Manufacturer](r.state, manufacturers, numberKey(id)); ok {
			out = append(out, m)
		}
	}
	return out
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
	for grantee := range r.state.grantees[vehicle] {
		key := grantKey(vehicle, grantee)
		if g, ok := row[Grant](r.state, grants, key); ok {
			r.before(key, &g)
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b Grant) int {
		if a.CreatedAt != b.CreatedAt {
			return int(min(max(b.CreatedAt-a.CreatedAt, -1), 1))
		}
		return slices.Compare(a.Grantee[:], b.Grantee[:])
	})
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
	l, ok := row[Licence](r.state, licences, numberKey(newest(r.state.licenceByClient, a)))
	if ok {
		l = r.settled(l)
	}
	return l, ok
}

// LicenceByAlias finds a licence by its alias.
func (r *Registry) LicenceByAlias(alias string) (Licence, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return row[Licence](r.state, licences, numberKey(newest(r.state.licenceByAlias, alias)))
}

// VehicleFilter narrows a list of vehicles; the members that are set must all
// hold. Privileged is the owner or a grantee of an unexpired grant.
type VehicleFilter struct {
	Owner, Privileged *sayso.Address
	Make, Model       *string
	Year              *int
	Manufacturer      *uint64
	Definition        *string
	Now               time.Time // for Privileged
}

// Vehicles lists the vehicles that match, burned ones left out, by descending
// token id.
func (r *Registry) Vehicles(f VehicleFilter) iter.Seq[Vehicle] {
	return walk(r, vehicles, r.vehicleCandidates(f), func(v *Vehicle) bool {
		return !v.Burned && r.matches(f, v)
	})
}

// vehicleCandidates is the shortest list that holds every match.
func (r *Registry) vehicleCandidates(f VehicleFilter) []uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case f.Owner != nil:
		return slices.Sorted(maps.Keys(r.state.vehiclesByOwner[*f.Owner]))
	case f.Privileged != nil:
		ids := maps.Clone(r.state.vehiclesByOwner[*f.Privileged])
		if ids == nil {
			ids = map[uint64]bool{}
		}
		maps.Copy(ids, r.state.granted[*f.Privileged])
		return slices.Sorted(maps.Keys(ids))
	}
	return slices.Clone(r.state.vehicleIDs)
}

func (r *Registry) matches(f VehicleFilter, v *Vehicle) bool {
	attribute := func(name string, want *string) bool {
		return want == nil || strings.EqualFold(v.Attributes[name], *want)
	}
	switch {
	case f.Owner != nil && v.Owner() != *f.Owner:
	case f.Privileged != nil && v.Owner() != *f.Privileged && !r.grantStands(v.ID, *f.Privileged, f.Now):
	case !attribute("Make", f.Make), !attribute("Model", f.Model):
	case f.Year != nil && v.Attributes["Year"] != strconv.Itoa(*f.Year):
	case f.Manufacturer != nil && v.Manufacturer != *f.Manufacturer:
	case f.Definition != nil && v.Definition != *f.Definition:
	default:
		return true
	}
	return false
}

func (r *Registry) grantStands(vehicle uint64, grantee sayso.Address, now time.Time) bool {
	g, ok := r.Grant(vehicle, grantee)
	return ok && now.Unix() < g.Expires && !g.Set().Empty()
}

// DeviceFilter narrows a list of devices.
type DeviceFilter struct {
	Owner, Beneficiary *sayso.Address
	Manufacturer       *uint64
}

// Devices lists the devices that match by descending token id.
func (r *Registry) Devices(f DeviceFilter) iter.Seq[Device] {
	r.mu.RLock()
	ids := slices.Clone(r.state.deviceIDs)
	r.mu.RUnlock()
	return walk(r, devices, ids, func(d *Device) bool {
		return (f.Owner == nil || d.Owner == *f.Owner) &&
			(f.Beneficiary == nil || d.Beneficiary == *f.Beneficiary) &&
			(f.Manufacturer == nil || d.Manufacturer == *f.Manufacturer)
	})
}

// LicenceFilter narrows a list of licences.
type LicenceFilter struct{ Owner, Signer *sayso.Address }

// Licences lists the licences that match, revoked ones left out, by descending
// token id.
func (r *Registry) Licences(f LicenceFilter) iter.Seq[Licence] {
	r.mu.RLock()
	ids := slices.Clone(r.state.licenceIDs)
	r.mu.RUnlock()
	return walk(r, licences, ids, func(l *Licence) bool {
		if l.Revoked || (f.Owner != nil && l.Owner != *f.Owner) {
			return false
		}
		if f.Signer == nil {
			return true
		}
		_, ok := l.Signers[*f.Signer]
		return ok
	})
}

// walk reads rows one by one from the highest id, holding the lock only for
// each read.
func walk[T any](r *Registry, k kind, ids []uint64, keep func(*T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, id := range slices.Backward(ids) {
			v, ok := get[T](r, k, numberKey(id))
			if ok && keep(&v) && !yield(v) {
				return
			}
		}
	}
}
