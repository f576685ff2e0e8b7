package ask

import (
	"strings"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
)

// events answers the root field of that name; null where there are none.
func (a *answers) events(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	r, err := a.open(c, f, nil)
	if err != nil {
		return nil, err
	}
	from, to, err := span(f.Args)
	if err != nil {
		return nil, err
	}
	filter, _ := graphql.Arg[graphql.Args](f.Args, "filter")
	keep, err := eventFilter(filter)
	if err != nil {
		return nil, err
	}
	keep = patient(c, weightOf(filter), keep)
	var out graphql.Slice[vault.EventRow]
	err = a.Vault.Events(c.Context, r.view(r.epochs), from, to, func(e vault.EventRow) bool {
		if keep == nil || keep(&e) {
			out = append(out, e)
		}
		return true
	})
	if err == nil {
		err = c.Context.Err() // a filter that was cut short let events out
	}
	if err != nil {
		return nil, cause(c, err)
	}
	if out == nil {
		return nil, nil
	}
	return out, nil
}

func event() graphql.Fields {
	return graphql.Fields{
		"timestamp":  graphql.Of(func(e vault.EventRow) any { return e.Time.Time() }),
		"name":       graphql.Of(func(e vault.EventRow) any { return e.Name }),
		"source":     graphql.Of(func(e vault.EventRow) any { return e.Source.String() }),
		"durationNs": graphql.Of(func(e vault.EventRow) any { return e.DurationNS }),
		"metadata": graphql.Of(func(e vault.EventRow) any {
			if e.Metadata == "" {
				return nil
			}
			return e.Metadata
		}),
	}
}

// eventFilter reads an EventFilter; nil if it asks for nothing.
func eventFilter(filter graphql.Args) (func(*vault.EventRow) bool, error) {
	var all []func(*vault.EventRow) bool
	name, _ := graphql.Arg[graphql.Args](filter, "name")
	if err := checkNames(name); err != nil {
		return nil, err
	}
	if test := textFilter(name, func(s string) string { return s }); test != nil {
		all = append(all, func(e *vault.EventRow) bool { return test(e.Name) })
	}
	source, _ := graphql.Arg[graphql.Args](filter, "source")
	if test := textFilter(source, sourceForm); test != nil {
		all = append(all, func(e *vault.EventRow) bool { return test(e.Source.String()) })
	}
	tags, _ := graphql.Arg[graphql.Args](filter, "tags")
	if test := listFilter(tags); test != nil {
		all = append(all, func(e *vault.EventRow) bool { return test(e.Tags) })
	}
	return every(all), nil
}

// checkNames refuses names that no event can have (spec api 3.9).
func checkNames(filter graphql.Args) error {
	names := texts(filter, "in")
	if eq, ok := graphql.Arg[string](filter, "eq"); ok {
		names = append(names, eq)
	}
	for _, name := range names {
		if !catalogue.ValidEventName(name) {
			return badName(name)
		}
	}
	if start, ok := graphql.Arg[string](filter, "startsWith"); ok {
		if name := start; !catalogue.ValidEventName(name) && (!strings.HasSuffix(name, ".") || !catalogue.ValidEventName(name+"x")) {
			return badName(name)
		}
	}
	list, _ := graphql.Arg[[]any](filter, "or")
	for _, item := range list {
		if item, ok := item.(graphql.Args); ok {
			if err := checkNames(item); err != nil {
				return err
			}
		}
	}
	return nil
}

func badName(name string) error {
	return invalid("invalid argument: event name '" + name + "' does not match namespace pattern (e.g. 'behavior.harshBraking')")
}

// sourceForm is how a source is written in the answer, for one that is given as
// a DID or in other letters.
func sourceForm(s string) string {
	if did, err := sayso.ParseDID(s); err == nil && did.Method == sayso.MethodEthr {
		return did.Address.String()
	}
	if a, err := sayso.ParseAddress(s); err == nil {
		return a.String()
	}
	return s
}
