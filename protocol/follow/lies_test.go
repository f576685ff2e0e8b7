package follow

import (
	"context"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// liar is a node that tells one lie until it is told to be honest.
type liar struct {
	lie_    func(l *liar, q *call)
	take    func(l *liar, w http.ResponseWriter, r *http.Request, body []byte) bool
	mu      sync.Mutex
	lying   bool
	honest  *fakeChain
	head    *fakeBlock // the honest head when the lying began
	forged  *fakeChain // a chain that is made up from there on, in which W was let in and X was not put out
	still   *fakeChain // the chain as it was then
	rnd     *rand.Rand
	release chan struct{}
}

func (l *liar) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lying = true
}

func (l *liar) repent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lying = false
}

func (l *liar) lies() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lying
}

func (l *liar) lie(q *call) {
	if l.lies() && l.lie_ != nil {
		l.lie_(l, q)
	}
}

func (l *liar) takes(w http.ResponseWriter, r *http.Request, body []byte) bool {
	return l.lies() && l.take != nil && l.take(l, w, r, body)
}

// The people of the lies: X was let in and is put out while the node lies, Y was
// let in and stays, Z is let in while the node lies, W never is.
var x, y, z, w = common.Address{0xf1}, common.Address{0xf2}, common.Address{0xf3}, common.Address{0xf4}

func permit(t testing.TB, who common.Address, bits uint64) types.Log {
	return emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(1), n(bits), who, n(1e12), n(0), "")
}

// receiptsLie changes the receipts of every block that has some.
func receiptsLie(change func(l *liar, list types.Receipts) types.Receipts) func(*liar, *call) {
	return func(l *liar, q *call) {
		list, ok := q.result.(types.Receipts)
		if !ok || len(list) == 0 {
			return
		}
		body, err := json.Marshal(list)
		if err != nil {
			panic(err)
		}
		var own types.Receipts
		if err := json.Unmarshal(body, &own); err != nil {
			panic(err)
		}
		q.result = change(l, own)
	}
}

// headerLie changes the fields of the headers above the block at which the lying
// began.
func headerLie(change func(l *liar, fields map[string]any)) func(*liar, *call) {
	return func(l *liar, q *call) {
		fields, ok := q.result.(map[string]any)
		if !ok {
			return
		}
		if n, err := hexutil.DecodeBig(fields["number"].(string)); err == nil && n.Cmp(l.head.header.Number) > 0 {
			change(l, fields)
		}
	}
}

// madeUp answers with a head that hashes well and is no block of any chain.
func madeUp(latestOnly bool, change func(h *types.Header)) func(*liar, *call) {
	return func(l *liar, q *call) {
		if q.Method != "eth_getBlockByNumber" || latestOnly && q.text(0) != "latest" || q.result == nil {
			return
		}
		head := l.honest.head()
		if n, err := hexutil.DecodeUint64(q.text(0)); err == nil && n != head.header.Number.Uint64() {
			return
		}
		h := types.CopyHeader(head.header)
		change(h)
		q.result = blockText(&fakeBlock{header: h})
	}
}

func errorLie(code int, message string) func(*liar, *call) {
	return func(_ *liar, q *call) { q.result, q.err = nil, &callError{code, message} }
}

func status(code int, text string) func(*liar, http.ResponseWriter, *http.Request, []byte) bool {
	return func(_ *liar, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.WriteHeader(code)
		w.Write([]byte(text))
		return true
	}
}

func nothing(method string) func(*liar, *call) {
	return func(_ *liar, q *call) {
		if q.Method == method {
			q.result = nil
		}
	}
}

// elsewhere answers from another chain.
func elsewhere(prepare func(l *liar, q *call, other *fakeChain)) func(*liar, *call) {
	other := newFakeChain()
	other.blocks[0].header.Extra = []byte("another")
	other.blocks, other.all = other.blocks[:0], map[common.Hash]*fakeBlock{}
	other.add(&types.Header{Number: new(big.Int), Difficulty: new(big.Int), Time: 1001, Extra: []byte("another")}, nil)
	for range 60 {
		other.grow(7)
	}
	return func(l *liar, q *call) {
		other.answer(q)
		prepare(l, q, other)
	}
}

// hold keeps the caller waiting.
func hold(of string) func(*liar, http.ResponseWriter, *http.Request, []byte) bool {
	return func(l *liar, _ http.ResponseWriter, r *http.Request, body []byte) bool {
		if of != "" && !slices.Contains(methods(body), of) {
			return false
		}
		select {
		case <-r.Context().Done():
		case <-l.release:
		}
		return true
	}
}

func methods(body []byte) (out []string) {
	var one call
	if json.Unmarshal(body, &one) == nil {
		return []string{one.Method}
	}
	var many []call
	json.Unmarshal(body, &many)
	for _, q := range many {
		out = append(out, q.Method)
	}
	return out
}

// lie is one way in which a node is wrong. Those that only a second endpoint
// tells have agreed set.
type lie struct {
	name          string
	calls         func(*liar, *call)
	requests      func(*liar, http.ResponseWriter, *http.Request, []byte) bool
	confirmations uint64
	agreed        bool
	harmless      bool // nothing of it is believed, so that nothing is missed
	silent        bool // it does not come to an end
}

func lies(t testing.TB) []lie {
	forgedLog := func(who common.Address) *types.Log {
		l := permit(t, who, 0xfc)
		return &l
	}
	return []lie{
		{name: "leaves a log out", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts { r[0].Logs = r[0].Logs[1:]; return r })},
		{name: "leaves all logs out", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts {
			for i := range r {
				r[i].Logs = []*types.Log{}
			}
			return r
		})},
		{name: "leaves a receipt out", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts { return r[1:] })},
		{name: "gives no receipts", calls: receiptsLie(func(*liar, types.Receipts) types.Receipts { return types.Receipts{} })},
		{name: "gives null for receipts", calls: nothing("eth_getBlockReceipts")},
		{name: "forges a log", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts {
			r[0].Logs = append(r[0].Logs, forgedLog(w))
			return r
		})},
		{name: "forges a receipt", harmless: true, calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts {
			return append(r, &types.Receipt{Type: 2, Status: 1, CumulativeGasUsed: 1e6, Logs: []*types.Log{forgedLog(w)}})
		})},
		{name: "alters the grantee", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts {
			for _, receipt := range r {
				for i := range receipt.Logs {
					receipt.Logs[i] = forgedLog(w)
				}
			}
			return r
		})},
		{name: "moves logs to another contract", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts { r[0].Logs[0].Address = common.Address{0xee}; return r })},
		{name: "gives logs twice", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts {
			r[0].Logs = append(r[0].Logs, r[0].Logs...)
			return r
		})},
		{name: "gives receipts twice", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts { return append(r, r...) })},
		{name: "shuffles receipts", calls: receiptsLie(func(_ *liar, r types.Receipts) types.Receipts { slices.Reverse(r); return r })},
		{name: "gives receipts of another block", calls: receiptsLie(func(l *liar, _ types.Receipts) types.Receipts { return l.honest.blocks[1].receipts })},
		{name: "empties the bloom", calls: headerLie(func(_ *liar, f map[string]any) { f["logsBloom"] = types.Bloom{} })},
		{name: "empties bloom and receipts", calls: headerLie(func(_ *liar, f map[string]any) {
			f["logsBloom"], f["receiptsRoot"] = types.Bloom{}, types.EmptyReceiptsHash
		})},
		{name: "states another hash", calls: headerLie(func(_ *liar, f map[string]any) { f["hash"] = common.Hash{1} })},
		{name: "states another parent", calls: headerLie(func(_ *liar, f map[string]any) { f["parentHash"] = common.Hash{2} })},
		{name: "states another number", calls: headerLie(func(l *liar, f map[string]any) { f["number"] = hexutil.Uint64(l.head.header.Number.Uint64() + 7) })},
		{name: "garbles a field", calls: headerLie(func(_ *liar, f map[string]any) { f["timestamp"] = "yesterday" })},
		{name: "leaves a field out", calls: headerLie(func(_ *liar, f map[string]any) { delete(f, "receiptsRoot") })},
		{name: "answers with the block before", calls: func(l *liar, q *call) {
			if n, err := hexutil.DecodeUint64(q.text(0)); err == nil && q.Method == "eth_getBlockByNumber" && n > 0 {
				b, _ := l.honest.at(n - 1)
				q.result = blockText(b)
			}
		}},
		{name: "makes up a head with a parent of nobody", calls: madeUp(false, func(h *types.Header) { h.ParentHash = common.Hash{3} })},
		{name: "makes up another head than the block of its number", calls: madeUp(true, func(h *types.Header) { h.Extra = []byte("made up") })},
		{name: "makes up a head far above", calls: madeUp(true, func(h *types.Header) { h.Number = big.NewInt(1 << 40) })},
		{name: "makes up a head of the next century", calls: madeUp(false, func(h *types.Header) { h.Time += 3e9 })},
		{name: "shows the head of before", calls: func(l *liar, q *call) {
			if q.text(0) == "latest" {
				b, _ := l.honest.at(l.head.header.Number.Uint64() - 1)
				q.result = blockText(b)
			}
		}},
		{name: "stands still", confirmations: 2, calls: func(l *liar, q *call) {
			if q.text(0) == "latest" {
				q.result = blockText(l.head)
			}
		}},
		{name: "has no head", calls: nothing("eth_getBlockByNumber")},
		{name: "is of another chain", calls: elsewhere(func(_ *liar, q *call, _ *fakeChain) {
			if q.Method == "eth_chainId" {
				q.result = "0x63"
			}
		})},
		{name: "is of another chain with the same id", calls: elsewhere(func(*liar, *call, *fakeChain) {})},
		{name: "limits", calls: errorLie(-32005, "limit exceeded")},
		{name: "knows no method", calls: errorLie(-32601, "the method does not exist")},
		{name: "answers 429", requests: status(429, "slow down")},
		{name: "answers 500", requests: status(500, "<html>oops</html>")},
		{name: "answers nothing", requests: status(200, "")},
		{name: "answers half of the JSON", requests: status(200, `{"jsonrpc":"2.0","id":1,"result":{"number":"0x5","hash":"0x12`)},
		{name: "answers with text", requests: status(200, "<html>login</html>")},
		{name: "is silent", silent: true, requests: hold("")},
		{name: "is silent about receipts", silent: true, requests: hold("eth_getBlockReceipts")},
		{name: "never ends its answer", silent: true, requests: func(l *liar, w http.ResponseWriter, r *http.Request, _ []byte) bool {
			for r.Context().Err() == nil && l.lies() {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					break
				}
			}
			return true
		}},
		{name: "breaks off", requests: func(_ *liar, w http.ResponseWriter, _ *http.Request, _ []byte) bool { panic(http.ErrAbortHandler) }},
		{name: "says now this and now that", calls: func(l *liar, q *call) {
			switch l.rnd.IntN(6) {
			case 0:
				q.result = nil
			case 1:
				errorLie(-32000, "header not found")(l, q)
			case 2:
				receiptsLie(func(_ *liar, r types.Receipts) types.Receipts { return r[1:] })(l, q)
			case 3:
				headerLie(func(_ *liar, f map[string]any) { f["parentHash"] = common.Hash{2} })(l, q)
			}
		}},
		{name: "makes up a branch", agreed: true, calls: func(l *liar, q *call) { l.forged.answer(q) }},
		{name: "makes up a branch above the real one", agreed: true, calls: func(l *liar, q *call) {
			for len(l.forged.blocks) < len(l.honest.blocks)+3 {
				l.forged.grow(9)
			}
			l.forged.answer(q)
		}},
		{name: "knows no new block", agreed: true, calls: func(l *liar, q *call) { l.still.answer(q) }},
		{name: "shows an old head", agreed: true, harmless: true, calls: func(l *liar, q *call) {
			if q.text(0) == "latest" {
				q.result = blockText(l.head)
			}
		}},
		{name: "is gone, of two", agreed: true, requests: status(503, "")},
	}
}

// Whatever a node says or does not say: nobody is let in whom the chain does not
// let in, a minute after it put them out at the latest; and when the node is
// honest again, the registry is right again.
func TestLies(t *testing.T) {
	for i, l := range lies(t) {
		orders := 1
		if l.agreed {
			orders = 2 // the liar is asked first, or last
		}
		for order := range orders {
			name := l.name
			if order == 1 {
				name += ", asked last"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				believe(t, l, uint64(i), order == 1)
			})
		}
	}
	t.Logf("%d lies", len(lies(t)))
}

// lieWorld is a chain on which X and Y were let in.
func lieWorld(t testing.TB) *fakeChain {
	c := newFakeChain()
	c.every = 12
	c.grow(0, emit(t, info.Registry, minted, n(1), n(1), common.Address{1}, "d"), permit(t, x, 0xc), permit(t, y, 0x30))
	for range 4 {
		c.grow(0)
	}
	return c
}

func newLiar(t testing.TB, l lie, c *fakeChain, seed uint64) *liar {
	it := &liar{lie_: l.calls, take: l.requests, honest: c, head: c.head(), rnd: rand.New(rand.NewPCG(seed, 5)), release: make(chan struct{})}
	it.still, it.forged = c.copy(), c.copy()
	it.forged.every = 13
	it.forged.grow(8, permit(t, w, 0xfc))
	it.forged.grow(8, permit(t, z, 0xfc))
	return it
}

// believe tells a lie to a follower.
func believe(t *testing.T, l lie, seed uint64, last bool) {
	c := lieWorld(t)
	liar := newLiar(t, l, c, seed)
	var at Chain = c.serve(t, liar)
	t.Cleanup(func() { close(liar.release) }) // before the server closes
	if l.agreed && last {
		at = Agreed{c.serve(t, nil), at}
	} else if l.agreed {
		at = Agreed{at, c.serve(t, nil)}
	}
	setup := func(of *registry.Config, _ *Config) { of.Confirmations = l.confirmations }
	f, truth := follow(t, at, setup), follow(t, c, setup)
	for _, it := range []fixture{f, truth} {
		it.wall.Advance(time.Duration(c.head().header.Time-5000) * time.Second)
		it.step(t)
	}
	before := seen(truth)
	if before[x].Empty() || before[y].Empty() || !before[w].Empty() || seen(f)[x] != before[x] {
		t.Fatalf("the world of the lie is wrong: %v", before)
	}

	liar.begin()
	c.grow(0, permit(t, z, 0xc), permit(t, x, 0))
	noticed := ""
	for round := range 5 {
		for range 3 {
			c.grow(0)
		}
		for _, it := range []fixture{f, truth} {
			it.wall.Advance(40 * time.Second)
		}
		truth.step(t)
		within := 20 * time.Second
		if l.silent {
			within = 300 * time.Millisecond
		}
		if look(t, f, within) != nil {
			noticed = f.Trouble()
		}
		for who, set := range seen(f) {
			allowed := seen(truth)[who]
			if round == 0 { // within the minute after the last good look
				allowed = allowed.Or(before[who])
			}
			if extra := set.Without(allowed); !extra.Empty() {
				t.Errorf("round %d: %s sees %v, which the chain does not allow", round, who, extra.List())
			}
		}
	}

	if (noticed == "") != l.harmless {
		t.Errorf("the lie was noticed: %q", noticed)
	}

	liar.repent()
	c.grow(0, permit(t, y, 0x3c))
	for range l.confirmations {
		c.grow(0)
	}
	heals(t, f, truth)
}

// With two honest nodes beside the liar nobody notices anything: what stands is
// known at every look.
func TestOneLiarOfThree(t *testing.T) {
	for i, l := range lies(t) {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			c := lieWorld(t)
			liar := newLiar(t, l, c, uint64(i))
			at := Agreed{c.serve(t, nil), c.serve(t, nil)}
			at = slices.Insert(at, i%3, Chain(c.serve(t, liar)))
			t.Cleanup(func() { close(liar.release) })
			f, truth := follow(t, at), follow(t, c)
			for round := range 4 {
				for _, it := range []fixture{f, truth} {
					it.wall.Advance(time.Duration(c.head().header.Time)*time.Second - time.Duration(it.wall.Now().Unix())*time.Second)
					it.step(t)
				}
				if got, want := told(t, f.Registry, f.wall.Now()), told(t, truth.Registry, truth.wall.Now()); got != want {
					t.Errorf("round %d:\n%s\nwant\n%s", round, got, want)
				}
				liar.begin()
				c.grow(0, permit(t, z, uint64(round%2)*12), permit(t, x, 0))
				c.grow(0)
			}
		})
	}
}

// heals checks that a follower of a node that is honest again comes to the truth.
func heals(t *testing.T, f, truth fixture) {
	t.Helper()
	for _, it := range []fixture{f, truth} {
		it.wall.Advance(50 * time.Second)
	}
	truth.step(t)
	for range 3 {
		if look(t, f, 20*time.Second) == nil {
			break
		}
	}
	if got, want := seen(f), seen(truth); got[x] != want[x] || got[y] != want[y] || got[z] != want[z] || got[w] != want[w] {
		t.Errorf("after the lie they see %v, want %v: %s", got, want, f.Trouble())
	}
	if ahead := f.cfg.Clock.Now().Sub(truth.cfg.Clock.Now()); ahead.Abs() > time.Minute {
		t.Errorf("after the lie the time of decisions is %s off", ahead)
	}
	got, _ := f.Dump()
	want, _ := truth.Dump()
	if got != want {
		t.Errorf("after the lie the registry is\n%s\nwant\n%s", got, want)
	}
}

func look(t *testing.T, f fixture, within time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return f.Step(ctx)
}

// seen is what everybody may see now.
func seen(f fixture) map[common.Address]sayso.Permissions {
	out := map[common.Address]sayso.Permissions{}
	for _, who := range []common.Address{x, y, z, w} {
		out[who] = consent.Decide(f, sayso.Address(who), 1, f.cfg.Clock.Now()).Permissions()
	}
	return out
}
