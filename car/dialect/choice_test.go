package dialect

import (
	"fmt"
	"strings"
	"testing"

	"sayso"
)

func TestTheDialectIsFound(t *testing.T) {
	for _, x := range []struct {
		source, version, data string
		want                  form
	}{
		{"", "", `{}`, formStandard},
		{"", "default/v1.0", `{"header":3}`, formStandard},
		{"", "default/v9", `{}`, formStandard},
		{"", "r/v0/s", `{}`, formRuptela},
		{"", "r/v0/new", `{}`, formRuptela},
		{"", "fleet_api/v1.0.0", `{}`, formTesla},
		{"", "fleet_telemetry/v2", `{}`, formTesla},
		{"", "v2", `{"vehicle":{}}`, formAutoPi},
		{"", "v2", `{"a":{"header":1},"header":3}`, formHashDog},
		{"", "v2", `[]`, formAutoPi},
		{"", "v3", `{}`, ""},
		{"0x5E31BBC786D7BED95216383787DEA1AB0F1C1897", "v2", `{"header":3}`, formAutoPi}, // the source counts, in any case of letters
		{"0x4c674dde8189aef6e3b58f5a36d7438b2b1f6bc2", "v2", `{}`, formHashDog},
		{"0xF26421509Efe92861a587482100c6d728aBf1CD0", "x", `{}`, formRuptela},
		{"0x8D8cDB2B26423c8fDbb27321aF20b4659Ce919fD", "x", `{}`, formRuptela},
		{"0xc4035Fecb1cc906130423EF05f9C20977F643722", "x", `{}`, formTesla},
		{"0xc4035Fecb1cc906130423EF05f9C20977F643722", "default/v1.0", `{}`, formStandard},
	} {
		ce := sayso.CloudEvent{DataVersion: x.version, Data: []byte(x.data)}
		if x.source != "" {
			ce.Source = mustAddress(x.source)
		}
		if got, err := formOf(ce); got != x.want || err != nil {
			t.Errorf("%s %q %s: %q, %v, want %q", x.source, x.version, x.data, got, err, x.want)
		}
	}
}

func TestAnUnknownVersionIsKept(t *testing.T) {
	cat := loadCatalogue(t)
	for _, x := range []struct{ version, data string }{
		{"compass/v7", `{"labels":{"speed.value":"5"}}`}, {"r/v0/new", `{"signals":{"95":"3C"}}`}, {"fleet_telemetry/v2", `{"payloads":[]}`}, {"v9", `[1]`},
	} {
		m, err := Decode(cat, sayso.CloudEvent{DataVersion: x.version, Data: []byte(x.data)}, Window{Now: arrived})
		if err != nil || len(m.Readings) != 0 || len(m.Types) != 1 || m.Types[0] != sayso.TypeStatus || len(m.Rejected) != 1 || !strings.Contains(m.Rejected[0].Reason, x.version) {
			t.Errorf("%s: %+v, %v", x.version, m, err)
		}
	}
	m, err := Decode(cat, sayso.CloudEvent{DataVersion: "acme/v1", Data: []byte(`{"signals":[{"name":"speed","timestamp":"2025-03-04T12:00:00Z","value":7}]}`)}, Window{Now: arrived})
	if err != nil || len(m.Readings) != 1 || len(m.Rejected) != 0 {
		t.Errorf("a payload in the standard form under another version: %+v, %v", m, err)
	}
}

// TestNumbersBecomeNames reads messages that name vehicle and device by number.
func TestNumbersBecomeNames(t *testing.T) {
	const (
		autoPi, ruptela, kaufmann = "0x5e31bBc786D7bEd95216383787deA1ab0f1c1897", "0xF26421509Efe92861a587482100c6d728aBf1CD0", "0x8D8cDB2B26423c8fDbb27321aF20b4659Ce919fD"
		own                       = "0x1111111111111111111111111111111111111111"
		status                    = `"type":"com.dimo.device.status.v2"`
	)
	car := "did:erc721:137:" + polygon.Vehicle.String() + ":"
	device, synthetic := "did:erc721:137:"+polygon.Aftermarket.String()+":", "did:erc721:137:"+polygon.Synthetic.String()+":"
	for _, x := range []struct{ name, source, members, want string }{
		{"autopi", autoPi, `"vehicleTokenId":42,"deviceTokenId":7,` + status, car + "42 " + device + "7 v2 dimo.status"},
		{"a fingerprint", autoPi, `"vehicleTokenId":42,"deviceTokenId":7,"type":"zone.dimo.aftermarket.device.fingerprint"`, car + "42 " + device + "7 v2 dimo.fingerprint"},
		{"no vehicle", autoPi, `"deviceTokenId":7,` + status, device + "7 " + device + "7 v2 dimo.status"},
		{"null as vehicle", autoPi, `"vehicleTokenId":null,"deviceTokenId":7,` + status, device + "7 " + device + "7 v2 dimo.status"},
		{"what the body says of its parties does not count", ruptela, `"ds":"r/v0/s","vehicleTokenId":42,"deviceTokenId":7,"subject":"x","producer":"y","source":"z"`, car + "42 " + device + "7 r/v0/s dimo.status"},
		{"synthetic devices", kaufmann, `"ds":"r/v0/s","vehicleTokenId":42,"deviceTokenId":7`, car + "42 " + synthetic + "7 r/v0/s dimo.status"},
		{"about the tracker", ruptela, `"ds":"r/v0/dev","vehicleTokenId":42,"deviceTokenId":7`, device + "7 " + device + "7 r/v0/dev dimo.status"},
		{"unknown", ruptela, `"ds":"r/v0/new","vehicleTokenId":42,"deviceTokenId":7`, device + "7 " + device + "7 r/v0/new dimo.status"},
		{"a device with its own key", own, `"ds":"r/v0/s","vehicleTokenId":42,"deviceTokenId":7`, car + "42 " + device + "7 r/v0/s dimo.status"},
		{"another one", own, `"vehicleTokenId":42,"deviceTokenId":7,` + status, car + "42 " + device + "7 v2 dimo.status"},
		{"no device", autoPi, `"vehicleTokenId":42,` + status, "! deviceTokenId is missing: want the number of the device that measured"},
		{"no number", autoPi, `"vehicleTokenId":42,"deviceTokenId":"7",` + status, "! deviceTokenId is missing: want the number of the device that measured"},
		{"a wrong vehicle", autoPi, `"vehicleTokenId":-1,"deviceTokenId":7,` + status, "! vehicleTokenId is no number of a vehicle"},
		{"a wrong type", autoPi, `"vehicleTokenId":42,"deviceTokenId":7,"type":"x"`, `! type "x" is not one of an AutoPi unit: want com.dimo.device.status.v2 or zone.dimo.aftermarket.device.fingerprint`},
		{"a number is no alphabet", ruptela, `"ds":"r\"v0","deviceTokenId":7`, `! dataversion "r\"v0" may hold only letters, digits and - _ / , . : and space`},
	} {
		t.Run(x.name, func(t *testing.T) {
			body := []byte(`{"time":"2025-03-04T12:00:00Z","data":{},` + x.members + `}`)
			from := Arrival{Source: mustAddress(x.source), Time: arrived, Names: polygon}
			ce, err := Envelope(body, from)
			got := fmt.Sprint(ce.Subject, " ", ce.Producer, " ", ce.DataVersion, " ", ce.Type)
			if err != nil {
				got = "! " + sayso.MessageOf(err)
			}
			if got != x.want {
				t.Errorf("got %s\nwant %s", got, x.want)
			}
			if err == nil {
				again, _ := Envelope(body, from)
				if again.ID != ce.ID || ce.ID == "" || len(ce.Extras) > 0 {
					t.Errorf("ids %q and %q, extras %v", ce.ID, again.ID, ce.Extras)
				}
			}
		})
	}
}
