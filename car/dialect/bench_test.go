package dialect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sayso"
)

// drive is an envelope with 20 readings, about 2.4 KB.
func drive() []byte {
	names := []string{"speed", "powertrainCombustionEngineSpeed", "powertrainCombustionEngineECT", "powertrainCombustionEngineTPS",
		"powertrainFuelSystemRelativeLevel", "powertrainTransmissionTravelledDistance", "obdEngineLoad", "obdIntakeTemp",
		"obdBarometricPressure", "obdMAP", "lowVoltageBatteryCurrentVoltage", "exteriorAirTemperature", "isIgnitionOn",
		"obdRunTime", "obdLongTermFuelTrim1", "obdShortTermFuelTrim1", "chassisAxleRow1WheelLeftTirePressure", "currentLocationAltitude"}
	var signals []string
	for i, n := range names {
		signals = append(signals, fmt.Sprintf(`{"name": %q, "timestamp": "2025-03-04T12:00:%02d.25Z", "value": %d.125}`, n, i/4, i%2))
	}
	signals[12] = strings.Replace(signals[12], ".125", "", 1)
	signals = append(signals, `{"name": "powertrainType", "timestamp": "2025-03-04T12:00:05.25Z", "value": "COMBUSTION"}`,
		`{"name": "currentLocationCoordinates", "timestamp": "2025-03-04T12:00:05.25Z", "value": {"latitude": 48.137154, "longitude": 11.576124, "hdop": 0.9, "heading": 271.5}}`)
	return fmt.Appendf(nil, `{"id": "evt-1", "specversion": "1.0", "type": "dimo.status", "source": "0x1111111111111111111111111111111111111111", `+
		`"subject": "did:erc721:137:0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF:42", "producer": "did:erc721:137:0x4804e8D1661cd1a1e5dDdE1ff458A7f878c0aC6D:43", `+
		`"time": "2025-03-04T12:00:06Z", "dataversion": "default/v1.0", "signature": "0x%s", "data": {"signals": [%s]}}`,
		strings.Repeat("ab", 65), strings.Join(signals, ", "))
}

func BenchmarkEnvelope(b *testing.B) {
	body := drive()
	from := Arrival{Source: sayso.Address{1}, Time: time.Date(2025, 3, 4, 12, 0, 7, 0, time.UTC)}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Envelope(body, from); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecode is envelope and payload together.
func BenchmarkDecode(b *testing.B) {
	cat, body := loadCatalogue(b), drive()
	from := Arrival{Source: sayso.Address{1}, Time: time.Date(2025, 3, 4, 12, 0, 7, 0, time.UTC)}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		ce, err := Envelope(body, from)
		if err != nil {
			b.Fatal(err)
		}
		m, err := Decode(cat, ce, Window{Now: from.Time})
		if err != nil || len(m.Readings) != 20 || len(m.Rejected) != 0 {
			b.Fatal(err, m.Rejected)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	ce, err := Envelope(drive(), Arrival{Time: time.Date(2025, 3, 4, 12, 0, 7, 0, time.UTC)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Encode(ce)
	}
}
