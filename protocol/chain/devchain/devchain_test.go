package devchain

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"go.uber.org/goleak"

	"sayso"
	"sayso/internal/clock"
	"sayso/protocol/chain"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		runChild()
		return
	}
	os.Exit(m.Run())
}

// world is an open chain with a funded key.
type world struct {
	*Chain
	key    *chain.Key
	client *chain.Client
	sender *chain.Sender
}

func newKey(t testing.TB) *chain.Key {
	t.Helper()
	k, err := chain.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// config is that of a chain with an hour of lead, so that quick tests are not paced.
func config(dir string, key *chain.Key) Config {
	return Config{Dir: dir, Alloc: []common.Address{key.Address()}, Clock: clock.System{}, MaxLead: time.Hour}
}

func start(t testing.TB, cfg Config, key *chain.Key) *world {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	client := chain.New(c.Client(), "embedded")
	return &world{c, key, client, chain.NewSender(client, key)}
}

func (w *world) transfer(t testing.TB, to common.Address) *types.Receipt {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := w.sender.Send(ctx, &to, nil, big.NewInt(1))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) head(t testing.TB) chain.Block {
	t.Helper()
	b, err := w.client.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// see fails unless every receipt is in the chain, in the block it was seen in.
func (w *world) see(t testing.TB, receipts ...*types.Receipt) {
	t.Helper()
	for _, want := range receipts {
		got, err := w.client.Receipt(t.Context(), want.TxHash)
		if err != nil {
			t.Fatalf("receipt of %s, seen in block %d, is gone: %v", want.TxHash, want.BlockNumber, err)
		}
		if got.BlockHash != want.BlockHash || got.Status != want.Status || got.GasUsed != want.GasUsed {
			t.Fatalf("receipt of %s was %+v, is %+v", want.TxHash, want, got)
		}
	}
}

var someone = common.HexToAddress("0x1000000000000000000000000000000000000001")

func TestTransfersGetReceiptsQuickly(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	begin := time.Now()
	const n = 50
	for range n {
		w.transfer(t, someone)
	}
	each := time.Since(begin) / n
	t.Logf("send to receipt: %v each", each)
	if each > time.Second {
		t.Errorf("a transfer took %v", each)
	}
	if got, err := w.client.Balance(t.Context(), someone); err != nil || got.Int64() != n {
		t.Errorf("balance %v, %v; want %d", got, err, n)
	}
}

func TestConcurrentSendsShareBlocks(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	const n = 100
	begin := time.Now()
	receipts := make([]*types.Receipt, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			to := common.BigToAddress(big.NewInt(int64(0x10000 + i)))
			r, err := w.sender.Send(ctx, &to, nil, big.NewInt(7))
			if err != nil {
				t.Error(err)
				return
			}
			receipts[i] = r
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	blocks := map[common.Hash]bool{}
	for _, r := range receipts {
		blocks[r.BlockHash] = true
	}
	t.Logf("%d concurrent sends: %v, %d blocks", n, time.Since(begin), len(blocks))
	w.see(t, receipts...)
	if len(blocks) == n {
		t.Errorf("%d transactions took %d blocks", n, len(blocks))
	}
}

func TestRestartKeepsTheHead(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	w := start(t, config(dir, key), key)
	var receipts []*types.Receipt
	for range 5 {
		receipts = append(receipts, w.transfer(t, someone))
	}
	head := w.head(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	w = start(t, config(dir, key), key)
	took := time.Since(begin)
	t.Logf("open of an existing chain: %v", took)
	if took > 3*time.Second {
		t.Errorf("opening took %v", took)
	}
	if got := w.head(t); got.Number < head.Number || got.Number > head.Number+1 {
		t.Errorf("head %+v, want %+v", got, head)
	}
	w.see(t, receipts...)
	w.transfer(t, someone)
}

func TestLostDatabaseIsRebuilt(t *testing.T) {
	key, whole := newKey(t), t.TempDir()
	w := start(t, config(whole, key), key)
	var receipts []*types.Receipt
	for range 5 {
		receipts = append(receipts, w.transfer(t, someone))
	}
	for range 130 { // more than the state layers go-ethereum keeps in memory
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	receipts = append(receipts, w.transfer(t, someone))
	head := w.head(t)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, config(whole, key), key).Close() // moves what is in the database's logs to its tables
	for name, damage := range map[string]func(dir string) error{
		"all removed":       func(dir string) error { return os.RemoveAll(filepath.Join(dir, "geth")) },
		"chaindata removed": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "geth", "chaindata")) },
		"triedb removed":    func(dir string) error { return os.RemoveAll(filepath.Join(dir, "geth", "triedb")) },
		"archive removed": func(dir string) error {
			return os.RemoveAll(filepath.Join(dir, "geth", "chaindata", "ancient"))
		},
		"tables removed":   func(dir string) error { return each(dir, "*.sst", os.Remove) },
		"logs removed":     func(dir string) error { return each(dir, "*.log", os.Remove) },
		"manifest damaged": func(dir string) error { return each(dir, "MANIFEST-*", spoil) },
		"given up":         func(dir string) error { return os.WriteFile(filepath.Join(dir, noteName), []byte("why"), 0o600) },
		"tables damaged":   func(dir string) error { return each(dir, "*.sst", spoil) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			w := start(t, config(dir, key), key)
			t.Logf("opened in %v", time.Since(begin))
			if _, err := os.Stat(filepath.Join(dir, noteName)); err == nil {
				t.Error("the next start would rebuild again")
			}
			w.see(t, receipts...)
			if got, err := w.client.HeaderByNumber(t.Context(), head.Number); err != nil || got.Hash != head.Hash {
				t.Errorf("block %d is %+v, %v; want %s", head.Number, got, err, head.Hash)
			}
			w.transfer(t, someone)
		})
	}
}

// each calls f for the database's files that match.
func each(dir, pattern string, f func(string) error) error {
	files, err := filepath.Glob(filepath.Join(dir, "geth", "chaindata", pattern))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no %s: %v", pattern, err)
	}
	for _, name := range files {
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}

func spoil(name string) error { return os.WriteFile(name, []byte("spoiled"), 0o600) }

func TestHeartbeatMovesBlockTime(t *testing.T) {
	key := newKey(t)
	cfg := config(t.TempDir(), key)
	now := clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	cfg.Clock, cfg.Heartbeat = now, time.Second
	w := start(t, cfg, key)
	// A contract that answers block.timestamp: TIMESTAMP PUSH0 MSTORE PUSH1 32 PUSH0 RETURN.
	at := w.deploy(t, "425f5260205ff3")
	for range 3 {
		now.Advance(time.Hour)
		want := uint64(now.Now().Unix())
		deadline := time.Now().Add(10 * time.Second)
		for {
			out, err := w.client.Call(t.Context(), at, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := new(big.Int).SetBytes(out).Uint64()
			if got == want {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("eth_call sees block time %d, the clock says %d", got, want)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	// The clock stands still: no more blocks.
	before := w.head(t)
	time.Sleep(300 * time.Millisecond)
	if after := w.head(t); after != before {
		t.Errorf("a block was made without need: %+v after %+v", after, before)
	}
}

func TestBackdatedChainDoesNotOutrunTheClock(t *testing.T) {
	key := newKey(t)
	cfg := config(t.TempDir(), key)
	now := clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	cfg.Clock, cfg.Backdate, cfg.Heartbeat = now, time.Minute, time.Hour
	w := start(t, cfg, key)
	for i := range 5 {
		w.transfer(t, someone)
		if got, want := w.head(t).Time, uint64(now.Now().Unix())-60+uint64(i)+1; got != want {
			t.Fatalf("block time %d, want %d", got, want)
		}
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := w.head(t).Time, uint64(now.Now().Unix()); got != want {
		t.Errorf("settled at %d, want %d", got, want)
	}
	now.Advance(time.Minute)
	w.transfer(t, someone)
	if got, want := w.head(t).Time, uint64(now.Now().Unix()); got != want {
		t.Errorf("block time %d after settling, want %d", got, want)
	}
}

func TestPaceBoundsTheLead(t *testing.T) {
	key := newKey(t)
	cfg := config(t.TempDir(), key)
	now := clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	cfg.Clock, cfg.MaxLead = now, 3*time.Second
	w := start(t, cfg, key)
	for range 3 {
		w.transfer(t, someone)
	}
	// From here on a block a second, by the machine's time: a clock that stands still
	// or was set back slows the chain and does not stop it.
	begin := time.Now()
	w.transfer(t, someone)
	w.transfer(t, someone)
	if took := time.Since(begin); took < time.Second {
		t.Errorf("two blocks within %v at a lead of three seconds", took)
	}
}

// Nothing of a block may be visible while its journal record is not on the disk.
func TestNothingIsSeenBeforeItIsKept(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	w.transfer(t, someone)
	before := w.head(t)

	entered, release := make(chan struct{}, 8), make(chan struct{})
	w.journal.SetDisk(nil, func(f *os.File) error {
		entered <- struct{}{}
		<-release
		return f.Sync()
	})
	sent := make(chan *types.Receipt, 1)
	go func() {
		r, _ := w.sender.Send(t.Context(), &someone, nil, big.NewInt(1))
		sent <- r
	}()
	<-entered
	waiting := map[common.Hash]bool{}
	deadline := time.Now().Add(300 * time.Millisecond)
	for time.Now().Before(deadline) {
		if got := w.head(t); got != before {
			t.Fatalf("block %d is visible before it is kept", got.Number)
		}
		if _, err := w.client.HeaderByNumber(t.Context(), before.Number+1); sayso.FaultOf(err) != sayso.NotFound {
			t.Fatalf("the next block: %v, want not found", err)
		}
		logs, err := w.client.Logs(t.Context(), ethereum.FilterQuery{FromBlock: new(big.Int).SetUint64(before.Number + 1)})
		if err == nil && len(logs) > 0 {
			t.Fatalf("logs are visible before their block is kept: %v", logs)
		}
		var pending struct {
			Transactions []common.Hash `json:"transactions"`
		}
		if err := w.client.RPC().CallContext(t.Context(), &pending, "eth_getBlockByNumber", "pending", false); err != nil {
			t.Fatal(err)
		}
		for _, tx := range pending.Transactions {
			if _, err := w.client.Receipt(t.Context(), tx); sayso.FaultOf(err) != sayso.NotFound {
				t.Fatalf("receipt of the waiting transaction: %v, want not found", err)
			}
			waiting[tx] = true
		}
		if got, err := w.client.Balance(t.Context(), someone); err != nil || got.Int64() != 1 {
			t.Fatalf("balance %v, %v before the block is kept; want 1", got, err)
		}
		select {
		case r := <-sent:
			t.Fatalf("receipt before the block is kept: %+v", r)
		case <-time.After(5 * time.Millisecond):
		}
	}
	close(release)
	if r := <-sent; r == nil || r.BlockNumber.Uint64() != before.Number+1 || !waiting[r.TxHash] {
		t.Errorf("receipt %+v; waiting were %v", r, waiting)
	}
}

func TestFailedSyncStopsTheChain(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	w := start(t, config(dir, key), key)
	r := w.transfer(t, someone)
	w.journal.SetDisk(nil, func(*os.File) error { return os.ErrDeadlineExceeded })
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := w.sender.Send(ctx, &someone, nil, big.NewInt(1)); sayso.FaultOf(err) == sayso.Internal || err == nil {
		t.Errorf("send while the disk fails: %v", err)
	}
	select {
	case <-w.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("the chain goes on after a failed sync")
	}
	if w.Err() == nil || !strings.Contains(w.Err().Error(), "sync failed") {
		t.Errorf("Err is %v", w.Err())
	}
	w.Close()
	w = start(t, config(dir, key), key)
	w.see(t, r)
	w.transfer(t, someone)
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	key := newKey(t)
	cfg := config(t.TempDir(), key)
	cfg.Listen, cfg.ListenSetting = l.Addr().String(), "--chain-listen"
	_, err = Open(cfg)
	if err == nil || !strings.Contains(sayso.MessageOf(err), cfg.Listen) || !strings.Contains(sayso.MessageOf(err), "--chain-listen") {
		t.Errorf("error %v must name the address and the setting", err)
	}
}

func TestBadConfig(t *testing.T) {
	key := newKey(t)
	for name, change := range map[string]func(*Config){
		"no directory":    func(c *Config) { c.Dir = "" },
		"no clock":        func(c *Config) { c.Clock = nil },
		"open to all":     func(c *Config) { c.Listen = "0.0.0.0:0" },
		"no host":         func(c *Config) { c.Listen = ":0" },
		"no port":         func(c *Config) { c.Listen = "127.0.0.1" },
		"any origin":      func(c *Config) { c.Origins = []string{"*"} },
		"short heartbeat": func(c *Config) { c.Heartbeat = time.Millisecond },
		"nobody funded":   func(c *Config) { c.Alloc = nil },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t.TempDir(), key)
			change(&cfg)
			if c, err := Open(cfg); err == nil {
				c.Close()
				t.Error("opened")
			}
		})
	}
}

func TestDirectoryIsLockedAndKeepsItsID(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	cfg := config(dir, key)
	cfg.ChainID = 777
	w := start(t, cfg, key)
	if id, err := w.client.ChainID(t.Context()); err != nil || id.Int64() != 777 {
		t.Errorf("chain id %v, %v", id, err)
	}
	if _, err := Open(cfg); sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("second open: %v", err)
	}
	w.Close()
	cfg.ChainID = 778
	if c, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "777") {
		t.Errorf("open with another id: %v", err)
		if err == nil {
			c.Close()
		}
	}
	cfg.ChainID = 0
	if got := start(t, cfg, key).ChainID(); got != 777 {
		t.Errorf("chain id %d, want 777", got)
	}
}

// Opening and closing again and again leaves nothing running. (One goroutine of
// goleveldb, under go-ethereum's table of peers, ends half a minute later.)
func TestCloseEndsEverything(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	start(t, config(dir, key), key).Close()
	before := goleak.IgnoreCurrent()
	for range 2 {
		w := start(t, config(dir, key), key)
		w.transfer(t, someone)
		w.Close()
	}
	if err := goleak.Find(before, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain")); err != nil {
		t.Error(err)
	}
}
