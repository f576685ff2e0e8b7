package registry

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sayso"
)

func openWith(t *testing.T, path string, confirmations uint64) *Registry {
	t.Helper()
	r, err := Open(Config{Path: path, Chain: ChainInfo{ID: 7, Vehicle: address(1)}, Confirmations: confirmations})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// rows renders the rows of the final state.
func rows(r *Registry) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []string
	keys := map[fact]bool{}
	facts := map[fact]any{}
	if err := r.noFacts(facts); err != nil {
		return err.Error()
	}
	for f := range facts {
		keys[f] = true
	}
	for f := range r.recent {
		keys[f] = true
	}
	for f := range keys {
		switch f.kind {
		case vehicles:
			if v, ok := finalRow[Vehicle](r, f); ok {
				out = append(out, fmt.Sprint(f, v))
			}
		case grants:
			if g, ok := finalRow[Grant](r, f); ok {
				out = append(out, fmt.Sprint(f, g))
			}
		case devices:
			if d, ok := finalRow[Device](r, f); ok {
				out = append(out, fmt.Sprint(f, d))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// The final state is the state of a registry that ends so many blocks earlier,
// after forks, after long moves and after a restart.
func TestTheFinalStateIsThatOfAnEarlierHead(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		confirmations := rnd.Uint64N(6)
		path := filepath.Join(t.TempDir(), "r")
		r := openWith(t, path, confirmations)
		branch := []byte{0}
		for step := range 40 {
			move := Move{}
			if len(branch) > 3 && rnd.IntN(3) == 0 {
				move.Back, move.To = true, uint64(len(branch)-1-rnd.IntN(min(len(branch)-2, 12)))
				branch = branch[:move.To+1]
			}
			for range 1 + rnd.IntN(5) {
				n, b := uint64(len(branch)), byte(rnd.IntN(200))
				move.Blocks = append(move.Blocks, block(n, b, branch[n-1]))
				branch = append(branch, b)
			}
			if err := r.Move(move, churn); err != nil {
				t.Fatal(err)
			}
			if step%10 == 9 {
				r.Close()
				r = openWith(t, path, confirmations)
			}
		}
		earlier := openWith(t, filepath.Join(t.TempDir(), "earlier"), 0)
		for n := 1; n < len(branch)-int(confirmations); n++ {
			fold(t, earlier, block(uint64(n), branch[n], branch[n-1]))
		}
		if got, want := rows(r), rows(earlier); got != want {
			t.Fatalf("seed %d, %d confirmations:\n%s\nwant\n%s", seed, confirmations, got, want)
		}
		r.Close()
	}
}

// A move of many blocks leaves what the same blocks leave one by one, in memory
// and in the file.
func TestALongMoveIsManyShortOnes(t *testing.T) {
	dir := t.TempDir()
	long, short := openWith(t, filepath.Join(dir, "long"), 3), openWith(t, filepath.Join(dir, "short"), 3)
	var list []Block
	for n := uint64(1); n <= 2*Depth; n++ {
		b := block(n, 0, 0)
		list = append(list, b)
		fold(t, short, b)
	}
	if err := long.Move(Move{Blocks: list}, churn); err != nil {
		t.Fatal(err)
	}
	for again := range 2 {
		if dump(t, long) != dump(t, short) || memory(long) != memory(short) || rows(long) != rows(short) {
			t.Errorf("they differ (opened again: %d)", again)
		}
		for _, r := range []*Registry{long, short} {
			if err := r.Unwind(Depth); err != nil {
				t.Fatal(err)
			}
			if err := r.Unwind(Depth - 1); err == nil {
				t.Error("a block that is not kept was unwound to")
			}
		}
		if again == 0 {
			for _, r := range []*Registry{long, short} {
				if err := r.Move(Move{Blocks: list[Depth:]}, churn); err != nil {
					t.Fatal(err)
				}
				r.Close()
			}
			long, short = openWith(t, filepath.Join(dir, "long"), 3), openWith(t, filepath.Join(dir, "short"), 3)
		}
	}
}

func TestAMoveThatFailsChangesNothing(t *testing.T) {
	r := openWith(t, filepath.Join(t.TempDir(), "r"), 2)
	for n := uint64(1); n <= 9; n++ {
		fold(t, r, block(n, 0, 0))
	}
	before := dump(t, r) + memory(r) + rows(r)
	boom := errors.New("boom")
	fails := func(tx *Tx) error {
		if tx.Block.Number == 8 {
			return boom
		}
		return churn(tx)
	}
	for name, c := range map[string]struct {
		move Move
		want error
	}{
		"a block that fails":  {Move{Back: true, To: 5, Blocks: []Block{block(6, 1, 0), block(7, 1, 1), block(8, 1, 1)}}, boom},
		"a gap":               {Move{Back: true, To: 5, Blocks: []Block{block(6, 1, 0), block(8, 1, 1)}}, ErrFork},
		"another parent":      {Move{Back: true, To: 5, Blocks: []Block{block(6, 1, 1)}}, ErrFork},
		"not the next":        {Move{Blocks: []Block{block(11, 0, 0)}}, ErrFork},
		"back to what is not": {Move{Back: true, To: 77, Blocks: []Block{block(78, 0, 0)}}, nil},
	} {
		err := r.Move(c.move, fails)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if dump(t, r)+memory(r)+rows(r) != before {
			t.Errorf("%s: something changed", name)
		}
	}
}

// A registry can begin again; what it is bound to stays.
func TestBeginningAgain(t *testing.T) {
	r := openWith(t, filepath.Join(t.TempDir(), "r"), 2)
	if err := r.PinGenesis([32]byte{1}); err != nil {
		t.Fatal(err)
	}
	for n := uint64(5); n <= 300; n++ {
		fold(t, r, block(n, 0, 0))
	}
	r.Looked(time.Unix(100, 0))
	if err := r.Move(Move{Back: true, Blocks: []Block{block(7, 1, 0), block(8, 1, 1)}}, churn); err != nil {
		t.Fatal(err)
	}
	want := openWith(t, filepath.Join(t.TempDir(), "want"), 2)
	fold(t, want, block(7, 1, 0))
	fold(t, want, block(8, 1, 1))
	if dump(t, r) != dump(t, want) || memory(r) != memory(want) || rows(r) != rows(want) {
		t.Error("it is not what a new one is")
	}
	if first, ok, err := r.First(); first != 7 || !ok || err != nil {
		t.Errorf("first block %d, %v, %v", first, ok, err)
	}
	if hash, ok, err := r.Genesis(); hash != [32]byte{1} || !ok || err != nil {
		t.Errorf("block 0 is %x, %v, %v", hash, ok, err)
	}
	if err := r.Unwind(0); err != nil || dump(t, r) != "" || r.Fresh(time.Unix(100, 0)) {
		t.Errorf("unwound to nothing: %v", err)
	}
}

// The confirmations may grow between two starts. What the file does not tell of
// the longer time is not final.
func TestMoreConfirmationsThanBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	r := openWith(t, path, 0)
	who := address(3)
	grant := func(bits string) func(*Tx) error {
		return func(tx *Tx) error {
			tx.PutGrant(Grant{Vehicle: 1, Grantee: who, Right: Right{bits, Forever}, Block: tx.Block.Number})
			return nil
		}
	}
	if err := r.Fold(block(1, 0, 0), func(tx *Tx) error {
		tx.PutVehicle(Vehicle{ID: 1, Owners: []Ownership{{Owner: address(2), Block: 1}}})
		return grant("0xc")(tx)
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.Fold(block(2, 0, 0), grant("0x3c")); err != nil {
		t.Fatal(err)
	}
	if g, _ := r.Grant(1, who); g.Before.Permissions != "0x3c" {
		t.Errorf("final at once: %+v", g)
	}
	r.Close()
	r = openWith(t, path, 1)
	if g, _ := r.Grant(1, who); g.Permissions != "0x3c" || g.Before.Permissions != "0xc" {
		t.Errorf("with one confirmation: %+v", g)
	}
	if _, err := r.db.Exec(`DELETE FROM undo`); err != nil {
		t.Fatal(err)
	}
	r.Close()
	r = openWith(t, path, 1)
	if g, _ := r.Grant(1, who); g.Before != (Right{}) {
		t.Errorf("without undo: %+v", g)
	}
	if _, err := Open(Config{Path: path, Confirmations: Depth + 1}); err == nil {
		t.Error("more confirmations than can be unwound")
	}
}

// A signer counts once its block is final, and no longer once it is disabled at
// the head.
func TestSignersOfALicence(t *testing.T) {
	r := openWith(t, filepath.Join(t.TempDir(), "r"), 1)
	client := address(9)
	with := func(signers ...sayso.Address) func(*Tx) error {
		return func(tx *Tx) error {
			l := Licence{ID: 1, ClientID: client, Signers: map[sayso.Address]int64{}, RedirectURIs: map[string]int64{"u": 1}}
			for _, s := range signers {
				l.Signers[s] = int64(tx.Block.Number)
			}
			tx.PutLicence(l)
			return nil
		}
	}
	for i, step := range []struct {
		signers, want []sayso.Address
	}{
		{[]sayso.Address{address(1)}, nil},
		{[]sayso.Address{address(1), address(2)}, []sayso.Address{address(1)}},
		{[]sayso.Address{address(2)}, []sayso.Address{address(2)}},
		{nil, nil},
	} {
		if err := r.Fold(block(uint64(i+1), 0, 0), with(step.signers...)); err != nil {
			t.Fatal(err)
		}
		l, ok := r.LicenceByClient(client)
		if !ok || len(l.Signers) != len(step.want) {
			t.Errorf("block %d: signers %v, want %v", i+1, l.Signers, step.want)
		}
		for _, s := range step.want {
			if _, ok := l.Signers[s]; !ok {
				t.Errorf("block %d: %s is missing", i+1, s)
			}
		}
	}
}
