package vault

import "sync"

// hotSet counts, per vehicle and epoch, the bytes of readings that are not packed,
// and lists those that have enough. What it does not list, because it is full or
// the process is new, or has to be packed with few bytes, because its bucket has
// ended, a sweep finds.
type hotSet struct {
	mu     sync.Mutex
	limit  int
	max    int
	bytes  map[owner]int // -1: in due
	due    []owner
	wake   chan struct{}
	ended  uint32 // the last hour whose bucket had ended at the last sweep
	missed bool   // there may be something for a sweep
}

func newHotSet(limit, max int) *hotSet {
	return &hotSet{limit: limit, max: max, bytes: make(map[owner]int), wake: make(chan struct{}, 1), missed: true}
}

// swept begins a sweep in which the last hour whose bucket has ended is the given
// one, and says whether there may be something for it. When a bucket has ended, the
// sweep packs nearly all that is counted, and counting begins again.
func (h *hotSet) swept(ended uint32) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	missed := h.missed || h.ended != ended
	if h.ended != ended {
		h.bytes = make(map[owner]int)
		for _, own := range h.due {
			h.bytes[own] = -1
		}
	}
	h.missed, h.ended = false, ended
	return missed
}

// again has a sweep find what could not be packed now.
func (h *hotSet) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed = true
}

// note counts what was applied, the earliest of it of some hour.
func (h *hotSet) note(own owner, n int, first uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	have, ok := h.bytes[own]
	turned := !ok && len(h.bytes) >= h.max
	h.missed = h.missed || turned || first <= h.ended
	if have < 0 || turned {
		return
	}
	if have += n; have >= h.limit {
		have = -1
		h.due = append(h.due, own)
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
	h.bytes[own] = have
}

// take gives one that is due.
func (h *hotSet) take() (own owner, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.due) == 0 {
		h.due = nil
		return own, false
	}
	own = h.due[0]
	h.due = h.due[1:]
	delete(h.bytes, own)
	return own, true
}
