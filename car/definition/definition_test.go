package definition

import (
	"slices"
	"strings"
	"testing"
)

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Mercedes-Benz": "mercedes-benz", "Model 3": "model-3", "C/K 1500": "c-k-1500", "ID.4": "id-4", "Rolls, Royce": "rolls-royce",
	} {
		if got := Slug(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
	if got := ID("Ford", "Escape", 2020); got != "ford_escape_2020" {
		t.Error(got)
	}
}

func TestLookup(t *testing.T) {
	c := catalogue(t)
	want := Definition{ID: "ford_escape_2020", Make: "Ford", Model: "Escape", Year: 2020, MakeSlug: "ford", ModelSlug: "escape"}
	for _, id := range []string{"ford_escape_2020", "FORD_Escape_2020"} {
		if d, ok := c.Lookup(id); !ok || d != want {
			t.Errorf("%s: %+v %v", id, d, ok)
		}
	}
	if want.Name() != "2020 Ford Escape" {
		t.Error(want.Name())
	}
	for _, id := range []string{"", "ford", "ford_escape", "ford_escape_1930", "ford_escape_x", "_2020", "ford__2020", strings.Repeat("x", 300) + "_2020"} {
		if d, ok := c.Lookup(id); ok {
			t.Errorf("%s: %+v", id, d)
		}
	}
}

func TestParse(t *testing.T) {
	d, ok := Parse("skoda_octavia-combi_2019")
	if !ok || d.Make != "Skoda" || d.Model != "Octavia Combi" || d.Year != 2019 || d.ID != "skoda_octavia-combi_2019" {
		t.Errorf("%+v %v", d, ok)
	}
	for _, id := range []string{"", "a_2019", "_b_2019", "a__2019", "a_b_19", "a_b", "a_b_99999"} {
		if d, ok := Parse(id); ok {
			t.Errorf("%q: %+v", id, d)
		}
	}
}

// TestCatalogueIsWhole: every definition is found by its id, once.
func TestCatalogueIsWhole(t *testing.T) {
	c := catalogue(t)
	seen := map[string]bool{}
	for _, name := range c.Makes() {
		for _, d := range c.ByMake(name, "", 0) {
			known, ok := c.Lookup(d.ID)
			if !ok || known != d || seen[d.ID] || d.ID != ID(d.Make, d.Model, d.Year) {
				t.Fatalf("%+v", d)
			}
			seen[d.ID] = true
		}
	}
	if len(seen) < 70_000 || len(c.makers) < 12_000 {
		t.Errorf("%d definitions, %d makers", len(seen), len(c.makers))
	}
}

func TestByMake(t *testing.T) {
	c := catalogue(t)
	if list := c.ByMake("Tesla", "Model 3", 2020); len(list) != 1 || list[0].ID != "tesla_model-3_2020" {
		t.Errorf("%v", list)
	}
	if list := c.ByMake("mercedes-benz", "", 2020); len(list) < 5 || !slices.IsSortedFunc(list, func(a, b Definition) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("%v", list)
	}
	if list := c.ByMake("Nobody", "", 0); list != nil {
		t.Errorf("%v", list)
	}
}

func TestSearch(t *testing.T) {
	c := catalogue(t)
	for _, x := range []struct {
		query Query
		first string
		total int
	}{
		{Query{Text: "Toyota RAV4 2018"}, "toyota_rav4_2018", 1},
		{Query{Text: "2018 rav4"}, "toyota_rav4_2018", 1},
		{Query{Text: "toyota_rav4_2018"}, "toyota_rav4_2018", 1},
		{Query{Text: "rav4", MakeSlug: "toyota", ModelSlug: "rav4", Year: 2018}, "toyota_rav4_2018", 1},
		{Query{Text: "rav4 2018", Year: 2019}, "", 0},
		{Query{Text: "no such car"}, "", 0},
		{Query{Text: "escape", MakeSlug: "ford", Year: 2020}, "ford_escape_2020", 1},
	} {
		f := c.Search(x.query)
		first := ""
		if len(f.Definitions) > 0 {
			first = f.Definitions[0].ID
		}
		if first != x.first || len(f.Definitions) != x.total {
			t.Errorf("%+v: %d, first %q", x.query, len(f.Definitions), first)
		}
	}
	octavia, _ := Parse("skoda_octavia_2019")
	escape, _ := c.Lookup("ford_escape_2020")
	if f := c.Search(Query{Text: "octavia"}, octavia, escape); len(f.Definitions) != 1 || f.Definitions[0] != octavia {
		t.Errorf("a definition of elsewhere: %+v", f)
	}
	if f := c.Search(Query{Text: "ford escape 2020"}, octavia, escape); len(f.Definitions) != 1 || f.Definitions[0] != escape {
		t.Errorf("a definition that is known already: %+v", f)
	}
	f := c.Search(Query{Text: "model", MakeSlug: "tesla"})
	sum := func(list []Facet) (n int) {
		for _, x := range list {
			n += x.Count
		}
		return n
	}
	if n := len(f.Definitions); n < 30 || sum(f.Makes) != n || sum(f.Models) != n || sum(f.Years) != n || f.Makes[0].Name != "Tesla" || f.Definitions[0].Year < f.Definitions[n-1].Year {
		t.Errorf("%d definitions, %v %v", n, f.Makes, f.Models)
	}
}

func BenchmarkSearch(b *testing.B) {
	c := catalogue(b)
	for b.Loop() {
		c.Search(Query{Text: "toyota"})
	}
}

func BenchmarkDecode(b *testing.B) {
	c := catalogue(b)
	for b.Loop() {
		if _, err := c.Decode("KM8K2CAB4PU001140", 2027); err != nil {
			b.Fatal(err)
		}
	}
}
