package graphql

import (
	"fmt"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Limits bound what one request may cost. Zero values mean the defaults in
// the comments.
type Limits struct {
	Body          int64         // 64 KiB: size of a request
	Tokens        int           // 4,000: of the query text
	Depth         int           // 12: nested selections, introspection not counted
	Nesting       int           // 24: of lists and objects in one argument or variable
	Aliases       int           // 50: of root fields; aliases below are bounded by Selections
	Directives    int           // 20: in the query
	Selections    int           // 500: fields with fragments spread out
	Repeats       int           // 40: fields of one name, or alias, in one selection
	Name          int           // 128: bytes of a name in the query
	Complexity    int           // none: selected fields; over it the answer is COMPLEXITY_LIMIT_EXCEEDED
	Values        int           // 20,000: values in all arguments, a variable counted wherever it is used
	Cost          int64         // 50,000: what [Config.Weigh] makes of the arguments, one for each object
	Light         int64         // 5,000: cost over which a request waits for its turn in the [Gate]
	Objects       int           // 50,000: objects in an answer
	Introspection int           // 20,000: objects about the schema in an answer
	Answer        int           // 24 MiB: size of an answer
	Deadline      time.Duration // 10 s, the wait in the [Gate] included
	Writing       time.Duration // 30 s: to write an answer of over 1 MiB
}

func (l Limits) withDefaults() Limits {
	def(&l.Body, 64<<10)
	def(&l.Tokens, 4000)
	def(&l.Depth, 12)
	def(&l.Nesting, 24)
	def(&l.Aliases, 50)
	def(&l.Directives, 20)
	def(&l.Selections, 500)
	def(&l.Repeats, 40)
	def(&l.Name, 128)
	def(&l.Values, 20_000)
	def(&l.Cost, 50_000)
	def(&l.Light, 5000)
	def(&l.Objects, 50_000)
	def(&l.Introspection, 20_000)
	def(&l.Answer, 24<<20)
	def(&l.Deadline, 10*time.Second)
	def(&l.Writing, 30*time.Second)
	return l
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// introspectionDepth bounds the levels below __schema and __type: the common
// query of tools has 14.
const introspectionDepth = 20

// measure is what a query would make the server do, counted on the parsed text
// before it is validated, so that a hostile query costs little.
type measure struct {
	limits                          Limits
	doc                             *ast.QueryDocument
	selections, aliases, directives int
	spread                          map[string]bool // fragments being spread, to stop at a cycle
	inside                          bool            // __schema or __type
	keys                            []string        // of the fields of the selections that are open
}

// check refuses what is over a limit. Fragments that no operation spreads are
// counted too: the rules look at them as well.
func (l Limits) check(doc *ast.QueryDocument) *gqlerror.Error {
	m := &measure{limits: l, doc: doc, spread: map[string]bool{}}
	used := map[string]bool{}
	for _, op := range doc.Operations {
		if err := m.names(op.Name); err != nil {
			return err
		}
		for _, v := range op.VariableDefinitions {
			if err := m.names(v.Variable, v.Type.Name()); err != nil {
				return err
			}
			if err := m.value(v.DefaultValue, 1); err != nil {
				return err
			}
			if err := m.listed(v.Directives); err != nil {
				return err
			}
		}
		if err := m.listed(op.Directives); err != nil {
			return err
		}
		if err := m.level(op.SelectionSet, 1, used); err != nil {
			return err
		}
	}
	for _, f := range doc.Fragments {
		if err := m.names(f.Name, f.TypeCondition); err != nil {
			return err
		}
		if err := m.listed(f.Directives); err != nil {
			return err
		}
		if !used[f.Name] {
			if err := m.level(f.SelectionSet, 1, used); err != nil {
				return err
			}
		}
	}
	if m.aliases > l.Aliases {
		return tooMuch("aliases at the root", l.Aliases)
	}
	return nil
}

func tooMuch(what string, limit int) *gqlerror.Error {
	return &gqlerror.Error{Message: fmt.Sprintf("the query has more %s than %d", what, limit), Extensions: map[string]any{"code": validationFailed}}
}

func (m *measure) names(list ...string) *gqlerror.Error {
	for _, name := range list {
		if len(name) > m.limits.Name {
			return tooMuch("bytes in a name", m.limits.Name)
		}
	}
	return nil
}

// listed counts directives.
func (m *measure) listed(list ast.DirectiveList) *gqlerror.Error {
	if m.directives += len(list); m.directives > m.limits.Directives {
		return tooMuch("directives", m.limits.Directives)
	}
	for _, d := range list {
		if err := m.names(d.Name); err != nil {
			return err
		}
		if err := m.arguments(d.Arguments); err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) arguments(list ast.ArgumentList) *gqlerror.Error {
	for _, a := range list {
		if err := m.names(a.Name); err != nil {
			return err
		}
		if err := m.value(a.Value, 1); err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) value(v *ast.Value, depth int) *gqlerror.Error {
	if v == nil {
		return nil
	}
	if depth > m.limits.Nesting {
		return tooMuch("nested values", m.limits.Nesting)
	}
	if v.Kind == ast.EnumValue || v.Kind == ast.Variable {
		return m.names(v.Raw)
	}
	for _, c := range v.Children {
		if err := m.names(c.Name); err != nil {
			return err
		}
		if err := m.value(c.Value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// level counts a selection with its fragments spread. The rules compare all
// fields of one name with each other, so that these must be few.
func (m *measure) level(set ast.SelectionSet, depth int, used map[string]bool) *gqlerror.Error {
	start := len(m.keys)
	err := m.set(set, depth, used)
	keys := m.keys[start:]
	m.keys = m.keys[:start]
	if err != nil || len(keys) <= m.limits.Repeats {
		return err
	}
	times := make(map[string]int, len(keys))
	for _, k := range keys {
		if times[k]++; times[k] > m.limits.Repeats {
			return tooMuch("fields of one name", m.limits.Repeats)
		}
	}
	return nil
}

func (m *measure) set(set ast.SelectionSet, depth int, used map[string]bool) *gqlerror.Error {
	if depth > m.limits.Depth {
		return tooMuch("nested levels", m.limits.Depth)
	}
	for _, sel := range set {
		if m.selections++; m.selections > m.limits.Selections {
			return tooMuch("fields", m.limits.Selections)
		}
		var err *gqlerror.Error
		switch sel := sel.(type) {
		case *ast.Field:
			err = m.field(sel, depth, used)
		case *ast.InlineFragment:
			if err = m.names(sel.TypeCondition); err == nil {
				err = m.listed(sel.Directives)
			}
			if err == nil {
				err = m.set(sel.SelectionSet, depth, used)
			}
		case *ast.FragmentSpread:
			if err = m.names(sel.Name); err == nil {
				err = m.listed(sel.Directives)
			}
			if f := m.doc.Fragments.ForName(sel.Name); err == nil && f != nil && !m.spread[sel.Name] {
				used[sel.Name], m.spread[sel.Name] = true, true
				err = m.set(f.SelectionSet, depth, used)
				delete(m.spread, sel.Name)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// field counts one; what lies below __schema and __type has a depth of its own.
func (m *measure) field(f *ast.Field, depth int, used map[string]bool) *gqlerror.Error {
	if err := m.names(f.Alias, f.Name); err != nil {
		return err
	}
	if err := m.listed(f.Directives); err != nil {
		return err
	}
	if err := m.arguments(f.Arguments); err != nil {
		return err
	}
	m.keys = append(m.keys, f.Alias)
	if depth == 1 && !m.inside && f.Alias != f.Name {
		m.aliases++
	}
	if len(f.SelectionSet) == 0 {
		return nil
	}
	if introspective(f) && !m.inside {
		m.inside = true
		defer func() { m.inside = false }()
		depth = m.limits.Depth - introspectionDepth
	}
	return m.level(f.SelectionSet, depth+1, used)
}

func introspective(f *ast.Field) bool { return aboutSchema(f.Name) }

// complexity counts the selected fields of an operation, each once per place
// where it is selected (spec api 2).
func complexity(doc *ast.QueryDocument, op *ast.OperationDefinition) int {
	spread := map[string]bool{}
	var count func(ast.SelectionSet) int
	count = func(set ast.SelectionSet) (n int) {
		for _, sel := range set {
			switch sel := sel.(type) {
			case *ast.Field:
				if !introspective(sel) {
					n += 1 + count(sel.SelectionSet)
				}
			case *ast.InlineFragment:
				n += count(sel.SelectionSet)
			case *ast.FragmentSpread:
				if f := doc.Fragments.ForName(sel.Name); f != nil && !spread[sel.Name] {
					spread[sel.Name] = true
					n += count(f.SelectionSet)
					delete(spread, sel.Name)
				}
			}
		}
		return n
	}
	return count(op.SelectionSet)
}
