package sim

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

//go:embed cars.csv
var carsCSV string

// Model is a kind of car, as in the embedded table.
type Model struct {
	Definition string // device definition id, such as toyota_rav4_2018
	Make       string
	Name       string
	Year       int
	Powertrain string  // COMBUSTION or ELECTRIC, as powertrainType
	Capacity   float64 // of the tank in litres, or of the battery in kWh

	mass     float64 // kg, with driver
	drag     float64 // drag coefficient times frontal area, m²
	roll     float64 // coefficient of rolling resistance
	charge   float64 // greatest charging power, kW
	odometer float64 // km when the street begins
	tyre     float64 // kPa, cold
	wmi      string  // the first three characters of its VIN
}

// Electric says whether it runs on a battery alone.
func (m *Model) Electric() bool { return m.Powertrain == "ELECTRIC" }

// theModels reads the embedded table once.
var theModels = sync.OnceValues(func() ([]Model, error) { return readModels(carsCSV) })

func readModels(text string) ([]Model, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("cars: %w", err)
	}
	var list []Model
	for i, r := range rows[1:] {
		m := Model{Definition: r[0], Make: r[1], Name: r[2], Powertrain: r[4], wmi: r[12]}
		if m.Year, err = strconv.Atoi(r[3]); err != nil {
			return nil, fmt.Errorf("cars row %d: %w", i+2, err)
		}
		if m.Powertrain != "ELECTRIC" && m.Powertrain != "COMBUSTION" {
			return nil, fmt.Errorf("cars row %d: powertrain %q", i+2, m.Powertrain)
		}
		for k, p := range []*float64{&m.Capacity, &m.mass, &m.drag, &m.roll, &m.charge, &m.odometer, &m.tyre} {
			if *p, err = strconv.ParseFloat(r[5+k], 64); err != nil {
				return nil, fmt.Errorf("cars row %d: %w", i+2, err)
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// wheelPower is the power in W at the wheels that holds speed v (m/s) with
// acceleration a on a slope, by the road-load equation.
func (m *Model) wheelPower(v, a, slope float64) float64 {
	const gravity, air = 9.81, 1.2                              // m/s², kg/m³
	force := m.mass*(1.04*a+gravity*slope) + 0.5*air*m.drag*v*v // 1.04: turning wheels and shafts
	if v > 0 {
		force += m.mass * gravity * m.roll
	}
	return force * v
}

// burn is the fuel in litres per second of a combustion car whose ignition is
// on: idling plus the power at the wheels at 30 % efficiency, none when the
// car pushes the engine.
func (m *Model) burn(power float64) float64 {
	const perLitre = 32.0e6 // J in a litre of petrol
	idle := 0.35e-3 * math.Sqrt(m.mass/1300) / 1.6
	if power < -2000 {
		return 0
	}
	return idle + max(0, power)/(0.30*perLitre)
}

// draw is the power in W that leaves the battery of an electric car whose
// ignition is on, negative when braking puts energy back (at most 60 kW).
func (m *Model) draw(power float64) float64 {
	const aux, drive, regain = 450, 0.88, 0.70
	if power >= 0 {
		return aux + power/drive
	}
	return aux + max(power*regain, -60e3)
}

// gears are engine turns per metre driven in each gear, first to sixth.
var gears = [...]float64{2.05, 1.17, 0.80, 0.61, 0.49, 0.41}

// gear chooses the gear and says how fast the engine turns in rpm.
func (m *Model) gear(v float64) (gear int, rpm float64) {
	const idle = 780
	if v < 0.3 {
		return 0, idle
	}
	for g, turns := range gears {
		if rpm = v * turns * 60; rpm < 2300 || g == len(gears)-1 {
			return g + 1, max(idle+120, rpm)
		}
	}
	return 0, idle
}

// fullPower is the greatest power in W at the wheels.
func (m *Model) fullPower() float64 {
	if m.Electric() {
		return m.mass * 65
	}
	return m.mass * 60
}

// vin makes a well-formed VIN of model year and serial number, with the check
// digit of 49 CFR 565.15 in the ninth place. It names no real car: the plant
// and serial characters are invented.
func (m *Model) vin(serial int) string {
	const years = "ABCDEFGHJKLMNPRSTVWXY123456789"
	b := fmt.Appendf(nil, "%sSAYS00%cZ%06d", m.wmi, years[(m.Year-2010+30)%30], serial%1000000)
	b[8] = vinCheck(b)
	return string(b)
}

// vinCheck computes the check digit, with the ninth place counting nothing.
func vinCheck(vin []byte) byte {
	const letters, values = "ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789"
	weights := [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i, c := range vin {
		d := int(c - '0')
		if k := strings.IndexByte(letters, c); k >= 0 {
			d = int(values[k] - '0')
		}
		sum += d * weights[i]
	}
	if sum %= 11; sum == 10 {
		return 'X'
	}
	return byte('0' + sum)
}
