package segment

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sayso"
)

// at reads minutes, such as 12.5.
func at(t *testing.T, text string) sayso.Instant {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return sayso.Instant(math.Round(f * float64(Minute)))
}

// trace reads minute:value pairs.
func trace(t *testing.T, text string) (out []Sample) {
	t.Helper()
	for pair := range strings.FieldsSeq(text) {
		when, value, _ := strings.Cut(pair, ":")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Sample{at(t, when), v})
	}
	return out
}

// burst reads minute:rows, with rows of two signals a second apart, or xN for
// rows of one signal.
func burst(t *testing.T, text string) (out []Row) {
	t.Helper()
	for pair := range strings.FieldsSeq(text) {
		when, count, _ := strings.Cut(pair, ":")
		digits, one := strings.CutPrefix(count, "x")
		n, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			r := Row{at(t, when) + sayso.Instant(i)*Second, sayso.SignalID(i % 2)}
			if one {
				r.Signal = 1
			}
			out = append(out, r)
		}
	}
	return out
}

// text writes ranges as start-end in minutes: ~ goes on, < began before.
func text(list []Range) string {
	var out []string
	for _, r := range list {
		s := fmt.Sprintf("%g-%g", float64(r.Start)/float64(Minute), float64(r.End)/float64(Minute))
		if r.Ongoing {
			s += "~"
		}
		if r.Before {
			s = "<" + s
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// The window of the cases is from 0 to 120 minutes, long ago.
var plain = Query{From: 0, To: 120 * Minute, Now: 10_000 * Minute, MaxGap: 300 * Second, MinDuration: 240, Threshold: 10, IdleRPM: 1000, MinRise: 30}

// just is the window seen at its end.
func just(q Query) Query { q.Now = q.To; return q }

func in[T any](list []T, at func(T) sayso.Instant, from, to sayso.Instant) func(func(T) bool) {
	return slices.Values(within(list, at, from, to))
}

func TestIgnition(t *testing.T) {
	for _, c := range []struct{ name, trace, want string }{
		{"on and off", "10:1 20:0", "10-20"},
		{"nothing", "", ""},
		{"off all the time", "1:0 50:0", ""},
		{"the first reading on is a change", "10:1 12:1 20:0", "10-20"},
		{"repeated readings are none", "10:1 11:1 19:1 20:0 25:0", "10-20"},
		{"shorter than four minutes", "10:1 13.99:0", ""},
		{"four minutes", "10:1 14:0", "10-14"},
		{"off for less than the gap", "10:1 20:0 24.99:1 30:0", "10-30"},
		{"off for the gap", "10:1 20:0 25:1 30:0", "10-20 25-30"},
		{"short stops add up to one", "10:1 12:0 13:1 15:0 16:1 30:0", "10-30"},
		{"still on", "10:1 20:1", "10-120~"},
		{"on for less than four minutes at the end", "10:1 20:0 117:1", "10-20"},
		{"on before the window", "-600:0 -10:1 20:0", "<-10-20"},
		{"on before, and all through", "-600:0 -10:1 20:1", "<-10-120~"},
		{"on before, no reading within", "-10:1", "<-10-120~"},
		{"an off before the window yields nothing", "-10:1 -5:0 20:1 40:0", "20-40"},
		{"an off before the window and on soon after is a new drive", "-10:1 -1:0 2:1 40:0", "2-40"},
		{"only the last change before the window counts", "-30:1 -20:0 -10:1 20:0", "<-10-20"},
		{"off at the edge of the window", "-10:1 0:0 20:1 30:0", "<-10-0 20-30"},
		{"on at the edge is not before", "0:1 20:0", "0-20"},
		{"what is at the end is not in the window", "10:1 120:0", "10-120~"},
		{"on since more than thirty days", "-50000:1 -100:1 10:1", "<-100-120~"},
		{"on since more than thirty days, first heard in the window", "-50000:1 10:1", "10-120~"},
		{"off after more than thirty days", "-50000:1 -100:1 10:0", ""},
		{"a change within thirty days, after a long silence", "-50000:1 -100:0 10:0", ""},
		{"thirty days to the minute", "-43200:1", "<-43200-120~"},
		{"longer ago", "-43201:1", ""},
	} {
		all := trace(t, c.trace)
		var past Past
		for _, s := range within(all, when, plain.From-Lookback, plain.From) {
			past.Add(s)
		}
		ago := 0.0
		for _, s := range within(all, when, -1<<62, plain.From-Lookback) {
			ago = s.Value
		}
		got := text(slices.Collect(Ignition(ago, past, in(all, when, plain.From, plain.To), plain)))
		if got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.name, c.trace, got, c.want)
		}
	}
}

func TestFrequencyAndChangePoint(t *testing.T) {
	five := func(from int) string { // five active minutes
		var b strings.Builder
		for i := range 5 {
			fmt.Fprintf(&b, "%d:10 ", from+i)
		}
		return b.String()
	}
	one := plain
	one.Threshold = 1
	for _, c := range []struct {
		name, trace string
		q           Query
		want        string
		change      string // by change point, where it differs
	}{
		{"five minutes", five(10), plain, "10-15", ""},
		{"nine rows are too few", "10:10 11:9 12:9 13:9 14:9", plain, "", ""},
		{"one signal is too few", "10:x10 11:x10 12:x10 13:x10 14:x10", plain, "", ""},
		{"a pause of the gap", five(10) + five(20), plain, "10-25", ""},
		{"a longer pause", five(10) + five(21), plain, "10-15 21-26", ""},
		{"less than four minutes", "10:10 11:10 12:10", plain, "", ""},
		{"four", "10:10 11:10 12:10 13:10", plain, "10-14", ""},
		{"a minute is one of the clock", "10.75:30 11:10 12:10 13:10", plain, "10-14", ""},
		{"from before the window", "-3:10 -2:10 -1:10 0:10 1:10", plain, "<0-2", ""},
		{"from before, too short in all", "-1:10 0:10 1:10", plain, "", ""},
		{"before alone", five(-5), plain, "", ""},
		{"earlier than the gap is not read", "-6:10 -1:10 0:10 1:10 2:10", plain, "<0-3", ""},
		{"still under way", five(112), just(plain), "112-120~", ""},
		{"ended a gap ago", five(110), just(plain), "110-120~", ""},
		{"ended longer ago", five(109), just(plain), "109-114", ""},
		{"the window is over", five(112), plain, "112-117", ""},
		{"short, but under way for long enough", "115:10", just(plain), "115-120~", ""},
		{"under way for too short", "117:10", just(plain), "", ""},
		{"a lower threshold", "10:2 11:2 12:2 13:2", one, "10-14", "-"},
		{"a lower threshold, one signal", "10:x2 11:x2 12:x2 13:x2", one, "", ""},
		{"cut at the end", "116:10 117:10 118:10 119.5:20", plain, "116-120", ""},
	} {
		rows := burst(t, c.trace)
		given := in(rows, func(r Row) sayso.Instant { return r.Time }, c.q.From-c.q.MaxGap, c.q.To)
		if got := text(slices.Collect(Frequency(given, c.q))); got != c.want {
			t.Errorf("%s: by frequency got %q, want %q", c.name, got, c.want)
		}
		want := c.want
		if c.change != "" {
			want = strings.Trim(c.change, "-")
		}
		if got := text(slices.Collect(ChangePoint(given, c.q))); got != want {
			t.Errorf("%s: by change point got %q, want %q", c.name, got, want)
		}
	}
	late := plain
	late.Now = late.To + late.MaxGap
	if got := text(slices.Collect(Frequency(slices.Values(burst(t, five(112))), late))); got != "112-120~" {
		t.Errorf("a gap after the window: %q", got)
	}
}

func TestIdling(t *testing.T) {
	for _, c := range []struct{ name, trace, want string }{
		{"a run", "10:800 12:900 15:1000", "10-15"},
		{"too fast", "10:800 12:1000.1 15:900", ""},
		{"standing still is no idling", "10:800 12:0 15:900", ""},
		{"backwards is none", "10:-5 12:-5 15:-5", ""},
		{"interrupted", "10:800 15:800 16:2000 17:800 22:800", "10-15 17-22"},
		{"a distance of the gap", "10:800 15:800", "10-15"},
		{"a longer one", "10:800 15.01:800", ""},
		{"shorter than four minutes", "10:800 13.99:800", ""},
		{"four", "10:800 14:800", "10-14"},
		{"from before the window", "-4:800 -1:800 1:800", "<0-1"},
		{"from before, too short", "-1:800 1:800", ""},
		{"from the edge", "0:800 4:800", "<0-4"},
		{"earlier than the gap is not read", "-6:800 -2:800 1:800", ""},
		{"never ongoing", "110:800 114:800 119:800", "110-119"},
	} {
		all := trace(t, c.trace)
		if got := text(slices.Collect(Idling(in(all, when, plain.From-plain.MaxGap, plain.To), plain))); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.name, c.trace, got, c.want)
		}
	}
}

func TestRefuel(t *testing.T) {
	fifteen := plain
	fifteen.MinRise = 15
	for _, c := range []struct {
		name, trace string
		q           Query
		want        string
	}{
		// at nine minutes, say, the last sample is that of the fifth
		{"a full tank", "5:30 10:30 14:90 20:90", plain, "5-20"},
		{"nothing", "", plain, ""},
		{"one sample", "10:30", plain, ""},
		{"a rise of thirty percent is not more", "5:70 10:70 14:91 20:91", plain, ""},
		{"of a little more", "5:70 10:70 14:91.1 20:91.1", plain, "5-20"},
		{"fifteen, if so set", "5:70 10:70 14:91 20:91", fifteen, "5-20"},
		{"less than twenty of a hundred", "5:30 10:30 14:49.9 20:49.9", plain, ""},
		{"twenty of a hundred", "5:30 10:30 14:50 20:50", plain, "5-20"},
		{"an empty tank has no rise", "5:0 10:0 14:90 20:90", plain, ""},
		{"the trough is where it fell to", "5:40 8:31 10:30 14:90 20:90", plain, "8-20"},
		{"back while it rises", "5:28 8:29 10:30 14:90 20:90", plain, "5-20"},
		{"no further than to what is equal", "5:29 8:29 10:30 14:90 20:90", plain, "8-20"},
		{"the peak is the last of the highest", "10:30 14:90 25:90 40:90", plain, "10-40"},
		{"within thirty minutes", "10:30 14:90 25:90 50:90", plain, "10-25"},
		{"before it falls by more than one", "10:30 14:90 25:89.5 30:88.4 40:95", plain, "10-25"},
		{"a fall of one is none", "10:30 14:90 25:89 40:91", plain, "10-40"},
		{"too fast is too short", "9.9:30 10.9:90 12:60", plain, ""},
		{"clamped to the window", "-3:30 -1:31 1:32 4:90 8:90", plain, "<0-8"},
		{"the peak after the window", "114:30 119:80 125:95 130:95", plain, "114-120"},
		{"two on one day", "10:30 14:90 20:90 60:30 64:90 70:90", plain, "10-20 60-70"},
	} {
		all := trace(t, c.trace)
		got := text(slices.Collect(Refuel(in(all, when, c.q.From-RefuelBefore, c.q.To+RefuelAfter), c.q)))
		if got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.name, c.trace, got, c.want)
		}
	}
}

// line is a curve of one sample a minute that goes through points.
func line(t *testing.T, points string) (out []Sample) {
	list := trace(t, points)
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		for m := a.Time; m < b.Time; m += Minute {
			out = append(out, Sample{m, a.Value + (b.Value-a.Value)*float64(m-a.Time)/float64(b.Time-a.Time)})
		}
	}
	return append(out, list[len(list)-1])
}

func TestRecharge(t *testing.T) {
	q := plain
	q.MinRise, q.MinDuration, q.To = 1, 60, 600*Minute
	for _, c := range []struct {
		name, soc, odometer, want string
		min                       float64
		duration                  int64
	}{
		// means of eleven minutes: the ends of the curve are five minutes in, and
		// its turns come four or five minutes late or early where one side is steep
		{name: "one charge", soc: "0:20 60:80", want: "5-55"},
		{name: "after a drive", soc: "0:60 30:30 90:90 120:90", want: "30-95"},
		{name: "before a drive", soc: "0:30 60:90 90:60", want: "5-60"},
		{name: "twelve samples are too few", soc: "0:20 11:31", want: ""},
		{name: "thirteen", soc: "0:20 12:32", want: "5-7"},
		{name: "a rise of less than one percent", soc: "0:20 20:21.9", want: ""},
		{name: "of one", soc: "0:20 20:22", want: "5-15"},
		{name: "of less than what is set", soc: "0:20 60:80", min: 51, want: ""},
		{name: "shorter than set", soc: "0:20 60:80", duration: 3001, want: ""},
		{name: "the vehicle stood", soc: "0:20 60:80", odometer: "6:100 50:100.5", want: "5-55"},
		{name: "it moved", soc: "0:20 60:80", odometer: "6:100 50:100.6", want: ""},
		{name: "it moved before and after", soc: "0:20 60:80", odometer: "4:90 6:100 50:100 56:110", want: "5-55"},
		{name: "no fall between, one charge", soc: "0:20 30:50 60:50 90:80", want: "5-85"},
		{name: "two at one place", soc: "0:20 30:50 90:40 120:70", odometer: "10:100 110:100.5", want: "5-115"},
		{name: "two at two places", soc: "0:20 30:50 90:40 120:70", odometer: "10:100 110:100.6", want: "5-34 86-115"},
		{name: "two, places not known", soc: "0:20 30:50 90:40 120:70", odometer: "10:100", want: "5-34 86-115"},
		{name: "two within two hours", soc: "0:20 30:50 150:40 180:70", odometer: "10:100 170:100", want: "5-175"},
		{name: "two more than two hours apart", soc: "0:20 30:50 162:40 190:70", odometer: "10:100 170:100", want: "5-35 157-185"},
	} {
		cq := q
		if c.min > 0 {
			cq.MinRise = c.min
		}
		if c.duration > 0 {
			cq.MinDuration = c.duration
		}
		soc, km := line(t, c.soc), trace(t, c.odometer)
		rises := Rises(slices.Values(soc), cq)
		got := text(slices.Collect(Recharge(rises, slices.Values(soc), slices.Values(km))))
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if slow := text(slowRecharge(soc, km, cq)); slow != c.want {
			t.Errorf("%s: the text says %q, want %q", c.name, slow, c.want)
		}
	}
	// what rises when smoothed, but not as it was said, is no charge
	soc := trace(t, "0:50 1:50 2:50 3:50 4:50 5:55 6:50 7:50 8:50 9:50 10:50 11:60 12:60 13:60 14:60 15:60 16:54")
	if rises := Rises(slices.Values(soc), q); len(rises) != 1 || len(slices.Collect(Recharge(rises, slices.Values(soc), slices.Values([]Sample(nil))))) != 0 {
		t.Errorf("%s", text(rises))
	}
}
