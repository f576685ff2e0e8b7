package ask

import (
	"slices"
	"strings"

	"sayso/node/ask/graphql"
)

// textFilter reads a StringValueFilter; nil if it asks for nothing. The members
// must all hold, or one of the alternatives under or instead. Texts of the
// filter are brought to the form of what they are compared with.
func textFilter(filter graphql.Args, form func(string) string) func(string) bool {
	var all []func(string) bool
	for name, test := range map[string]func(x, y string) bool{
		"eq":         func(x, y string) bool { return x == y },
		"neq":        func(x, y string) bool { return x != y },
		"startsWith": strings.HasPrefix,
	} {
		if y, ok := graphql.Arg[string](filter, name); ok {
			y = form(y)
			all = append(all, func(x string) bool { return test(x, y) })
		}
	}
	for name, want := range map[string]bool{"in": true, "notIn": false} {
		if list := texts(filter, name); len(list) > 0 {
			members := make(map[string]bool, len(list))
			for _, y := range list {
				members[form(y)] = true
			}
			all = append(all, func(x string) bool { return members[x] == want })
		}
	}
	return instead(every(all), alternatives(filter, func(f graphql.Args) func(string) bool { return textFilter(f, form) }))
}

// listFilter reads a StringArrayFilter, in the same way.
func listFilter(filter graphql.Args) func([]string) bool {
	var all []func([]string) bool
	for name, test := range map[string]func(has func(string) bool, members []string) bool{
		"containsAny":    func(has func(string) bool, members []string) bool { return slices.ContainsFunc(members, has) },
		"containsAll":    containsAll,
		"notContainsAny": func(has func(string) bool, members []string) bool { return !slices.ContainsFunc(members, has) },
		"notContainsAll": func(has func(string) bool, members []string) bool { return !containsAll(has, members) },
	} {
		if members := texts(filter, name); len(members) > 0 {
			all = append(all, func(list []string) bool {
				return test(func(s string) bool { return slices.Contains(list, s) }, members)
			})
		}
	}
	return instead(every(all), alternatives(filter, listFilter))
}

func containsAll(has func(string) bool, members []string) bool {
	return !slices.ContainsFunc(members, func(s string) bool { return !has(s) })
}

// texts is an argument that is a list of texts.
func texts(filter graphql.Args, name string) (out []string) {
	list, _ := graphql.Arg[[]any](filter, name)
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// alternatives reads the members of or that ask for something.
func alternatives[T any](filter graphql.Args, read func(graphql.Args) func(T) bool) (out []func(T) bool) {
	list, _ := graphql.Arg[[]any](filter, "or")
	for _, item := range list {
		if item, ok := item.(graphql.Args); ok {
			if test := read(item); test != nil {
				out = append(out, test)
			}
		}
	}
	return out
}

// every is the test that all tests hold; nil without any.
func every[T any](all []func(T) bool) func(T) bool {
	if all == nil {
		return nil
	}
	return func(x T) bool { return !slices.ContainsFunc(all, func(test func(T) bool) bool { return !test(x) }) }
}

// some is the test that one of the tests holds.
func some[T any](list []func(T) bool) func(T) bool {
	return func(x T) bool { return slices.ContainsFunc(list, func(test func(T) bool) bool { return test(x) }) }
}

// instead is the test that the base holds or one of the alternatives does.
func instead[T any](base func(T) bool, or []func(T) bool) func(T) bool {
	switch {
	case len(or) == 0:
		return base
	case base == nil:
		return some(or)
	}
	return some(append(or, base))
}
