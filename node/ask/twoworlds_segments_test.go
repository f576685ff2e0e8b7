package ask

import (
	"fmt"
	"strings"
	"time"
)

// events draws a question for events.
func (s *story) events(b *strings.Builder, vehicle string) {
	filter := []string{"", `, filter:{name:{startsWith:"safety."}}`, `, filter:{tags:{notContainsAny:["x"]}}`, fmt.Sprintf(`, filter:{source:{eq:"%s"}}`, sourceA)}[s.r.IntN(4)]
	fmt.Fprintf(b, "events(%s, from:%q, to:%q%s){timestamp name source durationNs metadata} ", vehicle,
		epochStart[1].Add(time.Duration(s.r.IntN(5*60))*time.Minute).Format(time.RFC3339), epochStart[3].Add(3*time.Hour).Format(time.RFC3339), filter)
}

// segments draws a question for segments or days, such that they are found.
func (s *story) segments(b *strings.Builder, vehicle, to string) {
	dialect := dialects[to]
	mechanism := func(list ...string) string { return mechanismNames[list[s.r.IntN(len(list))]][dialect] }
	args := `, config:{maxGapSeconds:3600, minSegmentDurationSeconds:60, signalCountThreshold:1, minIncreasePercent:1}`
	if s.r.IntN(4) == 0 {
		args = ""
	}
	if s.r.IntN(3) == 0 {
		args += fmt.Sprintf(`, signalRequests:[{name:%q, agg:%s}, {name:"currentLocationAltitude", agg:AVG}]`, s.name(), []string{"AVG", "MED", "LAST"}[s.r.IntN(3)])
	}
	if s.r.IntN(3) == 0 {
		args += `, eventRequests:[{name:"safety.collision"}]`
	}
	const fields = `start{timestamp value{latitude longitude hdop}} end{timestamp value{latitude longitude hdop}} duration signals{name agg value} eventCounts{name count} `
	start := epochStart[1].Add(time.Duration(s.r.IntN(6*60)-30) * time.Minute)
	end := start.Add([]time.Duration{20 * time.Minute, 2 * time.Hour, 7 * time.Hour}[s.r.IntN(3)])
	if s.r.IntN(4) == 0 {
		fmt.Fprintf(b, "dailyActivity(%s, from:%q, to:%q, mechanism:%s%s, timezone:%q){segmentCount %s} ", vehicle, start.Format(time.RFC3339), start.Format(time.RFC3339),
			mechanism("ignition", "frequency", "changePoint"), args, []string{"UTC", "Asia/Tokyo", "America/New_York"}[s.r.IntN(3)], fields)
		return
	}
	if s.r.IntN(3) == 0 {
		args += fmt.Sprintf(`, limit:%d, after:%q`, 1+s.r.IntN(3), start.Add(time.Duration(s.r.IntN(60))*time.Minute).Format(time.RFC3339))
	}
	fmt.Fprintf(b, "segments(%s, from:%q, to:%q, mechanism:%s%s){isOngoing startedBeforeRange %s} ", vehicle, start.Format(time.RFC3339), end.Format(time.RFC3339),
		mechanism("ignition", "ignition", "frequency", "frequency", "idling", "refuel", "recharge"), args, fields)
}
