// Package graphql answers GraphQL queries from a schema text and a table of
// functions: no code is generated, and nothing is found by reflection. It
// parses and validates with gqlparser, collects the selected fields, asks the
// guards that the directives of a field name, calls the field's function, and
// writes the JSON straight into one buffer. It serves queries only; fields run
// one after the other.
//
// [New] refuses a schema that has a field without a function, a scalar without
// a reader, or a directive that nobody guards, so that a schema which serves is
// complete.
package graphql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"sayso"
)

// Func answers a field of parent. The answer is nil (null), a string, bool,
// int, int64, uint64, float64, time.Time, a [fmt.Stringer], valid JSON as a
// [json.RawMessage], a [List], or for a field of object type any value that the
// functions of that type understand.
// For a field of interface type it is a [Typed]. A field of list type may be
// answered with a [Stream].
type Func func(c *Call, parent any, f *Field) (any, error)

// Fields are the functions of an object type by field name.
type Fields map[string]Func

// Guard decides whether a field may be answered; d is the directive that asks.
type Guard func(c *Call, d *ast.Directive, parent any, f *Field) error

// Scalar reads an argument of a scalar type. in is what JSON gives: a string,
// bool, int64, float64, []any or map[string]any.
type Scalar func(in any) (any, error)

// Typed is a value of a field of interface type with the name of its type.
type Typed struct {
	Type  string
	Value any
}

// List is a value of list type.
type List interface {
	Len() int
	At(i int) any
}

// Stream is a value of list type that is read while it is written. Next gives
// the elements, then false. An error of it nulls the list.
type Stream interface {
	Next() (element any, more bool, err error)
}

// Slice makes a [List] of a slice.
type Slice[T any] []T

// Len is the length.
func (s Slice[T]) Len() int { return len(s) }

// At is one element.
func (s Slice[T]) At(i int) any { return s[i] }

// Config describes a server. SDL, Types and Authorise are needed.
type Config struct {
	SDL     string
	Hidden  string            // served but not shown by introspection
	Types   map[string]Fields // by object type
	Absent  []string          // object types of which there are no values
	Scalars map[string]Scalar // beyond Int, Float, String, Boolean and ID
	Guards  map[string]Guard  // by directive; nil for one that guards nothing
	Limits  Limits
	// Weigh says what a field of a type costs, as its arguments tell; without
	// it, every object that is selected costs one.
	Weigh func(c *Call, typeName string, f *Field) Weight
	// Estimates says that a request may ask for its cost alone, with the header
	// X-Estimate-Cost: true.
	Estimates bool
	Gate      *Gate // may be shared; one of its own by default
	// Key names a caller to the gate; the address of the client by default.
	Key func(r *http.Request, caller any) string

	// Authorise finds who asks; what it answers is [Call.Caller]. Its error
	// ends the request with the status of the error's kind.
	Authorise func(*http.Request) (any, error)
	// Explain gives the message and the extensions of an error that a field
	// gave. Without it, [Explain] does.
	Explain func(error) (message string, extensions map[string]any)
	Log     *slog.Logger // for internal errors; none by default
}

// Server answers a schema. It is an [http.Handler] and safe for concurrent use.
type Server struct {
	cfg    Config
	schema *ast.Schema
	public *ast.Schema // what introspection shows
	types  map[string]*object
	rules  ruleSets
	cache  cache

	buffers sync.Pool // of *[]byte, for segments of answers
}

// object is an object type ready to serve.
type object struct {
	def    *ast.Definition
	fields map[string]*fieldInfo
}

type fieldInfo struct {
	name    string
	def     *ast.FieldDefinition
	answer  Func
	guards  []guarding
	objects []string // the object types that a value may be of
}

type guarding struct {
	guard     Guard
	directive *ast.Directive
}

// New loads and checks a schema. Its error lists everything that is missing.
func New(cfg Config) (*Server, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Explain == nil {
		cfg.Explain = Explain
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Gate == nil {
		cfg.Gate = NewGate(GateConfig{})
	}
	if cfg.Key == nil {
		cfg.Key = func(r *http.Request, _ any) string { return Remote(r) }
	}
	s := &Server{cfg: cfg, types: map[string]*object{}, rules: newRuleSets()}
	var err error
	if s.public, err = load(cfg.SDL); err != nil {
		return nil, err
	}
	s.schema = s.public
	if cfg.Hidden != "" {
		if s.schema, err = load(cfg.SDL + "\n" + cfg.Hidden); err != nil {
			return nil, err
		}
	}
	s.cache.init()
	s.buffers.New = func() any { b := make([]byte, 0, segment); return &b }
	return s, s.bind()
}

func load(sdl string) (*ast.Schema, error) {
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: sdl})
	if err != nil {
		return nil, fmt.Errorf("graphql schema: %w", err)
	}
	return schema, nil
}

// bind connects every type of the schema with its functions.
func (s *Server) bind() error {
	var missing []error
	miss := func(format string, args ...any) { missing = append(missing, fmt.Errorf(format, args...)) }
	given := maps.Clone(s.cfg.Types)
	maps.Copy(given, introspectionTypes())
	for _, name := range slices.Sorted(maps.Keys(s.schema.Types)) {
		d := s.schema.Types[name]
		switch d.Kind {
		case ast.Scalar:
			if _, ok := s.cfg.Scalars[name]; !ok && !d.BuiltIn {
				miss("scalar %s has no reader", name)
			}
		case ast.Union:
			miss("union %s: unions are not served", name)
		case ast.Object:
			s.types[name] = s.bindObject(d, given[name], miss)
		}
	}
	root := s.types["Query"]
	if root == nil || s.schema.Mutation != nil || s.schema.Subscription != nil {
		miss("the schema must have a Query type and no other root")
	} else {
		for name, answer := range introspectionRoot(s.public) {
			root.fields[name] = &fieldInfo{name: name, def: s.schema.Query.Fields.ForName(name), answer: answer}
		}
	}
	for name, fields := range s.cfg.Types {
		d := s.schema.Types[name]
		for field := range fields {
			if d == nil || d.Fields.ForName(field) == nil {
				miss("%s.%s has a function but is not in the schema", name, field)
			}
		}
	}
	return errors.Join(missing...)
}

func (s *Server) bindObject(d *ast.Definition, given Fields, miss func(string, ...any)) *object {
	o := &object{def: d, fields: map[string]*fieldInfo{"__typename": {name: "__typename", def: typename, answer: nil}}}
	absent := slices.Contains(s.cfg.Absent, d.Name)
	for _, fd := range d.Fields {
		if strings.HasPrefix(fd.Name, "__") {
			continue
		}
		info := &fieldInfo{name: fd.Name, def: fd, answer: given[fd.Name], objects: s.objectsOf(fd.Type)}
		if absent {
			info.answer = noValue
		}
		if info.answer == nil {
			miss("%s.%s has no function", d.Name, fd.Name)
		}
		for _, directive := range fd.Directives {
			guard, known := s.cfg.Guards[directive.Name]
			if !known && directive.Name != "deprecated" {
				miss("%s.%s: nobody guards @%s", d.Name, fd.Name, directive.Name)
			}
			if guard != nil {
				info.guards = append(info.guards, guarding{guard, directive})
			}
		}
		o.fields[fd.Name] = info
	}
	return o
}

var typename = &ast.FieldDefinition{Name: "__typename", Type: ast.NonNullNamedType("String", nil)}

func noValue(*Call, any, *Field) (any, error) {
	return nil, errors.New("BUG: a value of a type that has none")
}

// Explain is the default form of an error: the message for the caller and the
// code of its kind.
func Explain(err error) (string, map[string]any) {
	switch {
	case errors.Is(err, context.Canceled):
		return "request canceled", map[string]any{"code": sayso.Cancelled.Code()}
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineMessage, map[string]any{"code": sayso.Busy.Code()}
	}
	return sayso.MessageOf(err), map[string]any{"code": sayso.FaultOf(err).Code()}
}

// ErrNull is what a guard or function answers for a field that is null without
// an error of its own.
var ErrNull = errors.New("null")

// DeadlineMessage is what a request that ran out of time is told (spec api 2).
const DeadlineMessage = "request exceeded or is estimated to exceed the maximum execution time"

// Schema is what introspection shows.
func (s *Server) Schema() *ast.Schema { return s.public }
