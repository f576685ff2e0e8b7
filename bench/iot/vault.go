package iot

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/vault"
)

// Vault asks the questions of a vault through its public calls. What is known of
// a lorry beside what it says (its fleet, driver, model and capacities) is the
// asker's, as it is in a node, where it comes from the registry.
type Vault struct {
	Engine  *vault.Vault
	d       *Data
	signals map[*Table][]sayso.SignalID // by column; latitude and longitude are one signal
	texts   map[*Table][]sayso.SignalID
}

// The signals that the columns of the tables are kept as.
var (
	signalNames = map[*Table][]string{
		Readings:    {"currentLocationCoordinates", "", "currentLocationAltitude", "speed", "currentLocationHeading", "obdBarometricPressure", "obdFuelRate"},
		Diagnostics: {"powertrainFuelSystemRelativeLevel", "chassisAxleRow3Weight", "obdStatusDTCCount"},
		Cars: {"currentLocationCoordinates", "", "speed", "powertrainCombustionEngineSpeed", "powertrainCombustionEngineTPS", "obdEngineLoad", "obdMAP",
			"powertrainCombustionEngineMAF", "powertrainCombustionEngineTorque", "obdThrottlePosition", "powertrainTransmissionCurrentGear",
			"powertrainTransmissionTravelledDistance", "obdFuelRate", "angularVelocityYaw", "powertrainCombustionEngineECT", "obdOilTemperature",
			"obdIntakeTemp", "exteriorAirTemperature", "lowVoltageBatteryCurrentVoltage", "powertrainFuelSystemRelativeLevel",
			"powertrainFuelSystemAccumulatedConsumption", "powertrainCombustionEngineEOP", "obdBarometricPressure", "obdRunTime",
			"chassisAxleRow1WheelLeftTirePressure", "chassisAxleRow1WheelRightTirePressure", "chassisAxleRow2WheelLeftTirePressure",
			"chassisAxleRow2WheelRightTirePressure", "powertrainRange"},
	}
	textNames = map[*Table][]string{Cars: {"obdDTCList", "powertrainCombustionEngineEngineOilLevel"}}
)

// NewVault looks the signals up.
func NewVault(v *vault.Vault, d *Data) (*Vault, error) {
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	e := &Vault{Engine: v, d: d, signals: map[*Table][]sayso.SignalID{}, texts: map[*Table][]sayso.SignalID{}}
	look := func(names []string) (out []sayso.SignalID) {
		for _, name := range names {
			id := sayso.SignalID(0)
			if s := cat.Signal(name); s != nil {
				id = s.ID
			} else if name != "" {
				err = fmt.Errorf("the catalogue has no signal %s", name)
			}
			out = append(out, id)
		}
		return out
	}
	for _, t := range Tables {
		e.signals[t], e.texts[t] = look(signalNames[t]), look(textNames[t])
	}
	return e, err
}

// of gives the signal of a column.
func (e *Vault) of(t *Table, column string) sayso.SignalID {
	for i, name := range t.Numbers {
		if name == column {
			return e.signals[t][i]
		}
	}
	return 0
}

// Load commits each batch as one message. Sixteen for each CPU are on their way
// at once, as many as the requests to VictoriaMetrics carry.
func (e *Vault) Load(ctx context.Context, _ *Data, batches func(func(*Batch) bool)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type numbered struct {
		*Batch
		n int
	}
	list := make(chan numbered)
	var wg sync.WaitGroup
	for range 16 * runtime.NumCPU() {
		wg.Go(func() {
			for b := range list {
				if _, err := e.Engine.Commit(ctx, e.deposit(b.Batch, b.n)); err != nil {
					cancel(err)
				}
			}
		})
	}
	n := 0
	for b := range batches {
		n++
		select {
		case list <- numbered{b, n}:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(list)
	wg.Wait()
	return context.Cause(ctx)
}

// deposit is a batch as the message of a device.
func (e *Vault) deposit(b *Batch, n int) *vault.Deposit {
	id := strconv.Itoa(n)
	d := &vault.Deposit{
		Vehicle: uint64(b.Vehicle), Epoch: 1, Body: sha256.Sum256([]byte(id)),
		Envelope: sayso.CloudEvent{
			ID: id, Type: sayso.TypeStatus, Source: sourceOf(b.Vehicle), Time: b.Tables[0].Times[len(b.Tables[0].Times)-1].Time(),
			Subject:  sayso.NFT(368976, sayso.Address{1: 0xca}, uint64(b.Vehicle)),
			Producer: sayso.NFT(368976, sayso.Address{1: 0xde}, uint64(b.Vehicle)), Data: []byte("{}"),
		},
		Readings: make([]sayso.Reading, 0, b.Samples()),
	}
	add := func(signal sayso.SignalID, at sayso.Instant) *sayso.Value {
		n := len(d.Readings)
		d.Readings = d.Readings[:n+1]
		r := &d.Readings[n]
		r.Signal, r.Epoch, r.Time = signal, 1, at
		return &r.Value
	}
	for _, t := range b.Tables {
		signals, texts := e.signals[t.Table], e.texts[t.Table]
		latitude := slices.Index(t.Table.Numbers, "latitude")
		for i, at := range t.Times {
			for c, signal := range signals {
				x := t.Numbers[c][i]
				if signal == 0 || math.IsNaN(x) {
					continue
				}
				v := add(signal, at)
				if c == latitude {
					v.Kind, v.Location.Latitude, v.Location.Longitude = sayso.Position, x, t.Numbers[c+1][i]
					continue
				}
				v.Kind, v.Number = sayso.Number, x
			}
			for c, signal := range texts {
				if s := t.Texts[c][i]; s != "" {
					*add(signal, at) = sayso.TextValue(s)
				}
			}
		}
	}
	return d
}

func sourceOf(vehicle int) (a sayso.Address) {
	binary.BigEndian.PutUint64(a[12:], uint64(vehicle))
	return a
}

func viewOf(vehicle int) vault.View {
	return vault.View{Vehicle: uint64(vehicle), Epochs: []uint32{1}}
}

// average is a column of means.
func (e *Vault) average(t *Table, column string) vault.Column {
	return vault.Column{Signal: e.of(t, column), Agg: vault.Avg}
}

// Ask answers.
func (e *Vault) Ask(ctx context.Context, a Asked) ([]Row, error) {
	d, view := e.d, viewOf(a.Vehicle)
	three := []vault.Column{e.average(Readings, "velocity"), e.average(Readings, "fuel_consumption"), e.average(Readings, "elevation")}
	switch a.Name {
	case "v1":
		return e.latest(ctx, view, Readings, Diagnostics)
	case "c1":
		return e.latest(ctx, view, Cars)
	case "v2":
		return e.hourly(ctx, view, three, d.End()-day)
	case "c2":
		return e.hourly(ctx, view, []vault.Column{e.average(Cars, "speed"), e.average(Cars, "engine_speed"), e.average(Cars, "coolant")}, d.End()-day)
	case "v3":
		return e.hourly(ctx, view, three, d.LongBegin())
	case "v4":
		out := make([]Row, 0, (d.End()-d.LongBegin())/minute)
		err := e.Engine.EachBucket(ctx, view, three[:1], d.LongBegin(), d.End(), minute, func(b *vault.Bucket) bool {
			if v := b.Values[0].Number; v > 1 {
				out = append(out, Row{Time: b.Start, Values: [3]float64{v}})
			}
			return true
		})
		return out, err
	case "v5":
		var out []Row
		err := e.Engine.EachBucket(ctx, view, three[:1], d.LongBegin(), d.End(), window, func(b *vault.Bucket) bool {
			if b.Values[0].Number <= 1 {
				return true
			}
			start := d.LongBegin() + (b.Start-d.LongBegin())/day*day
			if n := len(out); n == 0 || out[n-1].Time != start {
				out = append(out, Row{Time: start})
			}
			out[len(out)-1].Values[0]++
			return true
		})
		return out, err
	case "f01", "f02", "f03":
		return e.fleetNow(ctx, a)
	case "f04":
		return e.fleetDriving(ctx, a, d.End()-window, func(driving, windows int, last float64) (float64, bool) { return last, windows > 0 && last < 1 })
	case "f05":
		return e.fleetDriving(ctx, a, d.End()-4*hour, func(n, _ int, _ float64) (float64, bool) { return float64(n), n > 22 })
	case "f06":
		return e.fleetDriving(ctx, a, d.End()-day, func(n, _ int, _ float64) (float64, bool) { return float64(n), n > 60 })
	case "f07", "f08", "f10", "f11", "f12":
		return e.all(ctx, a)
	}
	return nil, errors.ErrUnsupported
}

// latest is everything that one vehicle said last.
func (e *Vault) latest(ctx context.Context, view vault.View, tables ...*Table) (out []Row, err error) {
	rows, err := e.Engine.Latest(ctx, view, nil)
	for _, r := range rows {
		for _, t := range tables {
			for i, signal := range e.signals[t] {
				switch {
				case signal != r.Signal:
				case r.Value.Kind == sayso.Position:
					out = append(out, Row{Key: t.Numbers[i], Values: [3]float64{r.Value.Location.Latitude}}, Row{Key: t.Numbers[i+1], Values: [3]float64{r.Value.Location.Longitude}})
				default:
					out = append(out, Row{Key: t.Numbers[i], Values: [3]float64{r.Value.Number}})
				}
			}
		}
	}
	return out, err
}

func (e *Vault) hourly(ctx context.Context, view vault.View, cols []vault.Column, from sayso.Instant) (out []Row, err error) {
	err = e.Engine.EachBucket(ctx, view, cols, from, e.d.End(), hour, func(b *vault.Bucket) bool {
		row := Row{Time: b.Start}
		for i := range b.Values {
			row.Values[i] = b.Values[i].Number
		}
		out = append(out, row)
		return true
	})
	return out, err
}

// across asks the same of many lorries and takes each answer in.
func across[T any](ctx context.Context, e *Vault, trucks []Truck, ask func(context.Context, *vault.Reader, vault.View) (T, error), take func(Truck, T)) error {
	views := make([]vault.View, len(trucks))
	for i := range trucks {
		views[i] = viewOf(trucks[i].ID)
	}
	return vault.Across(ctx, e.Engine, views, ask, func(i int, answer T) bool {
		take(trucks[i], answer)
		return true
	})
}

// fleetNow answers from what every lorry of a fleet said last.
func (e *Vault) fleetNow(ctx context.Context, a Asked) (out []Row, err error) {
	signal := map[string]sayso.SignalID{
		"f01": e.of(Readings, "latitude"), "f02": e.of(Diagnostics, "fuel_state"), "f03": e.of(Diagnostics, "current_load"),
	}[a.Name]
	ask := func(ctx context.Context, r *vault.Reader, v vault.View) ([]vault.Row, error) {
		return r.Latest(ctx, v, []sayso.SignalID{signal})
	}
	err = across(ctx, e, e.d.Fleet(a.Fleet), ask, func(t Truck, rows []vault.Row) {
		for _, r := range rows {
			switch {
			case a.Name == "f01":
				out = append(out, Row{Key: t.Name, Values: [3]float64{r.Value.Location.Latitude, r.Value.Location.Longitude}})
			case a.Name == "f02" && r.Value.Number < 0.1, a.Name == "f03" && r.Value.Number/t.LoadCapacity > 0.9:
				out = append(out, Row{Key: t.Name, Values: [3]float64{r.Value.Number}})
			}
		}
	})
	return out, err
}

// drive is how a lorry moved: in how many windows of how many, and the average
// speed in the last of them.
type drive struct {
	moving, windows int
	last            float64
}

func (e *Vault) driving(from sayso.Instant) func(context.Context, *vault.Reader, vault.View) (drive, error) {
	cols := []vault.Column{e.average(Readings, "velocity")}
	return func(ctx context.Context, r *vault.Reader, v vault.View) (d drive, err error) {
		err = r.EachBucket(ctx, v, cols, from, e.d.End(), window, func(b *vault.Bucket) bool {
			d.windows++
			if d.last = b.Values[0].Number; d.last > 1 {
				d.moving++
			}
			return true
		})
		return d, err
	}
}

// fleetDriving answers from the ten-minute windows of every lorry of a fleet.
func (e *Vault) fleetDriving(ctx context.Context, a Asked, from sayso.Instant, judge func(moving, windows int, last float64) (float64, bool)) (out []Row, err error) {
	err = across(ctx, e, e.d.Fleet(a.Fleet), e.driving(from), func(t Truck, d drive) {
		if v, keep := judge(d.moving, d.windows, d.last); keep {
			out = append(out, Row{Key: t.Name, Values: [3]float64{v}})
		}
	})
	return out, err
}

// all answers what is asked of all lorries.
func (e *Vault) all(ctx context.Context, a Asked) (out []Row, err error) {
	d, sums := e.d, means{}
	switch a.Name {
	case "f07":
		err = across(ctx, e, d.Trucks, e.consumption, func(t Truck, s [2]float64) {
			if s[1] > 0 {
				sums.add(t.Fleet, 0, s[0], s[1])
			}
		})
	case "f08":
		err = across(ctx, e, d.Trucks, e.driving(d.Begin()), func(t Truck, x drive) {
			sums.add(t.Driver, 0, float64(x.moving)/6/float64(d.Days), 1)
		})
	case "f10":
		err = across(ctx, e, d.Trucks, e.loads, func(t Truck, s [2]float64) {
			if s[1] > 0 {
				sums.add(perFleetAndModel(t), 0, s[0], s[1])
			}
		})
	case "f11":
		err = across(ctx, e, d.Trucks, e.perDay, func(t Truck, days []int) {
			for i, n := range days {
				if n > 0 {
					sums.add(perFleetAndModel(t), d.Begin()+sayso.Instant(i)*day, float64(n)/6, 1)
				}
			}
		})
	case "f12":
		err = across(ctx, e, d.Trucks, e.breakdowns, func(t Truck, turns int) {
			if turns > 0 {
				sums.add(t.Model, 0, float64(turns), 1)
			}
		})
	}
	out = sums.rows(a.Name == "f07" || a.Name == "f10")
	if a.Name == "f07" {
		out = d.WithNominal(out)
	}
	return out, err
}

// consumption sums, over the windows in which a lorry moved, the average
// consumption, and counts them.
func (e *Vault) consumption(ctx context.Context, r *vault.Reader, v vault.View) (s [2]float64, err error) {
	cols := []vault.Column{e.average(Readings, "velocity"), e.average(Readings, "fuel_consumption")}
	err = r.EachBucket(ctx, v, cols, e.d.Begin(), e.d.End(), window, func(b *vault.Bucket) bool {
		if b.Values[0].Number > 1 {
			s[0] += b.Values[1].Number
			s[1]++
		}
		return true
	})
	return s, err
}

// loads sums the loads of a lorry, and counts them.
func (e *Vault) loads(ctx context.Context, r *vault.Reader, v vault.View) (s [2]float64, err error) {
	load := e.of(Diagnostics, "current_load")
	cols := []vault.Column{{Signal: load, Agg: vault.Sum}, {Signal: load, Agg: vault.Count}}
	err = r.EachBucket(ctx, v, cols, e.d.Begin(), e.d.End(), e.d.End()-e.d.Begin(), func(b *vault.Bucket) bool {
		s = [2]float64{b.Values[0].Number, b.Values[1].Number}
		return true
	})
	return s, err
}

// perDay counts the windows of each day in which a lorry moved.
func (e *Vault) perDay(ctx context.Context, r *vault.Reader, v vault.View) ([]int, error) {
	days := make([]int, e.d.Days)
	err := r.EachBucket(ctx, v, []vault.Column{e.average(Readings, "velocity")}, e.d.Begin(), e.d.End(), window, func(b *vault.Bucket) bool {
		if b.Values[0].Number > 1 {
			days[(b.Start-e.d.Begin())/day]++
		}
		return true
	})
	return days, err
}

// breakdowns counts the windows of which most rows say that the lorry is broken,
// after one of which they do not.
func (e *Vault) breakdowns(ctx context.Context, r *vault.Reader, v vault.View) (turns int, err error) {
	status := e.of(Diagnostics, "status")
	cols := []vault.Column{
		{Signal: status, Agg: vault.Count},
		{Signal: status, Agg: vault.Count, Keep: func(v sayso.Value) bool { return v.Number == 0 }},
	}
	before := true
	err = r.EachBucket(ctx, v, cols, e.d.Begin(), e.d.End(), window, func(b *vault.Bucket) bool {
		now := b.Has[1] && 2*b.Values[1].Number > b.Values[0].Number
		if now && !before {
			turns++
		}
		before = now
		return true
	})
	return turns, err
}
