// Package definition knows what vehicles there are: makes, models and model
// years, each with an id of the form make_model_year, and what a vehicle
// identification number says of its vehicle. It works without a network.
//
// The data are compressed CSV files beside this one, made by rebuild.go from
// vPIC, the vehicle database of the United States' road safety administration
// (NHTSA), which is in the public domain.
package definition

import (
	"slices"
	"strconv"
	"strings"
)

// Definition is a model of a make in a model year.
type Definition struct {
	ID        string // make_model_year, as slugs
	Make      string
	Model     string
	Year      int
	MakeSlug  string
	ModelSlug string
}

// Name is year, make and model in words.
func (d Definition) Name() string { return strconv.Itoa(d.Year) + " " + d.Make + " " + d.Model }

// Slug is a name as it stands in ids: lower case, spaces, slashes and dots as
// hyphens, commas left out (spec api 8).
func Slug(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '/', '.':
			return '-'
		case ',':
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// ID is the id of a definition.
func ID(make, model string, year int) string {
	return Slug(make) + "_" + Slug(model) + "_" + strconv.Itoa(year)
}

// model is a model of a make and its model years.
type model struct {
	make, name         string
	makeSlug, nameSlug string
	words              string // lower case, for searches
	years              []int
}

func (m *model) in(year int) Definition {
	return Definition{
		ID: m.makeSlug + "_" + m.nameSlug + "_" + strconv.Itoa(year), Make: m.make, Model: m.name, Year: year,
		MakeSlug: m.makeSlug, ModelSlug: m.nameSlug,
	}
}

// Catalogue is the loaded data. It does not change and is safe for concurrent
// use.
type Catalogue struct {
	models  []*model // by make, then name
	bySlugs map[string]*model
	byMake  map[string][]*model // by slug
	makers  map[string]maker
	schemas map[string][]schema // by maker
	rules   map[uint32][]rule   // by schema
}

// Lookup finds a definition by its id, in any case of letters.
func (c *Catalogue) Lookup(id string) (Definition, bool) {
	slugs, year, ok := cutYear(id)
	if !ok {
		return Definition{}, false
	}
	m := c.bySlugs[slugs]
	if m == nil {
		return Definition{}, false
	}
	if _, found := slices.BinarySearch(m.years, year); !found {
		return Definition{}, false
	}
	return m.in(year), true
}

func cutYear(id string) (slugs string, year int, ok bool) {
	i := strings.LastIndexByte(id, '_')
	if i < 0 || len(id) > 200 {
		return "", 0, false
	}
	year, err := strconv.Atoi(id[i+1:])
	return strings.ToLower(id[:i]), year, err == nil
}

// Parse reads an id that no catalogue has, such as one that a vehicle was minted
// with, as far as slugs tell names.
func Parse(id string) (Definition, bool) {
	slugs, year, ok := cutYear(id)
	make, name, both := strings.Cut(slugs, "_")
	if !ok || !both || make == "" || name == "" || year < 1886 || year > 9999 {
		return Definition{}, false
	}
	return Definition{ID: id, Make: title(make), Model: title(name), Year: year, MakeSlug: make, ModelSlug: name}, true
}

// title writes the words of a slug with capitals.
func title(slug string) string {
	words := strings.Split(slug, "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

// Makes lists the makes by name.
func (c *Catalogue) Makes() []string {
	var out []string
	for _, m := range c.models {
		if len(out) == 0 || out[len(out)-1] != m.make {
			out = append(out, m.make)
		}
	}
	return out
}

// ByMake lists the definitions of a make, named by itself or its slug, by id;
// model and year narrow the list unless they are empty or 0.
func (c *Catalogue) ByMake(make, model string, year int) []Definition {
	var out []Definition
	for _, m := range c.byMake[Slug(make)] {
		if model != "" && m.nameSlug != Slug(model) {
			continue
		}
		for _, y := range m.years {
			if year == 0 || y == year {
				out = append(out, m.in(y))
			}
		}
	}
	slices.SortFunc(out, func(a, b Definition) int { return strings.Compare(a.ID, b.ID) })
	return out
}
