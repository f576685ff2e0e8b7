package graphql

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// cost is what a query would make the server do, counted on the parsed text
// before it is validated, so that a hostile query costs little.
type cost struct {
	limits                         Limits
	doc                            *ast.QueryDocument
	selections, aliases, directive int
	spread                         map[string]bool // fragments being spread, to stop at a cycle
}

// check refuses what is over a limit.
func (l Limits) check(doc *ast.QueryDocument) *gqlerror.Error {
	m := &cost{limits: l, doc: doc, spread: map[string]bool{}}
	for _, op := range doc.Operations {
		m.directive += len(op.Directives)
		if err := m.set(op.SelectionSet, 1); err != nil {
			return err
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

func (m *cost) set(set ast.SelectionSet, depth int) *gqlerror.Error {
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
			m.directive += len(sel.Directives)
			if depth == 1 && sel.Alias != sel.Name {
				m.aliases++
			}
			if !introspective(sel) && len(sel.SelectionSet) > 0 {
				err = m.set(sel.SelectionSet, depth+1)
			}
		case *ast.InlineFragment:
			m.directive += len(sel.Directives)
			err = m.set(sel.SelectionSet, depth)
		case *ast.FragmentSpread:
			m.directive += len(sel.Directives)
			if f := m.doc.Fragments.ForName(sel.Name); f != nil && !m.spread[sel.Name] {
				m.spread[sel.Name] = true
				err = m.set(f.SelectionSet, depth)
				delete(m.spread, sel.Name)
			}
		}
		if err != nil {
			return err
		}
		if m.directive > m.limits.Directives {
			return tooMuch("directives", m.limits.Directives)
		}
	}
	return nil
}

func introspective(f *ast.Field) bool { return f.Name == "__schema" || f.Name == "__type" }

// complexity counts the selected fields of a validated operation, each once
// per place where it is selected (spec api 2).
func complexity(set ast.SelectionSet) int {
	n := 0
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if !introspective(sel) {
				n += 1 + complexity(sel.SelectionSet)
			}
		case *ast.InlineFragment:
			n += complexity(sel.SelectionSet)
		case *ast.FragmentSpread:
			n += complexity(sel.Definition.SelectionSet)
		}
	}
	return n
}
