package graphql

import (
	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"
)

// Of makes a function of a getter that needs neither arguments nor the request.
func Of[T any](get func(T) any) Func {
	return func(_ *Call, parent any, _ *Field) (any, error) { return get(parent.(T)), nil }
}

func text(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// pointers makes a list of pointers, which is what the functions below take.
func pointers[T any](list []T) Slice[*T] {
	out := make(Slice[*T], len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

func wrapped(t *introspection.Type) any {
	if t == nil {
		return nil
	}
	return t
}

func introspectionRoot(schema *ast.Schema) Fields {
	return Fields{
		"__schema": func(*Call, any, *Field) (any, error) { return introspection.WrapSchema(schema), nil },
		"__type": func(_ *Call, _ any, f *Field) (any, error) {
			name, _ := Arg[string](f.Args, "name")
			return wrapped(introspection.WrapTypeFromDef(schema, schema.Types[name])), nil
		},
	}
}

// deprecatedToo reads the argument includeDeprecated.
func deprecatedToo(f *Field) bool {
	all, _ := Arg[bool](f.Args, "includeDeprecated")
	return all
}

// introspectionTypes are the functions of the types of the GraphQL
// specification (October 2021, section 4), as far as the prelude of the parser
// has them.
func introspectionTypes() map[string]Fields {
	type (
		tp = *introspection.Type
		fd = *introspection.Field
		in = *introspection.InputValue
		ev = *introspection.EnumValue
		dr = *introspection.Directive
		sc = *introspection.Schema
	)
	all := map[string]Fields{
		"__Schema": {
			"description":      Of(func(s sc) any { return text(s.Description()) }),
			"types":            Of(func(s sc) any { return pointers(s.Types()) }),
			"queryType":        Of(func(s sc) any { return wrapped(s.QueryType()) }),
			"mutationType":     Of(func(s sc) any { return wrapped(s.MutationType()) }),
			"subscriptionType": Of(func(s sc) any { return wrapped(s.SubscriptionType()) }),
			"directives":       Of(func(s sc) any { return pointers(s.Directives()) }),
		},
		"__Type": {
			"kind":           Of(func(t tp) any { return t.Kind() }),
			"name":           Of(func(t tp) any { return text(t.Name()) }),
			"description":    Of(func(t tp) any { return text(t.Description()) }),
			"specifiedByURL": Of(func(t tp) any { return text(t.SpecifiedByURL()) }),
			"isOneOf":        Of(func(t tp) any { return t.IsOneOf() }),
			"interfaces":     Of(func(t tp) any { return pointers(t.Interfaces()) }),
			"possibleTypes":  Of(func(t tp) any { return pointers(t.PossibleTypes()) }),
			"inputFields":    Of(func(t tp) any { return pointers(t.InputFields()) }),
			"ofType":         Of(func(t tp) any { return wrapped(t.OfType()) }),
			"fields": func(_ *Call, t any, f *Field) (any, error) {
				return pointers(t.(tp).Fields(deprecatedToo(f))), nil
			},
			"enumValues": func(_ *Call, t any, f *Field) (any, error) {
				return pointers(t.(tp).EnumValues(deprecatedToo(f))), nil
			},
		},
		"__Field": {
			"name":              Of(func(f fd) any { return f.Name }),
			"description":       Of(func(f fd) any { return text(f.Description()) }),
			"args":              Of(func(f fd) any { return pointers(f.Args) }),
			"type":              Of(func(f fd) any { return wrapped(f.Type) }),
			"isDeprecated":      Of(func(f fd) any { return f.IsDeprecated() }),
			"deprecationReason": Of(func(f fd) any { return text(f.DeprecationReason()) }),
		},
		"__InputValue": {
			"name":              Of(func(i in) any { return i.Name }),
			"description":       Of(func(i in) any { return text(i.Description()) }),
			"type":              Of(func(i in) any { return wrapped(i.Type) }),
			"defaultValue":      Of(func(i in) any { return text(i.DefaultValue) }),
			"isDeprecated":      Of(func(i in) any { return i.IsDeprecated() }),
			"deprecationReason": Of(func(i in) any { return text(i.DeprecationReason()) }),
		},
		"__EnumValue": {
			"name":              Of(func(e ev) any { return e.Name }),
			"description":       Of(func(e ev) any { return text(e.Description()) }),
			"isDeprecated":      Of(func(e ev) any { return e.IsDeprecated() }),
			"deprecationReason": Of(func(e ev) any { return text(e.DeprecationReason()) }),
		},
		"__Directive": {
			"name":         Of(func(d dr) any { return d.Name }),
			"description":  Of(func(d dr) any { return text(d.Description()) }),
			"locations":    Of(func(d dr) any { return Slice[string](d.Locations) }),
			"args":         Of(func(d dr) any { return pointers(d.Args) }),
			"isRepeatable": Of(func(d dr) any { return d.IsRepeatable }),
		},
	}
	return all
}
