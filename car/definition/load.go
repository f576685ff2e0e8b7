package definition

import (
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed wmi.csv.gz
var wmiCSV []byte

//go:embed schemas.csv.gz
var schemasCSV []byte

//go:embed patterns.csv.gz
var patternsCSV []byte

//go:embed models.csv.gz
var modelsCSV []byte

// Load reads the embedded data, once: it takes some time and memory, so nothing
// does before somebody asks. An error means that the data of this build is
// wrong.
var Load = sync.OnceValues(load)

func load() (*Catalogue, error) {
	c := &Catalogue{
		bySlugs: map[string]*model{}, byMake: map[string][]*model{}, makers: map[string]maker{},
		schemas: map[string][]schema{}, rules: map[uint32][]rule{},
	}
	ids := map[string]*model{}
	same := interned{}
	for _, f := range []struct {
		name, header string
		data         []byte
		row          func([]string) error
	}{
		{"wmi", "wmi,type,country,manufacturer,makes", wmiCSV, func(r []string) error {
			c.makers[r[0]] = maker{vehicle: same.text(r[1]), country: same.text(r[2]), name: same.text(r[3]), makes: strings.Split(same.text(r[4]), "|")}
			return nil
		}},
		{"models", "model,make,name", modelsCSV, func(r []string) error {
			ids[r[0]] = c.model(same.text(r[1]), r[2])
			return nil
		}},
		{"patterns", "schema,model,patterns", patternsCSV, func(r []string) error {
			id, err := strconv.ParseUint(r[0], 10, 32)
			if err != nil || ids[r[1]] == nil {
				return fmt.Errorf("the schema or the model is unknown")
			}
			c.rules[uint32(id)] = append(c.rules[uint32(id)], rule{ids[r[1]], same.text(r[2])})
			return nil
		}},
		{"schemas", "wmi,schema,from,to", schemasCSV, c.schema},
	} {
		if err := rows(f.data, f.header, f.row); err != nil {
			return nil, fmt.Errorf("%s.csv.gz: %w", f.name, err)
		}
	}
	for _, m := range c.models {
		slices.Sort(m.years)
		m.years = slices.Clip(slices.Compact(m.years))
	}
	c.models = slices.DeleteFunc(c.models, func(m *model) bool { return len(m.years) == 0 })
	slices.SortFunc(c.models, func(a, b *model) int {
		return cmp.Or(strings.Compare(a.make, b.make), strings.Compare(a.name, b.name))
	})
	for _, m := range c.models {
		c.byMake[m.makeSlug] = append(c.byMake[m.makeSlug], m)
	}
	return c, nil
}

// model finds a model by its names, or adds it. Names that come to the same
// slugs are one model.
func (c *Catalogue) model(make, name string) *model {
	m := &model{make: make, name: name, makeSlug: Slug(make), nameSlug: Slug(name)}
	slugs := m.makeSlug + "_" + m.nameSlug
	if known := c.bySlugs[slugs]; known != nil {
		return known
	}
	m.words = wordsToFind(make, name, m.makeSlug, m.nameSlug)
	c.bySlugs[slugs] = m
	c.models = append(c.models, m)
	return m
}

// schema notes which patterns a maker uses in which years, and with that when
// there were which models.
func (c *Catalogue) schema(r []string) error {
	id, err1 := strconv.ParseUint(r[1], 10, 32)
	from, err2 := strconv.Atoi(r[2])
	to, err3 := strconv.Atoi(r[3])
	if err := cmp.Or(err1, err2, err3); err != nil {
		return err
	}
	c.schemas[r[0]] = append(c.schemas[r[0]], schema{uint32(id), from, to})
	for _, rule := range c.rules[uint32(id)] {
		for y := from; y <= to; y++ {
			if !slices.Contains(rule.model.years, y) {
				rule.model.years = append(rule.model.years, y)
			}
		}
	}
	return nil
}

// interned keeps one copy of equal texts.
type interned map[string]string

func (i interned) text(s string) string {
	if known, ok := i[s]; ok {
		return known
	}
	s = strings.Clone(s)
	i[s] = s
	return s
}

// rows calls row with each row of compressed CSV that has that header.
func rows(packed []byte, header string, row func([]string) error) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	r := csv.NewReader(z)
	r.ReuseRecord = true
	first, err := r.Read()
	if err != nil {
		return err
	}
	if strings.Join(first, ",") != header {
		return fmt.Errorf("the first line is not %s", header)
	}
	for n := 1; ; n++ {
		record, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = row(record)
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
	}
}
