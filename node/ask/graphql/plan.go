package graphql

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"sayso"
)

// Field is a selected field of one request: what was asked for under one key
// of the answer.
type Field struct {
	Name string // in the schema
	Key  string // in the answer
	Args Args
	// Slot and Refused are free for the function of the field above, which may
	// plan the fields below with [Call.Select].
	Slot    int
	Refused bool

	info *fieldInfo
	json []byte // the key as JSON with its colon
	sets []ast.SelectionSet
	subs []selection
	err  error // of the arguments
	at   []any // path of err below the field
}

type selection struct {
	of     *object
	fields []*Field
}

// Directives are those of the field in the schema.
func (f *Field) Directives() ast.DirectiveList { return f.info.def.Directives }

// Err says why the arguments could not be read; a field is not answered then.
func (f *Field) Err() error { return f.err }

// TypeName is the type of the field, without lists.
func (f *Field) TypeName() string { return f.info.def.Type.Name() }

// Args are arguments after reading: int64, float64, string (also enums), bool,
// what a [Scalar] gave, []any, or Args for an input object. What was not given
// is absent; an explicit null is nil.
type Args map[string]any

// Arg is an argument if it is given, not null, and of that type.
func Arg[T any](a Args, name string) (T, bool) {
	v, ok := a[name].(T)
	return v, ok
}

// Select gives the fields that are selected below f for a type, merged by key
// in the order of the query.
func (c *Call) Select(f *Field, typeName string) []*Field {
	return c.fields(f, c.server.types[typeName])
}

func (c *Call) fields(f *Field, o *object) []*Field {
	for i := range f.subs {
		if f.subs[i].of == o {
			return f.subs[i].fields
		}
	}
	list := c.collect(o, f.sets)
	f.subs = append(f.subs, selection{o, list})
	return list
}

// collect merges selection sets into the fields of an object type.
func (c *Call) collect(o *object, sets []ast.SelectionSet) []*Field {
	n := 0
	for _, set := range sets {
		n += len(set)
	}
	out, visited := make([]*Field, 0, n), map[string]bool(nil)
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, sel := range set {
			switch sel := sel.(type) {
			case *ast.Field:
				if c.included(sel.Directives) {
					out = c.merge(o, out, sel)
				}
			case *ast.InlineFragment:
				if c.included(sel.Directives) && c.applies(sel.TypeCondition, o) {
					walk(sel.SelectionSet)
				}
			case *ast.FragmentSpread:
				if !c.included(sel.Directives) || visited[sel.Name] {
					continue
				}
				if visited == nil {
					visited = map[string]bool{}
				}
				visited[sel.Name] = true
				if c.applies(sel.Definition.TypeCondition, o) {
					walk(sel.Definition.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		walk(set)
	}
	return out
}

func (c *Call) merge(o *object, out []*Field, sel *ast.Field) []*Field {
	for _, f := range out {
		if f.Key == sel.Alias {
			if len(sel.SelectionSet) > 0 {
				f.sets = append(f.sets, sel.SelectionSet)
			}
			return out
		}
	}
	f := &Field{Name: sel.Name, Key: sel.Alias, info: o.fields[sel.Name]}
	if f.info == nil {
		panic("BUG: no field " + o.def.Name + "." + sel.Name)
	}
	f.json = append(appendString(make([]byte, 0, len(f.Key)+3), f.Key), ':')
	if len(sel.SelectionSet) > 0 {
		f.sets = []ast.SelectionSet{sel.SelectionSet}
	}
	if len(f.info.def.Arguments) > 0 {
		f.Args, f.at, f.err = c.arguments(f.info.def.Arguments, sel)
	}
	return append(out, f)
}

func (c *Call) applies(condition string, o *object) bool {
	if condition == "" || condition == o.def.Name {
		return true
	}
	for _, i := range o.def.Interfaces {
		if i == condition {
			return true
		}
	}
	return false
}

// included evaluates @skip and @include.
func (c *Call) included(list ast.DirectiveList) bool {
	for _, d := range list {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		v, _ := d.Arguments.ForName("if").Value.Value(c.variables)
		if is, _ := v.(bool); is != (d.Name == "include") {
			return false
		}
	}
	return true
}

// arguments reads the arguments of a field; at is the path of the one that
// failed.
func (c *Call) arguments(defs ast.ArgumentDefinitionList, sel *ast.Field) (args Args, at []any, err error) {
	args = Args{}
	for _, d := range defs {
		var raw any
		given := false
		if a := sel.Arguments.ForName(d.Name); a != nil {
			if raw, given, err = c.literal(a.Value); err != nil {
				return nil, []any{d.Name}, err
			}
		}
		if !given && d.DefaultValue != nil {
			if raw, given, err = c.literal(d.DefaultValue); err != nil {
				return nil, []any{d.Name}, err
			}
		}
		if !given {
			continue
		}
		if args[d.Name], at, err = c.coerce(raw, d.Type); err != nil {
			return nil, append([]any{d.Name}, at...), err
		}
	}
	return args, nil, nil
}

// literal is the plain value of an argument; given is false for a variable
// that was not sent.
func (c *Call) literal(v *ast.Value) (raw any, given bool, err error) {
	if v.Kind == ast.Variable {
		raw, given = c.variables[v.Raw]
		return raw, given, nil
	}
	raw, err = v.Value(c.variables)
	if err != nil {
		return nil, true, invalid("%s is not a valid value", v.Raw)
	}
	return raw, true, nil
}

// coerce turns a plain value into what [Args] promises.
func (c *Call) coerce(raw any, t *ast.Type) (any, []any, error) {
	if c.values++; c.values > c.server.cfg.Limits.Values {
		return nil, nil, invalid("too many values")
	}
	if raw == nil {
		if t.NonNull {
			return nil, nil, invalid("must not be null")
		}
		return nil, nil, nil
	}
	if t.Elem != nil {
		list, ok := raw.([]any)
		if !ok {
			list = []any{raw}
		}
		if c.values+len(list) > c.server.cfg.Limits.Values {
			c.values += len(list)
			return nil, nil, invalid("too many values")
		}
		out := make([]any, len(list))
		for i, e := range list {
			v, at, err := c.coerce(e, t.Elem)
			if err != nil {
				return nil, append([]any{i}, at...), err
			}
			out[i] = v
		}
		return out, nil, nil
	}
	d := c.server.schema.Types[t.NamedType]
	switch d.Kind {
	case ast.InputObject:
		return c.coerceInput(raw, d)
	case ast.Enum:
		if s, ok := raw.(string); ok && d.EnumValues.ForName(s) != nil {
			return s, nil, nil
		}
		return nil, nil, invalid("%v is not a valid %s", raw, d.Name)
	}
	v, err := c.server.scalar(d.Name, raw)
	return v, nil, err
}

func (c *Call) coerceInput(raw any, d *ast.Definition) (any, []any, error) {
	in, ok := raw.(map[string]any)
	if !ok {
		return nil, nil, invalid("%s must be an object", d.Name)
	}
	out := make(Args, len(d.Fields))
	for _, fd := range d.Fields {
		v, given := in[fd.Name]
		if !given && fd.DefaultValue != nil {
			var err error
			if v, given, err = c.literal(fd.DefaultValue); err != nil {
				return nil, []any{fd.Name}, err
			}
		}
		if !given {
			continue
		}
		value, at, err := c.coerce(v, fd.Type)
		if err != nil {
			return nil, append([]any{fd.Name}, at...), err
		}
		out[fd.Name] = value
	}
	return out, nil, nil
}

// scalar reads a leaf.
func (s *Server) scalar(name string, raw any) (any, error) {
	if n, ok := raw.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			raw = i
		} else if f, err := n.Float64(); err == nil {
			raw = f
		} else {
			return nil, invalid("%s is out of range", n)
		}
	}
	switch name {
	case "Int":
		if f, ok := raw.(float64); ok && f == float64(int64(f)) {
			return int64(f), nil
		}
		if i, ok := raw.(int64); ok {
			return i, nil
		}
	case "Float":
		switch n := raw.(type) {
		case int64:
			return float64(n), nil
		case float64:
			return n, nil
		}
	case "String":
		if s, ok := raw.(string); ok {
			return s, nil
		}
	case "ID":
		switch n := raw.(type) {
		case int64:
			return strconv.FormatInt(n, 10), nil
		case string:
			return n, nil
		}
	case "Boolean":
		if b, ok := raw.(bool); ok {
			return b, nil
		}
	default:
		return s.cfg.Scalars[name](raw)
	}
	return nil, invalid("%v is not a valid %s", raw, name)
}

func invalid(format string, args ...any) error {
	return sayso.Fail(sayso.Invalid, "graphql", fmt.Sprintf(format, args...))
}
