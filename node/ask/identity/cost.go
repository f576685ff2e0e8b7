package identity

import (
	"strings"

	"sayso/node/ask/graphql"
)

// What fields cost beside their objects, of which each costs one: a list at the
// root is looked for among everything there is, and to count it all costs as much
// again; earnings are read from the file, and are added up one by one.
const (
	perList    = 1000
	perHistory = 20
	perTotal   = 100
)

// weigh is the cost of a field: a list multiplies what is selected of its
// entries by the size of the page.
func (a *answers) weigh(c *graphql.Call, typeName string, f *graphql.Field) graphql.Weight {
	w := graphql.Weight{Times: 1}
	switch {
	case f.Name == "totalTokens" && typeName == "UserRewards":
		w.Own = perList
	case f.Name == "totalTokens":
		w.Own = perTotal
	case f.Name == "history":
		w.Own = perHistory
	}
	if of := f.TypeName(); of != "Connection" && strings.HasSuffix(of, "Connection") {
		w.Times = int64(len(a.Registry.Manufacturers()))
		if f.Name != "manufacturers" {
			n, _, err := size(f.Args)
			if err != nil {
				return graphql.Weight{}
			}
			w.Times = int64(n)
		}
		if typeName == "Query" || typeName == "Manufacturer" {
			w.Own = perList
			for _, s := range c.Select(f, of) {
				if s.Name == "totalCount" {
					w.Own = 2 * perList
				}
			}
		}
	}
	return w
}
