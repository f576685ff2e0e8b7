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
	full      [][]byte // the answer so far: full segments, and the one that is written
	buf       []byte
	written   int // bytes in full
	key       string
	reserved  int64 // room for the answer, of the gate
	path      []step
	errors    gqlerror.List
	values    int  // in arguments
	objects   int  // in the answer
	described int  // of them, about the schema
	inside    bool // __schema or __type
	over      bool // nothing more is answered
}

// step is a part of the path of an answer: a key, or an index where key is "".
type step struct {
	key   string
	index int
}

// maxFailures is how many errors one answer has; more of them end it.
const maxFailures = 200

// Fail adds an error at the field that is being answered, below it where keys
// are given. The field still answers.
func (c *Call) Fail(err error, below ...any) {
	if len(c.errors) >= maxFailures {
		c.over = true
		return
	}
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
	c.errors = append(c.errors, &gqlerror.Error{Message: shortened(message), Path: path, Extensions: extensions})
}

// refuse makes the answer of an operation that costs too much.
func (c *Call) refuse(format string, args ...any) {
	c.errors = gqlerror.List{gqlerrorf(tooComplex, format, args...)}
	c.buf = append(c.buf, "null"...)
}

// run answers the fields of the root: an object, or null.
func (c *Call) run(root *object, fields []*Field) {
	if !c.object(root, fields, nil) {
		c.rewind(mark{})
		c.buf = append(c.buf, "null"...)
	}
}

// stop ends the answer with an error.
func (c *Call) stop(fault sayso.Fault, message string) bool {
	if !c.over {
		c.Fail(sayso.Fail(fault, "graphql", message))
		c.over = true
	}
	return false
}

// counted counts an object that is about to be written.
func (c *Call) counted() bool {
	limits := &c.server.cfg.Limits
	if c.inside {
		if c.described++; c.described > limits.Introspection {
			return c.stop(sayso.TooLarge, "the answer tells too much of the schema; ask for less")
		}
	} else if c.objects++; c.objects > limits.Objects {
		return c.stop(sayso.TooLarge, "the answer has too many objects; ask for fewer")
	}
	if c.size() > limits.Answer {
		return c.stop(sayso.TooLarge, "the answer is too long; ask for less")
	}
	return !c.over
}

// object writes an object; false means that a field which must not be null is.
func (c *Call) object(o *object, fields []*Field, parent any) bool {
	if !c.counted() {
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
	if len(c.path) == 1 {
		c.inside = aboutSchema(f.Name)
	}
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
		c.over = len(c.path) > 1 // each field of the root tells it, those below need not
		return nil, err
	}
	return f.info.answer(c, parent, f)
}

// value writes a value of a type; false means that it had to be null and must
// not be.
func (c *Call) value(t *ast.Type, f *Field, v any) bool {
	start := c.mark()
	if v != nil && c.content(t, f, v) {
		return true
	}
	c.rewind(start)
	c.buf = append(c.buf, "null"...)
	return !t.NonNull && !c.over
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
	next, ok := elements(v)
	if !ok {
		c.Fail(fmt.Errorf("BUG: a %T is no list", v))
		return false
	}
	c.buf = append(c.buf, '[')
	for i := 0; ; i++ {
		e, more, err := next()
		if err != nil {
			c.Fail(err, f.at...)
			return false
		}
		if !more {
			break
		}
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.path = append(c.path, step{index: i})
		ok := c.value(elem, f, e)
		c.path = c.path[:len(c.path)-1]
		if !ok || !c.turnPage() {
			return false
		}
	}
	c.buf = append(c.buf, ']')
	return true
}

// elements walks a [List] or a [Stream].
func elements(v any) (next func() (any, bool, error), ok bool) {
	switch v := v.(type) {
	case Stream:
		return v.Next, true
	case List:
		i, n := -1, v.Len()
		return func() (any, bool, error) {
			if i++; i >= n {
				return nil, false, nil
			}
			return v.At(i), true, nil
		}, true
	}
	return nil, false
}
