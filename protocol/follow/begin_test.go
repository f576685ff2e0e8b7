package follow

import (
	"bytes"
	"context"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/owner/registry"
	"sayso/protocol/chain"
)

func anywhere(_ *registry.Config, cfg *Config) { cfg.Start = 0 }

// The first block is found by asking for code, in a number of calls that grows
// with the logarithm of the chain.
func TestTheStartIsFound(t *testing.T) {
	for _, born := range []uint64{0, 1, 2, 77, 998, 999, 1000} {
		c := newFakeChain()
		c.every = 0
		for i := 1; i <= 1000; i++ {
			c.grow(0)
			if uint64(i) == max(born, 1) {
				c.cut(i - 1)
				c.grow(1, emit(t, info.Registry, minted, n(1), n(1), common.Address{1}, "d"))
			}
		}
		c.born = born
		f := follow(t, c, anywhere)
		f.step(t)
		first, ok, err := f.First()
		if err != nil || !ok || first != born {
			t.Errorf("born in block %d, found %d (%v, %v)", born, first, ok, err)
		}
		if _, ok := f.Vehicle(1); !ok {
			t.Errorf("born in block %d: its first event is missing", born)
		}
		if calls := c.calls["code"]; calls > 10+2+13 { // the halving, its ends, and one for each other contract
			t.Errorf("born in block %d: %d calls", born, calls)
		}
	}
}

// A node that keeps no old states cannot be searched; the error says what to give.
func TestTheStartOnANodeWithoutOldStates(t *testing.T) {
	c := newFakeChain()
	for range 300 {
		c.grow(0)
	}
	c.born, c.old = 100, 200
	f := follow(t, c.serve(t, nil), anywhere)
	err := f.Step(t.Context())
	if err == nil || !strings.Contains(err.Error(), "--start-block") || !strings.Contains(err.Error(), "missing trie node") {
		t.Errorf("%v", err)
	}
	if _, begun := f.Head(); begun {
		t.Error("it began somewhere")
	}
	c.born = 1 << 40
	c.old = 0
	if err := f.Step(t.Context()); err == nil || !strings.Contains(err.Error(), "--contracts") {
		t.Errorf("no contract on the chain: %v", err)
	}
}

// The events of other contracts are nobody's, whatever they are called.
func TestEventsOfOtherContractsDoNotCount(t *testing.T) {
	c := newFakeChain()
	f := follow(t, c)
	foreign := sayso.Address{0xba, 0xd0}
	c.grow(0, emit(t, info.Registry, minted, n(1), n(1), common.Address{1}, "d"),
		emit(t, foreign, permissions, common.Address(info.Vehicle), n(1), n(12), x, n(1e12), n(0), ""),
		emit(t, foreign, minted, n(1), n(2), common.Address{1}, "d"),
		emit(t, info.Vehicle, permissions, common.Address(info.Vehicle), n(1), n(12), x, n(1e12), n(0), ""))
	f.step(t)
	if text, _ := f.Dump(); strings.Count(text, "\n") != 1 {
		t.Errorf("facts of foreign events:\n%s", text)
	}
}

// Old blocks that are too crowded for their blooms to tell anything are asked
// about in ranges; two endpoints make up for what one leaves out.
func TestOldCrowdedBlocks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	crowdOf := func() (out []types.Log) {
		for range 600 {
			l := types.Log{Address: common.Address{1: byte(rnd.IntN(256)), 2: byte(rnd.IntN(256))}, Topics: []common.Hash{{3: byte(rnd.IntN(256))}}}
			out = append(out, l)
		}
		return out
	}
	c := newFakeChain()
	c.grow(0, emit(t, info.Registry, minted, n(1), n(1), common.Address{1}, "d"), permit(t, x, 0xc))
	for i := range 40 {
		logs := crowdOf()
		if i == 20 {
			logs = append(logs, permit(t, x, 0))
		}
		c.grow(0, logs...)
	}
	for range registry.Depth + 1 {
		c.grow(0)
	}
	f := follow(t, c)
	f.step(t)
	if _, ok := f.Grant(1, sayso.Address(x)); ok || c.calls["logs"] != 1 || c.calls["receipts"] != 2 {
		t.Errorf("revoked: %v; calls %v, want one for the range and two for receipts", !ok, c.calls)
	}
	blind := blindChain{c}
	for _, a := range []Agreed{{blind, c}, {c, blind}} {
		f = follow(t, a)
		f.step(t)
		if _, ok := f.Grant(1, sayso.Address(x)); ok {
			t.Error("an endpoint that leaves logs out was believed against another")
		}
	}
}

// blindChain finds no logs.
type blindChain struct{ *fakeChain }

func (b blindChain) Logs(context.Context, ethereum.FilterQuery) ([]types.Log, error) { return nil, nil }

// Endpoints bound how many blocks one answer about logs covers.
type boundedChain struct{ *fakeChain }

func (b boundedChain) Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error) {
	if new(big.Int).Sub(q.ToBlock, q.FromBlock).Uint64() >= 10 {
		return nil, rpcError("query exceeds the range of 10 blocks")
	}
	return b.fakeChain.Logs(ctx, q)
}

func TestRangesAreCutToWhatAnEndpointTakes(t *testing.T) {
	c := newFakeChain()
	for i := range 60 {
		c.grow(0, permit(t, common.Address{byte(i)}, 0xc))
	}
	f := follow(t, boundedChain{c})
	blocks, err := c.Headers(t.Context(), 1, 60)
	if err != nil {
		t.Fatal(err)
	}
	named, err := f.named(t.Context(), blocks, 3, 58)
	if err != nil || len(named) != 56 {
		t.Errorf("%d blocks of 56, %v", len(named), err)
	}
}

// Two endpoints tell what is the same to both; a disagreement is an error.
func TestEndpointsMustAgree(t *testing.T) {
	a := newFakeChain()
	for range 10 {
		a.grow(0)
	}
	same, other, late := a.copy(), a.copy(), a.copy()
	other.cut(8)
	other.grow(1)
	other.grow(1)
	late.cut(9)
	for name, c := range map[string]struct {
		with *fakeChain
		head uint64
	}{"the same": {same, 10}, "another branch": {other, 0}, "a block behind": {late, 9}} {
		for _, pair := range []Agreed{{a, c.with}, {c.with, a}} {
			head, err := pair.Head(t.Context())
			if (err == nil) != (c.head > 0) || err == nil && head.Number != c.head {
				t.Errorf("%s: head %d, %v", name, head.Number, err)
			}
			if _, err := pair.Headers(t.Context(), 1, 8); err != nil {
				t.Errorf("%s: common blocks: %v", name, err)
			}
			if _, err := pair.Headers(t.Context(), 1, 9); (err == nil) != (c.with != other) {
				t.Errorf("%s: blocks to the ninth: %v", name, err)
			}
		}
	}
	other.born = 5
	if _, err := (Agreed{a, other}).HasCode(t.Context(), common.Address{1}, 3); err == nil {
		t.Error("a contract to one of them only")
	}
}

// A long way is told of, with how far it is.
func TestProgressIsTold(t *testing.T) {
	c := newFakeChain()
	c.every = 0
	for range 3500 {
		c.grow(0)
	}
	var said bytes.Buffer
	f := follow(t, &tickingChain{fakeChain: c}, func(_ *registry.Config, cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	f.cfg.Chain.(*tickingChain).tick = func() { f.wall.Advance(2 * tell) }
	f.step(t)
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "block=2000 of=3500 blocks/s=100 left=15s") {
		t.Errorf("progress:\n%s", said.String())
	}
}

type tickingChain struct {
	*fakeChain
	tick func()
}

func (c *tickingChain) Headers(ctx context.Context, first, last uint64) ([]chain.Block, error) {
	c.tick()
	return c.fakeChain.Headers(ctx, first, last)
}

// BenchmarkCatchUp is how fast a registry is built from a chain in which one
// block in ten has an event of ours: over HTTP, where most of the work is the
// test's own server, and without the wire, which is the follower and its file.
func BenchmarkCatchUp(b *testing.B) {
	const length = 20_000
	c := newFakeChain()
	c.every = 0
	c.grow(0, emit(b, info.Registry, minted, n(1), n(1), common.Address{1}, "d"))
	for i := range length {
		if i%10 == 0 {
			c.grow(0, permit(b, common.Address{byte(i)}, 0xc))
		} else {
			c.grow(0)
		}
	}
	for name, from := range map[string]Chain{"over HTTP": c.serve(b, nil), "without the wire": c} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f := follow(b, from)
				f.step(b)
				f.Close()
			}
			b.ReportMetric(length*float64(b.N)/b.Elapsed().Seconds(), "blocks/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
