package vault_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestAnErasureCountsWhatItTakes erases while a car sends: every message is
// counted by one erasure, or is still there.
func TestAnErasureCountsWhatItTakes(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	const messages = 400
	var wg sync.WaitGroup
	for car := range 2 {
		wg.Go(func() {
			for n := range messages {
				newMsg(uint64(car+1), 1, 1, fmt.Sprint("m", n)).number(5, 1, start, 1).keep(t, v)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	counted, last, times := uint64(0), uint64(0), 0
	for sending := true; sending; times++ {
		select {
		case <-done:
			sending = false
		default:
		}
		got, err := v.EraseCounted(t.Context(), 1, 1)
		check(t, err)
		if counted += got.Events; got.Seq <= last {
			t.Errorf("sequence %d behind %d", got.Seq, last)
		}
		last = got.Seq
	}
	if counted != messages {
		t.Errorf("%d erasures counted %d of %d messages", times, counted, messages)
	}
	for car, want := range map[uint64]uint64{1: 0, 2: messages} {
		if n, err := v.CountEvents(t.Context(), car, 1); err != nil || n != want {
			t.Errorf("car %d has %d messages, %v; want %d", car, n, err, want)
		}
	}
	if got, err := v.EraseCounted(context.Background(), 99, 1); err != nil || got.Events != 0 || got.Seq <= last {
		t.Errorf("of a car that never was: %+v, %v", got, err)
	}
	check(t, v.Close())
	if _, err := v.EraseCounted(t.Context(), 1, 1); err == nil {
		t.Error("a closed vault erases")
	}
}
