package identity

import (
	"context"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

// slowPage is what a page must be: a cut of the whole list.
func slowPage[T any](all []T, by order[T], args graphql.Args) (rows []T, prev, next bool) {
	from, to := 0, len(all)
	after, hasAfter := args["after"].(string)
	before, hasBefore := args["before"].(string)
	for i, v := range all {
		if c, _ := by.parse(after); hasAfter && by.compare(v, c) <= 0 {
			from = i + 1
		}
		if c, _ := by.parse(before); hasBefore && by.compare(v, c) < 0 {
			to = i + 1
		} else if hasBefore {
			to = min(to, i)
		}
	}
	rows = all[from:max(from, to)]
	if n, first := args["first"].(int64); first {
		extra := len(rows) > int(n)
		return rows[:min(len(rows), int(n))], hasAfter, extra || hasBefore
	}
	n := args["last"].(int64)
	extra := len(rows) > int(n)
	return rows[max(0, len(rows)-int(n)):], extra || hasAfter, hasBefore
}

// checkPages draws pages of a list and compares them with cuts of all of it.
func checkPages[T any](t *testing.T, name string, l func() listing[T], by order[T], total int) {
	var all []T
	for v := range l().after(nil) {
		all = append(all, v)
	}
	if len(all) != total || !slices.IsSortedFunc(all, by.compare) {
		t.Fatalf("%s: %d entries, want %d, in order", name, len(all), total)
	}
	c := &graphql.Call{Context: context.Background()}
	rapid.Check(t, func(t *rapid.T) {
		args := graphql.Args{}
		n := int64(rapid.SampledFrom([]int{0, 1, 2, 7, 100}).Draw(t, "size"))
		args[rapid.SampledFrom([]string{"first", "last"}).Draw(t, "end")] = n
		for _, place := range []string{"after", "before"} {
			if rapid.Bool().Draw(t, place) {
				args[place] = by.cursor(all[rapid.IntRange(0, len(all)-1).Draw(t, "at")])
			}
		}
		p, err := paginate(c, args, l(), by)
		if err != nil {
			t.Fatal(err)
		}
		rows, prev, next := slowPage(all, by, args)
		var want []string
		for _, v := range rows {
			want = append(want, by.cursor(v))
		}
		if !slices.Equal(p.cursors, want) || p.hasPrev != prev || p.hasNext != next {
			t.Fatalf("%s %v: %d rows %v %v, want %d %v %v", name, args, len(p.cursors), p.hasPrev, p.hasNext, len(want), prev, next)
		}
		if n, err := p.total(c.Context); n != total || err != nil {
			t.Fatalf("%s: total %d, %v", name, n, err)
		}
	})
}

// Every kind of list gives, from any place and in both directions, what a cut of
// the whole list gives.
func TestPagesAreCutsOfTheList(t *testing.T) {
	r, err := registry.Open(registry.Config{Path: filepath.Join(t.TempDir(), "r"), Chain: chain})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const many = 57
	if err := r.Fold(registry.Block{Number: 1, Time: 1000}, func(tx *registry.Tx) error {
		for i := range int64(many) {
			id, of := uint64(i+1), account(byte(i))
			tx.PutVehicle(registry.Vehicle{ID: 3 * id, Owners: []registry.Ownership{{Owner: account(1), Block: 1}}})
			tx.PutSynthetic(registry.Synthetic{ID: 2 * id, Address: of})
			tx.PutStake(registry.Stake{ID: id * id, Owner: of})
			hash := sayso.Keccak256([]byte(fmt.Sprint(i)))
			tx.PutName(registry.Name{Node: registry.NameOf(hash), Owner: of, MintedAt: 900 + i/5})
			tx.PutTemplate(registry.Template{ID: new(big.Int).SetBytes(hash[:]).String(), CID: fmt.Sprint(i), CreatedAt: 900 + i/7})
			tx.PutConnection(registry.Connection{ID: fmt.Sprint(i), Address: of, MintedAt: 900 + i/9})
			tx.PutShare(registry.Grant{Asset: account(1), Grantee: of, CreatedAt: 900 + i/4})
			tx.PutDefinition(registry.Definition{Table: 1, ID: strings.Repeat("x", int(i)+1)})
			tx.PutEarning(registry.Earning{Week: uint64(i / 3), Vehicle: uint64(i % 3), User: account(1)})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	a := &answers{Config: Config{Registry: r}, chain: chain}
	checkPages(t, "vehicles", func() listing[*registry.Vehicle] {
		return numbered(r.VehicleList(registry.VehicleFilter{}), func(v *registry.Vehicle) *uint64 { return &v.ID })
	}, byVehicle, many)
	checkPages(t, "synthetic devices", func() listing[*registry.Synthetic] {
		return numbered(r.SyntheticList(registry.SyntheticFilter{}), func(s *registry.Synthetic) *uint64 { return &s.ID })
	}, bySynthetic, many)
	checkPages(t, "stakes", func() listing[*registry.Stake] {
		return numbered(r.StakeList(nil, nil), func(s *registry.Stake) *uint64 { return &s.ID })
	}, byStake, many)
	checkPages(t, "names", func() listing[*registry.Name] {
		return rows(r.NameList(nil), func(n *registry.Name) string { return registry.NamePlace(n.MintedAt, n.Bytes()) })
	}, byName, many)
	checkPages(t, "templates", func() listing[*registry.Template] {
		return rows(r.TemplateList(), func(t *registry.Template) string { return registry.TemplatePlace(t.CreatedAt, t.ID) })
	}, byTemplate, many)
	sources := slices.Collect(pointers(slices.Values(r.Connections())))
	checkPages(t, "connections", func() listing[*registry.Connection] { return listed(sources, bySource) }, bySource, many)
	var shares []*registry.Grant
	for _, g := range r.Shares(account(1), "") {
		shares = append(shares, &g)
	}
	checkPages(t, "grants", func() listing[*registry.Grant] { return listed(shares, byCreation) }, byCreation, many)
	var models []*model
	for d := range r.DefinitionList(1).Up(nil) {
		models = append(models, a.ofTable(&d))
	}
	checkPages(t, "definitions", func() listing[*model] { return listed(models, byText) }, byText, many)
	checkPages(t, "earnings", func() listing[*registry.Earning] { return earned(t.Context(), r.EarningsTo(account(1))) }, byWeek, many)
}

// Ids and cursors that were written read back, and nothing else is read.
func TestPackedNumbersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "n") >> rapid.IntRange(0, 63).Draw(t, "shift")
		back, rest, ok := unpackInt(packInt(nil, n))
		if !ok || back != n || len(rest) != 0 {
			t.Fatalf("%d comes back as %d", n, back)
		}
		prefix, id, err := parseNodeID(nameID(n))
		if err != nil || prefix != namePrefix || id != n {
			t.Fatalf("%s: %d, %v", nameID(n), id, err)
		}
		for _, amount := range []int64{n &^ (-1 << 62)} {
			text := exact(big.NewInt(amount))
			f, ok := new(big.Rat).SetString(text)
			if !ok || f.Mul(f, big.NewRat(1e18, 1)).Cmp(new(big.Rat).SetInt64(amount)) != 0 {
				t.Fatalf("%d is written %s", amount, text)
			}
		}
	})
	for amount, want := range map[int64]string{0: "0.00", 4_999_999_999_999_999: "0.00", 5_000_000_000_000_000: "0.01", 1_994_999_999_999_999_999: "1.99", 1_995_000_000_000_000_000: "2.00"} {
		if got := cents(big.NewInt(amount)); got != want {
			t.Errorf("%d is written %s, want %s", amount, got, want)
		}
	}
}
