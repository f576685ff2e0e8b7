package watch

import (
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"sayso"
	"sayso/internal/earth"
)

// maxCost is how much an evaluation may cost, in units of CEL's own account
// (spec api 9.4); maxText how long a condition may be, in bytes.
const (
	maxCost = 1000
	maxText = 4096
)

// Condition is a compiled CEL expression. It can be used by many at once.
type Condition struct {
	Text    string
	program cel.Program
	event   bool
}

// Seen is one value or event as a condition sees it.
type Seen struct {
	Value    sayso.Value // of a signal
	Source   sayso.Address
	Name     string // of an event, as are those below
	Duration uint64 // nanoseconds
	Metadata string
}

// SignalCondition compiles a condition on a signal whose values are of a kind.
// Its variables are value, valueNumber, valueString, source, the same with
// previous in front, and hasPrevious; the previous one is that of the reading
// before, zero where there is none.
func SignalCondition(text string, kind sayso.Kind) (*Condition, error) {
	of := map[sayso.Kind]*cel.Type{
		sayso.Number: cel.DoubleType, sayso.Text: cel.StringType, sayso.Position: cel.MapType(cel.StringType, cel.DoubleType),
	}[kind]
	return compile(text, false,
		cel.Variable("value", of), cel.Variable("previousValue", of),
		cel.Variable("valueNumber", cel.DoubleType), cel.Variable("previousValueNumber", cel.DoubleType),
		cel.Variable("valueString", cel.StringType), cel.Variable("previousValueString", cel.StringType),
		cel.Variable("source", cel.StringType), cel.Variable("previousSource", cel.StringType),
	)
}

// EventCondition compiles a condition on an event. Its variables are name,
// source, durationNs, metadata, the same with previous in front, and
// hasPrevious.
func EventCondition(text string) (*Condition, error) {
	return compile(text, true,
		cel.Variable("name", cel.StringType), cel.Variable("previousName", cel.StringType),
		cel.Variable("source", cel.StringType), cel.Variable("previousSource", cel.StringType),
		cel.Variable("durationNs", cel.IntType), cel.Variable("previousDurationNs", cel.IntType),
		cel.Variable("metadata", cel.StringType), cel.Variable("previousMetadata", cel.StringType),
	)
}

func compile(text string, event bool, vars ...cel.EnvOption) (*Condition, error) {
	bad := func(why any) error {
		return sayso.Fail(sayso.Invalid, "watch.condition", fmt.Sprintf("invalid CEL condition: %v", why))
	}
	if len(text) > maxText {
		return nil, bad(fmt.Sprintf("it has %d bytes, at most %d are allowed", len(text), maxText))
	}
	env, err := cel.NewEnv(append(vars,
		cel.Variable("hasPrevious", cel.BoolType),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserRecursionLimit(64),
		cel.Function("geoDistance", cel.Overload("geoDistance_double_double_double_double",
			[]*cel.Type{cel.DoubleType, cel.DoubleType, cel.DoubleType, cel.DoubleType}, cel.DoubleType,
			cel.FunctionBinding(geoDistance))),
	)...)
	if err != nil {
		return nil, err
	}
	tree, issues := env.Compile(text)
	switch {
	case issues.Err() != nil:
		return nil, bad(issues.Err())
	case tree.OutputType() != cel.BoolType:
		return nil, bad("it answers " + tree.OutputType().String() + ", not true or false")
	}
	program, err := env.Program(tree, cel.CostLimit(maxCost))
	if err != nil {
		return nil, bad(err)
	}
	return &Condition{Text: text, program: program, event: event}, nil
}

// Holds evaluates. before is nil where nothing came before. An evaluation that
// fails, such as one that costs too much, does not hold.
func (c *Condition) Holds(now Seen, before *Seen) (bool, error) {
	vars := map[string]any{"hasPrevious": before != nil}
	if c.event {
		c.eventVars(vars, now, before)
	} else {
		c.signalVars(vars, now, before)
	}
	out, _, err := c.program.Eval(vars)
	if err != nil {
		return false, err
	}
	held, ok := out.Value().(bool)
	return ok && held, nil
}

func (c *Condition) signalVars(vars map[string]any, now Seen, before *Seen) {
	if before == nil {
		before = &Seen{Value: sayso.Value{Kind: now.Value.Kind}}
	}
	vars["value"], vars["previousValue"] = plain(now.Value), plain(before.Value)
	vars["valueNumber"], vars["previousValueNumber"] = now.Value.Number, before.Value.Number
	vars["valueString"], vars["previousValueString"] = now.Value.Text, before.Value.Text
	vars["source"], vars["previousSource"] = sourceText(now.Source), sourceText(before.Source)
}

func (c *Condition) eventVars(vars map[string]any, now Seen, before *Seen) {
	if before == nil {
		before = &Seen{}
	}
	vars["name"], vars["previousName"] = now.Name, before.Name
	vars["source"], vars["previousSource"] = sourceText(now.Source), sourceText(before.Source)
	vars["durationNs"], vars["previousDurationNs"] = int64(min(now.Duration, math.MaxInt64)), int64(min(before.Duration, math.MaxInt64))
	vars["metadata"], vars["previousMetadata"] = now.Metadata, before.Metadata
}

func sourceText(a sayso.Address) string {
	if a.IsZero() {
		return ""
	}
	return a.String()
}

// plain is a value as CEL and JSON have it.
func plain(v sayso.Value) any {
	switch v.Kind {
	case sayso.Text:
		return v.Text
	case sayso.Position:
		return map[string]float64{"latitude": v.Location.Latitude, "longitude": v.Location.Longitude, "hdop": v.Location.HDOP}
	}
	return v.Number
}

// geoDistance is the length of the great circle between two places given as
// latitude, longitude, latitude, longitude in degrees, in kilometres.
func geoDistance(args ...ref.Val) ref.Val {
	var at [4]float64
	for i, a := range args {
		f, ok := a.Value().(float64)
		if !ok {
			return types.NewErr("geoDistance needs numbers")
		}
		at[i] = f
	}
	return types.Double(earth.Distance(at[0], at[1], at[2], at[3]))
}
