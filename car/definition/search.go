package definition

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Query is what a search is for. All words of Text must occur in the year, make
// and model; the other members narrow the search unless they are empty or 0.
type Query struct {
	Text                string
	MakeSlug, ModelSlug string
	Year                int
}

// Facet is a value and how many definitions of an answer have it.
type Facet struct {
	Name  string
	Count int
}

// Found is the answer to a search: all definitions that match, the newest and
// most closely named first, and how they spread.
type Found struct {
	Definitions          []Definition
	Makes, Models, Years []Facet // the most frequent first
}

// Search finds definitions, of the catalogue and of others that it does not
// have.
func (c *Catalogue) Search(q Query, others ...Definition) Found {
	words, year, ok := wordsOf(q)
	if !ok {
		return Found{}
	}
	var out Found
	makes, models, years := map[string]int{}, map[string]int{}, map[string]int{}
	type scored struct {
		Definition
		whole int
	}
	var hits []scored
	for _, m := range append(c.beside(others), c.models...) {
		if q.MakeSlug != "" && m.makeSlug != strings.ToLower(q.MakeSlug) || q.ModelSlug != "" && m.nameSlug != strings.ToLower(q.ModelSlug) {
			continue
		}
		whole, fits := m.fits(words)
		if !fits {
			continue
		}
		for _, y := range m.years {
			if year != 0 && y != year {
				continue
			}
			hits = append(hits, scored{m.in(y), whole})
			makes[m.make]++
			models[m.name]++
			years[strconv.Itoa(y)]++
		}
	}
	slices.SortFunc(hits, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.whole, a.whole), cmp.Compare(b.Year, a.Year), strings.Compare(a.ID, b.ID))
	})
	for _, h := range hits {
		out.Definitions = append(out.Definitions, h.Definition)
	}
	out.Makes, out.Models, out.Years = facets(makes), facets(models), facets(years)
	return out
}

// beside are the models of definitions that the catalogue does not have.
func (c *Catalogue) beside(others []Definition) (list []*model) {
	for _, d := range others {
		if _, known := c.Lookup(d.ID); !known {
			list = append(list, &model{
				make: d.Make, name: d.Model, makeSlug: d.MakeSlug, nameSlug: d.ModelSlug, words: wordsToFind(d.Make, d.Model, d.MakeSlug, d.ModelSlug), years: []int{d.Year},
			})
		}
	}
	return list
}

// wordsToFind is what searches look at.
func wordsToFind(make, name, makeSlug, nameSlug string) string {
	return " " + strings.ToLower(make+" "+name) + " " + makeSlug + " " + nameSlug + " "
}

// wordsOf takes a year out of the words, where they name one. It says no where
// the query contradicts itself.
func wordsOf(q Query) (words []string, year int, ok bool) {
	year = q.Year
	for _, w := range strings.Fields(strings.ToLower(strings.ReplaceAll(q.Text, "_", " "))) {
		y, err := strconv.Atoi(w)
		if err != nil || len(w) != 4 || y < 1900 || y > 2100 {
			words = append(words, w)
			continue
		}
		if year != 0 && year != y {
			return nil, 0, false
		}
		year = y
	}
	return words, year, true
}

// fits says whether all words occur, and how many of them as whole words.
func (m *model) fits(words []string) (whole int, fits bool) {
	for _, w := range words {
		if !strings.Contains(m.words, w) {
			return 0, false
		}
		if strings.Contains(m.words, " "+w+" ") {
			whole++
		}
	}
	return whole, true
}

func facets(counts map[string]int) []Facet {
	out := make([]Facet, 0, len(counts))
	for name, n := range counts {
		out = append(out, Facet{name, n})
	}
	slices.SortFunc(out, func(a, b Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	return out
}
