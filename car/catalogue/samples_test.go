package catalogue

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sayso"
)

// TestBoundsFitTheSamples checks that the bounds do not refuse what the
// reference makes of real payloads, except for values that mean nothing.
func TestBoundsFitTheSamples(t *testing.T) {
	meaningless := map[string][]string{
		"bodyLockIsLocked": {"3", "25", "254"}, "powertrainTractionBatteryChargingIsCharging": {"2"},
		"powertrainType": {"Electric"}, "powertrainFuelSystemSupportedFuelTypes": {"Electric"},
	}
	files, err := filepath.Glob("../../../shared/samples/dimo/*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the samples are not beside the repository")
	}
	c, checked, met := load(t), 0, map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Cases []struct {
				Name, DimoQuirk string
				Dimo            struct {
					Signals []struct {
						Name          string
						ValueNumber   float64
						ValueString   string
						ValueLocation sayso.Location
					}
				}
			}
		}
		if json.Unmarshal(data, &f) != nil {
			continue // a file of another form
		}
		for _, x := range f.Cases {
			for _, v := range x.Dimo.Signals {
				s := c.Signal(v.Name)
				if s == nil || x.DimoQuirk != "" {
					continue
				}
				value, text := sayso.NumberValue(v.ValueNumber), fmt.Sprint(v.ValueNumber)
				switch s.Kind {
				case sayso.Text:
					value, text = sayso.TextValue(v.ValueString), v.ValueString
				case sayso.Position:
					value = sayso.LocationValue(v.ValueLocation)
				}
				checked++
				if err := s.Check(value); err != nil && !slices.Contains(meaningless[v.Name], text) {
					t.Errorf("%s: %s: %v", x.Name, v.Name, err)
				} else if err != nil {
					met[v.Name] = true
				}
			}
		}
	}
	if checked < 250 {
		t.Errorf("only %d values", checked)
	}
	for name := range meaningless {
		if !met[name] {
			t.Errorf("%s has no meaningless value in the samples", name)
		}
	}
}
