package follow

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// naive is what the words say, written down without a thought for speed: the
// state of one vehicle after a list of blocks, and what it gives to whom.
type naive struct {
	owners []sayso.Address
	grants map[sayso.Address]registry.Right
	burned bool
}

// deed is one event of the vehicle.
type deed struct {
	kind    string // grant, sell, burn
	who     sayso.Address
	bits    uint64
	expires int64
}

func (n *naive) do(d deed) {
	switch {
	case n.burned:
	case d.kind == "grant" && d.bits == 0:
		delete(n.grants, d.who)
	case d.kind == "grant":
		n.grants[d.who] = registry.Right{Permissions: fmt.Sprintf("0x%x", d.bits), Expires: d.expires}
	case d.kind == "sell":
		if n.owners[len(n.owners)-1] != d.who {
			n.owners = append(n.owners, d.who)
		}
		clear(n.grants)
	case d.kind == "burn":
		n.burned = true
		clear(n.grants)
	}
}

// stateAfter is the state after so many blocks; nil before the vehicle is there.
func stateAfter(blocks [][]deed, owner sayso.Address, count int) *naive {
	if count < 1 {
		return nil
	}
	n := &naive{owners: []sayso.Address{owner}, grants: map[sayso.Address]registry.Right{}}
	for _, deeds := range blocks[:count] {
		for _, d := range deeds {
			n.do(d)
		}
	}
	return n
}

// gives is what somebody may see of an ownership, counted from 1.
func (n *naive) gives(who sayso.Address, epoch int, now time.Time) sayso.Permissions {
	if n == nil || epoch > len(n.owners) {
		return sayso.Permissions{}
	}
	if n.owners[epoch-1] == who {
		return sayso.AllPermissions()
	}
	if g, ok := n.grants[who]; ok && epoch == len(n.owners) && now.Unix() < g.Expires {
		return g.Set()
	}
	return sayso.Permissions{}
}

// Whatever was granted, overwritten, revoked, sold and forked away within the
// blocks that are not final: what somebody sees is what the final state and the
// state at the head both give, ownership by ownership.
func TestWhatCountsIsFinalAndStandsAtTheHead(t *testing.T) {
	people := []sayso.Address{{0xa}, {0xb}, {0xc}}
	const id = 1
	rapid.Check(t, func(rt *rapid.T) {
		confirmations := rapid.Uint64Range(0, 4).Draw(rt, "confirmations")
		c := newFakeChain()
		f := follow(t, c, func(of *registry.Config, cfg *Config) { of.Confirmations = confirmations })
		f.wall.Advance(-3990 * time.Second) // 1010: the head is a few seconds old
		owner := people[0]
		blocks := [][]deed{nil}
		c.grow(0, emit(t, info.Registry, minted, n(1), n(id), common.Address(owner), "d"))
		any := rapid.Custom(func(rt *rapid.T) deed {
			return deed{
				kind: rapid.SampledFrom([]string{"grant", "grant", "grant", "grant", "sell", "burn"}).Draw(rt, "kind"), who: rapid.SampledFrom(people).Draw(rt, "who"),
				bits: rapid.SampledFrom([]uint64{0, 0xc, 0x30, 0x3c, 0xfc}).Draw(rt, "bits"), expires: rapid.SampledFrom([]int64{1005, 1015, registry.Forever}).Draw(rt, "expires"),
			}
		})
		some := rapid.SliceOfN(any, 0, 2)
		grow := func(salt byte) {
			deeds := some.Draw(rt, "deeds")
			var logs []types.Log
			state := stateAfter(blocks, owner, len(blocks))
			for _, d := range deeds {
				logs = append(logs, events(t, id, state, d)...)
				state.do(d)
			}
			blocks = append(blocks, deeds)
			c.grow(salt, logs...)
		}
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if back := rapid.IntRange(-4, len(blocks)-1).Draw(rt, "back"); back > 0 {
				blocks = blocks[:len(blocks)-back]
				c.cut(len(blocks))
			}
			for range rapid.IntRange(1, 4).Draw(rt, "blocks") {
				grow(byte(step + 1))
			}
			f.step(t)
			head := stateAfter(blocks, owner, len(blocks))
			final := stateAfter(blocks, owner, len(blocks)-int(confirmations))
			for _, who := range people {
				for _, now := range []time.Time{time.Unix(1000, 0), time.Unix(1010, 0), time.Unix(1020, 0)} {
					compare(rt, consent.Decide(f, who, id, now), head, final, who, now)
				}
			}
		}
	})
}

func compare(t *rapid.T, v consent.Verdict, head, final *naive, who sayso.Address, now time.Time) {
	got := map[int]sayso.Permissions{}
	for _, r := range v.Rights {
		got[int(r.Epoch)] = r.Permissions
	}
	for epoch := 1; epoch <= len(head.owners); epoch++ {
		want := head.gives(who, epoch, now).And(final.gives(who, epoch, now))
		if got[epoch] != want {
			t.Fatalf("%s sees %v of ownership %d at %d; want %v (%s)\nhead %+v\nfinal %+v", who, got[epoch], epoch, now.Unix(), want, v.Reason, head, final)
		}
		delete(got, epoch)
	}
	if len(got) > 0 {
		t.Fatalf("%s sees ownerships that there are not: %v", who, got)
	}
	last := len(head.owners)
	if owns := !head.burned && head.owners[last-1] == who && final != nil && len(final.owners) == last; v.Owner != owns {
		t.Fatalf("%s is the owner: %v, want %v", who, v.Owner, owns)
	}
}

// events are what the contracts emit of a deed.
func events(t testing.TB, id uint64, before *naive, d deed) []types.Log {
	from := common.Address(before.owners[len(before.owners)-1])
	if before.burned {
		return nil
	}
	switch d.kind {
	case "sell":
		return []types.Log{emit(t, info.Vehicle, transfer, from, common.Address(d.who), n(id))}
	case "burn":
		return []types.Log{emit(t, info.Vehicle, transfer, from, common.Address{}, n(id))}
	}
	return []types.Log{emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(id), n(d.bits), common.Address(d.who), n(uint64(d.expires)), n(0), "")}
}
