package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"sayso"
	"sayso/car/catalogue"
)

// Where the questions go.
const (
	identityPath  = "/identity/query"
	telemetryPath = "/telemetry/query"
	subjectPath   = "/query"
	fetchPath     = "/fetch/query"
)

// tool is one tool.
type tool struct {
	name, about string
	args        []argument
	ask         func(args map[string]any) (question, error)
	vehicle     func(args map[string]any) vehicle // nil: no token of a vehicle is needed
}

// argument is an argument of a tool and, where graphQL is not empty, the type
// that it has as a variable of the query.
type argument struct {
	name, kind, graphQL, about string
	required                   bool
}

// schema is the JSON schema of the arguments.
func (t *tool) schema() map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, a := range t.args {
		p := map[string]any{"description": a.about}
		switch a.kind {
		case "strings":
			p["type"], p["items"] = "array", map[string]any{"type": "string"}
		case "requests":
			p["type"] = "array"
			p["items"] = map[string]any{
				"type": "object", "required": []string{"name", "agg"},
				"properties": map[string]any{"name": map[string]any{"type": "string"}, "agg": map[string]any{"type": "string"}},
			}
		default:
			p["type"] = a.kind
		}
		properties[a.name] = p
		if a.required {
			required = append(required, a.name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// arguments reads and checks what a caller gives.
func (t *tool) arguments(raw json.RawMessage) (map[string]any, error) {
	args := map[string]any{}
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, invalid("the arguments are no JSON object")
		}
	}
	known := map[string]bool{}
	for _, a := range t.args {
		known[a.name] = true
		v, given := args[a.name]
		switch {
		case given && v == nil:
			delete(args, a.name)
			given = false
		case given && !a.fits(v):
			return nil, invalid("%s must be of type %s", a.name, a.kind)
		}
		if a.required && !given {
			return nil, invalid("%s is missing: %s", a.name, a.about)
		}
	}
	for name := range args {
		if !known[name] {
			return nil, invalid("there is no argument %s", name)
		}
	}
	return args, nil
}

func (a *argument) fits(v any) bool {
	switch v := v.(type) {
	case string:
		return a.kind == "string"
	case float64:
		return a.kind == "integer" && v == math.Trunc(v) && math.Abs(v) < 1<<53
	case map[string]any:
		return a.kind == "object"
	case []any:
		return a.kind == "strings" && every[string](v) || a.kind == "requests" && every[map[string]any](v)
	}
	return false
}

func every[T any](list []any) bool {
	for _, v := range list {
		if _, ok := v.(T); !ok {
			return false
		}
	}
	return true
}

// asked is a question whose arguments are the variables of a query; body is the
// selection behind the field with them.
func (t tool) asked(path, field, selection string) tool {
	t.ask = func(args map[string]any) (question, error) { return t.build(path, field, selection, args), nil }
	return t
}

// build writes a query with those variables that are given.
func (t *tool) build(path, field, selection string, args map[string]any) question {
	var declared, passed []string
	variables := map[string]any{}
	for _, a := range t.args {
		v, given := args[a.name]
		if !given || a.graphQL == "" {
			continue
		}
		declared = append(declared, "$"+a.name+": "+a.graphQL)
		passed = append(passed, a.name+": $"+a.name)
		variables[a.name] = v
	}
	head, inner := "query", field
	if len(declared) > 0 {
		head += "(" + strings.Join(declared, ", ") + ")"
		inner += "(" + strings.Join(passed, ", ") + ")"
	}
	return graphQL(path, head+" { "+inner+" "+selection+" }", variables)
}

// tools is the list of all.
func tools(cat *catalogue.Catalogue) []tool {
	list := identityTools()
	list = append(list, vehicleTools("telemetry", telemetryPath, cat)...)
	list = append(list, vehicleTools("dq", subjectPath, cat)...)
	list = append(list, fetchTools()...)
	return append(list, tool{
		name: "vin_decode", about: "What a vehicle identification number says: maker, model year, whether its check digit is right. Works offline.",
		args: []argument{{name: "vin", kind: "string", about: "The 17 characters.", required: true}},
		ask: func(args map[string]any) (question, error) {
			return question{http.MethodGet, "/vin-profile/" + url.PathEscape(args["vin"].(string)), nil}, nil
		},
	}, tool{
		name: "search_definitions", about: "Search makes, models and model years that the node knows.",
		args: []argument{{name: "query", kind: "string", about: "Words, such as: toyota rav4 2018.", required: true}},
		ask: func(args map[string]any) (question, error) {
			return question{http.MethodGet, "/device-definitions/search?query=" + url.QueryEscape(args["query"].(string)), nil}, nil
		},
	})
}

// general are the two tools that every interface has.
func general(prefix, path, about string, named argument, of func(map[string]any) vehicle) []tool {
	query := tool{
		name: prefix + "_query", about: "Run a GraphQL query of your own: " + about, vehicle: of,
		args: []argument{
			{name: "query", kind: "string", about: "The text of the query.", required: true},
			{name: "variables", kind: "object", about: "Its variables."},
		},
		ask: func(args map[string]any) (question, error) {
			variables, _ := args["variables"].(map[string]any)
			return graphQL(path, args["query"].(string), variables), nil
		},
	}
	if of != nil {
		named.about += " The token is for this one."
		query.args = append(query.args, named)
	}
	return []tool{query, tool{
		name: prefix + "_get_schema", about: "The fields and types of the GraphQL interface, for " + prefix + "_query.",
		args: []argument{{name: "type", kind: "string", about: "Only this type; without it the fields of Query and the names of all types."}},
		ask: func(args map[string]any) (question, error) {
			if name, ok := args["type"].(string); ok {
				return graphQL(path, introspectType, map[string]any{"name": name}), nil
			}
			return graphQL(path, introspectAll, nil), nil
		},
	}}
}

const (
	typeRef        = `type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`
	introspectAll  = `{ __schema { queryType { fields { name description args { name ` + typeRef + ` } ` + typeRef + ` } } types { kind name } } }`
	introspectType = `query($name: String!) { __type(name: $name) { kind name description fields { name description args { name ` + typeRef + ` } ` + typeRef + ` } inputFields { name ` + typeRef + ` } enumValues { name } } }`
)

var word = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

// signalNames reads a list of signals.
func signalNames(cat *catalogue.Catalogue, list []any) (out []*catalogue.Signal, err error) {
	for _, v := range list {
		name := v.(string)
		s := cat.Signal(name)
		if s == nil {
			return nil, invalid("there is no signal %q", name)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, invalid("name at least one signal")
	}
	return out, nil
}

// parts are what is selected of a value.
func parts(s *catalogue.Signal) string {
	if s.Kind == sayso.Position {
		return " { latitude longitude hdop }"
	}
	return ""
}

// series is the selection of a time series.
func series(cat *catalogue.Catalogue, requests []any) (string, error) {
	var b strings.Builder
	b.WriteString("{ timestamp")
	for i, v := range requests {
		request := v.(map[string]any)
		name, _ := request["name"].(string)
		agg, _ := request["agg"].(string)
		s := cat.Signal(name)
		if s == nil || !word.MatchString(agg) {
			return "", invalid("signalRequests: %q with %q is no signal with an aggregation such as AVG", name, agg)
		}
		alias := name
		if strings.Contains(b.String(), " "+name+":") {
			alias = fmt.Sprintf("%s_%s_%d", name, strings.ToLower(agg), i)
		}
		fmt.Fprintf(&b, " %s: %s(agg: %s)%s", alias, name, strings.ToUpper(agg), parts(s))
	}
	if len(requests) == 0 {
		return "", invalid("signalRequests: name at least one signal")
	}
	return b.String() + " }", nil
}
