package front_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/h3"
	"sayso/node/vault"
)

// said is one reading, with a value and a time that nothing else has.
type said struct {
	signal    *catalogue.Signal
	ownership int
	at        time.Time
	value     any // as the JSON of an answer has it
}

// happened is one event.
type happened struct {
	name      string
	ownership int
	at        time.Time
}

// data is everything that was said about a vehicle.
type data struct {
	said     []said
	happened []happened
	raw      []rawEvent // the oldest first
	// approximate is, by ownership, the cell of the first position in the
	// quarter of an hour with the newest one; before are the slots of others.
	approximate [4]said
}

// Within an ownership, what is not a position is said in the first minutes and
// positions half an hour later, all in the quarter that begins then.
const positionsAfter = 30 * time.Minute

// silent says whether a signal is left out of an ownership, so that a list
// tells whose it is of.
func silent(s *catalogue.Signal, ownership int) bool {
	return int(s.ID)%5 == ownership && s.Kind != sayso.Position
}

// speak has a vehicle say everything in every ownership: of each signal one
// value in the first, two in the second, three in the third.
func (w *world) speak(cat *catalogue.Catalogue, p *policy, vehicle uint64) *data {
	return w.speakAs(cat, p, vehicle, vehicle, nil)
}

// speakAs has a vehicle say what another says, changed or left out as alter
// decides; the signal is nil for an event.
func (w *world) speakAs(cat *catalogue.Catalogue, p *policy, vehicle, as uint64, alter func(s *catalogue.Signal, ownership, n int, v sayso.Value) (sayso.Value, bool)) *data {
	if alter == nil {
		alter = func(_ *catalogue.Signal, _, _ int, v sayso.Value) (sayso.Value, bool) { return v, true }
	}
	d := &data{}
	for ownership := 1; ownership <= 3; ownership++ {
		for n := range ownership {
			deposit := &vault.Deposit{
				Vehicle: vehicle, Epoch: uint32(ownership),
				Envelope: sayso.CloudEvent{
					Type: sayso.TypeStatus, Source: account("device"), Subject: sayso.NFT(testChain.ID, testChain.Vehicle, vehicle),
					ID: fmt.Sprint(vehicle, ownership, n), Time: bought[ownership],
				},
			}
			deposit.Envelope.Data = d.note(sayso.TypeStatus, deposit.Envelope.ID, as, ownership, n, deposit.Envelope.Time, alter)
			for _, s := range cat.Signals() {
				if s.Computed() || silent(s, ownership) {
					continue
				}
				r, v := d.say(p, as, ownership, n, s)
				if v, keep := alter(s, ownership, n, v); keep {
					deposit.Readings = append(deposit.Readings, sayso.Reading{Signal: s.ID, Epoch: uint32(ownership), Time: sayso.At(r.at), Value: v})
				}
			}
			e := happened{fmt.Sprintf("canary.v%do%dn%d", as, ownership, n), ownership, bought[ownership].Add(time.Duration(45*60+n)*time.Second + 123*time.Millisecond)}
			d.happened = append(d.happened, e)
			if _, keep := alter(nil, ownership, n, sayso.Value{}); keep {
				deposit.Events = []sayso.Event{{Name: e.name, Epoch: uint32(ownership), Time: sayso.At(e.at)}}
			}
			_, err := w.vault.Commit(context.Background(), deposit)
			w.must(err)
			w.attested(d, vehicle, as, ownership, n, alter)
		}
	}
	return d
}

// say makes one reading.
func (d *data) say(p *policy, vehicle uint64, ownership, n int, s *catalogue.Signal) (said, sayso.Value) {
	r := said{signal: s, ownership: ownership, at: bought[ownership].Add(time.Duration(200*n+int(s.ID)) * time.Second)}
	if p.class(s.Name) != "other" {
		r.at = r.at.Add(positionsAfter)
	}
	digits := fmt.Sprintf("9%d%d%03d%d7", vehicle%10, ownership, s.ID, n)
	number, _ := strconv.ParseFloat(digits, 64)
	var v sayso.Value
	switch s.Kind {
	case sayso.Number:
		v, r.value = sayso.NumberValue(number), digits
	case sayso.Text:
		v = sayso.TextValue("canary-" + digits)
		r.value = v.Text
	case sayso.Position:
		l := sayso.Location{Latitude: 40 + float64(3*ownership+n) + number/1e8, Longitude: float64(11+vehicle%10) + number/1e8, HDOP: number / 1e8, Heading: 123}
		v, r.value = sayso.LocationValue(l), position(l)
		if n == 0 {
			lat, lng := h3.CellCentre(l.Latitude, l.Longitude)
			d.approximate[ownership] = said{ownership: ownership, at: bought[ownership].Add(positionsAfter), value: position(sayso.Location{Latitude: lat, Longitude: lng})}
		}
	}
	d.said = append(d.said, r)
	return r, v
}

// position is the JSON of one.
func position(l sayso.Location) map[string]any {
	f := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	return map[string]any{"latitude": f(l.Latitude), "longitude": f(l.Longitude), "hdop": f(l.HDOP)}
}

// secrets are all texts of which one in an answer shows that data was seen.
func (d *data) secrets() []string {
	var list []string
	for _, r := range slices.Concat(d.said, d.approximate[1:]) {
		list = append(list, stamp(r.at))
		switch v := r.value.(type) {
		case string:
			list = append(list, v)
		case map[string]any:
			list = append(list, v["latitude"].(string), v["longitude"].(string))
		}
	}
	for _, e := range d.happened {
		list = append(list, e.name, stamp(e.at))
	}
	for _, e := range d.raw {
		list = append(list, e.note)
	}
	return list
}

// values are the secrets that no other vehicle shares; times are the same for
// all.
func (d *data) values() (list []string) {
	for _, r := range d.said {
		if v, ok := r.value.(string); ok {
			list = append(list, v)
		}
	}
	return list
}

// leaks finds secrets in a text.
func leaks(text string, secrets []string) (found []string) {
	for _, s := range secrets {
		if strings.Contains(text, s) {
			found = append(found, s)
		}
	}
	return found
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
