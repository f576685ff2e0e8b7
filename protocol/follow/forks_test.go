package follow

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// forks is how many random forks the tests make: go test ./protocol/follow -forks 1000.
var forks = flag.Int("forks", 100, "random forks to make")

// randomLogs are events of a few vehicles and of everything else there is, among
// them some that name what is not there.
func randomLogs(t testing.TB, rnd *rand.Rand) []types.Log {
	var out []types.Log
	every := cases()
	for range max(0, rnd.IntN(7)-3) {
		id, who := n(1+rnd.Uint64N(5)), common.Address{byte(1 + rnd.IntN(4))}
		device := n(1 + rnd.Uint64N(4))
		switch rnd.IntN(9) {
		case 8:
			k := every[rnd.IntN(len(every))]
			out = append(out, emit(t, k.at, rowOf(t, k.at, k.begins).signature, k.values...))
		case 0:
			out = append(out, emit(t, info.Registry, minted, n(1), id, who, "d"))
		case 1:
			out = append(out, emit(t, info.Vehicle, transfer, common.Address{1}, who, id))
		case 2:
			out = append(out, emit(t, info.Registry, deviceMint, n(41), device, common.Address{0xd, byte(device.Uint64())}, who))
		case 3:
			out = append(out, emit(t, info.Registry, paired, device, id, who))
		case 4:
			out = append(out, emit(t, info.Registry, unpaired, device, id, who))
		default:
			out = append(out, emit(t, info.Grants, permissions, common.Address(info.Vehicle), id, n(rnd.Uint64N(4)*4), who, n(99+rnd.Uint64N(2)*1e12), n(0), ""))
		}
	}
	return out
}

// told is everything that a registry answers about the vehicles of randomLogs.
func told(t testing.TB, r *registry.Registry, now time.Time) string {
	t.Helper()
	facts, err := r.Dump()
	if err == nil && !r.Fresh(now) {
		err = errors.New("nobody sees anything, so there is nothing to compare")
	}
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString(facts)
	for v := range r.Vehicles(registry.VehicleFilter{}) {
		stake, _ := r.StakeOn(v.ID)
		name, _ := r.NameOn(v.ID)
		synthetic, _ := r.SyntheticByAddress(sayso.Address{0xe1})
		n, err := r.EarningsOf(v.ID).Count(context.Background())
		fmt.Fprintln(&out, v.ID, stake, name, synthetic, n, err)
	}
	for id := range uint64(5) {
		for who := range byte(4) {
			a := sayso.Address{who + 1}
			g, ok := r.Grant(id+1, a)
			fmt.Fprintln(&out, id+1, who+1, ok, g, consent.Decide(r, a, id+1, now))
			share, ok := r.AccountGrant(sayso.Address{byte(id + 8)}, a)
			fmt.Fprintln(&out, ok, share)
		}
	}
	return out.String()
}

// scratch is what a registry says that was built from the chain as it is.
func scratch(t testing.TB, c Chain, like registry.Config) string {
	t.Helper()
	f := follow(t, c, func(of *registry.Config, _ *Config) { of.Confirmations = like.Confirmations })
	f.wall.Advance(-3650 * time.Second)
	f.step(t)
	out := told(t, f.Registry, time.Unix(1350, 0))
	f.Close()
	return out
}

// After any fork, of any depth up to the limit, the registry says what one says
// that was built from scratch.
func TestForksEndAtTheRegistryFromScratch(t *testing.T) {
	rnd := rand.New(rand.NewPCG(uint64(*forks), 2))
	const length = 300
	for done := 0; done < *forks; {
		c := newFakeChain()
		confirmations := uint64(rnd.IntN(3) * rnd.IntN(20))
		f := follow(t, c, func(of *registry.Config, _ *Config) { of.Confirmations = confirmations })
		f.wall.Advance(-3650 * time.Second)
		for range length {
			c.grow(0, randomLogs(t, rnd)...)
		}
		f.step(t)
		for ; done < *forks && len(c.blocks) < length+100; done++ {
			depth := int(math.Exp(rnd.Float64() * math.Log(registry.Depth))) // as many shallow ones as deep ones
			if done%10 == 9 {
				depth = registry.Depth
			}
			// The deepest common block must still be kept after the fork before.
			depth = min(depth, kept(t, f))
			head := len(c.blocks) - 1
			c.cut(head - depth)
			for range max(1, depth+rnd.IntN(5)-2) { // shorter than the lost branch, or longer
				c.grow(byte(1+rnd.IntN(250)), randomLogs(t, rnd)...)
			}
			f.step(t)
			want := scratch(t, c, registry.Config{Confirmations: confirmations})
			if got := told(t, f.Registry, time.Unix(1350, 0)); got != want {
				t.Fatalf("fork %d, %d deep:\n%s\nwant\n%s", done, depth, got, want)
			}
		}
		f.Close()
	}
	t.Logf("%d forks", *forks)
}

// kept is how deep a fork may be now: to the lowest block that is kept.
func kept(t testing.TB, f fixture) int {
	head, _ := f.Head()
	for depth := 1; ; depth++ {
		if _, ok, err := f.At(head.Number - uint64(depth)); err != nil || !ok {
			if err != nil {
				t.Fatal(err)
			}
			return depth - 1
		}
	}
}

func TestTheDeepestFork(t *testing.T) {
	for _, depth := range []int{registry.Depth - 1, registry.Depth, registry.Depth + 1} {
		rnd := rand.New(rand.NewPCG(uint64(depth), 3))
		c := newFakeChain()
		f := follow(t, c)
		f.wall.Advance(-3650 * time.Second)
		for range 400 {
			c.grow(0, randomLogs(t, rnd)...)
		}
		f.step(t)
		f.wall.Advance(50 * time.Second) // the head is at 1400
		before := told(t, f.Registry, time.Unix(1400, 0))
		c.cut(400 - depth)
		for range depth + 1 {
			c.grow(1, randomLogs(t, rnd)...)
		}
		err := f.Step(t.Context())
		if depth <= registry.Depth {
			if want := scratch(t, c, registry.Config{}); err != nil || told(t, f.Registry, time.Unix(1350, 0)) != want {
				t.Errorf("%d deep: %v, or another registry than from scratch", depth, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "more than 256 blocks deep") || !strings.Contains(err.Error(), "remove ") {
			t.Errorf("%d deep: %v", depth, err)
		}
		if told(t, f.Registry, time.Unix(1400, 0)) != before {
			t.Errorf("%d deep: the registry changed", depth)
		}
		f.wall.Advance(registry.Horizon + time.Second)
		if f.Fresh(f.cfg.Clock.Now()) {
			t.Errorf("%d deep: reads go on", depth)
		}
	}
}

// A registry that is younger than a fork is deep begins again by itself.
func TestAForkBelowTheFirstBlock(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 3))
	c := newFakeChain()
	f := follow(t, c, func(_ *registry.Config, cfg *Config) { cfg.Start = 20 })
	for range 50 {
		c.grow(0, randomLogs(t, rnd)...)
	}
	f.step(t)
	c.cut(10)
	for range 45 {
		c.grow(1, randomLogs(t, rnd)...)
	}
	f.step(t)
	want := follow(t, c, func(_ *registry.Config, cfg *Config) { cfg.Start = 20 })
	want.step(t)
	now := time.Unix(5000, 0)
	if told(t, f.Registry, now) != told(t, want.Registry, now) {
		t.Error("another registry than from scratch")
	}
}

// A revocation that both branches of a fork hold is there all the time.
func TestAForkDoesNotUncoverWhatBothBranchesRevoke(t *testing.T) {
	app := common.Address{0xc}
	grant := func(bits uint64) types.Log {
		return emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(1), n(bits), app, n(1e12), n(0), "")
	}
	c := newFakeChain()
	f := follow(t, c)
	c.grow(0, emit(t, info.Registry, minted, n(1), n(1), common.Address{1}, "d"), grant(12))
	c.grow(0, grant(0))
	f.step(t)
	stop, seen := make(chan struct{}), make(chan int)
	go func() {
		times := 0
		for {
			select {
			case <-stop:
				seen <- times
				return
			default:
				if v := consent.Decide(f, sayso.Address(app), 1, time.Unix(5000, 0)); len(v.Rights) > 0 {
					times++
				}
			}
		}
	}()
	for salt := range byte(60) {
		c.cut(1)
		for range 1 + salt%3 {
			c.grow(salt + 1)
		}
		c.grow(salt+1, grant(0))
		f.step(t)
	}
	close(stop)
	if times := <-seen; times > 0 {
		t.Errorf("the revoked grant was served %d times", times)
	}
}
