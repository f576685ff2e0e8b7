package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

// A list is not looked through for a client that went away, and what was counted
// by then is no answer.
func TestListsStopWithTheRequest(t *testing.T) {
	c := &graphql.Call{}
	var leave context.CancelFunc
	arrive := func() {
		c.Context, leave = context.WithCancel(context.Background())
		t.Cleanup(leave)
	}
	looked := 0
	all := func(yield func(*registry.Vehicle) bool) {
		for id := uint64(1 << 20); id > 0; id-- {
			if looked++; looked == 1000 {
				leave()
			}
			if !yield(&registry.Vehicle{ID: id}) {
				return
			}
		}
	}
	arrive()
	if _, err := paginate(c, graphql.Args{"last": int64(5)}, all, byVehicle); !errors.Is(err, context.Canceled) || looked > 1256 {
		t.Errorf("%v after %d", err, looked)
	}
	looked = 0
	arrive()
	p, err := paginate(c, graphql.Args{"first": int64(5)}, all, byVehicle)
	if err != nil || len(p.nodes) != 5 {
		t.Fatal(err)
	}
	if _, err := connectionFields()["totalCount"](c, p, nil); !errors.Is(err, context.Canceled) || looked > 1300 {
		t.Errorf("%v after %d", err, looked)
	}
}

// What clients of DIMO ask for passes; lists of lists of lists do not.
func TestCost(t *testing.T) {
	s := serve(t)
	for _, c := range []struct {
		name, query string
		cost        int // 0: within the limit
	}{
		{"garage", `{vehicles(first:100, filterBy:{owner:"` + hex(1) + `"}){totalCount pageInfo{hasNextPage endCursor} nodes{tokenId sacds(first:100){totalCount nodes{grantee permissions}} aftermarketDevice{serial manufacturer{name}} syntheticDevice{tokenId}}}}`, 0},
		{"forty vehicles by name", `{` + repeat(40, `a%d:vehicle(tokenId:1){tokenId owner sacds(first:100){nodes{grantee}}}`) + `}`, 0},
		{"three levels", `{vehicles(first:100){nodes{manufacturer{aftermarketDevices(first:100){nodes{vehicle{sacds(first:100){nodes{grantee}}}}}}}}}`,
			// of each of 100 vehicles the list of its maker's devices, and of each of 100 of those its vehicle with a page of 100
			1000 + 100*(1+1+1+1000+100*(1+1+1+1+100*2))},
		{"counted thirty times", `{` + repeat(30, `a%d:vehicles(first:1){totalCount}`) + `}`, 30 * (2000 + 1)},
		{"a page that is refused", `{vehicles(first:101){nodes{sacds(first:100){nodes{grantee}}}}}`, 0},
	} {
		got := post(t, s, c.query, "")
		if refused := strings.Contains(got, "COMPLEXITY_LIMIT_EXCEEDED"); refused != (c.cost > 0) {
			t.Errorf("%s: %.300s", c.name, got)
			continue
		}
		var cost int
		fmt.Sscanf(got, `{"errors":[{"message":"operation costs %d,`, &cost)
		if cost < c.cost-c.cost/50 || cost > c.cost+c.cost/50 {
			t.Errorf("%s costs %d, want about %d", c.name, cost, c.cost)
		}
	}
}

func repeat(n int, form string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, form+" ", i)
	}
	return b.String()
}
