package sim

import (
	"fmt"
	"time"

	"sayso"
	"sayso/client/device"
)

// Feed makes bodies for measurements: Vehicles vehicles in turn, each message
// with Signals number signals of one time. It follows no car; the values are
// smooth, as sensors are. The same Feed gives the same bytes.
type Feed struct {
	Seed     int64
	Vehicles int           // at least 1
	Signals  int           // 1 to 48
	Start    time.Time     // time of the first message of every vehicle
	Step     time.Duration // between two messages of a vehicle

	// Identify gives who vehicle i (from 0) is.
	Identify func(i int) device.Identity

	sent int64
	who  []device.Identity
}

// Next returns the next body and the vehicle it is about.
func (f *Feed) Next() (vehicle int, body []byte, err error) {
	if f.Vehicles < 1 || f.Signals < 1 || f.Signals > len(feedSignals) || f.Identify == nil {
		return 0, nil, sayso.Fail(sayso.Invalid, "sim.Feed", fmt.Sprintf("want at least one vehicle, 1 to %d signals, and Identify", len(feedSignals)))
	}
	if f.who == nil {
		f.who = make([]device.Identity, f.Vehicles)
		for i := range f.who {
			f.who[i] = f.Identify(i)
		}
	}
	vehicle = int(f.sent % int64(f.Vehicles))
	tick := f.sent / int64(f.Vehicles)
	f.sent++
	at := f.Start.Add(time.Duration(tick) * f.Step)
	l := &list{at: at, all: make([]device.Signal, 0, f.Signals)}
	for i, s := range feedSignals[:f.Signals] {
		x := wobble(tick, 60, int64(hash(f.Seed, int64(vehicle), int64(i)))>>1)
		l.number(s.name, s.low+(s.high-s.low)*(x+1)/2, s.digits)
	}
	r := device.Report{ID: fmt.Sprintf("feed-%d-%d-%d", f.Seed, vehicle, tick), Time: at, Signals: l.all}
	body, err = r.Body(f.who[vehicle])
	return vehicle, body, err
}

// feedSignals are number signals of the catalogue with the range of values
// that a feed gives them.
var feedSignals = [...]struct {
	name      string
	low, high float64
	digits    int
}{
	{"speed", 0, 130, 1},
	{"powertrainCombustionEngineSpeed", 700, 4200, 0},
	{"powertrainTransmissionTravelledDistance", 10_000, 10_400, 1},
	{"powertrainFuelSystemRelativeLevel", 5, 95, 1},
	{"exteriorAirTemperature", -10, 35, 1},
	{"lowVoltageBatteryCurrentVoltage", 12.1, 14.4, 2},
	{"currentLocationHeading", 0, 359, 0},
	{"currentLocationAltitude", 0, 600, 1},
	{"obdEngineLoad", 0, 100, 1},
	{"powertrainCombustionEngineECT", 15, 104, 0},
	{"powertrainCombustionEngineTPS", 0, 100, 1},
	{"powertrainCombustionEngineMAF", 1, 90, 1},
	{"obdIntakeTemp", -5, 60, 0},
	{"obdRunTime", 0, 7200, 0},
	{"obdFuelRate", 0, 18, 2},
	{"obdMAP", 25, 105, 0},
	{"chassisAxleRow1WheelLeftTirePressure", 210, 260, 0},
	{"chassisAxleRow1WheelRightTirePressure", 210, 260, 0},
	{"chassisAxleRow2WheelLeftTirePressure", 210, 260, 0},
	{"chassisAxleRow2WheelRightTirePressure", 210, 260, 0},
	{"powertrainRange", 40, 800, 0},
	{"powertrainFuelSystemAbsoluteLevel", 3, 57, 1},
	{"powertrainCombustionEngineTorque", 0, 320, 0},
	{"powertrainTransmissionCurrentGear", 0, 7, 0},
	{"angularVelocityYaw", -25, 25, 2},
	{"chassisAxleRow1WheelLeftSpeed", 0, 130, 1},
	{"chassisAxleRow1WheelRightSpeed", 0, 130, 1},
	{"chassisBrakePedalPosition", 0, 100, 0},
	{"obdBarometricPressure", 95, 104, 1},
	{"obdShortTermFuelTrim1", -10, 10, 2},
	{"obdLongTermFuelTrim1", -10, 10, 2},
	{"obdThrottlePosition", 0, 100, 1},
	{"obdOilTemperature", 15, 115, 0},
	{"powertrainCombustionEngineEOP", 100, 500, 0},
	{"powertrainCombustionEngineEOT", 15, 115, 0},
	{"powertrainTransmissionTemperature", 15, 100, 0},
	{"powertrainTractionBatteryStateOfChargeCurrent", 10, 90, 1},
	{"powertrainTractionBatteryCurrentPower", -90_000, 60_000, 0},
	{"powertrainTractionBatteryCurrentVoltage", 320, 410, 1},
	{"powertrainTractionBatteryTemperatureAverage", 5, 45, 1},
	{"powertrainTractionBatteryRange", 30, 450, 0},
	{"powertrainTractionBatteryStateOfHealth", 85, 100, 1},
	{"powertrainTractionBatteryStateOfChargeCurrentEnergy", 5, 70, 2},
	{"serviceDistanceToService", 0, 20_000, 0},
	{"obdDistanceSinceDTCClear", 0, 9000, 0},
	{"obdWarmupsSinceDTCClear", 0, 200, 0},
	{"obdCommandedEGR", 0, 60, 1},
	{"powertrainCombustionEngineEngineOilRelativeLevel", 20, 100, 0},
}
