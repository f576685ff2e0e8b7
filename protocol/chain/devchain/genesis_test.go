package devchain

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"sayso/protocol/chain/devchain/journal"
)

// Chains that exist begin with this block 0. If a newer go-ethereum or an edit
// changes the hash, those chains can no longer be opened.
func TestBlockZeroIsFrozen(t *testing.T) {
	o := newOrigin(DefaultChainID, 1_795_614_628, []common.Address{someone})
	const want = "0xffdde07e0e45cc4e083251eead6bb9347450bc84f7fae3a26773babc63b42936"
	if o.Hash.Hex() != want {
		t.Errorf("block 0 is %s, was %s", o.Hash, want)
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := parseOrigin(text); err != nil || again.Hash != o.Hash {
		t.Errorf("%+v, %v", again, err)
	}
	for name, edit := range map[string][2]string{
		"newer version": {`"version":1`, `"version":2`},
		"other time":    {`"time":1795614628`, `"time":1795614629`},
		"other hash":    {want[2:10], "00000000"},
		"not JSON":      {`{`, `[`},
	} {
		bad := strings.Replace(string(text), edit[0], edit[1], 1)
		if _, err := parseOrigin([]byte(bad)); err == nil {
			t.Errorf("%s: %s was taken", name, bad)
		}
	}
}

// A disk can damage the journal's last record after it was acknowledged. The
// database has the block still.
func TestLastRecordLostComesBackFromTheDatabase(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	w := start(t, config(dir, key), key)
	w.transfer(t, someone)
	r := w.transfer(t, someone)
	w.Close()
	name := filepath.Join(dir, "blocks", "0000000000000000.blocks")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-5] ^= 0x40
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	w = start(t, config(dir, key), key)
	w.see(t, r)
	w.Close()
	// It is in the journal again: the database alone can go.
	if err := os.RemoveAll(filepath.Join(dir, "geth")); err != nil {
		t.Fatal(err)
	}
	w = start(t, config(dir, key), key)
	w.see(t, r)
}

func TestTornEndIsForgotten(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	w := start(t, config(dir, key), key)
	r := w.transfer(t, someone)
	w.Close()
	name := filepath.Join(dir, "blocks", "0000000000000000.blocks")
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte{0x80, 2, 0, 0, 1, 2, 3, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0xf9}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	w = start(t, config(dir, key), key)
	w.see(t, r)
	w.transfer(t, someone)
}

func TestDamagedMiddleIsRefusedWithAdvice(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	w := start(t, config(dir, key), key)
	for range 3 {
		w.transfer(t, someone)
	}
	w.Close()
	name := filepath.Join(dir, "blocks", "0000000000000000.blocks")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(config(dir, key))
	if err == nil {
		c.Close()
		t.Fatal("a damaged journal was opened")
	}
	if !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("the error gives no advice: %v", err)
	}
	if now, rerr := os.ReadFile(name); rerr != nil || string(now) != string(data) {
		t.Error("a refused journal was changed")
	}
}

func TestDatabaseWithoutJournalIsRefused(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	w := start(t, config(dir, key), key)
	w.transfer(t, someone)
	w.Close()
	if err := os.RemoveAll(filepath.Join(dir, "blocks")); err != nil {
		t.Fatal(err)
	}
	if c, err := Open(config(dir, key)); err == nil || !strings.Contains(err.Error(), "no block journal") {
		t.Errorf("%v", err)
		if err == nil {
			c.Close()
		}
	}
}

// The database of another chain is not believed: the journal is the chain.
func TestForeignDatabaseIsReplaced(t *testing.T) {
	key := newKey(t)
	dirs := []string{t.TempDir(), t.TempDir()}
	var heads []common.Hash
	for i, dir := range dirs {
		w := start(t, config(dir, key), key)
		for range 3 + i {
			w.transfer(t, someone)
		}
		heads = append(heads, w.head(t).Hash)
		w.Close()
	}
	if err := os.RemoveAll(filepath.Join(dirs[0], "geth")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dirs[1], "geth"), filepath.Join(dirs[0], "geth")); err != nil {
		t.Fatal(err)
	}
	w := start(t, config(dirs[0], key), key)
	if _, err := w.client.HeaderByHash(t.Context(), heads[0]); err != nil {
		t.Errorf("the journal's head: %v", err)
	}
	if b, err := w.client.HeaderByHash(t.Context(), heads[1]); err == nil {
		t.Errorf("the other chain's head is there: %+v", b)
	}
}

// A journal whose record is sound and no block (written by something else) stops the
// start instead of deleting the database in vain.
func TestRecordThatIsNoBlock(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	start(t, config(dir, key), key).Close()
	j, err := journal.Open(filepath.Join(dir, "blocks"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append([]byte("no block")); err != nil {
		t.Fatal(err)
	}
	j.Close()
	cfg := config(dir, key)
	cfg.Log = slog.New(slog.DiscardHandler)
	if c, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "is not a block") {
		t.Errorf("%v", err)
		if err == nil {
			c.Close()
		}
	}
}
