package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/client"
	"sayso/node/vault"
	"sayso/owner/token"
)

// question is asked of the vault and in GraphQL.
type question struct {
	name  string
	text  string
	vault func(context.Context) error
}

// recorded is what the asked vehicle has said: so many signals every ten
// seconds, for a day.
const (
	recorded = 30
	step     = 10 * time.Second
	day      = 24 * time.Hour
)

// queries measures answers: the vault's call alone, the GraphQL handler over
// it, and the same through a connection. One caller, one vehicle.
func queries(ctx context.Context, dir string, d time.Duration) ([]figure, error) {
	w, err := openWorld(dir, 1)
	if err != nil {
		return nil, err
	}
	defer w.close()
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	var signals []*catalogue.Signal
	for _, s := range cat.Signals() {
		if s.Kind == sayso.Number && !strings.HasPrefix(s.Name, "currentLocation") && len(signals) < recorded {
			signals = append(signals, s)
		}
	}
	begin := time.Now().Add(-day - time.Hour).Truncate(time.Hour)
	if err := w.record(ctx, signals, begin); err != nil {
		return nil, err
	}
	bearer, err := w.ownersToken(ctx)
	if err != nil {
		return nil, err
	}
	var out []figure
	for _, q := range w.questions(signals, begin) {
		body, err := json.Marshal(map[string]string{"query": q.text})
		if err != nil {
			return nil, err
		}
		for _, way := range []struct {
			note string
			ask  func() error
		}{
			{"vault", func() error { return q.vault(ctx) }},
			{"GraphQL", func() error { return w.handled(bearer, body) }},
			{"GraphQL over HTTP", func() error { return w.asked(bearer, body) }},
		} {
			f, err := repeat(d, way.ask)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", q.name, way.note, err)
			}
			f.Name, f.Conns, f.Note = q.name, 1, way.note
			out = append(out, f)
		}
	}
	return out, nil
}

// repeat asks one question after the other.
func repeat(d time.Duration, ask func() error) (figure, error) {
	for range 20 {
		if err := ask(); err != nil {
			return figure{}, err
		}
	}
	return commits(1, d, ask)
}

// record keeps a day, a thousand moments in one message.
func (w *world) record(ctx context.Context, signals []*catalogue.Signal, begin time.Time) error {
	source := sayso.Address(w.devices[0].Address())
	moments := int(day / step)
	for from := 0; from < moments; from += 1000 {
		at := begin.Add(time.Duration(from) * step)
		d := &vault.Deposit{Vehicle: 1, Epoch: 1, Envelope: sayso.CloudEvent{
			ID: fmt.Sprint(from), Source: source, Subject: vehicle(1), Producer: sayso.NFT(benchChain.ID, benchChain.AftermarketDevice, 1),
			Type: sayso.TypeStatus, Time: at, Data: []byte(`{}`),
		}}
		for m := from; m < min(from+1000, moments); m++ {
			for i, s := range signals {
				d.Readings = append(d.Readings, sayso.Reading{
					Signal: s.ID, Epoch: 1, Time: sayso.At(begin.Add(time.Duration(m) * step)), Value: sayso.NumberValue(float64((m*(i+7))%1000) / 10),
				})
			}
		}
		if _, err := w.vault.Commit(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// ownersToken is the vehicle token of the owner.
func (w *world) ownersToken(ctx context.Context) (string, error) {
	api := client.New(w.base)
	developer, err := api.SignIn(ctx, token.DriverClient, w.base, sayso.Address(w.owner.Address()), w.owner)
	if err != nil {
		return "", err
	}
	return api.Exchange(ctx, developer, vehicle(1), sayso.PermissionSet(sayso.NonLocationHistory, sayso.LocationHistory))
}

// questions are those of the goals (latest, 100 intervals of three aliases, a
// day by the hour).
func (w *world) questions(signals []*catalogue.Signal, begin time.Time) []question {
	view := vault.View{Vehicle: 1, Epochs: []uint32{1}}
	end := begin.Add(day)
	buckets := func(from, to time.Time, interval time.Duration, cols ...vault.Column) func(context.Context) error {
		return func(ctx context.Context) error {
			got, err := w.vault.Buckets(ctx, view, cols, sayso.At(from), sayso.At(to), sayso.Instant(interval/time.Microsecond))
			if want := int(to.Sub(from) / interval); err == nil && len(got) != want {
				return fmt.Errorf("%d intervals, want %d", len(got), want)
			}
			return err
		}
	}
	ids := make([]sayso.SignalID, len(signals))
	var fields strings.Builder
	for i, s := range signals {
		ids[i] = s.ID
		fmt.Fprintf(&fields, " %s { timestamp value }", s.Name)
	}
	a, b, c := signals[0], signals[1], signals[2]
	history := func(interval string, from, to time.Time, fields string) string {
		return fmt.Sprintf(`{ signals(subject: "%s", interval: "%s", from: "%s", to: "%s") { timestamp %s } }`, vehicle(1), interval, from.Format(time.RFC3339), to.Format(time.RFC3339), fields)
	}
	late := end.Add(-100 * time.Minute)
	return []question{
		{"query latest, 30 signals", fmt.Sprintf(`{ signalsLatest(subject: "%s") {%s } }`, vehicle(1), fields.String()), func(ctx context.Context) error {
			rows, err := w.vault.Latest(ctx, view, ids)
			if err == nil && len(rows) != len(ids) {
				return fmt.Errorf("%d rows, want %d", len(rows), len(ids))
			}
			return err
		}},
		{
			"query 100 x 1 min, 3 aliases",
			history("1m", late, end, fmt.Sprintf("x: %s(agg: AVG) y: %s(agg: MAX) z: %s(agg: LAST)", a.Name, a.Name, b.Name)),
			buckets(late, end, time.Minute, vault.Column{Signal: a.ID, Agg: vault.Avg}, vault.Column{Signal: a.ID, Agg: vault.Max}, vault.Column{Signal: b.ID, Agg: vault.Last}),
		},
		{
			"query 24 x 1 h, 3 signals",
			history("1h", begin, end, fmt.Sprintf("%s(agg: AVG) %s(agg: AVG) %s(agg: AVG)", a.Name, b.Name, c.Name)),
			buckets(begin, end, time.Hour, vault.Column{Signal: a.ID, Agg: vault.Avg}, vault.Column{Signal: b.ID, Agg: vault.Avg}, vault.Column{Signal: c.ID, Agg: vault.Avg}),
		},
	}
}

// sheet is a response in memory.
type sheet struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (s *sheet) Header() http.Header         { return s.header }
func (s *sheet) WriteHeader(status int)      { s.status = status }
func (s *sheet) Write(b []byte) (int, error) { return s.body.Write(b) }

// handled asks the handler.
func (w *world) handled(bearer string, body []byte) error {
	r, err := asking(w.base, bearer, body)
	if err != nil {
		return err
	}
	r.Host = w.address
	r.URL.Scheme, r.URL.Host = "", "" // as a server sees it
	s := &sheet{header: http.Header{}, status: http.StatusOK}
	w.front.ServeHTTP(s, r)
	return answered(s.status, s.body.Bytes())
}

// asked asks through a connection.
func (w *world) asked(bearer string, body []byte) error {
	r, err := asking(w.base, bearer, body)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return answered(res.StatusCode, text)
}

func asking(base, bearer string, body []byte) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, base+"/query", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+bearer)
	return r, nil
}

// answered checks that an answer has data and no errors.
func answered(status int, body []byte) error {
	if status != http.StatusOK || !bytes.Contains(body, []byte(`"data":{`)) || bytes.Contains(body, []byte(`"errors"`)) {
		return fmt.Errorf("status %d: %.300s", status, body)
	}
	return nil
}
