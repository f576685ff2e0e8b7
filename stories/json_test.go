package stories

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// keep makes a variable of a file's text, or of a member of its JSON.
func (s *story) keep(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return errors.New("usage: keep NAME FILE [PATH]")
	}
	text := strings.TrimSpace(ts.ReadFile(args[1]))
	if len(args) == 3 {
		v, ok, err := member(text, args[2])
		if err != nil || !ok {
			return fmt.Errorf("no %s in %s (%v)", args[2], text, err)
		}
		text = show(v)
	}
	ts.Setenv(args[0], text)
	return nil
}

// json checks one member of a JSON file.
func (s *story) json(ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: json FILE PATH OP [VALUE [TOLERANCE]]")
	}
	v, ok, err := member(ts.ReadFile(args[0]), args[1])
	if err != nil {
		return err
	}
	holds, err := check(v, ok, args[2], args[3:])
	if err != nil {
		return err
	}
	if !holds {
		got := "is missing"
		if ok {
			got = "is " + show(v)
		}
		return refusal{fmt.Errorf("want %s %s, but it %s", args[1], strings.Join(args[2:], " "), got)}
	}
	return nil
}

// member finds a value by a path of names and indices with dots between them;
// len is the length of an array, and . the whole.
func member(text, path string) (any, bool, error) {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, false, fmt.Errorf("%w: %.300s", err, text)
	}
	if path == "." {
		return v, true, nil
	}
	for _, step := range strings.Split(path, ".") {
		var ok bool
		switch at := v.(type) {
		case map[string]any:
			v, ok = at[step]
		case []any:
			if step == "len" {
				v, ok = float64(len(at)), true
			} else if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(at) {
				v, ok = at[i], true
			}
		}
		if !ok {
			return nil, false, nil
		}
	}
	return v, true, nil
}

// show writes a text without quotes and everything else as JSON.
func show(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// check applies an operator. Null counts as missing.
func check(v any, there bool, op string, want []string) (bool, error) {
	there = there && v != nil
	needs := map[string]int{"missing": 0, "there": 0, "near": 2}
	if n, special := needs[op]; special && len(want) != n || !special && len(want) != 1 {
		return false, fmt.Errorf("%s wants another number of values", op)
	}
	switch op {
	case "missing":
		return !there, nil
	case "there":
		return there, nil
	case "==":
		return there && equal(v, want[0]), nil
	case "!=":
		return there && !equal(v, want[0]), nil
	case "hex":
		return there && hexadecimal(show(v)) != "" && hexadecimal(show(v)) == hexadecimal(want[0]), nil
	case "has":
		return there && strings.Contains(show(v), want[0]), nil
	case "near", "<", "<=", ">", ">=":
		return there && ordered(v, op, want), nil
	}
	return false, fmt.Errorf("%s is no operator", op)
}

// hexadecimal writes a number of a chain without what may differ: case and
// zeros in front. What is no such number is empty.
func hexadecimal(text string) string {
	n, ok := new(big.Int).SetString(text, 0)
	if !ok || !strings.HasPrefix(text, "0x") {
		return ""
	}
	return n.Text(16)
}

func equal(v any, want string) bool {
	if f, ok := v.(float64); ok {
		w, err := strconv.ParseFloat(want, 64)
		return err == nil && f == w
	}
	return show(v) == want
}

// ordered compares numbers; what is no number is in no order.
func ordered(v any, op string, want []string) bool {
	f, ok := v.(float64)
	var w [2]float64
	for i := range want {
		var err error
		if w[i], err = strconv.ParseFloat(want[i], 64); err != nil {
			return false
		}
	}
	switch op {
	case "near":
		return ok && math.Abs(f-w[0]) <= w[1]
	case "<":
		return ok && f < w[0]
	case "<=":
		return ok && f <= w[0]
	case ">":
		return ok && f > w[0]
	}
	return ok && f >= w[0]
}

func TestCheck(t *testing.T) {
	const doc = `{"a":{"b":[1.5,"two",null]},"n":3}`
	for _, c := range []struct {
		path, op string
		want     []string
		holds    bool
	}{
		{"a.b.0", "==", []string{"1.5"}, true},
		{"a.b.0", "!=", []string{"1.5"}, false},
		{"a.b.1", "==", []string{"two"}, true},
		{"a.b.2", "missing", nil, true},
		{"a.b.3", "missing", nil, true},
		{"a.b.1", "missing", nil, false},
		{"a.b.3", "!=", []string{"x"}, false},
		{"a.b.len", "==", []string{"3"}, true},
		{"n", "near", []string{"3.1", "0.2"}, true},
		{"n", "near", []string{"3.1", "0.05"}, false},
		{"n", "<", []string{"3"}, false},
		{"n", ">=", []string{"3"}, true},
		{"a.b.1", ">", []string{"0"}, false},
		{"a", "has", []string{"two"}, true},
	} {
		v, ok, err := member(doc, c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := check(v, ok, c.op, c.want); err != nil || got != c.holds {
			t.Errorf("%s %s %v: %v, %v; want %v", c.path, c.op, c.want, got, err, c.holds)
		}
	}
}
