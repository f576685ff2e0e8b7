package vault_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/cores"
	"sayso/node/vault"
)

// TestAcrossAnswersLikeOneByOne asks many vehicles at once, of which some have
// nothing, while others keep on sending and the packer works.
func TestAcrossAnswersLikeOneByOne(t *testing.T) {
	cfg := config(t, vfs.NewMem())
	cfg.PackBytes, cfg.PackEvery = 2000, time.Millisecond
	v := open(t, cfg)
	const vehicles = 100
	for n := range 300 {
		m := newMsg(uint64(1+n*7%vehicles), 1, 1, fmt.Sprint("m", n))
		for i := range sayso.Instant(20) {
			m.number(5, 1, start+sayso.Instant(n)*60*second+i*second, float64(n))
		}
		m.keep(t, v)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				newMsg(vehicles+5, 1, 1, fmt.Sprint("more", n)).number(5, 1, start+sayso.Instant(n)*second, 1).keep(t, v)
			}
		}
	}()
	views := make([]vault.View, 0, vehicles+20)
	for n := range uint64(vehicles + 20) {
		if n != vehicles+4 {
			views = append(views, view(n+1, 1))
		}
	}
	cols := []vault.Column{{Signal: 5, Agg: vault.Avg}, {Signal: 5, Agg: vault.Count}}
	ask := func(ctx context.Context, r *vault.Reader, w vault.View) (a fleetAnswer, err error) {
		err = r.Scan(ctx, w, nil, -ever, ever, func(row vault.Row) bool { a.rows = append(a.rows, row); return true })
		if err == nil {
			a.latest, err = r.Latest(ctx, w, nil)
		}
		if err == nil {
			a.buckets, err = r.Buckets(ctx, w, cols, start, start+10*hour, hour)
		}
		return a, err
	}
	next := 0
	check(t, vault.Across(t.Context(), v, views, ask, func(i int, a fleetAnswer) bool {
		w := views[i]
		if i != next {
			t.Errorf("answer %d comes as number %d", i, next)
		}
		next++
		if want := scan(t, v, w, nil, -ever, ever); !reflect.DeepEqual(a.rows, want) {
			t.Errorf("vehicle %d: %d rows, alone %d", w.Vehicle, len(a.rows), len(want))
		}
		if want := latest(t, v, w, nil); len(a.latest) != len(want) || len(want) > 0 && !reflect.DeepEqual(a.latest, want) {
			t.Errorf("vehicle %d: latest %v, alone %v", w.Vehicle, a.latest, want)
		}
		if want := buckets(t, v, w, cols, start, start+10*hour, hour); !reflect.DeepEqual(rounded(a.buckets), rounded(want)) {
			t.Errorf("vehicle %d: %v, alone %v", w.Vehicle, a.buckets, want)
		}
		return true
	}))
	if next != len(views) {
		t.Errorf("%d answers of %d", next, len(views))
	}
	close(stop)
	<-done
	acrossEnds(t, v, views, ask)
	check(t, v.Close())
	if err := vault.Across(t.Context(), v, views, ask, func(int, fleetAnswer) bool { return true }); sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("closed: %v", err)
	}
}

// fleetAnswer is what the test asks of each vehicle.
type fleetAnswer struct {
	rows    []vault.Row
	latest  []vault.Row
	buckets []vault.Bucket
}

// acrossEnds ends before the last answer, in three ways.
func acrossEnds(t *testing.T, v *vault.Vault, views []vault.View, ask func(context.Context, *vault.Reader, vault.View) (fleetAnswer, error)) {
	few := 0
	check(t, vault.Across(t.Context(), v, views, ask, func(int, fleetAnswer) bool { few++; return few < 5 }))
	if few != 5 {
		t.Errorf("%d answers after the fifth was the last wanted", few)
	}
	bad := errors.New("no")
	err := vault.Across(t.Context(), v, views, func(ctx context.Context, r *vault.Reader, w vault.View) (int, error) {
		if w.Vehicle == 70 {
			return 0, bad
		}
		return 0, nil
	}, func(i int, _ int) bool {
		if views[i].Vehicle >= 70 {
			t.Errorf("an answer of vehicle %d behind the error", views[i].Vehicle)
		}
		return true
	})
	if !errors.Is(err, bad) {
		t.Errorf("the error became %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := vault.Across(ctx, v, views, ask, func(int, fleetAnswer) bool { return true }); sayso.FaultOf(err) != sayso.Cancelled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestAcrossIsNotFarAhead hands answers over slowly, while all cores could ask.
func TestAcrossIsNotFarAhead(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	defer v.Close()
	const most = 16 // questions of a batch
	ahead := (2*cores.Count() + 1) * most
	views := make([]vault.View, 20*ahead)
	for i := range views {
		views[i] = view(uint64(i)+1, 1)
	}
	var asked atomic.Int64
	ask := func(context.Context, *vault.Reader, vault.View) (struct{}, error) {
		asked.Add(1)
		return struct{}{}, nil
	}
	check(t, vault.Across(t.Context(), v, views, ask, func(i int, _ struct{}) bool {
		if i%(5*ahead) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if n := int(asked.Load()); n > i+ahead {
			t.Errorf("%d were asked when number %d was handed over", n, i)
		}
		return !t.Failed()
	}))
	if int(asked.Load()) != len(views) {
		t.Errorf("%d of %d were asked", asked.Load(), len(views))
	}
}
