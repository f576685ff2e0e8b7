package identity

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
)

// A list is not looked through for a client that went away, and what was counted
// by then is no answer.
func TestListsStopWithTheRequest(t *testing.T) {
	c := &graphql.Call{}
	var leave context.CancelFunc
	c.Context, leave = context.WithCancel(context.Background())
	looked := 0
	endless := func(**registry.Vehicle) iter.Seq[*registry.Vehicle] {
		return func(yield func(*registry.Vehicle) bool) {
			for id := uint64(1); id < 1<<20; id++ {
				if looked++; looked == 1000 {
					leave()
				}
				if !yield(&registry.Vehicle{ID: id}) {
					return
				}
			}
		}
	}
	rows, extra := cut(c.Context, endless(nil), 1<<20, func(*registry.Vehicle) bool { return false })
	if extra || len(rows) > 1256 || looked > 1256 {
		t.Errorf("%d after %d", len(rows), looked)
	}
	l := listing[*registry.Vehicle]{after: endless, before: endless}
	if _, err := paginate(c, graphql.Args{"first": int64(5)}, l, byVehicle); !errors.Is(err, context.Canceled) {
		t.Errorf("a page for nobody: %v", err)
	}
	r := world(t)
	if _, err := r.VehicleList(registry.VehicleFilter{Make: new(string), Owner: new(sayso.Address)}).Count(c.Context); !errors.Is(err, context.Canceled) {
		t.Errorf("counted for nobody: %v", err)
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
		{"a street with its earnings", `{vehicles(first:100){nodes{tokenId earnings{totalTokens history(first:5){nodes{week}}} syntheticDevice{connection{name}} stake{points} dcn{name}}}}`, 0},
		{"what everybody got", `{` + repeat(50, `a%d:rewards(user:"0x0000000000000000000000000000000000000001"){totalTokens}`) + `}`, 50 * 1001},
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
