package registry

import "sayso"

// Synthetic is a synthetic device: the link of a vehicle with the cloud of a
// connection, which speaks for it. Its owner is the vehicle's.
type Synthetic struct {
	ID         uint64            `json:"id"`
	Connection string            `json:"connection"` // id of the connection, decimal, up to 256 bits
	Vehicle    uint64            `json:"vehicle"`
	Address    sayso.Address     `json:"address"` // of its key
	Attributes map[string]string `json:"attributes,omitempty"`
	MintedAt   int64             `json:"mintedAt"`
	BurnedAt   int64             `json:"burnedAt,omitempty"` // 0 while the link lasts
}

// Synthetic finds a synthetic device by its number; one that was burnt is found too.
func (r *Registry) Synthetic(id uint64) (Synthetic, bool) {
	return get[Synthetic](r, synthetics, numberKey(id))
}

// Synthetic reads a synthetic device as it stands in the block so far.
func (tx *Tx) Synthetic(id uint64) (Synthetic, bool) {
	return read[Synthetic](tx, synthetics, numberKey(id))
}

// PutSynthetic writes a synthetic device.
func (tx *Tx) PutSynthetic(s Synthetic) { change(tx, synthetics, numberKey(s.ID), &s) }
