package ask

import (
	"testing"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/vault"
)

// BenchmarkSegments asks for segments, days, events and trips of a vehicle that
// says twelve things a second for six hours, and beside each makes the one read
// of the vault that it cannot do without.
func BenchmarkSegments(b *testing.B) {
	w := journeys(b)
	busy(b, w.vault)
	rest := restOf(b, w, w.vault)
	view := vault.View{Vehicle: 3, Epochs: []uint32{2}}
	scan := func(from, to string, names ...string) func() error {
		var ids []sayso.SignalID
		for _, name := range names {
			ids = append(ids, loaded.Signal(name).ID)
		}
		return func() error {
			return w.vault.Scan(b.Context(), view, ids, sayso.At(at(from)), sayso.At(at(to)), func(vault.Row) bool { return true })
		}
	}
	const quiet, six = `from:"2026-03-02T07:00:00Z", to:"2026-03-02T12:00:00Z"`, `from:"2026-03-02T00:00:00Z", to:"2026-03-02T06:00:00Z"`
	for _, c := range []struct {
		name, query string
		vault       func() error
	}{
		{"ignition, five quiet hours", `segments($3, ` + quiet + `, mechanism:$ignition)` + segmentFields, scan("07:00:00", "12:00:00", signalIgnition)},
		{"frequency, six hours", `segments($3, ` + six + `, mechanism:$frequency)` + segmentFields, scan("00:00:00", "06:00:00")},
		{"change point, six hours", `segments($3, ` + six + `, mechanism:$changePoint)` + segmentFields, scan("00:00:00", "06:00:00")},
		{"idling, six hours", `segments($3, ` + six + `, mechanism:$idling)` + segmentFields, scan("00:00:00", "06:00:00", signalRPM)},
		{"refuel, six hours", `segments($3, ` + six + `, mechanism:$refuel)` + segmentFields, scan("00:00:00", "06:00:00", signalFuel)},
		{"recharge, six hours", `segments($3, ` + six + `, mechanism:$recharge)` + segmentFields, scan("00:00:00", "06:00:00", signalCharge)},
		{"a day by ignition", `dailyActivity($3, from:"2026-03-02T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition){` + dayFields + `}`, scan("00:00:00", "12:00:00", signalIgnition)},
		{"events of a day", `events($3, ` + day + `){timestamp name source durationNs metadata}`, func() error {
			return w.vault.Events(b.Context(), view, sayso.At(at("00:00:00")), sayso.At(at("12:00:00")), func(vault.EventRow) bool { return true })
		}},
		{"trips", "", scan("00:00:00", "12:00:00", signalIgnition)},
	} {
		b.Run(c.name+"/answer", func(b *testing.B) {
			for b.Loop() {
				if c.query == "" {
					if code, body := get(rest, "all", "GET", "/v1/vehicle/3/trips"); code != 200 {
						b.Fatal(body)
					}
				} else if got := w.askSegments(b, catalogue.Subject, "all", "{"+c.query+"}"); got[2:6] != "data" {
					b.Fatal(got)
				}
			}
		})
		b.Run(c.name+"/vault", func(b *testing.B) {
			for b.Loop() {
				if err := c.vault(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
