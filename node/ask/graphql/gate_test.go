package graphql

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A caller may hold as many places as are free, so that others still get in.
func TestPlacesAreFair(t *testing.T) {
	g := NewGate(GateConfig{All: 16, Each: 12})
	take := func(caller string) (n int) {
		for g.enter(caller) {
			n++
		}
		return n
	}
	if n := take("greedy"); n != 8 {
		t.Errorf("one caller alone holds %d of 16", n)
	}
	for i, want := range []int{4, 2, 1} {
		if n := take(fmt.Sprint("caller ", i)); n != want {
			t.Errorf("caller %d holds %d of what is left", i, n)
		}
	}
	if !g.enter("late") || g.enter("too late") {
		t.Error("the last place goes to one that has none")
	}
	for range 8 {
		g.leave("greedy")
	}
	if n := take("caller 0"); n != 2 { // 4 held and 8 free
		t.Errorf("%d more", n)
	}
	if len(g.held) != 4 {
		t.Errorf("%d callers are remembered", len(g.held))
	}
}

// Who has a hundred costly requests waits a hundred turns; who has one, one.
func TestTurnsGoRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateConfig{Heavy: 1})
		first, err := g.turn(t.Context(), "greedy")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		run := func(ctx context.Context, caller string) {
			go func() {
				done, err := g.turn(ctx, caller)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					order = append(order, caller+" gave up")
					return
				}
				order = append(order, caller)
				done()
			}()
			synctest.Wait()
		}
		for range 4 {
			run(t.Context(), "greedy")
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		run(impatient, "impatient")
		run(t.Context(), "modest")
		time.Sleep(2 * time.Second)
		first()
		synctest.Wait()
		got := strings.Join(order, ", ")
		if want := "impatient gave up, greedy, modest, greedy, greedy, greedy"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if g.heavy != 0 || len(g.order)+len(g.waiting) > 0 {
			t.Errorf("left over: %d running, %v", g.heavy, g.order)
		}
	})
}

// Over the limit the answer is what clients of DIMO know, before anything of
// the query is looked at; others are not touched.
func TestTooManyRequests(t *testing.T) {
	release := make(chan struct{})
	s := server(t, func(c *Config) {
		c.Gate = NewGate(GateConfig{All: 8, Each: 2})
		c.Key = func(r *http.Request, caller any) string { return caller.(string) }
		c.Types["Query"]["slow"] = func(*Call, any, *Field) (any, error) { <-release; return nil, nil }
	})
	ask := func(who, query string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"query":"`+query+`"}`))
		r.Header.Set("Authorization", who)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { ask("greedy", "{slow}") })
	}
	for s.cfg.Gate.holds("greedy") < 2 {
		time.Sleep(time.Millisecond)
	}
	w := ask("greedy", "{old}")
	if w.Code != 429 || w.Body.String() != "too many concurrent requests" || w.Header().Get("Retry-After") != "1" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := ask("modest", "{old}"); w.Body.String() != `{"data":{"old":"old"}}` {
		t.Errorf("another caller got %s", w.Body)
	}
	close(release)
	wg.Wait()
	if w := ask("greedy", "{old}"); w.Code != 200 {
		t.Errorf("afterwards %d", w.Code)
	}
}

func (g *Gate) holds(caller string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held[caller]
}

func TestRemote(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7:1234":            "192.0.2.7",
		"[::ffff:192.0.2.7]:1":      "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80":         "fe80::/64",
		"pipe":                      "pipe",
	} {
		if got := Remote(&http.Request{RemoteAddr: addr}); got != want {
			t.Errorf("%s is %s, want %s", addr, got, want)
		}
	}
}

// What costs too much is refused with its price, whatever the depth at which it
// lies.
func TestWeights(t *testing.T) {
	for _, c := range []struct {
		query string
		cost  int64 // the value of the argument n of each leaf of the root included
	}{
		{`{old}`, 0},
		{`{leaf{n}}`, 2},
		{`{thing{id}}`, 1},
		{`{leaf{leaves{n}}}`, 12},
		{`{leaf{leaves{leaves{leaf{n} n}}}}`, 2 + 10*(1+10*(1+1))},
		{`{a:leaf{leaves{n}} b:leaf{leaves{n}}}`, 24},
		{`{leaf{...f ...g}} fragment f on Leaf{leaves{n}} fragment g on Leaf{leaves{id}}`, 12},
		{`{leaf{leaves{n} l:leaves @skip(if:true){n}}}`, 12},
		{`{leaf{leaves{leaves{leaves{leaves{leaves{leaves{leaves{leaves{leaves{leaves{n}}}}}}}}}}}}`, endless + 1},
	} {
		s := server(t, func(cfg *Config) {
			cfg.Limits.Cost = max(c.cost-1, 1)
			cfg.Weigh = func(_ *Call, typeName string, f *Field) Weight {
				if f.Name == "leaves" {
					return Weight{Times: 10}
				}
				return Weight{Times: 1}
			}
		})
		got := ask(s, c.query)
		refused := strings.Contains(got, fmt.Sprintf(`"operation costs %d,`, c.cost)) && strings.Contains(got, tooComplex) && strings.HasSuffix(got, `"data":null}`)
		if refused != (c.cost > 1) {
			t.Errorf("%s costs %d: %.300s", c.query, c.cost, got)
		}
	}
}

// A long answer is the same, byte by byte, wherever its segments end, and what
// is taken back leaves no trace.
func TestLongAnswers(t *testing.T) {
	const n = 30_000
	s := server(t, func(c *Config) {
		c.Limits.Objects = 10 * n
		c.Types["Leaf"]["maybe"] = Of(func(leaf) any { return &numbers{n: n} })
		c.Types["Leaf"]["leaves"] = Of(func(leaf) any { return &numbers{n: n, fails: true} })
	})
	var want strings.Builder
	want.WriteString(`"maybe":[`)
	for i := range n {
		fmt.Fprintf(&want, `{"n":%d,"id":"leaf-%d"},`, i, i)
	}
	maybe := strings.TrimSuffix(want.String(), ",") + "]"
	if got := ask(s, `{leaf{maybe{n id}}}`); got != `{"data":{"leaf":{`+maybe+`}}}` {
		t.Errorf("%d bytes, %.200s", len(got), got)
	}
	got := ask(s, `{a:leaf{maybe{n id}} b:leaf{leaves{n id}} c:leaf{n}}`)
	if want := `{"errors":[{"message":"internal error","path":["b","leaves"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":{"a":{` + maybe + `},"b":null,"c":{"n":7}}}`; got != want {
		t.Errorf("%d bytes, %.300s ... %.100s", len(got), got, got[len(got)-100:])
	}
	s.cfg.Limits.Answer = 200_000
	got = ask(s, `{a:leaf{maybe{n id}} c:leaf{n}}`)
	if want := `{"errors":[{"message":"the answer is too long; ask for less","path":["a","maybe",`; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `"data":null}`) {
		t.Errorf("%.300s", got)
	}
}

// numbers is a stream of leaves, which may fail before the last one.
type numbers struct {
	next, n int64
	fails   bool
}

func (s *numbers) Next() (any, bool, error) {
	if s.next++; s.next > s.n {
		return nil, false, nil
	}
	if s.fails && s.next == s.n {
		return nil, false, fmt.Errorf("out of leaves")
	}
	return leaf{n: s.next - 1}, true, nil
}
