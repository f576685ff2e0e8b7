package identity

import (
	"context"
	"iter"
	"slices"

	"sayso/node/ask/graphql"
)

// maxPage is the most entries that one page may have.
const maxPage = 100

// page is an answered part of a list.
type page struct {
	nodes            []any
	cursors          []string
	hasPrev, hasNext bool
	total            func(context.Context) (int, error)
}

type edge struct {
	cursor string
	node   any
}

func (p *page) add(node any, cursor string) {
	p.nodes, p.cursors = append(p.nodes, node), append(p.cursors, cursor)
}

// listing is a sorted list that is read from any entry on, in both directions;
// nil is its beginning, or its end.
type listing[T any] struct {
	after  func(*T) iter.Seq[T] // what is listed later
	before func(*T) iter.Seq[T] // what is listed earlier, backwards
	count  func(context.Context) (int, error)
	failed func() error // why it ended early; nil where it cannot
}

// order is how a list is sorted: how two entries compare, the cursor of an
// entry, and the reading of a cursor into an entry that stands at its place.
type order[T any] struct {
	compare func(a, b T) int
	cursor  func(T) string
	parse   func(string) (T, error)
}

// paginate cuts a sorted list as the Relay arguments ask (spec api 7.3).
func paginate[T any](c *graphql.Call, args graphql.Args, all listing[T], by order[T]) (*page, error) {
	n, last, err := size(args)
	if err != nil {
		return nil, err
	}
	after, err := place(args, "after", by)
	if err != nil {
		return nil, err
	}
	before, err := place(args, "before", by)
	if err != nil {
		return nil, err
	}
	seq, stop := all.after(after), before
	if last {
		seq, stop = all.before(before), after
	}
	rows, extra := cut(c.Context, seq, n, func(v T) bool {
		return stop != nil && (last && by.compare(v, *stop) <= 0 || !last && by.compare(v, *stop) >= 0)
	})
	if err := c.Context.Err(); err != nil {
		return nil, err
	}
	if all.failed != nil && all.failed() != nil {
		return nil, all.failed()
	}
	p := &page{hasPrev: after != nil, hasNext: extra || before != nil, total: all.count}
	if last {
		slices.Reverse(rows)
		p.hasPrev, p.hasNext = extra || after != nil, before != nil
	}
	for _, v := range rows {
		p.add(v, by.cursor(v))
	}
	return p, nil
}

// cut takes the first n, and says whether there would be more. It ends with the
// request; whoever called asks the context then.
func cut[T any](ctx context.Context, all iter.Seq[T], n int, end func(T) bool) (rows []T, extra bool) {
	looked := 0
	for v := range all {
		if looked++; looked&255 == 0 && ctx.Err() != nil || end(v) {
			return rows, false
		}
		if len(rows) == n {
			return rows, true
		}
		rows = append(rows, v)
	}
	return rows, false
}

// size is how many entries of which end are asked for.
func size(args graphql.Args) (n int, last bool, err error) {
	first, hasFirst := graphql.Arg[int64](args, "first")
	final, hasLast := graphql.Arg[int64](args, "last")
	name, want := "first", first
	switch {
	case hasFirst && hasLast:
		return 0, false, invalid("pass `first` or `last`, but not both")
	case hasLast:
		name, want = "last", final
	case !hasFirst:
		return 0, false, invalid("provide `first` or `last`")
	}
	switch {
	case want < 0:
		return 0, false, invalid("the value for `%s` cannot be negative", name)
	case want > maxPage:
		return 0, false, invalid("the value %d for `%s` exceeds the limit %d", want, name, maxPage)
	}
	return int(want), hasLast, nil
}

func place[T any](args graphql.Args, name string, by order[T]) (*T, error) {
	text, given := graphql.Arg[string](args, name)
	if !given {
		return nil, nil
	}
	at, err := by.parse(text)
	return &at, err
}

// listed is a listing of what is at hand, sorted.
func listed[T any](all []T, by order[T]) listing[T] {
	return listing[T]{
		after: func(at *T) iter.Seq[T] {
			from := 0
			if at != nil {
				from, _ = slices.BinarySearchFunc(all, *at, by.compare)
				for from < len(all) && by.compare(all[from], *at) == 0 {
					from++
				}
			}
			return slices.Values(all[from:])
		},
		before: func(at *T) iter.Seq[T] {
			to := len(all)
			if at != nil {
				to, _ = slices.BinarySearchFunc(all, *at, by.compare)
			}
			return func(yield func(T) bool) {
				for _, v := range slices.Backward(all[:to]) {
					if !yield(v) {
						return
					}
				}
			}
		},
		count: func(context.Context) (int, error) { return len(all), nil },
	}
}

// connectionFields are the functions of every connection type.
func connectionFields() graphql.Fields {
	return graphql.Fields{
		"totalCount": func(c *graphql.Call, p any, _ *graphql.Field) (any, error) {
			return p.(*page).total(c.Context)
		},
		"nodes": graphql.Of(func(p *page) any { return graphql.Slice[any](p.nodes) }),
		"edges": graphql.Of(func(p *page) any {
			edges := make(graphql.Slice[edge], len(p.nodes))
			for i := range p.nodes {
				edges[i] = edge{p.cursors[i], p.nodes[i]}
			}
			return edges
		}),
		"pageInfo": graphql.Of(func(p *page) any { return p }),
	}
}

func edgeFields() graphql.Fields {
	return graphql.Fields{
		"cursor": graphql.Of(func(e edge) any { return e.cursor }),
		"node":   graphql.Of(func(e edge) any { return e.node }),
	}
}

func pageInfo() graphql.Fields {
	end := func(at func(n int) int) graphql.Func {
		return graphql.Of(func(p *page) any {
			if len(p.cursors) == 0 {
				return nil
			}
			return p.cursors[at(len(p.cursors))]
		})
	}
	return graphql.Fields{
		"startCursor":     end(func(int) int { return 0 }),
		"endCursor":       end(func(n int) int { return n - 1 }),
		"hasPreviousPage": graphql.Of(func(p *page) any { return p.hasPrev }),
		"hasNextPage":     graphql.Of(func(p *page) any { return p.hasNext }),
	}
}
