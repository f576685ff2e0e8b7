package attest

import (
	"strings"
	"time"
)

// HealthSubject says how a vehicle was within a time.
type HealthSubject struct {
	Vehicle  string `json:"vehicleDID"`
	Status   Health `json:"healthStatus"`
	Range    Range  `json:"searchedTimeRange"`
	Producer string `json:"producer"`
}

// Range is a time from start to end.
type Range struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Health is what the trouble codes and the tyres say.
type Health struct {
	DTCs    []DTC     `json:"dtcs"`
	Tyres   *Tyres    `json:"tirePressure,omitempty"`
	Score   int       `json:"healthScore"`
	Healthy bool      `json:"isHealthy"`
	Updated time.Time `json:"lastUpdated"`
}

// DTC is a diagnostic trouble code.
type DTC struct {
	Code        string    `json:"code"`
	Description string    `json:"description"`
	Severity    string    `json:"severity"` // info, warning or critical
	Time        time.Time `json:"timestamp"`
}

// Tyres are the pressures of the four tyres, in kilopascal; one that is not known
// is left out.
type Tyres struct {
	FrontLeft  *float64  `json:"frontLeft,omitempty"`
	FrontRight *float64  `json:"frontRight,omitempty"`
	RearLeft   *float64  `json:"rearLeft,omitempty"`
	RearRight  *float64  `json:"rearRight,omitempty"`
	Unit       string    `json:"unit"`
	Normal     bool      `json:"isNormal"`
	Time       time.Time `json:"timestamp"`
}

// A tyre of a passenger car outside of these is not normal, in kilopascal.
const (
	lowTyre  = 180
	highTyre = 350
)

// What takes points off a perfect score, and from which on a vehicle is healthy.
const (
	perfect      = 100
	perCritical  = 30
	perWarning   = 15
	perOther     = 5
	perTyre      = 20
	healthyScore = 70
)

// Judge makes the score of codes, of the warning lamp and of tyres (spec api 6.2).
func (h *Health) Judge(lamp bool) {
	score := perfect
	for i := range h.DTCs {
		d := &h.DTCs[i]
		d.Severity, d.Description = severity(d.Code), describe(d.Code)
		score -= map[string]int{"critical": perCritical, "warning": perWarning, "info": perOther}[d.Severity]
	}
	if lamp {
		score -= perWarning
	}
	if t := h.Tyres; t != nil {
		t.Unit, t.Normal = "kPa", true
		for _, p := range []*float64{t.FrontLeft, t.FrontRight, t.RearLeft, t.RearRight} {
			if p != nil && (*p < lowTyre || *p > highTyre) {
				t.Normal = false
				score -= perTyre
			}
		}
	}
	h.Score = max(score, 0)
	h.Healthy = h.Score >= healthyScore
}

func severity(code string) string {
	switch {
	case strings.HasPrefix(code, "P01"), strings.HasPrefix(code, "P02"):
		return "critical"
	case strings.HasPrefix(code, "P03"), strings.HasPrefix(code, "P04"), strings.HasPrefix(code, "U"):
		return "warning"
	}
	return "info"
}

// areas are what a code is about, by how it begins (SAE J2012); the first match
// counts.
var areas = []struct{ prefix, area string }{
	{"P01", "fuel and air metering"}, {"P02", "fuel and air metering, injectors"}, {"P03", "ignition or misfire"},
	{"P04", "auxiliary emission controls"}, {"P05", "vehicle speed, idle control and auxiliary inputs"}, {"P06", "computer and output circuits"},
	{"P07", "transmission"}, {"P08", "transmission"}, {"P09", "transmission"}, {"P0A", "hybrid propulsion"},
	{"P", "powertrain"}, {"B", "body"}, {"C", "chassis"}, {"U", "network and communication"},
}

func describe(code string) string {
	for _, a := range areas {
		if strings.HasPrefix(code, a.prefix) {
			return a.area
		}
	}
	return ""
}
