package ask

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/vault"
)

type ctx = context.Context

// ready is a vault that has its answers at hand, so that what is measured is
// the way from the request to the answer without the vault.
type ready struct {
	Vault
	rows    []vault.Row
	buckets []vault.Bucket
}

func (r *ready) Latest(context.Context, vault.View, []sayso.SignalID) ([]vault.Row, error) {
	return r.rows, nil
}

func (r *ready) Buckets(context.Context, vault.View, []vault.Column, sayso.Instant, sayso.Instant, sayso.Instant) ([]vault.Bucket, error) {
	return r.buckets, nil
}

// The targets: 30 latest signals in 0.25 ms, 100 intervals of three aggregates
// in 0.5 ms, above the vault.
func BenchmarkAnswer(b *testing.B) {
	r := &ready{}
	var names strings.Builder
	for _, s := range loaded.Signals() {
		if s.Kind == sayso.Number && len(s.Need) == 1 && s.Need[0] == sayso.NonLocationHistory && len(r.rows) < 30 {
			r.rows = append(r.rows, vault.Row{Signal: s.ID, Time: sayso.At(testNow), Value: sayso.NumberValue(float64(s.ID) + 0.125)})
			names.WriteString(" " + s.Name + "{timestamp value}")
		}
	}
	for i := range 100 {
		v := sayso.NumberValue(float64(i) + 0.3)
		r.buckets = append(r.buckets, vault.Bucket{Start: sayso.At(testNow) + sayso.Instant(i)*60e6, Values: []sayso.Value{v, v, v}, Has: []bool{true, true, true}})
	}
	reg := testRegistry(b)
	s := serve(b, reg, r, catalogue.Telemetry)
	for name, query := range map[string]string{
		"30latest":     `{signalsLatest(tokenId:3){` + names.String() + `}}`,
		"100intervals": `{signals(tokenId:3, interval:"1m", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:40:00Z"){timestamp a:speed(agg:AVG) b:speed(agg:MAX) c:speed(agg:MIN)}}`,
	} {
		for _, fresh := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/unseen=%v", name, fresh), func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					text := query
					if n++; fresh {
						text += fmt.Sprint("#", n)
					}
					body, _ := json.Marshal(map[string]string{"query": text})
					req := httptest.NewRequest("POST", "/query", bytes.NewReader(body))
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Authorization", "all")
					rec := httptest.NewRecorder()
					s.ServeHTTP(rec, req)
					if !bytes.HasPrefix(rec.Body.Bytes(), []byte(`{"data":{"signals`)) {
						b.Fatal(rec.Body)
					}
				}
			})
		}
	}
}
