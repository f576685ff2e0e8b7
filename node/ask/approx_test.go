package ask

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/h3"
	"sayso/node/vault"
)

// fix is a position of a generated drive.
type fix struct {
	at  time.Time
	lat float64
	lng float64
}

// drives makes two drives that an approximate grantee must not tell apart: with
// the same times, and in each quarter of an hour a first position in the same
// cell. Everything else differs.
func drives(t *rapid.T) (a, b []fix) {
	start := at("08:00:00")
	last := sayso.Instant(-1)
	for range rapid.IntRange(1, 30).Draw(t, "fixes") {
		start = start.Add(rapid.SampledFrom([]time.Duration{time.Microsecond, 10 * time.Second, time.Minute, 7*time.Minute + time.Millisecond, 20 * time.Minute}).Draw(t, "gap"))
		place := func(who string) fix {
			// never (0, 0), which is no position
			return fix{start, rapid.Float64Range(1, 80).Draw(t, who+" lat"), rapid.Float64Range(-179, 179).Draw(t, who+" lng")}
		}
		x, y := place("a"), place("b")
		if slot := slotOf(sayso.At(start)); slot != last {
			last = slot
			// near x, and in its cell; else x itself
			y = fix{start, x.lat + rapid.Float64Range(-0.02, 0.02).Draw(t, "north"), x.lng + rapid.Float64Range(-0.02, 0.02).Draw(t, "east")}
			if h3.Cell(x.lat, x.lng) != h3.Cell(y.lat, y.lng) {
				y = x
			}
		}
		a, b = append(a, x), append(b, y)
	}
	return a, b
}

// Two drives that differ in anything but the cell of the first position of each
// quarter of an hour give an approximate grantee the same bytes, whatever is
// asked.
func TestApproximateTellsOnlyTheFirstCell(t *testing.T) {
	w := newWorld(t)
	v := &switching{Vault: w.vault}
	for d := range w.servers {
		w.servers[d] = serve(t, w.registry, v, d)
	}
	vehicle := uint64(1000)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drives(rt)
		d := rapid.SampledFrom([]catalogue.Dialect{catalogue.Telemetry, catalogue.Subject}).Draw(rt, "dialect")
		interval := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour}).Draw(rt, "interval")
		from := at("08:00:00").Add(rapid.SampledFrom([]time.Duration{0, time.Microsecond, 5 * time.Minute, 16 * time.Minute, time.Hour}).Draw(rt, "from"))
		to := from.Add(rapid.SampledFrom([]time.Duration{time.Minute, 20 * time.Minute, 3 * time.Hour, 12 * time.Hour}).Draw(rt, "range"))
		query := fmt.Sprintf(`{signals($3, interval:%q, from:%q, to:%q){timestamp a:currentLocationApproximateCoordinates(agg:AVG){latitude longitude hdop} f:currentLocationApproximateCoordinates(agg:FIRST){latitude longitude hdop} l:currentLocationApproximateCoordinates(agg:LAST){latitude longitude hdop} e:currentLocationCoordinates(agg:LAST, filter:{inCircle:{center:{latitude:%v,longitude:%v},radius:100}}){latitude}}
			signalsLatest($3){lastSeen currentLocationApproximateCoordinates{timestamp value{latitude longitude hdop}} currentLocationCoordinates{timestamp value{latitude}}}
			signalsSnapshot($3){lastSeen signals{name timestamp valueNumber valueString valueLocation{latitude longitude hdop}}}
			availableSignals($3) dataSummary($3){numberOfSignals availableSignals firstSeen lastSeen signalDataSummary{name numberOfSignals firstSeen lastSeen} eventDataSummary{name}}}`,
			interval, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano), a[0].lat, a[0].lng)
		var answers [2]string
		for i, drive := range [][]fix{a, b} {
			vehicle++
			v.vehicle = vehicle
			list := make([]said, 0, 2*len(drive))
			for _, f := range drive {
				list = append(list, said{at: f.at, signal: "currentLocationCoordinates", value: [3]float64{f.lat, f.lng, f.lat}, source: sourceA},
					said{at: f.at, signal: "currentLocationAltitude", value: f.lng, source: sourceA}, said{at: f.at, signal: "currentLocationHeading", value: 90 + f.lat, source: sourceA})
			}
			keepTogether(t, w.vault, vehicle, list)
			answers[i] = w.ask(t, d, "approximate", query)
		}
		if !strings.Contains(answers[0], `"currentLocationApproximateCoordinates":{"timestamp":`) {
			rt.Fatalf("no position: %s", answers[0])
		}
		if answers[0] != answers[1] {
			rt.Fatalf("%s\n%s\n%s", query, answers[0], answers[1])
		}
	})
}

// switching answers about one vehicle whatever is asked, so that a token for
// vehicle 3 reads each generated drive.
type switching struct {
	Vault
	vehicle uint64
}

func (s *switching) to(v vault.View) vault.View { v.Vehicle = s.vehicle; return v }

func (s *switching) Latest(c ctx, v vault.View, ids []sayso.SignalID) ([]vault.Row, error) {
	return s.Vault.Latest(c, s.to(v), ids)
}

func (s *switching) Scan(c ctx, v vault.View, ids []sayso.SignalID, from, to sayso.Instant, yield func(vault.Row) bool) error {
	return s.Vault.Scan(c, s.to(v), ids, from, to, yield)
}

func (s *switching) Buckets(c ctx, v vault.View, cols []vault.Column, from, to, interval sayso.Instant) ([]vault.Bucket, error) {
	return s.Vault.Buckets(c, s.to(v), cols, from, to, interval)
}

func (s *switching) Summary(c ctx, v vault.View) (vault.Summary, error) {
	return s.Vault.Summary(c, s.to(v))
}
