package consent

import (
	"slices"

	"sayso"
)

// Message is what the decision about one kept cloud event needs to know of it.
type Message struct {
	Epoch  uint32
	Type   string
	Source string
	ID     string
	Tags   []string
	// Identifies says that it may tell the vehicle identification number.
	Identifies bool
	// Refused says that it was not accepted and is kept for the owner alone.
	Refused bool
}

// Message decides one cloud event as it was received, whole:
//
//   - The permission for raw data opens every message.
//   - The permissions for signals and for positions at any time open them
//     together; what tells the identification number, only with the permission
//     for that.
//   - A cloud event that the owner allows by an agreement is open with it.
//   - What was refused is open to the owner of its time only.
func (v Verdict) Message(m Message) bool {
	var right Right
	for _, r := range v.Rights {
		if r.Epoch == m.Epoch {
			right = r
		}
	}
	if m.Refused && !v.owned(m.Epoch) {
		return false
	}
	need := sayso.PermissionSet(sayso.NonLocationHistory, sayso.LocationHistory)
	if m.Identifies {
		need = need.With(sayso.VINCredential)
	}
	if right.Permissions.Has(sayso.RawData) || need.Without(right.Permissions).Empty() {
		return true
	}
	_, epochs := v.Event(m.Type, m.Source, m.ID, m.Tags)
	return slices.Contains(epochs, m.Epoch)
}

// owned says whether the principal owned the vehicle in an ownership.
func (v Verdict) owned(epoch uint32) bool {
	return slices.ContainsFunc(v.Rights, func(r Right) bool { return r.Epoch == epoch && r.Own }) ||
		slices.ContainsFunc(v.Events, func(r EventRight) bool { return r.Epoch == epoch && r.All })
}

// Messages are the ownerships of which some cloud event may be open, ascending.
func (v Verdict) Messages() []uint32 {
	var epochs []uint32
	for _, r := range v.Rights {
		if r.Permissions.Has(sayso.RawData) || r.Permissions.Has(sayso.NonLocationHistory) && r.Permissions.Has(sayso.LocationHistory) {
			epochs = append(epochs, r.Epoch)
		}
	}
	for _, r := range v.Events {
		epochs = append(epochs, r.Epoch)
	}
	slices.Sort(epochs)
	return slices.Compact(epochs)
}

// All are the ownerships of which all of some permissions are held, ascending.
func (v Verdict) All(need ...sayso.Permission) []uint32 {
	_, epochs := v.all(need...)
	return epochs
}

// Own are the ownerships that are the principal's own, ascending.
func (v Verdict) Own() []uint32 {
	var epochs []uint32
	for _, r := range v.Rights {
		if r.Own {
			epochs = append(epochs, r.Epoch)
		}
	}
	return epochs
}
