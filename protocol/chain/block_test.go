package chain

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"

	"sayso"
)

// go-ethereum's own trie is the oracle of the root, over every count at which
// the form of the keys changes.
func TestReceiptsRootIsThatOfGoEthereum(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 3, 15, 16, 17, 127, 128, 129, 130, 200, 255, 256, 257, 300, 700} {
		list := make(types.Receipts, n)
		for i := range list {
			list[i] = randomReceipt(rnd)
		}
		want := types.DeriveSha(list, trie.NewStackTrie(nil))
		body, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var ours []receipt
		if err := json.Unmarshal(body, &ours); err != nil {
			t.Fatal(err)
		}
		if got := receiptsRoot(ours); got != want {
			t.Errorf("%d receipts: root %s, want %s", n, got, want)
		}
	}
}

func randomReceipt(rnd *rand.Rand) *types.Receipt {
	r := &types.Receipt{Type: uint8(rnd.IntN(5)), Status: rnd.Uint64N(2), CumulativeGasUsed: rnd.Uint64(), Logs: []*types.Log{}}
	if rnd.IntN(8) == 0 {
		r.Type, r.PostState = 0, common.Hash{byte(rnd.IntN(256))}.Bytes()
	}
	for range rnd.IntN(4) {
		l := &types.Log{Address: common.Address{byte(rnd.IntN(256))}, Topics: []common.Hash{}, Data: make([]byte, rnd.IntN(80))}
		for range rnd.IntN(5) {
			l.Topics = append(l.Topics, common.Hash{byte(rnd.IntN(256))})
		}
		r.Logs = append(r.Logs, l)
	}
	r.Bloom = types.CreateBloom(r)
	return r
}

// node answers methods with JSON texts.
func node(t *testing.T, answers map[string]string) *Client {
	t.Helper()
	answer := func(id json.RawMessage, method string) string {
		if text, ok := answers[method]; ok {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, id, text)
		}
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"the method %s does not exist"}}`, id, method)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var raw json.RawMessage
		json.NewDecoder(r.Body).Decode(&raw)
		type request struct {
			ID     json.RawMessage
			Method string
		}
		w.Header().Set("Content-Type", "application/json")
		var one request
		if json.Unmarshal(raw, &one) == nil {
			fmt.Fprint(w, answer(one.ID, one.Method))
			return
		}
		var many []request
		json.Unmarshal(raw, &many)
		var out []string
		for _, q := range many {
			out = append(out, answer(q.ID, q.Method))
		}
		fmt.Fprintf(w, "[%s]", strings.Join(out, ","))
	}))
	t.Cleanup(srv.Close)
	c, err := Dial(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// headerText is a header as nodes give it, with more fields than one needs.
func headerText(h *types.Header, hash common.Hash) string {
	body, err := json.Marshal(h)
	if err != nil {
		panic(err)
	}
	var fields map[string]any
	json.Unmarshal(body, &fields)
	fields["hash"], fields["l1BlockNumber"], fields["transactions"] = hash, "0x1", []common.Hash{{1}}
	body, _ = json.Marshal(fields)
	return string(body)
}

func header(number int64, list types.Receipts) *types.Header {
	root := types.DeriveSha(list, trie.NewStackTrie(nil))
	return &types.Header{Number: big.NewInt(number), Difficulty: new(big.Int), ParentHash: common.Hash{0xbb}, Time: 32, Extra: []byte{}, ReceiptHash: root, BaseFee: big.NewInt(7)}
}

func TestAHeaderMustHashToItsHash(t *testing.T) {
	h := header(16, nil)
	c := node(t, map[string]string{"eth_getBlockByNumber": headerText(h, h.Hash()), "eth_getBlockByHash": headerText(h, h.Hash())})
	want := Block{Number: 16, Hash: h.Hash(), Parent: h.ParentHash, Time: 32, Receipts: types.EmptyReceiptsHash}
	if got, err := c.HeaderByNumber(t.Context(), 16); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := c.HeaderByNumber(t.Context(), 15); sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("another number than asked for: %v", err)
	}
	if _, err := c.HeaderByHash(t.Context(), common.Hash{1}); sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("another hash than asked for: %v", err)
	}
	if _, err := c.Headers(t.Context(), 15, 16); sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("the same header for two numbers: %v", err)
	}
	c = node(t, map[string]string{"eth_getBlockByNumber": headerText(h, common.Hash{2})})
	if _, err := c.Head(t.Context()); err == nil || !strings.Contains(err.Error(), "hashes to") {
		t.Errorf("a header with another hash: %v", err)
	}
}

func TestLogsAreTakenFromProvenReceipts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	list := make(types.Receipts, 5)
	for i := range list {
		list[i] = randomReceipt(rnd)
	}
	list[1].Logs = []*types.Log{{Address: common.Address{7}, Topics: []common.Hash{{8}}, Data: []byte{9}}}
	list[1].Bloom = types.CreateBloom(list[1])
	h := header(3, list)
	block := Block{Number: 3, Hash: h.Hash(), Receipts: h.ReceiptHash}
	text := func(v any) string {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	own := randomReceipt(rnd)
	for name, answers := range map[string]map[string]string{
		"of the block":               {"eth_getBlockReceipts": text(list)},
		"with one that is not in it": {"eth_getBlockReceipts": text(append(list[:5:5], own))},
	} {
		logs, err := node(t, answers).BlockLogs(t.Context(), []Block{block})
		if err != nil || len(logs) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		var want []string
		for _, r := range list {
			for _, l := range r.Logs {
				want = append(want, fmt.Sprint(l.Address, l.Topics, hexutil.Encode(l.Data), len(want), block.Hash))
			}
		}
		var got []string
		for _, l := range logs[0] {
			got = append(got, fmt.Sprint(l.Address, l.Topics, hexutil.Encode(l.Data), l.Index, l.BlockHash))
		}
		if text(got) != text(want) {
			t.Errorf("%s: logs\n%v\nwant\n%v", name, got, want)
		}
	}
	forged := append(types.Receipts{}, list...)
	forged[2] = own
	for name, answer := range map[string]string{
		"left out": text(list[1:]), "swapped": text(types.Receipts{list[1], list[0], list[2], list[3], list[4]}),
		"twice": text(append(list[:5:5], list...)), "forged": text(forged), "null": "null", "null within": "[null]", "none": "[]",
	} {
		if logs, err := node(t, map[string]string{"eth_getBlockReceipts": answer}).BlockLogs(t.Context(), []Block{block}); err == nil {
			t.Errorf("%s: %d logs were believed", name, len(logs[0]))
		}
	}
}

// A node that does not know eth_getBlockReceipts is asked for each transaction.
func TestReceiptsOneByOne(t *testing.T) {
	r := randomReceipt(rand.New(rand.NewPCG(5, 6)))
	r.Logs = []*types.Log{{Address: common.Address{7}, Topics: []common.Hash{}, Data: []byte{}}}
	r.Bloom = types.CreateBloom(r)
	h := header(3, types.Receipts{r})
	one, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	c := node(t, map[string]string{"eth_getBlockByHash": headerText(h, h.Hash()), "eth_getTransactionReceipt": string(one)})
	logs, err := c.BlockLogs(t.Context(), []Block{{Number: 3, Hash: h.Hash(), Receipts: h.ReceiptHash}})
	if err != nil || len(logs[0]) != 1 || logs[0][0].Address != (common.Address{7}) {
		t.Errorf("%v, %v", logs, err)
	}
}
