package chaos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"sayso"
	"sayso/node/vault"
)

// The signals of a reading's part: its number, its canary, a place.
const (
	signalNumber = 5
	signalText   = 6
	signalPlace  = 9
)

const (
	second = sayso.Instant(1_000_000)
	start  = 1_772_366_400 * second // 1 March 2026, 12:00
)

// message is one deposit of a car, and what its sender knows of it.
type message struct {
	*vault.Deposit
	n      int             // of the car
	epochs []uint32        // under which it brings something
	gone   map[uint32]bool // what an opening has shown to be erased
	doubt  map[uint32]bool // what may be erased or have gone with time: nothing has shown which

	begun   int    // when it was last given to the vault; 0 never
	done    int    // when it was first known to be kept, by an answer or by a read
	seq     uint64 // 0: not known
	settled bool   // known to be kept before the present life of the store
	maybe   bool   // neither known to be kept nor to be absent: all of it may have been erased
	refused bool   // in this life
}

// erasure is one call of Erase.
type erasure struct {
	vehicle     uint64
	epoch       uint32
	begun, done int
	keys        [][]byte // the wrapped keys that it must destroy
	judged      bool     // told is set
	told        bool     // the owner had the answer before the cut
}

// owned is a vehicle and an epoch.
type owned struct {
	vehicle uint64
	epoch   uint32
}

// history is the log of what was meant and what was answered. Its clock ticks
// with every entry.
type history struct {
	sync.Mutex
	key      [32]byte
	tick     int
	messages []*message
	byID     map[string]*message
	erasures []*erasure
	cutAt    int // answers up to here were given before the cut
	meantAt  int // what was meant up to here may be there after it
}

func newHistory(seed uint64) *history {
	h := &history{byID: make(map[string]*message)}
	binary.LittleEndian.PutUint64(h.key[:], seed)
	return h
}

func (h *history) now() int {
	h.Lock()
	defer h.Unlock()
	h.tick++
	return h.tick
}

// canary maps what is seen anywhere back to who sent it.
func (h *history) canary(vehicle uint64, epoch uint32, n int) string {
	m := hmac.New(sha256.New, h.key[:])
	fmt.Fprintf(m, "%d %d %d", vehicle, epoch, n)
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// compose makes the n-th message of a car: an envelope, readings of this epoch
// and sometimes of the one before, sometimes an event.
func (h *history) compose(rng *rand.Rand, c *car) *message {
	id := h.canary(c.vehicle, c.epoch, c.next)
	at := at(c.next)
	body := make([]byte, []int{10, 200, 1500, 2600}[rng.IntN(4)])
	for i := range body {
		body[i] = byte(rng.IntN(256))
	}
	d := &vault.Deposit{
		Vehicle: c.vehicle, Epoch: c.epoch, Body: sha256.Sum256([]byte(id)),
		Envelope: sayso.CloudEvent{
			Type: sayso.TypeStatus, Source: sayso.Address{19: byte(c.vehicle)}, Subject: sayso.NFT(137, sayso.Address{5}, c.vehicle),
			Producer: sayso.NFT(137, sayso.Address{6}, 77), ID: id, Time: at.Time(), Data: []byte(`{"canary":"` + id + hex.EncodeToString(body) + `"}`),
		},
	}
	if rng.IntN(8) == 0 {
		d.Envelope.Type = sayso.TypeAttestation // which does not go with time
	}
	m := &message{Deposit: d, n: c.next, gone: make(map[uint32]bool), doubt: make(map[uint32]bool)}
	epochs := []uint32{c.epoch}
	if c.epoch > 1 && rng.IntN(3) == 0 {
		epochs = []uint32{c.epoch - 1, c.epoch}
	}
	m.epochs = epochs
	for i, e := range epochs {
		t := at + sayso.Instant(i)*second
		d.Readings = append(d.Readings,
			sayso.Reading{Signal: signalNumber, Epoch: e, Time: t, Value: sayso.NumberValue(float64(c.next))},
			sayso.Reading{Signal: signalText, Epoch: e, Time: t, Value: sayso.TextValue(id)},
			sayso.Reading{Signal: signalPlace, Epoch: e, Time: t, Value: sayso.LocationValue(sayso.Location{Latitude: 48 + float64(c.next)/1e4, Longitude: 11})})
	}
	if rng.IntN(4) == 0 {
		d.Events = []sayso.Event{{Name: "behavior.harshBraking", Epoch: c.epoch, Time: at, Metadata: `{"canary":"` + id + `"}`}}
	}
	c.next++
	h.Lock()
	defer h.Unlock()
	h.messages = append(h.messages, m)
	h.byID[id] = m
	return m
}

// brought says whether a message has a part of an epoch.
func (m *message) brought(epoch uint32) bool { return slices.Contains(m.epochs, epoch) }

// has says whether a row is one of its readings.
func (m *message) has(r vault.Row, epoch uint32) bool {
	return slices.Contains(m.Readings, sayso.Reading{Signal: r.Signal, Epoch: epoch, Time: r.Time, Value: r.Value}) && r.Source == m.Envelope.Source
}

// mean notes that a message is being sent.
func (h *history) mean(m *message) {
	h.Lock()
	defer h.Unlock()
	h.tick++
	m.begun, m.refused = h.tick, false
}

// learn notes that a message is kept. It gives false where that contradicts
// what was known.
func (h *history) learn(m *message, seq uint64) bool {
	h.Lock()
	defer h.Unlock()
	h.tick++
	if m.done == 0 {
		m.done = h.tick
	}
	if m.seq == 0 {
		m.seq = seq
	}
	return m.seq == seq
}

// rewind forgets what came after the cut: it never happened.
func (h *history) rewind() {
	h.Lock()
	defer h.Unlock()
	for _, m := range h.messages {
		if m.done > h.cutAt {
			m.done, m.seq = 0, 0
		}
		if m.begun > h.meantAt {
			m.begun = 0
		}
	}
	kept := h.erasures[:0]
	for _, e := range h.erasures {
		if e.begun <= h.meantAt {
			if !e.judged {
				e.judged, e.told = true, e.done != 0 && e.done <= h.cutAt
			}
			kept = append(kept, e)
		}
	}
	h.erasures = kept
}
