package graphql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"
	"pgregory.net/rapid"

	"sayso"
)

const sdl = `
directive @secret(level: Int!) on FIELD_DEFINITION
directive @inert on FIELD_DEFINITION
scalar Time
enum Colour { RED GREEN }
input Point { x: Float! y: Float = 2 colours: [Colour!] }
interface Thing { id: ID! }
type Leaf implements Thing { id: ID! n: Int text: String must: String! bad: String! float: Float at: Time list: [Int!] secret: String @secret(level: 3) leaf: Leaf leaves: [Leaf!]! maybe: [Leaf] }
type Query {
  leaf(n: Int = 7): Leaf @inert
  thing: Thing
  echo(s: String, i: Int, f: Float, b: Boolean, id: ID, c: Colour, p: Point, l: [Int!], t: Time): String
  boom: String
  slow: String
  old: String @deprecated(reason: "gone")
}`

type leaf struct{ n int64 }

func config() Config {
	return Config{
		SDL: sdl,
		Types: map[string]Fields{
			"Query": {
				"leaf": func(_ *Call, _ any, f *Field) (any, error) {
					n, ok := Arg[int64](f.Args, "n")
					if !ok {
						return nil, nil
					}
					return leaf{n: n}, nil
				},
				"thing": func(*Call, any, *Field) (any, error) { return Typed{"Leaf", leaf{n: 1}}, nil },
				"echo":  func(_ *Call, _ any, f *Field) (any, error) { return fmt.Sprintf("%v", map[string]any(f.Args)), nil },
				"boom":  func(*Call, any, *Field) (any, error) { panic("boom") },
				"slow": func(c *Call, _ any, _ *Field) (any, error) {
					<-c.Context.Done()
					return nil, c.Context.Err()
				},
				"old": func(*Call, any, *Field) (any, error) { return "old", nil },
			},
			"Leaf": {
				"id":     Of(func(l leaf) any { return fmt.Sprint("leaf-", l.n) }),
				"n":      Of(func(l leaf) any { return l.n }),
				"text":   func(*Call, any, *Field) (any, error) { return nil, sayso.Fail(sayso.Denied, "", "no text") },
				"must":   func(*Call, any, *Field) (any, error) { return nil, nil },
				"bad":    func(*Call, any, *Field) (any, error) { return nil, errors.New("inner detail") },
				"float":  Of(func(l leaf) any { return math.Inf(1) }),
				"at":     Of(func(leaf) any { return time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("x", 3600)) }),
				"list":   Of(func(leaf) any { return Slice[int]{1, 2, 3} }),
				"secret": Of(func(leaf) any { return "the secret" }),
				"leaf":   Of(func(l leaf) any { return l }),
				"leaves": Of(func(l leaf) any { return Slice[leaf]{{n: 1}, {n: 2}} }),
				"maybe":  Of(func(l leaf) any { return Slice[leaf]{{n: 1}, {n: 2}} }),
			},
		},
		Scalars: map[string]Scalar{"Time": func(in any) (any, error) {
			s, _ := in.(string)
			t, err := time.Parse(time.RFC3339Nano, s)
			if err != nil {
				return nil, sayso.Fail(sayso.Invalid, "", "not a time")
			}
			return t, nil
		}},
		Guards: map[string]Guard{"inert": nil, "secret": func(c *Call, d *ast.Directive, _ any, _ *Field) error {
			if c.Caller == "friend" {
				return nil
			}
			return sayso.Fail(sayso.Denied, "", "level "+d.Arguments.ForName("level").Value.Raw)
		}},
		Authorise: func(r *http.Request) (any, error) {
			switch who := r.Header.Get("Authorization"); who {
			case "bad":
				return nil, sayso.Fail(sayso.Unauthorized, "", "JWT is invalid.")
			default:
				return who, nil
			}
		},
	}
}

func server(t testing.TB, change func(*Config)) *Server {
	t.Helper()
	cfg := config()
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(s *Server, query string) string {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/query?query="+url.QueryEscape(query), nil))
	return w.Body.String()
}

func TestTransport(t *testing.T) {
	s := server(t, func(c *Config) { c.Limits.Complexity = 6 })
	const ok = `{"data":{"leaf":{"n":7}}}`
	for _, c := range []struct {
		name, method, target, body string
		header                     map[string]string
		status                     int
		contentType, want          string
	}{
		{"post", "POST", "/", `{"query":"{leaf{n}}"}`, nil, 200, plainJSON, ok},
		{"post with charset", "POST", "/", `{"query":"{leaf{n}}"}`, map[string]string{"Content-Type": "application/json; charset=utf-8"}, 200, plainJSON, ok},
		{"post with variables", "POST", "/", `{"query":"query q($n:Int){leaf(n:$n){n}}","variables":{"n":3},"operationName":"q"}`, nil, 200, plainJSON, `{"data":{"leaf":{"n":3}}}`},
		{"get", "GET", "/?query=%7Bleaf%7Bn%7D%7D", "", nil, 200, plainJSON, ok},
		{"get with variables", "GET", "/?query=query+q(%24n:Int)%7Bleaf(n:%24n)%7Bn%7D%7D&variables=%7B%22n%22:4%7D", "", nil, 200, plainJSON, `{"data":{"leaf":{"n":4}}}`},
		{"get ignores unknown parameters", "GET", "/?query=%7Bleaf%7Bn%7D%7D&tokenId=1&headers%5BAuthorization%5D=x", "", nil, 200, plainJSON, ok},
		{"newer content type", "POST", "/", `{"query":"{leaf{n}}"}`, map[string]string{"Accept": graphqlJSON}, 200, graphqlJSON, ok},
		{"any content type", "POST", "/", `{"query":"{leaf{n}}"}`, map[string]string{"Accept": "text/html, */*"}, 200, plainJSON, ok},
		{"no json", "POST", "/", `{`, nil, 400, plainJSON, `{"errors":[{"message":"json request body could not be decoded: unexpected EOF"}],"data":null}`},
		{"empty object", "POST", "/", `{}`, nil, 422, plainJSON, `{"errors":[{"message":"no operation provided","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":null}`},
		{"only a fragment", "POST", "/", `{"query":"fragment f on Leaf{n}"}`, nil, 422, plainJSON, `{"errors":[{"message":"no operation provided","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":null}`},
		{"syntax", "POST", "/", `{"query":"{leaf{"}`, nil, 422, plainJSON, `{"errors":[{"message":"Expected Name, found \u003cEOF\u003e","locations":[{"line":1,"column":7}],"extensions":{"code":"GRAPHQL_PARSE_FAILED"}}],"data":null}`},
		{"syntax, newer content type", "POST", "/", `{"query":"{leaf{"}`, map[string]string{"Accept": graphqlJSON}, 400, graphqlJSON, ""},
		{"unknown field", "POST", "/", `{"query":"{leaf{zzz}}"}`, nil, 422, plainJSON, `{"errors":[{"message":"Cannot query field \"zzz\" on type \"Leaf\".","locations":[{"line":1,"column":7}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":null}`},
		{"wrong literal", "POST", "/", `{"query":"{leaf(n:\"x\"){n}}"}`, nil, 422, plainJSON, ""},
		{"wrong variable", "POST", "/", `{"query":"query($n:Int!){leaf(n:$n){n}}","variables":{"n":"x"}}`, nil, 422, plainJSON, ""},
		{"missing variable", "POST", "/", `{"query":"query($n:Int!){leaf(n:$n){n}}"}`, nil, 422, plainJSON, `{"errors":[{"message":"must be defined","path":["variable","n"],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}],"data":null}`},
		{"several operations", "POST", "/", `{"query":"query a{leaf{n}} query b{leaf{n}}"}`, nil, 422, plainJSON, ""},
		{"named operation", "POST", "/", `{"query":"query a{leaf{n}} query b{old}","operationName":"b"}`, nil, 200, plainJSON, `{"data":{"old":"old"}}`},
		{"unknown operation", "POST", "/", `{"query":"query a{old}","operationName":"b"}`, nil, 422, plainJSON, ""},
		{"mutation", "POST", "/", `{"query":"mutation{x}"}`, nil, 422, plainJSON, ""},
		{"persisted query", "POST", "/", `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}`, nil, 422, plainJSON, `{"errors":[{"message":"PersistedQueryNotSupported","extensions":{"code":"PERSISTED_QUERY_NOT_SUPPORTED"}}],"data":null}`},
		{"complexity", "POST", "/", `{"query":"{leaf{n id leaf{n id leaf{n}}}}"}`, nil, 200, plainJSON, `{"errors":[{"message":"operation has complexity 8, which exceeds the limit of 6","extensions":{"code":"COMPLEXITY_LIMIT_EXCEEDED"}}],"data":null}`},
		{"complexity at the limit", "POST", "/", `{"query":"{leaf{n id leaf{n id}}}"}`, nil, 200, plainJSON, `{"data":{"leaf":{"n":7,"id":"leaf-7","leaf":{"n":7,"id":"leaf-7"}}}}`},
		{"bad token", "POST", "/", `{"query":"{leaf{n}}"}`, map[string]string{"Authorization": "bad"}, 401, plainJSON, `{"message":"JWT is invalid."}`},
		{"form", "POST", "/", `query=x`, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 400, plainJSON, ""},
		{"too large", "POST", "/", `{"query":"` + strings.Repeat(" ", 64<<10) + `"}`, nil, 413, plainJSON, `{"errors":[{"message":"the request is too large"}],"data":null}`},
		{"options", "OPTIONS", "/", "", nil, 200, "", ""},
		{"put", "PUT", "/", `{}`, nil, 405, plainJSON, ""},
		{"execution error", "POST", "/", `{"query":"{leaf{n text}}"}`, nil, 200, plainJSON, `{"errors":[{"message":"no text","path":["leaf","text"],"extensions":{"code":"FORBIDDEN"}}],"data":{"leaf":{"n":7,"text":null}}}`},
		{"panic", "POST", "/", `{"query":"{old boom}"}`, nil, 200, plainJSON, `{"errors":[{"message":"internal system error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":null}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != c.status || w.Header().Get("Content-Type") != c.contentType {
				t.Errorf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			if c.want != "" && w.Body.String() != c.want {
				t.Errorf("got  %s\nwant %s", w.Body, c.want)
			}
			if c.method == "OPTIONS" && w.Header().Get("Allow") != "OPTIONS, GET, POST" {
				t.Errorf("Allow: %s", w.Header().Get("Allow"))
			}
		})
	}
}

func TestValuesAndErrors(t *testing.T) {
	s := server(t, nil)
	for _, c := range []struct{ query, want string }{
		{`{leaf{at list}}`, `{"data":{"leaf":{"at":"2026-01-02T02:04:05.0000006Z","list":[1,2,3]}}}`},
		{`{leaf(n:null){n}}`, `{"data":{"leaf":null}}`},
		{`{thing{id __typename}}`, `{"data":{"thing":{"id":"leaf-1","__typename":"Leaf"}}}`},
		{`{leaf{a:n n b:n}}`, `{"data":{"leaf":{"a":7,"n":7,"b":7}}}`},
		{`{leaf{leaf{n}} leaf{leaf{id} n}}`, `{"data":{"leaf":{"leaf":{"n":7,"id":"leaf-7"},"n":7}}}`},
		// a number that JSON cannot hold is null with an error, and its text stays inside
		{`{leaf{n float}}`, `{"errors":[{"message":"internal error","path":["leaf","float"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":{"leaf":{"n":7,"float":null}}}`},
		{`{leaf{n bad}}`, `{"errors":[{"message":"internal error","path":["leaf","bad"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":{"leaf":null}}`},
		{`{leaf{leaves{n must}}}`, `{"errors":[{"message":"internal error","path":["leaf","leaves",0,"must"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":{"leaf":null}}`},
		{`{leaf{n maybe{must}}}`, `{"errors":[{"message":"internal error","path":["leaf","maybe",0,"must"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}},{"message":"internal error","path":["leaf","maybe",1,"must"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":{"leaf":{"n":7,"maybe":[null,null]}}}`},
		{`{leaf{n secret}}`, `{"errors":[{"message":"level 3","path":["leaf","secret"],"extensions":{"code":"FORBIDDEN"}}],"data":{"leaf":{"n":7,"secret":null}}}`},
		{`{echo(s:"x",i:3,f:2,b:true,id:9,c:RED,p:{x:1,colours:GREEN},l:4,t:"2026-01-02T03:04:05Z")}`,
			`{"data":{"echo":"map[b:true c:RED f:2 i:3 id:9 l:[4] p:map[colours:[GREEN] x:1 y:2] s:x t:2026-01-02 03:04:05 +0000 UTC]"}}`},
		{`{echo(s:null)}`, `{"data":{"echo":"map[s:\u003cnil\u003e]"}}`},
		{`{old echo(t:"never")}`, `{"errors":[{"message":"not a time","path":["echo","t"],"extensions":{"code":"BAD_REQUEST"}}],"data":{"old":"old","echo":null}}`},
		{`{__type(name:"Point"){inputFields{name defaultValue type{kind ofType{name}}}}}`,
			`{"data":{"__type":{"inputFields":[{"name":"x","defaultValue":null,"type":{"kind":"NON_NULL","ofType":{"name":"Float"}}},{"name":"y","defaultValue":"2","type":{"kind":"SCALAR","ofType":null}},{"name":"colours","defaultValue":null,"type":{"kind":"LIST","ofType":{"name":null}}}]}}}`},
		{`{__type(name:"Nothing"){name}}`, `{"data":{"__type":null}}`},
		{`{__typename}`, `{"data":{"__typename":"Query"}}`},
	} {
		got := ask(s, c.query)
		var a, b any
		if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal([]byte(c.want), &b) != nil || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%s\ngot  %s\nwant %s", c.query, got, c.want)
		}
	}
	r := httptest.NewRequest("GET", "/?query=%7Bleaf%7Bsecret%7D%7D", nil)
	r.Header.Set("Authorization", "friend")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if got := w.Body.String(); got != `{"data":{"leaf":{"secret":"the secret"}}}` {
		t.Errorf("a friend gets %s", got)
	}
}

func TestIncompleteSchemasDoNotServe(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"Leaf.n has no function":                  func(c *Config) { delete(c.Types["Leaf"], "n") },
		"Query.old has no function":               func(c *Config) { delete(c.Types["Query"], "old") },
		"scalar Time has no reader":               func(c *Config) { c.Scalars = nil },
		"Leaf.secret: nobody guards @secret":      func(c *Config) { delete(c.Guards, "secret") },
		"Leaf.zz has a function but is not in":    func(c *Config) { c.Types["Leaf"]["zz"] = c.Types["Leaf"]["n"] },
		"union Either: unions are not served":     func(c *Config) { c.SDL += " union Either = Leaf" },
		"must have a Query type and no other":     func(c *Config) { c.SDL += " type Mutation { a: Int }"; c.Types["Mutation"] = Fields{"a": nil} },
		"graphql schema: schema.graphql:1:1: Une": func(c *Config) { c.SDL = "nonsense" },
	} {
		cfg := config()
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestHiddenFieldsAnswerButDoNotShow(t *testing.T) {
	s := server(t, func(c *Config) {
		c.Hidden = `extend type Query { Old: String }`
		c.Types["Query"]["Old"] = c.Types["Query"]["old"]
	})
	if got := ask(s, `{Old}`); got != `{"data":{"Old":"old"}}` {
		t.Error(got)
	}
	if got := ask(s, `{__schema{queryType{fields(includeDeprecated:true){name}}}}`); strings.Contains(got, `"Old"`) || !strings.Contains(got, `"old"`) {
		t.Error(got)
	}
}

// What introspection shows builds the same schema again.
func TestIntrospectionQueryPasses(t *testing.T) {
	got := ask(server(t, func(c *Config) { c.Limits.Complexity = 10 }), introspection.Query)
	var out struct {
		Errors []any
		Data   struct {
			Schema struct {
				QueryType struct{ Name string }
				Types     []struct{ Name, Kind string }
			} `json:"__schema"`
		}
	}
	if err := json.Unmarshal([]byte(got), &out); err != nil || out.Errors != nil || out.Data.Schema.QueryType.Name != "Query" {
		t.Fatalf("%v %s", err, got)
	}
	kinds := map[string]string{}
	for _, t := range out.Data.Schema.Types {
		kinds[t.Name] = t.Kind
	}
	for name, kind := range map[string]string{"Leaf": "OBJECT", "Thing": "INTERFACE", "Colour": "ENUM", "Point": "INPUT_OBJECT", "Time": "SCALAR"} {
		if kinds[name] != kind {
			t.Errorf("%s is %q", name, kinds[name])
		}
	}
}

func TestLimits(t *testing.T) {
	s := server(t, func(c *Config) { c.Limits.Deadline = 20 * time.Millisecond; c.Limits.Objects = 100 })
	deep := func(n int) string { return strings.Repeat("{leaf", n) + "{n}" + strings.Repeat("}", n) }
	for _, c := range []struct{ name, query, want string }{
		{"depth", deep(12), "more nested levels than 12"},
		{"tokens", "{" + strings.Repeat("old ", 4000) + "}", "exceeded token limit"},
		{"root aliases", "{" + repeat(51, func(i int) string { return fmt.Sprintf("a%d:old ", i) }) + "}", "more aliases at the root than 50"},
		{"root aliases in a fragment", "{...f} fragment f on Query{" + repeat(51, func(i int) string { return fmt.Sprintf("a%d:old ", i) }) + "}", "more aliases at the root than 50"},
		{"fields", "{leaf{" + strings.Repeat("n ", 501) + "}}", "more fields than 500"},
		{"directives", "{leaf{n " + strings.Repeat("@include(if:true) ", 21) + "}}", "more directives than 20"},
		{"fragments that double", "{leaf{...f0}}" + repeat(20, func(i int) string {
			return fmt.Sprintf(" fragment f%d on Leaf{leaf{...f%d} b:leaf{...f%d}}", i, i+1, i+1)
		}) + " fragment f20 on Leaf{n}", "more nested levels than 12"},
		{"flat fragments that double", "{leaf{...f0}}" + repeat(20, func(i int) string {
			return fmt.Sprintf(" fragment f%d on Leaf{...f%d ...f%d}", i, i+1, i+1)
		}) + " fragment f20 on Leaf{n}", "more fields than 500"},
		{"fragment cycle", "{leaf{...f}} fragment f on Leaf{...g} fragment g on Leaf{...f}", "Cannot spread fragment"},
		{"objects", "{leaf{leaves{leaves{leaves{leaves{leaves{leaves{n}}}}}}}}", "too many objects"},
		{"deadline", "{slow}", DeadlineMessage},
		{"introspection depth", "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}", "Maximum introspection depth"},
	} {
		start := time.Now()
		got := ask(s, c.query)
		if !strings.Contains(got, c.want) || !strings.HasPrefix(got, `{"errors":`) {
			t.Errorf("%s: want %q, got %.200s", c.name, c.want, got)
		}
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Errorf("%s took %v to refuse", c.name, d)
		}
	}
	for name, query := range map[string]string{
		"depth":          deep(11),
		"root aliases":   "{" + repeat(50, func(i int) string { return fmt.Sprintf("a%d:old ", i) }) + "}",
		"nested aliases": "{leaf{" + repeat(98, func(i int) string { return fmt.Sprintf("a%d:n ", i) }) + "}}",
	} {
		if got := ask(s, query); !strings.HasPrefix(got, `{"data":`) {
			t.Errorf("%s at the limit: %.200s", name, got)
		}
	}
}

func repeat(n int, f func(int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

func TestClientThatWentAway(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := httptest.NewRecorder()
	server(t, nil).ServeHTTP(w, httptest.NewRequest("GET", "/?query=%7Bold%7D", nil).WithContext(ctx))
	if want := `{"errors":[{"message":"request canceled","path":["old"],"extensions":{"code":"REQUEST_CANCELED"}}],"data":{"old":null}}`; w.Body.String() != want {
		t.Error(w.Body)
	}
}

// Strings and numbers read back equal with the standard library.
func TestJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Fatalf("%q became %q (%v)", s, back, err)
		}
		f := rapid.Float64().Draw(t, "f")
		var n float64
		if err := json.Unmarshal(appendFloat(nil, f), &n); err != nil || n != f {
			t.Fatalf("%v became %v (%v)", f, n, err)
		}
	})
	if got := string(appendString(nil, "a\xffb\x00\"\\\n\u2028<")); got != `"a`+"\ufffd"+`b\u0000\"\\\n`+"\u2028"+`<"` {
		t.Error(got)
	}
}

// Requests that run at once, of the same remembered query, do not disturb each
// other.
func TestConcurrentRequests(t *testing.T) {
	s := server(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				body := fmt.Sprintf(`{"query":"query($n:Int,$no:Boolean=false){leaf(n:$n){...f}} fragment f on Leaf{n leaves{id} secret @include(if:$no)}","variables":{"n":%d}}`, i)
				r := httptest.NewRequest("POST", "/", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				if want := fmt.Sprintf(`{"data":{"leaf":{"n":%d,"leaves":[{"id":"leaf-1"},{"id":"leaf-2"}]}}}`, i); w.Body.String() != want {
					t.Error(w.Body)
				}
			}
		})
	}
	wg.Wait()
}

func TestCacheIsBounded(t *testing.T) {
	s := server(t, nil)
	for i := range 5 * generation {
		ask(s, fmt.Sprintf("{a%d:old}", i))
		ask(s, "{old}")
	}
	if n := len(s.cache.young) + len(s.cache.old); n > 2*generation {
		t.Errorf("%d queries are remembered", n)
	}
	if s.cache.get("{old}") == nil {
		t.Error("a query in constant use is forgotten")
	}
	ask(s, "{old}"+strings.Repeat(" ", cachedText))
	if s.cache.get("{old}"+strings.Repeat(" ", cachedText)) != nil {
		t.Error("a long query is remembered")
	}
}

// Whatever text arrives, the answer is JSON with data or errors.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{`{leaf{n}}`, `{echo(p:{x:1e400,colours:[RED]})}`, `query($a:[Int!]){echo(l:$a)}`, `{...f} fragment f on Query{old @skip(if:false)}`, `{thing{...on Leaf{leaves{n}}}}`} {
		f.Add(q)
	}
	s := server(f, func(c *Config) { c.Limits.Deadline = 10 * time.Millisecond })
	f.Fuzz(func(t *testing.T, query string) {
		var out map[string]any
		if got := ask(s, query); json.Unmarshal([]byte(got), &out) != nil || len(out) == 0 {
			t.Errorf("%q: %s", query, got)
		}
	})
}
