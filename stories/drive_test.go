package stories

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What a wheel speed of the recorded bus can say: steps of 0.01 km/h, so that
// the mean of four differs from the truth, which has five digits of m/s, by no
// more than this.
const speedStep = 0.01

// tick is the interval of the answer that drive reads: short enough that no two
// speeds fall into one.
const tick = 200 * time.Microsecond

// drive compares the speeds of an answer with the truth of the recording: as
// many of them, at the same times, each the mean of the four wheels.
func (s *story) drive(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: drive FILE TRUTH")
	}
	truth, err := wheelSpeeds(args[1])
	if err != nil {
		return err
	}
	var answer struct {
		Data struct {
			Signals []struct {
				Timestamp time.Time
				Speed     *float64
			}
		}
	}
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &answer); err != nil {
		return err
	}
	got, worst := 0, 0.0
	for _, b := range answer.Data.Signals {
		if b.Speed == nil {
			continue
		}
		want, ok := truth[b.Timestamp.UnixMicro()/tick.Microseconds()]
		if !ok {
			return fmt.Errorf("a speed of %v at %s, where the recording has none", *b.Speed, b.Timestamp.Format(time.RFC3339Nano))
		}
		if worst = max(worst, math.Abs(*b.Speed-want)); worst > speedStep {
			return fmt.Errorf("a speed of %v km/h at %s, where the wheels say %v", *b.Speed, b.Timestamp.Format(time.RFC3339Nano), want)
		}
		got++
	}
	if got != len(truth) {
		return fmt.Errorf("%d speeds, where the recording has %d", got, len(truth))
	}
	ts.Logf("counted: %d speeds, the worst is off by %.5f km/h", got, worst)
	return nil
}

// wheelSpeeds is the mean of the four wheels in km/h by the tick of its time.
func wheelSpeeds(file string) (map[int64]float64, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	out := map[int64]float64{}
	for _, row := range rows[1:] {
		var v [6]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(row[i], 64); err != nil {
				return nil, err
			}
		}
		at := int64(math.Round(v[0]*1e6)) / tick.Microseconds()
		if _, twice := out[at]; twice {
			return nil, fmt.Errorf("%s: two rows in the tick %d", file, at)
		}
		out[at] = (v[2] + v[3] + v[4] + v[5]) / 4 * 3.6
	}
	return out, nil
}
