package front_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sayso"
	"sayso/owner/token"
)

// policy is testdata/policy.txt.
type policy struct {
	classes    map[string]string // of a signal
	opens      map[sayso.Permissions]map[string]string
	who        []row
	operations map[string]operation
	fields     map[string][]string // of a type
	routes     map[string]string
	erases     map[string][]string // by who: of each ownership, and which go if all may
}

// row is what somebody sees in a state.
type row struct {
	who, state    string
	values, lists []cell
	exchange      bool
	says          string
}

// cell is an ownership of which something is seen.
type cell struct {
	ownership int
	granted   bool // only what the grant gives; otherwise all
}

type operation struct{ dialects, tells []string }

var columns = []string{"other", "location", "approximate", "lastSeen", "availableSignals", "signalsSnapshot", "dataSummary", "events", "raw", "vin"}

var everything = sayso.PermissionSet(sayso.NonLocationHistory, sayso.LocationHistory, sayso.RawData, sayso.ApproximateLocation)

// subsets are the sets of permissions that the policy names, by size of number.
func (p *policy) subsets() []sayso.Permissions {
	var list []sayso.Permissions
	for set := range p.opens {
		list = append(list, set)
	}
	slices.SortFunc(list, func(a, b sayso.Permissions) int { return a.Bits().Cmp(b.Bits()) })
	return list
}

func (p *policy) class(signal string) string {
	if c, ok := p.classes[signal]; ok {
		return c
	}
	return "other"
}

func readPolicy(t *testing.T) *policy {
	t.Helper()
	text, err := os.ReadFile("testdata/policy.txt")
	if err != nil {
		t.Fatal(err)
	}
	p := &policy{
		classes: map[string]string{}, opens: map[sayso.Permissions]map[string]string{},
		operations: map[string]operation{}, fields: map[string][]string{}, routes: map[string]string{}, erases: map[string][]string{},
	}
	for n, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" || words[0][0] == '#' {
			continue
		}
		if !p.line(words[0], words[1:]) {
			t.Fatalf("policy.txt:%d cannot be read: %s", n+1, line)
		}
	}
	return p
}

func (p *policy) line(kind string, w []string) bool {
	switch {
	case kind == "class" && len(w) > 1:
		for _, signal := range w[1:] {
			p.classes[signal] = w[0]
		}
	case kind == "opens" && len(w) == 1+len(columns):
		set, err := token.ParseSet(strings.Split(strings.Trim(w[0], "-"), ","))
		if w[0] == "-" {
			set, err = sayso.Permissions{}, nil
		}
		if _, twice := p.opens[set]; err != nil || twice {
			return false
		}
		p.opens[set] = map[string]string{}
		for i, c := range columns {
			p.opens[set][c] = strings.Trim(w[1+i], "-")
		}
	case kind == "who" && len(w) >= 6:
		r := row{who: w[0], state: w[1], exchange: w[4] == "yes", says: strings.Trim(strings.Join(w[5:], " "), "-")}
		var ok1, ok2 bool
		r.values, ok1 = cells(w[2])
		r.lists, ok2 = cells(w[3])
		p.who = append(p.who, r)
		return ok1 && ok2 && (w[4] == "yes" || w[4] == "no")
	case kind == "operation" && len(w) == 3:
		p.operations[w[0]] = operation{strings.Split(w[1], ","), strings.Split(w[2], ",")}
	case kind == "fields" && len(w) > 1:
		p.fields[w[0]] = w[1:]
	case kind == "erases" && len(w) == 5:
		p.erases[w[0]] = w[1:]
	case kind == "route" && len(w) >= 2:
		p.routes[strings.Join(w[:len(w)-1], " ")] = w[len(w)-1]
	default:
		return false
	}
	return true
}

func cells(text string) (list []cell, ok bool) {
	if text == "-" {
		return nil, true
	}
	for part := range strings.SplitSeq(text, ",") {
		number, granted := strings.CutSuffix(part, "g")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 3 {
			return nil, false
		}
		list = append(list, cell{n, granted})
	}
	return list, true
}

// seen is what a row lets be seen in one column, by ownership: "x", letters of
// classes, or empty. The grant and the token are what the scenario gave.
func (p *policy) seen(cells []cell, column string, grant, token sayso.Permissions) (by [4]string) {
	for _, c := range cells {
		set := token
		if c.granted {
			set = set.And(grant)
		}
		by[c.ownership] = p.opens[set.And(everything)][column]
	}
	return by
}
