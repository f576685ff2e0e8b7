package identity

import (
	"strings"

	"sayso/node/ask/graphql"
)

// perList is what a list at the root costs that may have to look at everything
// there is; counting it all costs as much again. An object in the answer costs
// one.
const perList = 1000

// weigh is the cost of a field: a list multiplies what is selected of its
// entries by the size of the page.
func (a *answers) weigh(c *graphql.Call, typeName string, f *graphql.Field) graphql.Weight {
	w := graphql.Weight{Times: 1}
	if typeName == "Query" && f.Name == "aftermarketDevice" {
		w.Own = perList / 2 // may be looked for by an attribute
	}
	if of := f.TypeName(); strings.HasSuffix(of, "Connection") {
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
