package catalogue

import (
	"embed"
	"io/fs"
	"slices"
	"strings"

	"sayso"
)

// Dialect is a form of the GraphQL API. They differ in how a query names the
// vehicle and in some fields (spec api 3.1).
type Dialect uint8

// The dialects.
const (
	Telemetry Dialect = iota // tokenId: Int!
	Subject                  // subject: String!
)

// fragments are the parts of the schema that are not signals, joined in the
// order of their names. <name>.graphql belongs to both dialects,
// <name>.telemetry.graphql and <name>.subject.graphql to one. In them,
// $vehicle stands for the argument that names the vehicle. A part adds fields
// with "extend type Query".
//
//go:embed schema/*.graphql
var fragments embed.FS

// SDL renders the schema of a dialect. The permissions of each field are in
// directives, which is where the guard of the executor reads them.
func (c *Catalogue) SDL(d Dialect) string {
	vehicle, other := "\"Token id of the vehicle.\"\n    tokenId: Int!", ".subject.graphql"
	if d == Subject {
		vehicle, other = "\"DID of the vehicle, such as did:erc721:137:0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF:42.\"\n    subject: String!", ".telemetry.graphql"
	}
	names, err := fs.Glob(fragments, "schema/*.graphql")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	slices.Sort(names)
	var b strings.Builder
	for _, n := range names {
		if strings.HasSuffix(n, other) {
			continue
		}
		text, err := fragments.ReadFile(n)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		b.WriteString(strings.ReplaceAll(string(text), "$vehicle", vehicle))
		b.WriteByte('\n')
	}
	c.signalTypes(&b)
	return b.String()
}

// signalTypes renders the two types that have a field per signal.
func (c *Catalogue) signalTypes(b *strings.Builder) {
	b.WriteString("\"\"\"\nThe signals of one interval.\n\"\"\"\ntype SignalAggregations {\n  \"Start of the interval.\"\n  timestamp: Time!\n")
	for _, s := range c.signals {
		describe(b, s)
		switch {
		case s.Computed():
			b.WriteString("  " + s.Name + "(agg: LocationAggregation!): Location")
		case s.Kind == sayso.Number:
			b.WriteString("  " + s.Name + "(agg: FloatAggregation!, filter: SignalFloatFilter): Float")
		case s.Kind == sayso.Text:
			b.WriteString("  " + s.Name + "(agg: StringAggregation!): String")
		case s.Kind == sayso.Position:
			b.WriteString("  " + s.Name + "(agg: LocationAggregation!, filter: SignalLocationFilter): Location")
		}
		b.WriteString(guards(s) + " @isSignal @hasAggregation\n")
	}
	b.WriteString("}\n\n\"\"\"\nThe newest value of each signal.\n\"\"\"\ntype SignalCollection {\n  \"Time of the newest value of the vehicle.\"\n  lastSeen: Time\n")
	for _, s := range c.signals {
		describe(b, s)
		b.WriteString("  " + s.Name + ": " + [...]string{sayso.Number: "SignalFloat", sayso.Text: "SignalString", sayso.Position: "SignalLocation"}[s.Kind])
		b.WriteString(guards(s) + " @isSignal\n")
	}
	b.WriteString("}\n")
}

func describe(b *strings.Builder, s *Signal) {
	b.WriteString("  \"\"\"\n  " + s.Description + ".\n")
	if s.Unit != "" {
		b.WriteString("  Unit: " + s.Unit + ".\n")
	}
	if s.VSS != "" {
		b.WriteString("  VSS: " + s.VSS + "\n")
	}
	b.WriteString("  \"\"\"\n")
}

func guards(s *Signal) string {
	var b strings.Builder
	for _, g := range []struct {
		name string
		list []sayso.Permission
	}{{"requiresAllOfPrivileges", s.Need}, {"requiresOneOfPrivilege", s.OneOf}} {
		if len(g.list) == 0 {
			continue
		}
		enums := make([]string, len(g.list))
		for i, p := range g.list {
			enums[i] = p.Enum()
		}
		b.WriteString(" @" + g.name + "(privileges: [" + strings.Join(enums, ", ") + "])")
	}
	return b.String()
}
