package iot

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
	"slices"
	"testing"

	"sayso"
	"sayso/internal/rootkey"
	"sayso/node/vault"
)

var tiny = Size{Trucks: 12, Days: 1, Long: 1, LongDays: 3, Cars: 2}

func digest(d *Data) []byte {
	h := sha256.New()
	for b := range d.Batches() {
		put(h, uint64(b.Vehicle))
		for _, t := range b.Tables {
			for i, at := range t.Times {
				put(h, uint64(at))
				for _, c := range t.Numbers {
					put(h, math.Float64bits(c[i]))
				}
				for _, c := range t.Texts {
					h.Write([]byte(c[i]))
				}
			}
		}
	}
	return h.Sum(nil)
}

func put(h hash.Hash, n uint64) { h.Write(binary.BigEndian.AppendUint64(nil, n)) }

// A seed makes one data set, whatever was made before.
func TestTheSameSeedMakesTheSameData(t *testing.T) {
	first := digest(New(tiny, 7))
	if again := digest(New(tiny, 7)); !slices.Equal(first, again) {
		t.Error("two data sets of one seed differ")
	}
	if other := digest(New(tiny, 8)); slices.Equal(first, other) {
		t.Error("two seeds make the same data")
	}
}

// Every row comes once, about two of a hundred are missing, some batches come
// after later ones, and no row is at the turn of a step.
func TestBatchesAreWhatTheySay(t *testing.T) {
	d := New(tiny, 7)
	type row struct {
		vehicle int
		table   string
		time    sayso.Instant
	}
	seen, late, last := map[row]bool{}, 0, map[int]sayso.Instant{}
	for b := range d.Batches() {
		for _, r := range b.Tables {
			for i, at := range r.Times {
				k := row{b.Vehicle, r.Name, at}
				if seen[k] {
					t.Fatalf("%v comes twice", k)
				}
				seen[k] = true
				if at%(10_000_000) == 0 || at < d.LongBegin() || at >= d.End() {
					t.Fatalf("a row at %s", at.Time())
				}
				if i > 0 && at <= r.Times[i-1] {
					t.Fatal("the times of a batch do not ascend")
				}
			}
			for _, c := range r.Numbers {
				if len(c) != len(r.Times) {
					t.Fatal("a column has another length than the times")
				}
			}
		}
		if at := b.Tables[0].Times[0]; at < last[b.Vehicle] {
			late++
		} else {
			last[b.Vehicle] = at
		}
	}
	all := (2*(11+3) + 2) * 8640
	if share := 1 - float64(len(seen))/float64(all); share < 0.015 || share > 0.025 {
		t.Errorf("%.3f of the rows are missing", share)
	}
	if late == 0 {
		t.Error("no batch comes late")
	}
}

// The vault answers every question as plain rows do.
func TestTheVaultAnswersAsPlainRowsDo(t *testing.T) {
	ctx, d := context.Background(), New(tiny, 1) // of this seed every question has rows
	root, err := rootkey.New([32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	store, err := vault.Open(vault.Config{Dir: t.TempDir(), RootKey: root, MinFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	v, err := NewVault(store, d)
	if err != nil {
		t.Fatal(err)
	}
	naive := &Naive{}
	for _, e := range []Engine{v, naive} {
		if err := e.Load(ctx, d, d.Batches()); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range Questions {
		rows := 0
		for n := range 4 {
			a := d.Ask(q, n)
			want, err := naive.Ask(ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Ask(ctx, a)
			if err != nil {
				t.Fatal(err)
			}
			if err := Compare(want, got); err != nil {
				t.Errorf("%s of vehicle %d, fleet %s: %v", q.Name, a.Vehicle, a.Fleet, err)
			}
			rows += len(want)
		}
		if rows == 0 {
			t.Errorf("%s has no rows at all", q.Name)
		}
	}
}

func TestCompareSeesDifferences(t *testing.T) {
	a := []Row{{Key: "a", Values: [3]float64{1}}, {Key: "b", Values: [3]float64{2}}}
	same := []Row{{Key: "b", Values: [3]float64{2 + 1e-12}}, a[0]}
	if err := Compare(a, same); err != nil {
		t.Errorf("the order and rounding count: %v", err)
	}
	for _, other := range [][]Row{a[:1], append(slices.Clone(a), Row{Key: "c"}), {a[0], {Key: "b", Values: [3]float64{2.001}}}, {a[0], {Key: "c", Values: a[1].Values}}} {
		if Compare(a, other) == nil {
			t.Errorf("%v is taken for %v", other, a)
		}
	}
}
