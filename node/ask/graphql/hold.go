package graphql

import (
	"context"

	"sayso"
)

// Hold takes a place and a turn for something costly that is no query; done
// gives both back.
func (g *Gate) Hold(ctx context.Context, caller string) (done func(), err error) {
	if !g.enter(caller) {
		return nil, sayso.Fail(sayso.Busy, "graphql", "too many concurrent requests")
	}
	end, err := g.turn(ctx, caller)
	if err != nil {
		g.leave(caller)
		return nil, err
	}
	return func() {
		end()
		g.leave(caller)
	}, nil
}
