package identity

import (
	"cmp"
	"context"
	"encoding/base64"
	"iter"
	"strconv"

	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

// maxPage is the most entries that one page may have.
const maxPage = 100

// page is an answered part of a list.
type page struct {
	nodes            []any
	cursors          []string
	hasPrev, hasNext bool
	total            func() int
}

type edge struct {
	cursor string
	node   any
}

func (p *page) add(node any, cursor string) {
	p.nodes, p.cursors = append(p.nodes, node), append(p.cursors, cursor)
}

// order is how a list is sorted: how two entries compare, the cursor of an
// entry, and the reading of a cursor into an entry that stands at its place.
type order[T any] struct {
	compare func(a, b T) int
	cursor  func(T) string
	parse   func(string) (T, error)
}

// paginate cuts a sorted list as the Relay arguments ask (spec api 7.3).
func paginate[T any](c *graphql.Call, args graphql.Args, all iter.Seq[T], by order[T]) (*page, error) {
	n, last, err := size(args)
	if err != nil {
		return nil, err
	}
	after, hasAfter, err := place(args, "after", by)
	if err != nil {
		return nil, err
	}
	before, hasBefore, err := place(args, "before", by)
	if err != nil {
		return nil, err
	}
	var rows []T
	extra := false
	all = until(c.Context, all)
	for v := range all {
		if hasAfter && by.compare(v, after) <= 0 {
			continue
		}
		if hasBefore && by.compare(v, before) >= 0 {
			break
		}
		if len(rows) == n {
			extra = true
			if !last {
				break
			}
			rows = rows[min(1, n):]
			if n == 0 {
				continue
			}
		}
		rows = append(rows, v)
	}
	if err := c.Context.Err(); err != nil {
		return nil, err
	}
	p := &page{hasPrev: hasAfter, hasNext: extra || hasBefore}
	if last {
		p.hasPrev, p.hasNext = extra || hasAfter, hasBefore
	}
	p.total = func() int {
		n := 0
		for range all {
			n++
		}
		return n
	}
	for _, v := range rows {
		p.add(v, by.cursor(v))
	}
	return p, nil
}

// until ends an iteration with the request; whoever iterates asks the context
// then.
func until[T any](ctx context.Context, all iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		n := 0
		for v := range all {
			if n++; n&255 == 0 && ctx.Err() != nil || !yield(v) {
				return
			}
		}
	}
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

func place[T any](args graphql.Args, name string, by order[T]) (at T, given bool, err error) {
	text, given := graphql.Arg[string](args, name)
	if !given {
		return at, false, nil
	}
	at, err = by.parse(text)
	return at, true, err
}

// The orders. Lists of tokens are by descending id.
var (
	byVehicle = byID(func(v *registry.Vehicle) *uint64 { return &v.ID })
	byDevice  = byID(func(d *registry.Device) *uint64 { return &d.ID })
	byLicence = byID(func(l *registry.Licence) *uint64 { return &l.ID })
)

func byID[T any](id func(*T) *uint64) order[*T] {
	return order[*T]{
		compare: func(a, b *T) int { return cmp.Compare(*id(b), *id(a)) },
		cursor:  func(v *T) string { return idCursor(*id(v)) },
		parse: func(text string) (*T, error) {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, invalid("%v", err)
			}
			n, err := strconv.ParseUint(string(raw), 10, 64)
			if err != nil {
				return nil, invalid("the cursor is not one of this list")
			}
			v := new(T)
			*id(v) = n
			return v, nil
		},
	}
}

func idCursor(id uint64) string {
	return base64.StdEncoding.EncodeToString(strconv.AppendUint(nil, id, 10))
}

// connectionFields are the functions of every connection type.
func connectionFields() graphql.Fields {
	return graphql.Fields{
		"totalCount": func(c *graphql.Call, p any, _ *graphql.Field) (any, error) {
			n := p.(*page).total()
			return n, c.Context.Err()
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
