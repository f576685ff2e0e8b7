package graphql

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// Weight is what a field costs, as its arguments tell: Own by itself, and what
// is selected below it so many Times. A field that its arguments make fail costs
// nothing.
type Weight struct{ Own, Times int64 }

// endless is more than any request may cost, and small enough that the sum and
// the product of two are numbers.
const endless = int64(1) << 31

// perSchema is what a question about the schema costs; the objects of its answer
// are counted when it is written.
const perSchema = 2000

// weigh is the cost of fields of an object: that of each, and one for every
// object below, as often as it may come.
func (c *Call) weigh(o *object, fields []*Field) int64 {
	total := int64(0)
	for _, f := range fields {
		if f.err != nil || f.info.answer == nil {
			continue
		}
		if aboutSchema(f.Name) {
			total += perSchema
			continue
		}
		w := Weight{Times: 1}
		if weigh := c.server.cfg.Weigh; weigh != nil {
			w = weigh(c, o.def.Name, f)
		}
		total += min(w.Own, endless)
		if w.Times > 0 {
			total += min(w.Times, endless) * c.below(f)
		}
		total = min(total, endless)
	}
	return total
}

// below is the cost of one object of a field; of several types it may be of,
// that of the dearest.
func (c *Call) below(f *Field) int64 {
	dearest := int64(0)
	for _, name := range f.info.objects {
		o := c.server.types[name]
		dearest = max(dearest, 1+c.weigh(o, c.fields(f, o)))
	}
	return dearest
}

// objectsOf names the object types that a value of a type may be of.
func (s *Server) objectsOf(t *ast.Type) []string {
	d := s.schema.Types[t.Name()]
	switch {
	case d == nil:
		return nil
	case d.Kind == ast.Object:
		return []string{d.Name}
	case d.Kind == ast.Interface:
		var names []string
		for _, p := range s.schema.PossibleTypes[d.Name] {
			names = append(names, p.Name)
		}
		return names
	}
	return nil
}

func aboutSchema(name string) bool { return name == "__schema" || name == "__type" }
