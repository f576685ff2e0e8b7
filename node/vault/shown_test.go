package vault

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// What reads of a vehicle waits until all that is kept of it is in the rows, and
// for nothing that is kept of another one.
func TestAReadWaitsForItsOwnVehicleAlone(t *testing.T) {
	v := testOpen(t, testConfig(t, vfs.NewMem()))
	defer v.Close()
	fill(t, v, 1, 3)
	fill(t, v, 2, 3)
	if err := v.see(t.Context(), "test", v.Seq()); err != nil {
		t.Fatal(err)
	}
	until(t, "what is in the rows to be behind no more", func() bool { return v.behind.of(1) == 0 && v.behind.of(2) == 0 })
	v.behind.add([]*pending{{owner: owner{1, 1}, seq: v.Seq() + 1}}) // stands for a record whose group is not in the rows
	soon, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if rows, err := v.Latest(soon, View{Vehicle: 1, Epochs: []uint32{1}}, nil); err == nil {
		t.Errorf("%d latest values of a vehicle of which more is kept", len(rows))
	}
	if err := v.Scan(soon, View{Vehicle: 1, Epochs: []uint32{1}}, nil, minInstant, maxInstant, func(Row) bool { return true }); err == nil {
		t.Error("rows of a vehicle of which more is kept")
	}
	other := View{Vehicle: 2, Epochs: []uint32{1}}
	if rows, err := v.Latest(t.Context(), other, nil); err != nil || len(rows) == 0 {
		t.Errorf("%d latest values of the other one: %v", len(rows), err)
	}
	if s, err := v.Summary(t.Context(), other); err != nil || len(s.Signals) == 0 {
		t.Errorf("summary of the other one: %+v, %v", s, err)
	}
	// The next record of the vehicle ends the wait.
	if _, err := v.Commit(t.Context(), deposit(1, "one more", 1, sayso.Reading{Signal: 3, Epoch: 1, Time: 1, Value: sayso.NumberValue(1)})); err != nil {
		t.Fatal(err)
	}
	if rows, err := v.Latest(t.Context(), View{Vehicle: 1, Epochs: []uint32{1}}, nil); err != nil || len(rows) == 0 {
		t.Errorf("%d latest values afterwards: %v", len(rows), err)
	}
}
