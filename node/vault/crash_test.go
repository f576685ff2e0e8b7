package vault_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/node/vault"
)

// sender is one car that sends its messages one after the other.
type sender struct {
	vehicle uint64
	next    int
}

func (s *sender) message() *msg {
	m := newMsg(s.vehicle, 1, 1, fmt.Sprintf("car %d message %d", s.vehicle, s.next))
	at := start + sayso.Instant(s.next)*second
	m.Envelope.Time = at.Time()
	return m.number(5, 1, at, float64(s.next)).number(6, 1, at, float64(s.vehicle))
}

// acks are what the senders were told.
type acks struct {
	sync.Mutex
	seqs map[string]uint64
}

// send lets the cars send at the same time, at most so many messages each; cut
// is called once, when so many are acked in all, while they go on.
func send(t testing.TB, v *vault.Vault, cars []*sender, acked *acks, most, cutAt int, cut func()) {
	var wg sync.WaitGroup
	var once sync.Once
	count := 0
	for _, s := range cars {
		wg.Go(func() {
			for range most {
				m := s.message()
				s.next++
				k, err := v.Commit(context.Background(), m.Deposit)
				if err != nil {
					t.Errorf("commit: %v", err)
					return
				}
				acked.Lock()
				acked.seqs[m.Envelope.ID] = k.Seq
				count++
				now := count == cutAt
				acked.Unlock()
				if now {
					once.Do(cut)
				}
			}
		})
	}
	wg.Wait()
	once.Do(cut)
}

// audit compares what a vault holds with what was acked and sent: nothing acked
// is missing, nothing is there that was not sent, the order of each car is kept,
// and rows and latest values agree with the cloud events.
func audit(t *testing.T, v *vault.Vault, cars []*sender, acked map[string]uint64) {
	t.Helper()
	ctx := context.Background()
	have := make(map[string]uint64)
	last := make(map[uint64]int)
	seq := uint64(0)
	err := v.Follow(ctx, 0, func(e vault.Entry) bool {
		if seq++; e.Seq != seq {
			t.Fatalf("sequence %d follows %d", e.Seq, seq-1)
		}
		var vehicle uint64
		var n int
		if _, err := fmt.Sscanf(e.Envelope.ID, "car %d message %d", &vehicle, &n); err != nil || vehicle != e.Vehicle {
			t.Fatalf("a message that nobody sent: %+v", e)
		}
		s := &sender{vehicle: vehicle, next: n}
		if want := s.message(); string(e.Envelope.Data) != string(want.Envelope.Data) || len(e.Readings) != 2 || e.Readings[0] != want.Readings[0] || e.Readings[1] != want.Readings[1] {
			t.Fatalf("%+v is not what was sent", e)
		}
		if n != last[vehicle] {
			t.Fatalf("car %d: message %d comes behind %d", vehicle, n, last[vehicle])
		}
		last[vehicle] = n + 1
		have[e.Envelope.ID] = e.Seq
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, seq := range acked {
		if have[id] != seq {
			t.Errorf("%s was acked as %d and is %d", id, seq, have[id])
		}
	}
	if v.Seq() != seq {
		t.Errorf("Seq says %d, the last commit is %d", v.Seq(), seq)
	}
	for _, s := range cars {
		rows := scan(t, v, view(s.vehicle, 1), []sayso.SignalID{5}, 0, ever)
		if len(rows) != last[s.vehicle] {
			t.Errorf("car %d has %d rows of %d messages", s.vehicle, len(rows), last[s.vehicle])
		}
		now := latest(t, v, view(s.vehicle, 1), []sayso.SignalID{5})
		if n := last[s.vehicle]; n > 0 && (len(now) != 1 || now[0].Value.Number != float64(n-1)) {
			t.Errorf("car %d: latest is %+v behind %d messages", s.vehicle, now, n)
		}
		s.next = last[s.vehicle]
	}
}

// powerCuts is how many times the power goes in TestPowerCuts.
const powerCuts = 120

// TestPowerCuts cuts the power while cars send, with a random share of what was
// not synced surviving, opens what is left, and lets the same cars go on.
func TestPowerCuts(t *testing.T) {
	cuts := powerCuts
	if testing.Short() {
		cuts = 20
	}
	const life = 6 // cuts that one store survives
	for first := 0; first < cuts; first += life {
		rng := rand.New(rand.NewPCG(uint64(first), 1))
		fs := vfs.NewCrashableMem()
		cars := []*sender{{vehicle: 1}, {vehicle: 2}, {vehicle: 3}, {vehicle: 4}, {vehicle: 5}}
		acked := &acks{seqs: make(map[string]uint64)}
		for n := range life {
			cfg := config(t, fs)
			cfg.SegmentBytes = 16 << 10
			cfg.MemTableBytes = 64 << 10
			cfg.Chunk.Columns = 1 + n%2*1000 // by column in every other life
			v := open(t, cfg)
			audit(t, v, cars, acked.seqs)
			var left *vfs.MemFS
			told := make(map[string]uint64)
			send(t, v, cars, acked, 40, rng.IntN(150), func() {
				acked.Lock()
				for id, seq := range acked.seqs {
					told[id] = seq
				}
				acked.Unlock()
				left = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 20, 50, 80, 100}[rng.IntN(5)], RNG: rng})
			})
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			if t.Failed() {
				t.Fatalf("store %d, cut %d", first, n)
			}
			fs, acked.seqs = left, told
		}
	}
}

// TestPowerCutsWhileOpening cuts the power again and again while the store is
// made, opened, recovered and closed.
func TestPowerCutsWhileOpening(t *testing.T) {
	fs := vfs.NewCrashableMem()
	cfg := config(t, fs)
	cfg.SegmentBytes = 16 << 10
	v := open(t, cfg)
	cars := []*sender{{vehicle: 1}, {vehicle: 2}}
	acked := &acks{seqs: make(map[string]uint64)}
	send(t, v, cars, acked, 60, 0, func() {})
	rng := rand.New(rand.NewPCG(1, 2))
	mid := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range 120 {
		// The crash of a store that is being opened: the clone is taken at a
		// random write of the opening.
		stop := rng.IntN(60)
		from := mid
		if n%4 == 0 {
			from = vfs.NewCrashableMem() // a store that is being made
		}
		var left *vfs.MemFS
		ops := 0
		tap := tapFS(from, func() {
			if ops++; ops == stop {
				left = from.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			}
		})
		cfg := config(t, tap)
		cfg.SegmentBytes = 16 << 10
		if err := open(t, cfg).Close(); err != nil {
			t.Fatal(err)
		}
		if left == nil {
			left = from
		}
		cfg = config(t, left)
		cfg.SegmentBytes = 16 << 10
		v := open(t, cfg)
		if n%4 != 0 {
			audit(t, v, cars, acked.seqs)
		} else if v.Seq() != 0 {
			t.Errorf("a new store has sequence %d", v.Seq())
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if n%4 != 0 {
			mid = left
		}
	}
}
