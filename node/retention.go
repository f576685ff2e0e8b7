package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/vault"
)

// RetentionFile is the file in the data folder that says what goes with time.
// Without it everything stays.
const RetentionFile = "retention.json"

// Retention is the content of that file. Of a reading the most exact entry counts,
// member by member: that of its vehicle, then of its signal, then of the class of
// the signal (location, or other), then the default. A member that is left out, or
// "0", is for ever.
type Retention struct {
	Default  Keeping            `json:"default"`
	Classes  map[string]Keeping `json:"classes"`
	Signals  map[string]Keeping `json:"signals"`
	Vehicles map[string]Keeping `json:"vehicles"` // by token id
}

// Keeping is how long something stays.
type Keeping struct {
	Raw      age `json:"raw"`      // readings as they were sent
	Hourly   age `json:"hourly"`   // what an hour of a number comes to
	Messages age `json:"messages"` // cloud events and events; of signals and classes it has no meaning
}

// age is a duration that may be given in days, such as 90d. It is nil where
// nothing is said.
type age struct{ d *time.Duration }

// UnmarshalJSON reads a text.
func (a *age) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("a time is a text such as %q or %q, not %s", "90d", "36h", b)
	}
	if text == "0" {
		text = "0s"
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * 24 * float64(time.Hour))
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no time: want one such as %q or %q", text, "90d", "36h")
	}
	a.d = &d
	return nil
}

// retention reads the policy of a data folder.
func (c Config) retention(cat *catalogue.Catalogue) (p vault.Policy, err error) {
	path := filepath.Join(c.Data, RetentionFile)
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	var r Retention
	in := json.NewDecoder(bytes.NewReader(body))
	in.DisallowUnknownFields()
	if err = in.Decode(&r); err == nil {
		p, err = r.policy(cat)
	}
	if err != nil {
		return p, sayso.Fail(sayso.Invalid, "retention", fmt.Sprintf("%s: %v", path, err))
	}
	return p, nil
}

// policy looks everything up once, so that a question is answered at once.
func (r *Retention) policy(cat *catalogue.Catalogue) (p vault.Policy, err error) {
	vehicles := map[uint64]Keeping{}
	for text, k := range r.Vehicles {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return p, fmt.Errorf("%q is no token id of a vehicle", text)
		}
		vehicles[id] = k
	}
	for name := range r.Classes {
		if name != "location" && name != "other" {
			return p, fmt.Errorf("there is no class %q of signals: want location or other", name)
		}
	}
	for name := range r.Signals {
		if cat.Signal(name) == nil {
			return p, fmt.Errorf("there is no signal %q", name)
		}
	}
	bySignal := map[sayso.SignalID]Keeping{}
	for _, s := range cat.Signals() {
		class := "other"
		if slices.Contains(s.Need, sayso.LocationHistory) {
			class = "location"
		}
		bySignal[s.ID] = r.Signals[s.Name].over(r.Classes[class].over(r.Default))
	}
	p.Readings = func(vehicle uint64, signal sayso.SignalID) vault.Retention {
		k, ok := bySignal[signal]
		if !ok {
			k = r.Default
		}
		k = vehicles[vehicle].over(k)
		return vault.Retention{Raw: k.Raw.value(), Hourly: k.Hourly.value()}
	}
	p.Messages = func(vehicle uint64) time.Duration { return vehicles[vehicle].over(r.Default).Messages.value() }
	return p, nil
}

// over is what it says, and what it does not say is as in the other.
func (k Keeping) over(other Keeping) Keeping {
	return Keeping{age{cmp.Or(k.Raw.d, other.Raw.d)}, age{cmp.Or(k.Hourly.d, other.Hourly.d)}, age{cmp.Or(k.Messages.d, other.Messages.d)}}
}

func (a age) value() time.Duration {
	if a.d == nil {
		return 0
	}
	return *a.d
}
