package sim

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"sayso"
	"sayso/client/device"
)

// Report is what the car says at a time, as a signed or unsigned cloud event
// of the form default/v1.0. The time counts in whole seconds; harsh acts
// since Config.Every before it are included as events. The id follows from
// seed, car, interval and time.
func (c *Car) Report(now time.Time) ([]byte, error) {
	unix := now.Unix()
	r := device.Report{ID: c.id("s", unix), Time: time.Unix(unix, 0)}
	var m moment
	for u := unix - int64(c.cfg.Every/time.Second) + 1; u <= unix; u++ {
		m = c.at(u)
		if e, ok := event(m, u); ok {
			r.Events = append(r.Events, e)
		}
	}
	r.Signals = c.signals(unix, m)
	return r.Body(c.identity)
}

// Fingerprint is the event in which the car says its VIN at a time.
func (c *Car) Fingerprint(now time.Time) ([]byte, error) {
	unix := now.Unix()
	r := device.Report{ID: c.id("vin", unix), Time: time.Unix(unix, 0), VIN: c.VIN}
	return r.Body(c.identity)
}

func (c *Car) id(kind string, unix int64) string {
	return fmt.Sprintf("sim-%d-%d-%s%d-%d", c.cfg.Seed, c.Index, kind, int(c.cfg.Every/time.Second), unix)
}

// event turns what a driver did in a second into what a device reports.
func event(m moment, unix int64) (device.Event, bool) {
	e := device.Event{Time: time.Unix(unix, 0), Duration: time.Second}
	speed := (m.v - m.a) * 3.6
	switch m.did {
	case braked:
		e.Name = "behavior.harshBraking"
	case braked2:
		e.Name = "behavior.extremeBraking"
	case accelerated:
		e.Name = "behavior.harshAcceleration"
	case cornered:
		e.Name, speed = "behavior.harshCornering", m.v*3.6
	default:
		return e, false
	}
	e.Metadata = fmt.Sprintf(`{"counterValue":1,"accelerationMps2":%.1f,"speedKmh":%.0f}`, m.force, speed)
	return e, true
}

// list collects signals of one time.
type list struct {
	at  time.Time
	all []device.Signal
}

func (l *list) number(name string, v float64, digits int) {
	scale := math.Pow10(digits)
	l.value(name, sayso.NumberValue(math.Round(v*scale)/scale))
}

func (l *list) flag(name string, on bool) {
	v := 0.0
	if on {
		v = 1
	}
	l.value(name, sayso.NumberValue(v))
}

func (l *list) text(name, v string) { l.value(name, sayso.TextValue(v)) }

func (l *list) value(name string, v sayso.Value) {
	l.all = append(l.all, device.Signal{Name: name, Time: l.at, Value: v})
}

// signals is everything a car says at a second, in units of the catalogue.
func (c *Car) signals(unix int64, m moment) []device.Signal {
	l := &list{at: time.Unix(unix, 0), all: make([]device.Signal, 0, 32)}
	seed := int64(c.Index)
	lat, lng, altitude, heading := c.place(m)
	outside := air(unix)
	l.value("currentLocationCoordinates", sayso.LocationValue(sayso.Location{
		Latitude: round(lat, 7), Longitude: round(lng, 7), Heading: heading,
		HDOP: round(1.0+0.4*wobble(unix, 90, seed), 1),
	}))
	l.number("currentLocationAltitude", altitude, 1)
	l.number("currentLocationHeading", heading, 1)
	l.number("speed", m.v*3.6, 2)
	l.number("powertrainTransmissionTravelledDistance", m.odometer, 3)
	l.flag("isIgnitionOn", !m.parked)
	l.text("powertrainType", c.Model.Powertrain)
	l.number("exteriorAirTemperature", outside, 1)
	l.number("lowVoltageBatteryCurrentVoltage", c.lowVoltage(unix, m), 2)
	l.number("obdBarometricPressure", 101.325*math.Pow(1-2.25577e-5*altitude, 5.2559)+0.8*wobble(unix, 40_000, 5), 1)
	// The air in a tyre follows the outside and warms as it rolls (Gay-Lussac).
	pressure := (c.Model.tyre+101.3)*(273.15+outside+m.tyre)/(273.15+20) - 101.3
	for i, wheel := range [4]string{"Row1WheelLeft", "Row1WheelRight", "Row2WheelLeft", "Row2WheelRight"} {
		l.number("chassisAxle"+wheel+"TirePressure", pressure+4*(float64(hash(seed, int64(i))%100)/50-1), 0)
	}
	l.flag("chassisParkingBrakeIsEngaged", m.parked)
	l.flag("chassisBrakeIsPedalPressed", !m.parked && (m.v == 0 || m.a < -0.4))
	if c.Model.Electric() {
		c.electric(l, m)
	} else {
		c.combustion(l, outside, m)
	}
	return l.all
}

func (c *Car) combustion(l *list, outside float64, m moment) {
	var gear int
	var rpm, load float64
	if !m.parked {
		gear, rpm = c.Model.gear(m.v)
		load = 18 + 82*max(0, c.power(m))/c.Model.fullPower()
		rpm += 12 * wobble(int64(m.t), 4, int64(c.Index))
	}
	litres := m.flow * 3600
	l.number("powertrainCombustionEngineSpeed", rpm, 0)
	l.number("powertrainTransmissionCurrentGear", float64(gear), 0)
	l.number("powertrainCombustionEngineECT", m.coolant+(outside-tourAir)*(90-m.coolant)/75, 0)
	l.number("powertrainCombustionEngineEOT", m.oil, 0)
	l.number("powertrainCombustionEngineTPS", min(100, max(0, load-12)), 0)
	l.number("powertrainCombustionEngineMAF", litres*750/3600*14.7, 1) // 750 g of petrol per litre, 14.7 of air per petrol
	l.number("obdEngineLoad", min(100, load), 1)
	l.number("obdFuelRate", litres, 2)
	l.number("obdRunTime", float64(m.onFor), 0)
	l.number("obdIntakeTemp", outside+8+6*m.coolant/90, 0)
	l.number("powertrainFuelSystemAbsoluteLevel", m.level, 2)
	l.number("powertrainFuelSystemRelativeLevel", 100*m.level/c.Model.Capacity, 1)
	l.number("powertrainFuelSystemAccumulatedConsumption", m.lifetime, 3)
	l.number("powertrainRange", m.level/c.perKilometre(), 0)
}

func (c *Car) electric(l *list, m moment) {
	cable := m.parked && m.filling && c.atStation(m)
	full := m.level / c.Model.Capacity
	into := m.filled*3.6e6 - m.flow // W
	l.number("powertrainTractionBatteryStateOfChargeCurrent", 100*full, 1)
	l.number("powertrainTractionBatteryStateOfChargeCurrentEnergy", m.level, 2)
	l.number("powertrainTractionBatteryGrossCapacity", c.Model.Capacity, 0)
	l.number("powertrainTractionBatteryCurrentPower", into, 0)
	l.number("powertrainTractionBatteryCurrentVoltage", 335+55*full+into/4000, 1)
	l.number("powertrainTractionBatteryTemperatureAverage", m.cells, 1)
	l.number("powertrainTractionBatteryStateOfHealth", 98-c.Model.odometer/12_000, 1)
	l.number("powertrainTractionBatteryRange", m.level/c.perKilometre(), 0)
	l.number("powertrainRange", m.level/c.perKilometre(), 0)
	l.flag("powertrainTractionBatteryChargingIsChargingCableConnected", cable)
	l.flag("powertrainTractionBatteryChargingIsCharging", m.filled > 0)
	l.number("powertrainTractionBatteryChargingPower", m.filled*3600, 1)
	l.number("powertrainTractionBatteryChargingAddedEnergy", m.added, 2)
	l.number("powertrainTractionBatteryChargingChargeLimit", 100*c.tour.driver.target/c.Model.Capacity, 0)
}

func (c *Car) atStation(m moment) bool {
	t := c.tour.driver.town
	return t.nodes[t.edges[m.edge].to].station
}

// perKilometre is what the tour uses on average, in litres or kWh.
func (c *Car) perKilometre() float64 { return c.tour.end.used / (c.tour.end.dist / 1000) }

// power is the power at the wheels in W.
func (c *Car) power(m moment) float64 {
	return c.Model.wheelPower(m.v-m.a/2, m.a, c.tour.driver.town.edges[m.edge].slope)
}

// lowVoltage is the 12 V battery's: charged while the ignition is on, resting after.
func (c *Car) lowVoltage(unix int64, m moment) float64 {
	rest := 12.55 + 0.05*wobble(unix, 7200, int64(c.Index)+900)
	if m.parked {
		return rest
	}
	return rest + 1.45 - 0.9*math.Exp(-float64(m.onFor)/3) + 0.05*wobble(unix, 20, int64(c.Index)+901)
}

// place interpolates along the edge.
func (c *Car) place(m moment) (lat, lng, altitude, heading float64) {
	t := c.tour.driver.town
	e := &t.edges[m.edge]
	a, b := &t.nodes[e.from], &t.nodes[e.to]
	x := m.offset / e.length
	return a.lat + x*(b.lat-a.lat), a.lng + x*(b.lng-a.lng), a.altitude + x*(b.altitude-a.altitude), round(e.bearing, 1)
}

// air is the temperature outside in °C in a mild climate: the warmest day is
// in late July, the warmest hour at three in the afternoon.
func air(unix int64) float64 {
	const day = 86400.0
	year := math.Cos(2 * math.Pi * (float64(unix)/day - 205) / 365.2425)
	hour := math.Cos(2 * math.Pi * (float64(unix)/day - 15.0/24))
	return 16 + 7.5*year + 5*hour + 1.5*wobble(unix, 3*3600, 4)
}

func round(v float64, digits int) float64 {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', digits, 64), 64)
	return f
}
