package graphql

import (
	"context"

	"sayso"
)

// Costly takes a place for a costly request of another transport and waits for
// its turn. What it answers ends both.
func (g *Gate) Costly(ctx context.Context, caller string) (done func(), err error) {
	if !g.enter(caller) {
		return nil, sayso.Fail(sayso.Busy, "graphql.Gate", "too many concurrent requests")
	}
	end, err := g.turn(ctx, caller)
	if err != nil {
		g.leave(caller)
		return nil, err
	}
	return func() { end(); g.leave(caller) }, nil
}
