package dialect

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"sayso"
)

// The bodies are like those of real devices: as many fields, as many of them
// without a value.

const envelope43 = `{"id":"evt-1","specversion":"1.0","type":"dimo.status","subject":"did:erc721:137:0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF:42",` +
	`"producer":"did:erc721:137:0x4804e8D1661cd1a1e5dDdE1ff458A7f878c0aC6D:43","time":"2025-03-04T12:00:00Z","dataversion":"%s","data":%s}`

func autoPiBody() string {
	var signals []string
	for i, n := range strings.Fields("speed rpm coolantTemp throttlePosition engineLoad intakeTemp maf odometer fuelPercentRemaining batteryVoltage " +
		"barometricPressure ambientAirTemp runTime latitude longitude hdop altitude longTermFuelTrim1 shortTermFuelTrim1 oil") {
		signals = append(signals, fmt.Sprintf(`{"timestamp":%d,"name":%q,"value":0.%d}`, 1741089600000+int64(i/4), n, i+1))
	}
	return fmt.Sprintf(`{"data":{"timestamp":1741089600000,"device":{"rpiUptimeSecs":218,"batteryVoltage":12.28},"vehicle":{"signals":[%s]}},`+
		`"vehicleTokenId":42,"deviceTokenId":7,"signature":"0x00","time":"2025-03-04T12:00:00Z","type":"com.dimo.device.status.v2"}`, strings.Join(signals, ","))
}

// ruptelaBody has 80 fields.
func ruptelaBody() string {
	fields := []string{`"29":"37FF"`, `"99":"1"`, `"359":"9"`, `"1232":"01A007D0"`, `"520":"9D80"`, `"409":"1"`, `"985":"0"`, `"405":"1"`, `"645":"FFFFFFFF"`, `"114":"00A1B2C3"`,
		`"104":"53414C4C41414146"`, `"105":"3341413534343438"`, `"106":"3200000000000000"`, `"135":"12"`, `"136":"0"`, `"143":"3"`}
	for _, oid := range strings.Fields("35 36 88 102 313 316 362 522 538 1191") {
		fields = append(fields, `"`+oid+`":"1"`)
	}
	for _, oid := range strings.Fields("39 95 96 97 98 101 103 109 115 201 206 207 355 356 357 360 366 367 482 515 518 519 720 722 728 964 1148 1150 1187 1221 1222 1223 1224 1225") {
		fields = append(fields, `"`+oid+`":"4D"`)
	}
	for _, oid := range strings.Fields("53 54 55 89 94 100 107 116 197 205 210 516 642 723 727 950 960 961 962 963") {
		fields = append(fields, `"`+oid+`":"0FA0"`)
	}
	return fmt.Sprintf(`{"ds":"r/v0/s","signature":"0x00","time":"2025-03-04T12:00:00Z","vehicleTokenId":42,"deviceTokenId":7,"data":{"pos":{"alt":1048,"dir":7370,`+
		`"hdop":6,"lat":522721466,"lon":-9014316,"sat":20,"spd":65535},"prt":0,"signals":{%s},"trigger":7}}`, strings.Join(fields, ","))
}

func teslaBody() string {
	var frame []byte
	for _, key := range []uint64{4, 5, 8, 34, 35, 38, 40, 49, 69, 70, 71, 72, 86, 158, 184} {
		value := protowire.AppendFixed64(protowire.AppendTag(nil, 5, protowire.Fixed64Type), math.Float64bits(2.5))
		datum := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), key)
		datum = protowire.AppendBytes(protowire.AppendTag(datum, 2, protowire.BytesType), value)
		frame = protowire.AppendBytes(protowire.AppendTag(frame, 1, protowire.BytesType), datum)
	}
	at := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1741089600)
	frame = protowire.AppendBytes(protowire.AppendTag(frame, 2, protowire.BytesType), at)
	frame = protowire.AppendString(protowire.AppendTag(frame, 3, protowire.BytesType), "5YJ3E1EA7JF000316")
	return fmt.Sprintf(envelope43, "fleet_telemetry/v1.0.0", `{"payloads":["`+base64.StdEncoding.EncodeToString(frame)+`"]}`)
}

func teslaPollBody() string {
	return fmt.Sprintf(envelope43, "fleet_api/v1.0.0", `{"vin":"5YJ3E1EA7JF000316","charge_state":{"battery_level":71,"battery_range":201.5,"charge_energy_added":4.5,`+
		`"charge_limit_soc":80,"charging_state":"Charging","timestamp":1741089600000},"climate_state":{"outside_temp":11.5,"timestamp":1741089600000},`+
		`"drive_state":{"latitude":48.1,"longitude":11.5,"power":-7,"speed":33,"timestamp":1741089600000},"vehicle_state":{"odometer":12345.6,`+
		`"tpms_pressure_fl":2.9,"tpms_pressure_fr":2.9,"tpms_pressure_rl":2.8,"tpms_pressure_rr":2.8,"timestamp":1741089600000}}`)
}

// BenchmarkDialects is what a message costs in CPU time: to read its payload, and
// that together with its envelope. The reference's figures are for its decoder,
// and for its validation and decoder together, in us on a machine of this size
// (spec ingest 7); x-less is how many times less time this takes.
func BenchmarkDialects(b *testing.B) {
	cat := loadCatalogue(b)
	for _, x := range []struct {
		name, source, body string
		readings           int
		decode, whole      float64
	}{
		{"default", "0x1111111111111111111111111111111111111111", string(drive()), 20, 16, 58},
		{"autopi", "0x5e31bBc786D7bEd95216383787deA1ab0f1c1897", autoPiBody(), 19, 66, 121},
		{"ruptela", "0xF26421509Efe92861a587482100c6d728aBf1CD0", ruptelaBody(), 73, 301, 503},
		{"tesla-telemetry", "0xc4035Fecb1cc906130423EF05f9C20977F643722", teslaBody(), 15, 64, 117},
		{"tesla-poll", "0xc4035Fecb1cc906130423EF05f9C20977F643722", teslaPollBody(), 14, 64, 117},
	} {
		from := Arrival{Source: mustAddress(x.source), Time: time.Date(2025, 3, 4, 12, 0, 7, 0, time.UTC), Names: polygon}
		open := func(b *testing.B) sayso.CloudEvent {
			ce, err := Envelope([]byte(x.body), from)
			if err != nil {
				b.Fatal(err)
			}
			return ce
		}
		read := func(b *testing.B, ce sayso.CloudEvent) {
			m, err := Decode(cat, ce, Window{Now: from.Time})
			if err != nil || len(m.Readings) != x.readings || len(m.Rejected) > 0 {
				b.Fatal(len(m.Readings), err, m.Rejected)
			}
		}
		b.Run(x.name+"/payload", func(b *testing.B) {
			ce := open(b)
			measure(b, x.decode, func() { read(b, ce) })
		})
		b.Run(x.name+"/whole", func(b *testing.B) {
			measure(b, x.whole, func() { read(b, open(b)) })
		})
	}
}

func measure(b *testing.B, reference float64, once func()) {
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		once()
	}
	us := float64((cpu(b) - before).Nanoseconds()) / 1000 / float64(b.N)
	b.ReportMetric(us, "cpu-us/message")
	b.ReportMetric(reference/us, "x-less")
}

// cpu is the CPU time of this process, which others on the machine disturb less
// than they disturb the clock.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
