package main

import (
	"strconv"
	"time"

	"sayso"
)

// said are the signals of a message.
var said = [...]string{
	"speed", "powertrainTransmissionTravelledDistance", "powertrainCombustionEngineSpeed", "powertrainCombustionEngineECT",
	"powertrainFuelSystemRelativeLevel", "exteriorAirTemperature", "lowVoltageBatteryCurrentVoltage",
	"chassisAxleRow1WheelLeftTirePressure", "isIgnitionOn", "currentLocationCoordinates",
}

// writer writes messages of cars in the form default/v1.0.
type writer struct{ buf []byte }

const timeForm = "2006-01-02T15:04:05.000000Z"

// message is the n-th that a car sends. It is the caller's to keep.
func (w *writer) message(car uint64, n int, at time.Time) []byte {
	b := append(w.buf[:0], `{"specversion":"1.0","type":"dimo.status","id":"`...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, `","time":"`...)
	var room [len(timeForm)]byte
	stamp := at.UTC().AppendFormat(room[:0], timeForm)
	b = append(b, stamp...)
	b = append(b, `","datacontenttype":"application/json","dataversion":"default/v1.0","source":"`...)
	b = append(b, party("device", car).String()...)
	b = append(b, `","subject":"`...)
	b = append(b, sayso.NFT(fixtureChain.ID, fixtureChain.Vehicle, car).String()...)
	b = append(b, `","producer":"`...)
	b = append(b, sayso.NFT(fixtureChain.ID, fixtureChain.AftermarketDevice, car).String()...)
	b = append(b, `","data":{"signals":[`...)
	for i, name := range said {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":"`...)
		b = append(b, name...)
		b = append(b, `","timestamp":"`...)
		b = append(b, stamp...)
		b = append(b, `","value":`...)
		b = appendValue(b, i, car, n)
		b = append(b, '}')
	}
	w.buf = append(b, `]}}`...)
	return append([]byte(nil), w.buf...)
}

// appendValue is what a car drove to: it moves a little from one message to the
// next, with as many digits as such sensors have.
func appendValue(b []byte, signal int, car uint64, n int) []byte {
	noise := int64(mix(car, uint64(n), uint64(signal)) % 100)
	tenths := func(v int64) []byte {
		b = strconv.AppendInt(b, v/10, 10)
		b = append(b, '.')
		return strconv.AppendInt(b, v%10, 10)
	}
	switch said[signal] {
	case "speed":
		return strconv.AppendInt(b, 30+noise/2, 10)
	case "powertrainTransmissionTravelledDistance":
		return strconv.AppendInt(b, int64(10_000+car%90_000)+int64(n), 10)
	case "powertrainCombustionEngineSpeed":
		return strconv.AppendInt(b, 1000+noise*20, 10)
	case "powertrainCombustionEngineECT":
		return strconv.AppendInt(b, 85+noise/25, 10)
	case "powertrainFuelSystemRelativeLevel":
		return tenths(900 - int64(n)%800)
	case "exteriorAirTemperature":
		return tenths(180 + noise/20)
	case "lowVoltageBatteryCurrentVoltage":
		return tenths(138 + noise/50)
	case "chassisAxleRow1WheelLeftTirePressure":
		return strconv.AppendInt(b, 230+noise/50, 10)
	case "currentLocationCoordinates":
		b = append(b, `{"latitude":`...)
		b = strconv.AppendFloat(b, 40+float64(car%100_000)/10_000+float64(n)/1000, 'f', 6, 64)
		b = append(b, `,"longitude":`...)
		b = strconv.AppendFloat(b, 5+float64(car/100_000)+float64(noise)/10_000, 'f', 6, 64)
		return append(b, '}')
	}
	return append(b, '1')
}

// mix gives the same bits for the same numbers (splitmix64).
func mix(numbers ...uint64) (h uint64) {
	for _, x := range numbers {
		h += x + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
