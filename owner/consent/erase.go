package consent

// Erasable are the ownerships that the principal may have erased: its own,
// ascending. No grant lets anybody erase.
func (v Verdict) Erasable() []uint32 {
	var epochs []uint32
	for _, r := range v.Rights {
		if r.Own {
			epochs = append(epochs, r.Epoch)
		}
	}
	return epochs
}
