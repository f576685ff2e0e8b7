package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sayso"
	"sayso/protocol/chain"
)

// said are the signals of an event: 20 numbers of a car.
var said = [...]string{
	"speed", "powertrainTransmissionTravelledDistance", "powertrainCombustionEngineSpeed", "powertrainCombustionEngineECT",
	"powertrainCombustionEngineTPS", "powertrainFuelSystemRelativeLevel", "exteriorAirTemperature", "lowVoltageBatteryCurrentVoltage",
	"obdIntakeTemp", "obdMAP", "obdEngineLoad", "obdBarometricPressure", "chassisAxleRow1WheelLeftTirePressure",
	"chassisAxleRow1WheelRightTirePressure", "chassisAxleRow2WheelLeftTirePressure", "chassisAxleRow2WheelRightTirePressure",
	"powertrainTransmissionCurrentGear", "isIgnitionOn", "chassisAxleRow1WheelLeftSpeed", "currentLocationHeading",
}

// valued are the signals whose value changes with every event; it is below 100,
// with three digits behind the point. The others say 1.
var valued = map[int]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 9: true, 10: true, 18: true, 19: true}

const (
	timeForm  = "2006-01-02T15:04:05.000000Z"
	valueForm = "00.000"
	idForm    = "event-0000000000"
)

// event is a message of a device in the form default/v1.0, written once and
// changed in place: id, times and values differ from one to the next.
type event struct {
	body      []byte
	id        int
	times     []int
	values    []int
	signature int // 0: none
	data      [2]int
	begin     time.Time
}

// newEvent writes the message. The time of the n-th is begin plus n
// milliseconds.
func newEvent(subject, producer sayso.DID, source sayso.Address, signed bool, begin time.Time) *event {
	e := &event{begin: begin.UTC()}
	var b bytes.Buffer
	fmt.Fprint(&b, `{"specversion":"1.0","type":"dimo.status","id":"`)
	e.id = b.Len()
	fmt.Fprint(&b, idForm, `","time":"`)
	e.times = append(e.times, b.Len())
	fmt.Fprintf(&b, `%s","datacontenttype":"application/json","dataversion":"default/v1.0","source":"%s","subject":"%s","producer":"%s"`, timeForm, source, subject, producer)
	if signed {
		fmt.Fprint(&b, `,"signature":"0x`)
		e.signature = b.Len()
		fmt.Fprint(&b, strings.Repeat("0", 130), `"`)
	}
	fmt.Fprint(&b, `,"data":`)
	e.data[0] = b.Len()
	fmt.Fprint(&b, `{"signals":[`)
	for i, name := range said {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"%s","timestamp":"`, name)
		e.times = append(e.times, b.Len())
		fmt.Fprintf(&b, `%s","value":`, timeForm)
		if valued[i] {
			e.values = append(e.values, b.Len())
			fmt.Fprint(&b, valueForm)
		} else {
			fmt.Fprint(&b, "1")
		}
		b.WriteByte('}')
	}
	fmt.Fprint(&b, `]}`)
	e.data[1] = b.Len()
	b.WriteByte('}')
	e.body = b.Bytes()
	return e
}

// set makes it the n-th message.
func (e *event) set(n int) []byte {
	digits(e.body[e.id+len("event-"):][:10], n)
	var room [2 * len(timeForm)]byte
	at := e.begin.Add(time.Duration(n)*time.Millisecond).AppendFormat(room[:0], timeForm)
	for _, i := range e.times {
		copy(e.body[i:], at)
	}
	for k, i := range e.values {
		v := 10_000 + (n*7*(k+1)+n%13)%89_999 // five digits, the first not 0
		digits(e.body[i:i+2], v/1000)
		digits(e.body[i+3:i+6], v%1000)
	}
	return e.body
}

// digits writes n with leading zeros over the whole of b.
func digits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// sign signs the payload as it is.
func (e *event) sign(key *chain.Key) error {
	sig, err := key.Sign(sayso.Keccak256(e.body[e.data[0]:e.data[1]]))
	if err != nil {
		return err
	}
	hex.Encode(e.body[e.signature:], sig)
	return nil
}

// request is a whole HTTP/1.1 request with room for a body of n bytes, and where
// the body begins.
func request(host, path, bearer string, n int) (buf []byte, body int) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/cloudevents+json\r\n", path, host)
	if bearer != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", bearer)
	}
	b.WriteString("Content-Length: " + strconv.Itoa(n) + "\r\n\r\n")
	body = b.Len()
	return append(b.Bytes(), make([]byte, n)...), body
}
