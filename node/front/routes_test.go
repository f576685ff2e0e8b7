package front_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sayso"
	"sayso/car/catalogue"
	"sayso/owner/document"
)

// TestNothingIsServedWithoutAPolicy compares what is served with what the
// policy has a row for: routes, operations, and fields of the answers.
func TestNothingIsServedWithoutAPolicy(t *testing.T) {
	w, p := newWorld(t), readPolicy(t)
	cat, err := catalogue.Load()
	w.must(err)
	routes := append(w.front.Patterns(), nodeRoutes(t)...)
	if slices.Sort(routes); !slices.Equal(routes, slices.Sorted(maps.Keys(p.routes))) {
		t.Errorf("routes\n got %q\nwant %q", routes, slices.Sorted(maps.Keys(p.routes)))
	}
	known := map[string]bool{}
	for _, dialect := range []string{"telemetry", "subject", "fetch"} {
		types := w.types(dialect)
		served := types["Query"]
		if dialect == "telemetry" {
			served = append(served, hidden(t)...)
		}
		var want []string
		for name, op := range p.operations {
			if slices.Contains(op.dialects, dialect) {
				want = append(want, name)
			}
		}
		if slices.Sort(served); !slices.Equal(served, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: operations\n got %q\nwant %q", dialect, served, want)
		}
		delete(types, "Query")
		for name, fields := range types {
			fields = slices.DeleteFunc(fields, func(f string) bool { return cat.Signal(f) != nil })
			if want := slices.Sorted(slices.Values(p.fields[name])); !slices.Equal(slices.Sorted(slices.Values(fields)), want) {
				t.Errorf("%s: fields of %s\n got %q\nwant %q", dialect, name, fields, want)
			}
		}
		for name := range types {
			known[name] = true
		}
	}
	for name := range p.fields {
		if !known[name] {
			t.Errorf("the policy has fields of %s, which no schema has", name)
		}
	}
	w.grpcMethods(t, p)
	for _, s := range cat.Signals() {
		if strings.Contains(s.Name, "ocation") && p.class(s.Name) == "other" {
			t.Errorf("the signal %s is called a location, but the policy does not know it as one", s.Name)
		}
	}
	for s := range p.classes {
		if cat.Signal(s) == nil {
			t.Errorf("the policy has a signal %s, the catalogue has none", s)
		}
	}
}

// types are the object types of a dialect with their fields, as introspection
// shows them.
func (w *world) types(dialect string) map[string][]string {
	w.t.Helper()
	raw := w.ask(dialect, "", `{__schema{types{name kind fields(includeDeprecated:true){name}}}}`).raw
	var out struct {
		Data struct {
			Schema struct {
				Types []struct {
					Name, Kind string
					Fields     []struct{ Name string }
				}
			} `json:"__schema"`
		}
	}
	w.must(json.Unmarshal([]byte(raw), &out))
	types := map[string][]string{}
	for _, t := range out.Data.Schema.Types {
		if t.Kind != "OBJECT" || strings.HasPrefix(t.Name, "__") {
			continue
		}
		for _, f := range t.Fields {
			types[t.Name] = append(types[t.Name], f.Name)
		}
	}
	return types
}

// nodeRoutes are the patterns that the node adds, read from its source, because
// a node cannot be opened without a chain.
func nodeRoutes(t *testing.T) (list []string) {
	t.Helper()
	for _, m := range findAll(t, "../*.go", `\.Handle\(([^,]*),`) {
		list = append(list, strings.Trim(m, `"`))
	}
	return list
}

// hidden are the operations that introspection does not show; they are in the
// source as an extension of the type Query.
func hidden(t *testing.T) (list []string) {
	t.Helper()
	for _, body := range findAll(t, "../ask/*.go", `extend type Query \{([^}]*)\}`) {
		for _, m := range regexp.MustCompile(`(\w+)\(`).FindAllStringSubmatch(body, -1) {
			list = append(list, m[1])
		}
	}
	return list
}

// findAll finds what the group of an expression matches in source files.
func findAll(t *testing.T, glob, expression string) (list []string) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatal("there are no files", glob, err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(string(text), -1) {
			list = append(list, m[1])
		}
	}
	return list
}

// TestPublicAnswersCarryNoData asks everything that needs no token, and every
// other route without one, of a world full of data.
func TestPublicAnswersCarryNoData(t *testing.T) {
	w, p := newWorld(t), readPolicy(t)
	cat, err := catalogue.Load()
	w.must(err)
	secrets := w.speak(cat, p, car).secrets()
	asked, all := 0, ""
	check := func(what, body string) {
		asked, all = asked+1, all+body
		if found := leaks(body, secrets); found != nil {
			t.Errorf("%s tells %q: %s", what, found, short(body))
		}
	}
	for _, query := range w.publicQuestions() {
		in, _ := json.Marshal(map[string]string{"query": query})
		status, body := w.call("POST", "/identity/query", "", "application/json", string(in))
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", query, status, body)
		}
		check(query, body)
	}
	for _, known := range []sayso.Address{account("owner"), account("device"), licenceOf["app"], account("app signer"), account("maker")} {
		if !strings.Contains(all, known.String()) {
			t.Errorf("the public answers do not tell %s, which is on the chain", known)
		}
	}
	for pattern := range p.routes {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"} {
			path := pattern[strings.Index(pattern, "/"):]
			for _, p := range []string{path, path + "/", path + "/" + fmt.Sprint(car), path + "?tokenId=" + fmt.Sprint(car), "/v1/vehicle/" + fmt.Sprint(car)} {
				_, body := w.call(method, p, "", "application/json", fmt.Sprintf(`{"query":"{signalsLatest(tokenId:%d){lastSeen}}","tokenId":%d}`, car, car))
				check(method+" "+p, body)
			}
		}
	}
	t.Logf("%d answers without a token, no secret in any", asked)
}

// A document behind a grant is shown to the two whom it names; to everybody else
// it is not here, in the same words as one that never was.
func TestDocumentsAreShownToWhomTheyName(t *testing.T) {
	w := newWorld(t)
	name := func(source string) string { return strings.TrimPrefix(source, "ipfs://") }
	there := name(w.paper("app", car, everything, noon))
	absent := document.Of([]byte("never was")).String()
	for _, path := range []string{"/v1/documents/", "/ipfs/"} {
		for who, may := range map[string]bool{"owner": true, "app": true, "other-app": false, "prior-owner": false, "person": false, "device": false, "": false} {
			bearer := ""
			if who != "" {
				bearer = w.login(who)
			}
			status, body := w.call("GET", path+there, bearer, "", "")
			other, nothing := w.call("GET", path+absent, bearer, "", "")
			if may != (status == http.StatusOK && strings.Contains(body, account("app").String())) {
				t.Errorf("%s%s as %q: %d %s", path, there, who, status, body)
			}
			if !may && (status != other || strings.ReplaceAll(body, there, absent) != nothing) {
				t.Errorf("%s as %q tells that the document is there: %d %s, else %d %s", path, who, status, body, other, nothing)
			}
		}
	}
}

// publicType, publicField and typeRef are what introspection tells of a schema.
type publicType struct {
	Name, Kind string
	Fields     []publicField
}

type publicField struct {
	Name string
	Args []struct {
		Name string
		Type typeRef
	}
	Type typeRef
}

type typeRef struct {
	Kind, Name string
	OfType     *typeRef
}

func (r typeRef) base() string {
	for r.OfType != nil {
		r = *r.OfType
	}
	return r.Name
}

// publicSchema builds queries that select everything.
type publicSchema struct {
	types     map[string]publicType
	arguments map[string]string // of the fields that need some
}

// publicQuestions select every field of everything that the public schema
// offers, a query for each field of each type of answer.
func (w *world) publicQuestions() (list []string) {
	w.t.Helper()
	in := `{"query":"{__schema{types{name kind fields{name args{name type{kind}} type{kind name ofType{kind name ofType{kind name ofType{kind name}}}}}}}}"}`
	_, raw := w.call("POST", "/identity/query", "", "application/json", in)
	var out struct {
		Data struct {
			Schema struct{ Types []publicType } `json:"__schema"`
		}
	}
	w.must(json.Unmarshal([]byte(raw), &out))
	s := publicSchema{map[string]publicType{}, map[string]string{
		"node": `(id: "V_kc0bWQ")`, "vehicle": fmt.Sprintf(`(tokenId: %d)`, car), "aftermarketDevice": `(by: {tokenId: 5})`,
		"manufacturer": `(by: {tokenId: 1})`, "developerLicense": `(by: {tokenId: 1})`, "sacd": fmt.Sprintf(`(grantee: %q)`, licenceOf["app"]),
		"syntheticDevice": `(by: {tokenId: 1})`, "dcn": `(by: {name: "x"})`, "rewards": fmt.Sprintf(`(user: %q)`, account("owner")),
		"connection": `(by: {tokenId: 1})`, "deviceDefinition": `(by: {id: "toyota_rav4_2018"})`, "template": `(by: {tokenId: 1})`, "account": fmt.Sprintf(`(by: {address: %q})`, account("owner")),
		"first": `(first: 5)`,
	}}
	for _, t := range out.Data.Schema.Types {
		s.types[t.Name] = t
	}
	for _, f := range s.types["Query"].Fields {
		for _, sub := range s.types[f.Type.base()].Fields {
			if text := s.selection(sub, 3); text != "" {
				list = append(list, "{"+f.Name+s.args(f)+"{"+text+"}}")
			}
		}
	}
	return list
}

// args are the arguments of a field: one of those known by its name, or a
// number of rows.
func (s publicSchema) args(f publicField) string {
	for _, a := range f.Args {
		if a.Name == "first" {
			return s.arguments["first"]
		}
	}
	if len(f.Args) == 0 {
		return ""
	}
	return s.arguments[f.Name]
}

// selection is a field with everything below it, so many levels deep; empty
// where nothing can be selected.
func (s publicSchema) selection(f publicField, depth int) string {
	t := s.types[f.Type.base()]
	switch {
	case t.Kind == "SCALAR" || t.Kind == "ENUM":
		return f.Name + s.args(f)
	case depth == 0 || t.Kind != "OBJECT":
		return ""
	}
	var below []string
	for _, sub := range t.Fields {
		if text := s.selection(sub, depth-1); text != "" {
			below = append(below, text)
		}
	}
	if below == nil {
		return ""
	}
	return f.Name + s.args(f) + "{" + strings.Join(below, " ") + "}"
}
