package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
)

// TestRetention: the most exact entry counts, member by member.
func TestRetention(t *testing.T) {
	cat, err := catalogue.Load()
	must(t, err)
	c := Config{Data: t.TempDir()}
	if p, err := c.retention(cat); err != nil || p.Readings != nil || p.Messages != nil {
		t.Errorf("without a file: %v", err)
	}
	write := func(text string) { must(t, os.WriteFile(filepath.Join(c.Data, RetentionFile), []byte(text), 0o600)) }
	write(`{"default": {"raw": "90d", "hourly": "730d", "messages": "36h"}, "classes": {"location": {"raw": "30d"}},
	  "signals": {"speed": {"hourly": "0"}}, "vehicles": {"7": {"raw": "12h", "messages": "0"}}}`)
	p, err := c.retention(cat)
	must(t, err)
	id := func(name string) sayso.SignalID { return cat.Signal(name).ID }
	const day = 24 * time.Hour
	for _, x := range []struct {
		vehicle     uint64
		signal      string
		raw, hourly time.Duration
	}{
		{1, "powertrainTransmissionTravelledDistance", 90 * day, 730 * day},
		{1, "currentLocationCoordinates", 30 * day, 730 * day},
		{1, "speed", 90 * day, 0},
		{7, "speed", 12 * time.Hour, 0},
		{7, "currentLocationCoordinates", 12 * time.Hour, 730 * day},
	} {
		if got := p.Readings(x.vehicle, id(x.signal)); got.Raw != x.raw || got.Hourly != x.hourly {
			t.Errorf("vehicle %d, %s: %+v", x.vehicle, x.signal, got)
		}
	}
	if p.Messages(1) != 36*time.Hour || p.Messages(7) != 0 {
		t.Errorf("messages: %s, %s", p.Messages(1), p.Messages(7))
	}
	for text, says := range map[string]string{
		`{"default": {"raw": 90}}`:             "a text",
		`{"default": {"raw": "ninety"}}`:       "no time",
		`{"default": {"raw": "-1h"}}`:          "no time",
		`{"signals": {"sped": {"raw": "1h"}}}`: "no signal",
		`{"classes": {"loc": {"raw": "1h"}}}`:  "no class",
		`{"vehicles": {"seven": {}}}`:          "no token id",
		`{"default": {"row": "1h"}}`:           "unknown field",
		`{`:                                    "unexpected",
	} {
		write(text)
		if _, err := c.retention(cat); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), RetentionFile) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
