package door_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"sayso/car/door"
)

// Of a message with values of several owners nothing is kept in which one could
// read another's: no payload, no member that nobody here knows, no reason that
// repeats a value. The sender is told all of it, and a repetition is known.
func TestNoOwnerReadsAnothersInTheEnvelope(t *testing.T) {
	sale, otherCar := days[3], paired.Add(-2*time.Hour)
	value := func(at time.Time, v string) string {
		return fmt.Sprintf(`{"name":"speed","timestamp":%q,"value":%s}`, stamp(at), v)
	}
	for name, c := range map[string]struct {
		signals []string
		mixed   bool
	}{
		"one owner":                       {[]string{value(now, "1"), value(sale, "2")}, false},
		"before and after the sale":       {[]string{value(now, "77.125"), value(sale.Add(-time.Hour), "66.125")}, true},
		"refused before the sale":         {[]string{value(now, "77.125"), value(sale.Add(-time.Hour), "-66.125")}, true},
		"of another car":                  {[]string{value(now, "77.125"), value(otherCar, "66.125")}, true},
		"refused, of another car":         {[]string{value(now, "77.125"), value(otherCar, "-66.125")}, true},
		"refused for a time that is none": {[]string{value(now, "1"), value(time.Unix(0, 0), "2")}, false},
	} {
		s := newStreet(t)
		e := event("mixed", `{"signals":[`+strings.Join(c.signals, ",")+`]}`)
		e = strings.Replace(e, "{", `{"canary":"66.125","tags":["66.125"],`, 1)
		for range 2 {
			status, out := s.post(e, "Authorization", "Bearer device", "Accept", "application/json")
			var r door.Result
			if err := json.Unmarshal([]byte(out), &r); err != nil || status != 200 || strings.Contains(out, "more than one owner") {
				t.Fatalf("%s: %d %s", name, status, out)
			}
		}
		if len(s.kept) != 1 {
			t.Fatalf("%s: %d kept", name, len(s.kept))
		}
		p := *s.kept[0]
		whole := string(p.Envelope.Data) != ""
		p.Readings = nil
		text, err := json.Marshal(p)
		s.must(err)
		if whole == c.mixed || c.mixed && len(p.Envelope.Extras)+len(p.Envelope.Tags) > 0 || c.mixed && (strings.Contains(string(text), "66.125") || p.Epoch != 3) {
			t.Errorf("%s: kept %s", name, text)
		}
		if c.mixed && !strings.Contains(fmt.Sprint(p.Rejected), "more than one owner") {
			t.Errorf("%s: the owner is told nothing: %v", name, p.Rejected)
		}
	}
}
