package registry

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sayso"
	"sayso/internal/clock"
)

func address(n byte) sayso.Address { return sayso.Address{19: n} }

func open(t *testing.T, path string) *Registry {
	t.Helper()
	r, err := Open(Config{Path: path, Chain: ChainInfo{ID: 7, Vehicle: address(1)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// block is the n-th block of a branch; its changes depend on nothing else.
func block(n uint64, branch, parentBranch byte) Block {
	b := Block{Number: n, Time: int64(1000 + n)}
	b.Hash = sayso.Keccak256([]byte(fmt.Sprint(n, branch)))
	b.Parent = sayso.Keccak256([]byte(fmt.Sprint(n-1, parentBranch)))
	return b
}

// churn changes a few facts at random, the same for the same block.
func churn(tx *Tx) error {
	rnd := rand.New(rand.NewPCG(tx.Block.Number, uint64(tx.Block.Hash[0])))
	for range 1 + rnd.IntN(5) {
		id, who := 1+rnd.Uint64N(6), address(byte(1+rnd.IntN(4)))
		v, ok := tx.Vehicle(id)
		if !ok {
			v = Vehicle{ID: id, MintedAt: tx.Block.Time}
		}
		switch rnd.IntN(5) {
		case 0, 1:
			v.Owners = append(slices.Clone(v.Owners), Ownership{Owner: who, From: tx.Block.Time, Block: tx.Block.Number})
			tx.PutVehicle(v)
			tx.DeleteGrants(id)
		case 2:
			tx.PutGrant(Grant{Vehicle: id, Grantee: who, Right: Right{"0xc", Forever}, CreatedAt: tx.Block.Time, Block: tx.Block.Number})
		case 3:
			tx.DeleteGrant(id, who)
		case 4:
			tx.PutDevice(Device{ID: id, Address: address(byte(id)), Owner: who})
		}
	}
	return nil
}

func fold(t *testing.T, r *Registry, b Block) {
	t.Helper()
	if err := r.Fold(b, churn); err != nil {
		t.Fatal(err)
	}
}

func dump(t *testing.T, r *Registry) string {
	t.Helper()
	text, err := r.Dump()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// memory renders what reads answer, so that it can be compared with a registry
// that was loaded from disk.
func memory(r *Registry) string {
	out := ""
	for v := range r.Vehicles(VehicleFilter{}) {
		out += fmt.Sprintln("vehicle", v, r.Grants(v.ID))
	}
	for n := byte(1); n < 5; n++ {
		a := address(n)
		for v := range r.Vehicles(VehicleFilter{Owner: &a}) {
			out += fmt.Sprintln("owned", a, v.ID)
		}
		for v := range r.Vehicles(VehicleFilter{Privileged: &a, Now: time.Unix(5, 0)}) {
			out += fmt.Sprintln("privileged", a, v.ID)
		}
		d, ok := r.DeviceByAddress(a)
		out += fmt.Sprintln("device", a, d.Owner, ok)
	}
	return out
}

func TestForksLeaveWhatAStraightChainLeaves(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		r := open(t, filepath.Join(dir, "forked"))
		branch := []byte{0} // branch[n] is the branch of block n on the present chain
		for range 60 {
			if len(branch) > 2 && rnd.IntN(4) == 0 {
				keep := len(branch) - 1 - rnd.IntN(min(len(branch)-1, 9))
				if err := r.Unwind(uint64(keep)); err != nil {
					t.Fatal(err)
				}
				branch = branch[:keep+1]
				continue
			}
			n := uint64(len(branch))
			b := byte(rnd.IntN(3))
			fold(t, r, block(n, b, branch[n-1]))
			branch = append(branch, b)
		}
		straight := open(t, filepath.Join(dir, "straight"))
		for n := 1; n < len(branch); n++ {
			fold(t, straight, block(uint64(n), branch[n], branch[n-1]))
		}
		if got, want := dump(t, r), dump(t, straight); got != want {
			t.Fatalf("seed %d: forked registry differs\n%s\nstraight:\n%s", seed, got, want)
		}
		if got, want := memory(r), memory(straight); got != want {
			t.Fatalf("seed %d: memory differs\n%s\nstraight:\n%s", seed, got, want)
		}
		r.Close()
		if got, want := memory(open(t, filepath.Join(dir, "forked"))), memory(straight); got != want {
			t.Fatalf("seed %d: reloaded registry differs\n%s\nstraight:\n%s", seed, got, want)
		}
	}
}

func TestABlockOfAnotherParentIsAFork(t *testing.T) {
	r := open(t, filepath.Join(t.TempDir(), "r"))
	fold(t, r, block(1, 0, 0))
	before := dump(t, r)
	for name, b := range map[string]Block{"other parent": block(2, 0, 1), "gap": block(3, 0, 0), "again": block(1, 0, 0)} {
		if err := r.Fold(b, churn); !errors.Is(err, ErrFork) {
			t.Errorf("%s: got %v, want ErrFork", name, err)
		}
	}
	if dump(t, r) != before {
		t.Error("a refused block changed facts")
	}
}

func TestAFailingBlockChangesNothing(t *testing.T) {
	r := open(t, filepath.Join(t.TempDir(), "r"))
	boom := errors.New("boom")
	err := r.Fold(block(1, 0, 0), func(tx *Tx) error { tx.PutVehicle(Vehicle{ID: 1}); return boom })
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	if _, ok := r.Vehicle(1); ok || dump(t, r) != "" {
		t.Error("the vehicle of a failed block is there")
	}
}

func TestAnotherChainIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	open(t, path).Close()
	if _, err := Open(Config{Path: path, Chain: ChainInfo{ID: 8}}); err == nil {
		t.Fatal("a registry of chain 7 opened as one of chain 8")
	}
}

func TestDecisionTimeNeverGoesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	r := open(t, path)
	wall := clock.NewManual(time.Unix(10_000, 0))
	c, err := r.Clock(wall)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Mark(); err != nil {
		t.Fatal(err)
	}
	wall.Advance(-time.Hour)
	if got := c.Now().Unix(); got != 10_000 {
		t.Errorf("after setting the wall clock back: %d", got)
	}
	r.Close()
	r = open(t, path)
	if c, err = r.Clock(wall); err != nil || c.Now().Unix() != 10_000 {
		t.Errorf("after a restart: %v %v", c.Now().Unix(), err)
	}
	ahead := block(1, 0, 0)
	ahead.Time = 20_000
	fold(t, r, ahead)
	if got := c.Now().Unix(); got != 20_000 {
		t.Errorf("behind the head block: %d", got)
	}
	if got := c.Wall().Unix(); got != 10_000 {
		t.Errorf("the wall time went with the head block: %d", got)
	}
}

func TestEpochAtAndPairedAt(t *testing.T) {
	v := Vehicle{Owners: []Ownership{{From: 100}, {From: 200}, {From: 300}}}
	for at, want := range map[int64]uint32{0: 1, 100: 1, 199: 1, 200: 2, 299: 2, 300: 3, 999: 3} {
		if got := v.EpochAt(sayso.Instant(at * 1_000_000)); got != want {
			t.Errorf("EpochAt(%d) = %d, want %d", at, got, want)
		}
	}
	d := Device{Pairings: []Pairing{{Vehicle: 1, From: 10, To: 20}, {Vehicle: 2, From: 30}}}
	for _, c := range []struct {
		vehicle uint64
		at      int64
		want    bool
	}{{1, 9, false}, {1, 10, true}, {1, 20, false}, {2, 15, false}, {2, 30, true}, {1, 40, false}} {
		if got := d.PairedAt(c.vehicle, sayso.Instant(c.at*1_000_000)); got != c.want {
			t.Errorf("PairedAt(%d, %d) = %v", c.vehicle, c.at, got)
		}
	}
}

func TestAPathMayHoldAnyCharacter(t *testing.T) {
	for _, name := range []string{"a#b", "a?b", "a%41b", "a b", "ä"} {
		path := filepath.Join(t.TempDir(), name)
		open(t, path).Close()
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: the registry was put elsewhere: %v", name, err)
		}
	}
}
