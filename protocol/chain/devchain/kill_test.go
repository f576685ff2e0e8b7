package devchain

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso/internal/clock"
	"sayso/protocol/chain"
)

// The test binary starts itself with these to be the process that is killed.
const (
	childDir  = "SAYSO_TEST_CHAIN_DIR"
	childFund = "SAYSO_TEST_CHAIN_FUND"
)

func runChild() {
	c, err := Open(Config{Dir: os.Getenv(childDir), Listen: "127.0.0.1:0", Clock: clock.System{}, MaxLead: time.Hour,
		Alloc: []common.Address{common.HexToAddress(os.Getenv(childFund))},
		Log:   slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(c.Endpoint())
	<-c.Done()
}

// A receipt that anybody has seen is still there, in the same block, after kill -9.
func TestKillUnderLoadLosesNoReceipt(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 1
	}
	key, dir := newKey(t), t.TempDir()
	var seen []*types.Receipt
	var head chain.Block
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childFund+"="+key.Address().Hex())
		cmd.Stderr = t.Output()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var endpoint string
		if err := json.NewDecoder(bufio.NewReader(out)).Decode(&endpoint); err != nil {
			cmd.Wait()
			t.Fatal("child did not start: ", err)
		}
		t.Logf("round %d: up after %v with %d receipts to find", round, time.Since(begin), len(seen))
		client, err := chain.Dial(t.Context(), endpoint)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{client: client, sender: chain.NewSender(client, key)}
		w.see(t, seen...)
		if now := w.head(t); now.Number < head.Number {
			t.Fatalf("head fell from %d to %d", head.Number, now.Number)
		}
		fresh, last := loadUntilKilled(t, w, cmd)
		if len(fresh) == 0 {
			t.Fatal("no receipt before the kill: the test proves nothing")
		}
		seen, head = append(seen, fresh...), last
		cmd.Wait()
	}
	w := start(t, config(dir, key), key)
	w.see(t, seen...)
	if got, err := w.client.HeaderByHash(t.Context(), head.Hash); err != nil || got != head {
		t.Errorf("the head seen before the kill is %+v, %v; want %+v", got, err, head)
	}
	t.Logf("%d receipts in %d blocks survived %d kills", len(seen), w.head(t).Number, rounds)
}

// loadUntilKilled sends from eight goroutines, kills the process at a random moment and
// returns what was seen before.
func loadUntilKilled(t *testing.T, w *world, cmd *exec.Cmd) (seen []*types.Receipt, head chain.Block) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				r, err := w.sender.Send(ctx, &someone, nil, big.NewInt(1))
				if err != nil {
					return
				}
				mu.Lock()
				seen = append(seen, r)
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if b, err := w.client.Head(ctx); err == nil {
				mu.Lock()
				head = b
				mu.Unlock()
			}
		}
	})
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		mu.Lock()
		enough := len(seen) >= 50
		mu.Unlock()
		if enough {
			break
		}
	}
	time.Sleep(rand.N(500 * time.Millisecond))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	cancel()
	wg.Wait()
	return seen, head
}
