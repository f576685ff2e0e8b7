package catalogue

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"sayso"
)

func parseSDL(t *testing.T, sdl string) *ast.Schema {
	t.Helper()
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "sdl", Input: sdl})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSDLIsFrozen(t *testing.T) {
	c := load(t)
	golden(t, "testdata/telemetry.graphql", c.SDL(Telemetry))
	golden(t, "testdata/subject.graphql", c.SDL(Subject))
}

// TestFieldsCarryPermissions checks that the directives say what the catalogue
// says, and that every query field asks for the vehicle's token.
func TestFieldsCarryPermissions(t *testing.T) {
	c := load(t)
	for _, d := range []Dialect{Telemetry, Subject} {
		schema := parseSDL(t, c.SDL(d))
		for _, f := range schema.Query.Fields {
			if !strings.HasPrefix(f.Name, "__") && f.Directives.ForName("requiresVehicleToken") == nil {
				t.Errorf("%s does not ask for the token", f.Name)
			}
		}
		for _, typ := range []string{"SignalAggregations", "SignalCollection"} {
			fields := schema.Types[typ].Fields
			if len(fields) != len(c.Signals())+1 {
				t.Errorf("%s has %d fields", typ, len(fields))
			}
			for _, s := range c.Signals() {
				f := fields.ForName(s.Name)
				all, one := listed(f, "requiresAllOfPrivileges"), listed(f, "requiresOneOfPrivilege")
				if !slices.Equal(all, s.Need) || !slices.Equal(one, s.OneOf) || len(all)+len(one) == 0 {
					t.Errorf("%s.%s: all of %v, one of %v", typ, s.Name, all, one)
				}
				if f.Directives.ForName("isSignal") == nil {
					t.Errorf("%s.%s is not marked as a signal", typ, s.Name)
				}
			}
		}
		for _, v := range schema.Types["Privilege"].EnumValues {
			if _, ok := sayso.ParsePermission(v.Name); !ok {
				t.Errorf("%s is not a permission", v.Name)
			}
		}
	}
}

func listed(f *ast.FieldDefinition, directive string) (list []sayso.Permission) {
	d := f.Directives.ForName(directive)
	if d == nil {
		return nil
	}
	for _, v := range d.Arguments.ForName("privileges").Value.Children {
		p, _ := sayso.ParsePermission(v.Value.Raw)
		list = append(list, p)
	}
	return list
}

// later are the types and query fields of the reference that are not rendered
// yet.
var later = map[Dialect]struct{ types, queries []string }{
	Telemetry: {
		[]string{"Map"},
		[]string{},
	},
	Subject: {
		[]string{"Map"},
		[]string{},
	},
}

type skeletonType struct {
	Kind   string
	Values []string
	Fields map[string]json.RawMessage
}

// TestSDLMatchesTheReference compares every type, field and argument with the
// skeleton of the reference schema, and lists exactly what is not there yet.
func TestSDLMatchesTheReference(t *testing.T) {
	for d, file := range map[Dialect]string{Telemetry: "schema-skeleton-telemetry.json", Subject: "schema-skeleton-dq.json"} {
		data, err := os.ReadFile(filepath.Join("../../../shared/spec", file))
		if err != nil {
			t.Skipf("the reference skeleton is not beside the repository: %v", err)
		}
		var want map[string]skeletonType
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		got := skeleton(parseSDL(t, load(t).SDL(d)))
		var types, queries []string
		for name, w := range want {
			g, ok := got[name]
			if !ok {
				types = append(types, name)
				continue
			}
			if g.Kind != w.Kind || !slices.Equal(g.Values, w.Values) {
				t.Errorf("%s: %s: got %s %v, want %s %v", file, name, g.Kind, g.Values, w.Kind, w.Values)
			}
			for f, wf := range w.Fields {
				gf, ok := g.Fields[f]
				switch {
				case !ok && name == "Query":
					queries = append(queries, f)
				case !ok:
					t.Errorf("%s: %s.%s is missing", file, name, f)
				case !sameJSON(t, gf, wf):
					t.Errorf("%s: %s.%s: got %s, want %s", file, name, f, gf, wf)
				}
			}
			for f := range g.Fields {
				if _, ok := w.Fields[f]; !ok {
					t.Errorf("%s: %s.%s is not in the reference", file, name, f)
				}
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok {
				t.Errorf("%s: the type %s is not in the reference", file, name)
			}
		}
		slices.Sort(types)
		slices.Sort(queries)
		if !slices.Equal(types, later[d].types) {
			t.Errorf("%s: types not rendered: %q", file, types)
		}
		if !slices.Equal(queries, later[d].queries) {
			t.Errorf("%s: queries not rendered: %q", file, queries)
		}
	}
}

func sameJSON(t *testing.T, a, b json.RawMessage) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatal("not JSON")
	}
	x1, _ := json.Marshal(x)
	y1, _ := json.Marshal(y)
	return string(x1) == string(y1)
}

// skeleton brings a schema to the form of the skeleton files.
func skeleton(schema *ast.Schema) map[string]skeletonType {
	out := map[string]skeletonType{}
	for name, def := range schema.Types {
		if strings.HasPrefix(name, "__") || name == "ID" {
			continue
		}
		s := skeletonType{Kind: strings.TrimSuffix(string(def.Kind), "_OBJECT"), Fields: map[string]json.RawMessage{}}
		for _, v := range def.EnumValues {
			s.Values = append(s.Values, v.Name)
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			var v any = withDefault(f.Type, f.DefaultValue)
			if s.Kind != "INPUT" {
				args := map[string]string{}
				for _, a := range f.Arguments {
					args[a.Name] = withDefault(a.Type, a.DefaultValue)
				}
				v = map[string]any{"type": f.Type.String(), "args": args}
			}
			s.Fields[f.Name], _ = json.Marshal(v)
		}
		out[name] = s
	}
	return out
}

func withDefault(t *ast.Type, v *ast.Value) string {
	if v == nil {
		return t.String()
	}
	return t.String() + " = " + v.String()
}
