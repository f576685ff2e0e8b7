package dialect

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// TestFormatPage reads the example of docs/formats/cloudevent.md, which must
// stay readable, and checks the limits that the page names.
func TestFormatPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/formats/cloudevent.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	_, example, found := strings.Cut(page, "```json\n")
	example, _, closed := strings.Cut(example, "```")
	if !found || !closed {
		t.Fatal("the page has no example")
	}
	ce, err := Envelope([]byte(example), Arrival{Time: arrived})
	if err != nil {
		t.Fatal(err)
	}
	cat := loadCatalogue(t)
	m, err := Decode(cat, ce, Window{Now: arrived})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"currentLocationCoordinates 2025-03-04T12:00:00Z (48.137154 11.576124 hdop 0.9 heading 271.5)", "speed 2025-03-04T12:00:00Z 42.5",
	}
	got := readingLines(cat, m.Readings)
	if fmt.Sprint(got) != fmt.Sprint(want) || len(m.Rejected) > 0 || m.VIN != "WBA8D9G55HNU12345" || len(m.Types) != 3 {
		t.Errorf("the example gives %q, %+v", got, m)
	}
	if len(m.Events) != 1 || m.Events[0].Metadata != `{"counterValue": 3}` || m.Events[0].DurationNS != 8e8 {
		t.Errorf("the example gives the events %+v", m.Events)
	}
	for what, limit := range map[string]string{
		"envelope without its payload": fmt.Sprint(MaxHeader, " bytes"),
		"nesting of objects and lists": fmt.Sprint(jsonscan.MaxDepth),
		"text value":                   fmt.Sprint(catalogue.MaxText, " bytes"),
		"metadata of an event":         fmt.Sprint(message.MaxMetadata, " bytes"),
		"tags of an event":             fmt.Sprint(message.MaxTags),
		"one tag":                      fmt.Sprint(message.MaxTag, " bytes"),
		"reported refusals of a message, then a count": fmt.Sprint(message.MaxRejections),
		"how far ahead a time may be":                  fmt.Sprintf("%v minutes", message.Ahead.Minutes()),
		"how old a time may be, outside back-fill":     fmt.Sprintf("%d days", message.Back/(24*time.Hour)),
		"halves of a position lie apart less than":     fmt.Sprintf("%d ms", message.PairWithin.Milliseconds()),
	} {
		if row := "| " + what + " | " + limit + " |"; !strings.Contains(page, row) {
			t.Errorf("the page lacks %q", row)
		}
	}
}
