package graphql

import (
	"context"
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"sayso"
)

// Call is one request in progress. It is not safe for concurrent use.
type Call struct {
	Context context.Context
	Caller  any // what Authorise answered

	server    *Server
	variables map[string]any
	buf       []byte
	path      []step
	errors    gqlerror.List
	objects   int
}

// step is a part of the path of an answer: a key, or an index where key is "".
type step struct {
	key   string
	index int
}

// Fail adds an error at the field that is being answered, below it where keys
// are given. The field still answers.
func (c *Call) Fail(err error, below ...any) {
	var path ast.Path
	for _, s := range c.path {
		if s.key == "" {
			path = append(path, ast.PathIndex(s.index))
		} else {
			path = append(path, ast.PathName(s.key))
		}
	}
	for _, b := range below {
		if i, ok := b.(int); ok {
			path = append(path, ast.PathIndex(i))
		} else {
			path = append(path, ast.PathName(fmt.Sprint(b)))
		}
	}
	message, extensions := c.server.cfg.Explain(err)
	if sayso.FaultOf(err) == sayso.Internal && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		c.server.cfg.Log.Error("query failed", "path", path.String(), "err", err)
	}
	c.errors = append(c.errors, &gqlerror.Error{Message: message, Path: path, Extensions: extensions})
}

// run answers an operation into c.buf: an object, or null.
func (c *Call) run(op *ast.OperationDefinition) {
	root := c.server.types["Query"]
	fields := c.collect(root, []ast.SelectionSet{op.SelectionSet})
	if !c.object(root, fields, nil) {
		c.buf = append(c.buf[:0], "null"...)
	}
}

// object writes an object; false means that a field which must not be null is.
func (c *Call) object(o *object, fields []*Field, parent any) bool {
	if c.objects++; c.objects > c.server.cfg.Limits.Objects {
		if c.objects == c.server.cfg.Limits.Objects+1 {
			c.Fail(sayso.Fail(sayso.TooLarge, "graphql", "the answer has too many objects; ask for fewer"))
		}
		return false
	}
	c.buf = append(c.buf, '{')
	for i, f := range fields {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = append(c.buf, f.json...)
		if f.info.answer == nil {
			c.buf = appendString(c.buf, o.def.Name)
			continue
		}
		c.path = append(c.path, step{key: f.Key})
		ok := c.field(f, parent)
		c.path = c.path[:len(c.path)-1]
		if !ok {
			return false
		}
	}
	c.buf = append(c.buf, '}')
	return true
}

// field answers a field and writes the value.
func (c *Call) field(f *Field, parent any) bool {
	value, err := c.answer(f, parent)
	if err == ErrNull {
		value, err = nil, nil
	}
	if err != nil {
		c.Fail(err, f.at...)
		if f.info.def.Type.NonNull {
			return false
		}
		value = nil
	} else if value == nil && f.info.def.Type.NonNull {
		c.Fail(errors.New("a field that must not be null is"))
		return false
	}
	return c.value(f.info.def.Type, f, value)
}

// answer asks the guards and calls the function; an argument that could not be
// read comes before both.
func (c *Call) answer(f *Field, parent any) (any, error) {
	if f.err != nil {
		return nil, f.err
	}
	for _, g := range f.info.guards {
		if err := g.guard(c, g.directive, parent, f); err != nil {
			return nil, err
		}
	}
	if err := c.Context.Err(); err != nil {
		return nil, err
	}
	return f.info.answer(c, parent, f)
}

// value writes a value of a type; false means that it had to be null and must
// not be.
func (c *Call) value(t *ast.Type, f *Field, v any) bool {
	start := len(c.buf)
	if v != nil && c.content(t, f, v) {
		return true
	}
	c.buf = append(c.buf[:start], "null"...)
	return !t.NonNull
}

// content writes a value that is not nil; false means that it must be null.
func (c *Call) content(t *ast.Type, f *Field, v any) bool {
	if t.Elem != nil {
		return c.list(t.Elem, f, v)
	}
	switch d := c.server.schema.Types[t.NamedType]; d.Kind {
	case ast.Object:
		o := c.server.types[t.NamedType]
		return c.object(o, c.fields(f, o), v)
	case ast.Interface:
		typed, ok := v.(Typed)
		o := c.server.types[typed.Type]
		if !ok || o == nil {
			c.Fail(fmt.Errorf("BUG: a %T is no %s", v, t.NamedType))
			return false
		}
		return c.object(o, c.fields(f, o), typed.Value)
	}
	var err error
	if c.buf, err = appendScalar(c.buf, v); err != nil {
		c.Fail(err)
		return false
	}
	return true
}

func (c *Call) list(elem *ast.Type, f *Field, v any) bool {
	list, ok := v.(List)
	if !ok {
		c.Fail(fmt.Errorf("BUG: a %T is no list", v))
		return false
	}
	c.buf = append(c.buf, '[')
	for i := range list.Len() {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.path = append(c.path, step{index: i})
		ok := c.value(elem, f, list.At(i))
		c.path = c.path[:len(c.path)-1]
		if !ok {
			return false
		}
	}
	c.buf = append(c.buf, ']')
	return true
}
