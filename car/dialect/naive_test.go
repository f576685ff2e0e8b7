package dialect

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// naive collects what a slow and simple reading of a payload comes to: for every
// signal and time the value that was met last.
type naive struct {
	cat    *catalogue.Catalogue
	w      Window
	values map[string]string
	events []string
	halves []message.Half
	vin    string
}

func newNaive(cat *catalogue.Catalogue, w Window) *naive {
	return &naive{cat: cat, w: w, values: map[string]string{}}
}

// put takes a value if the catalogue and the window allow it, and says whether
// they do.
func (n *naive) put(signal string, at time.Time, v sayso.Value) bool {
	s := n.cat.Signal(signal)
	if s == nil || s.Check(v) != nil || n.w.Check(at) != nil {
		return false
	}
	n.values[signal+" "+sayso.At(at).Time().Format(time.RFC3339Nano)] = valueText(v)
	return true
}

func (n *naive) fix(at time.Time, l sayso.Location) {
	if l.HDOP < 0 || l.HDOP > catalogue.MaxHDOP {
		l.HDOP = 0
	}
	n.put(message.PositionSignal, at, sayso.LocationValue(l))
}

func (n *naive) lines() (lines []string) {
	fixes, _ := message.Pair(n.halves)
	for _, f := range fixes {
		n.fix(f.Time, f.Location)
	}
	for key, value := range n.values {
		lines = append(lines, key+" "+value)
	}
	slices.Sort(lines)
	return append(lines, n.events...)
}

// agree demands that both readings of a payload come to the same, and that what
// is kept is within the bounds of the catalogue.
func (n *naive) agree(t *testing.T, payload []byte, m Message) {
	t.Helper()
	got := readingLines(n.cat, m.Readings)
	slices.Sort(got)
	got = append(got, eventLines(m.Events)...)
	if want := n.lines(); !slices.Equal(got, want) {
		t.Fatalf("%s\ngot\n%s\nwant\n%s\nrefused %v", payload, strings.Join(got, "\n"), strings.Join(want, "\n"), m.Rejected)
	}
	if m.VIN != n.vin {
		t.Fatalf("%s\nVIN %q, want %q", payload, m.VIN, n.vin)
	}
	for _, r := range m.Readings {
		if err := n.cat.ByID(r.Signal).Check(r.Value); err != nil {
			t.Fatalf("%s\n%v", payload, err)
		}
	}
}

// object is a JSON object with the first of equal names.
type object map[string]json.RawMessage

func objectOf(raw []byte) (object, bool) {
	if jsonscan.Valid(raw) != nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	o := object{}
	for d.More() {
		name, _ := d.Token()
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return nil, false
		}
		if _, again := o[name.(string)]; !again {
			o[name.(string)] = v
		}
	}
	return o, true
}

func (o object) has(name string) bool { return len(o[name]) > 0 && string(o[name]) != "null" }

func (o object) text(name string) (s string, ok bool) {
	return s, o.has(name) && json.Unmarshal(o[name], &s) == nil
}

func (o object) object(name string) object {
	v, _ := objectOf(o[name])
	return v
}

func (o object) list(name string) (list []json.RawMessage, ok bool) {
	return list, o.has(name) && json.Unmarshal(o[name], &list) == nil
}

var numeric = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// number reads a number, or a text that is one.
func (o object) number(name string) (float64, bool) {
	s := string(o[name])
	if t, isText := o.text(name); isText {
		s = t
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, numeric.MatchString(s) && err == nil
}

// whole reads a whole number of at most 15 digits, which is no text.
func (o object) whole(name string) (int64, bool) {
	n, err := strconv.ParseInt(string(o[name]), 10, 64)
	return n, err == nil && len(strings.TrimPrefix(string(o[name]), "-")) <= 15
}

// milliseconds reads a time in milliseconds since 1970.
func (o object) milliseconds(name string) (time.Time, bool) {
	if n, ok := o.whole(name); ok {
		return time.UnixMilli(n), true
	}
	f, err := strconv.ParseFloat(string(o[name]), 64)
	return time.UnixMicro(int64(f * 1000)), err == nil && numeric.Match(o[name]) && f > -1e15 && f < 1e15
}

func csvRows(t testing.TB, file string) [][]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// parts puts JSON together at random.
type parts struct{ *rand.Rand }

func (p parts) pick(list ...string) string { return list[p.IntN(len(list))] }

// or gives something odd once in a while.
func (p parts) or(good string) string {
	if p.IntN(14) > 0 {
		return good
	}
	return p.pick("null", "true", "5", "-0", "1e999", `""`, `"x"`, "[]", "{}", `[{}]`, `"7.5"`, "1.5")
}

func (p parts) members(list ...string) string {
	list = slices.DeleteFunc(list, func(string) bool { return p.IntN(25) == 0 })
	p.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if p.IntN(12) == 0 && len(list) > 0 {
		list = append(list, list[0])
	}
	return "{" + strings.Join(list, p.pick(",", " ,\n")) + "}"
}

func (p parts) list(most int, element func() string) string {
	var l []string
	for range p.IntN(most) {
		l = append(l, p.or(element()))
	}
	return "[" + strings.Join(l, ",") + "]"
}

func member(name, value string) string { return fmt.Sprintf("%q:%s", name, value) }
