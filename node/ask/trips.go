package ask

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"sayso"
	"sayso/node/ask/segment"
	"sayso/node/vault"
)

// perPage is how many trips a page has.
const perPage = 100

// tripPage is the answer of trips.
type tripPage struct {
	Trips       []trip `json:"trips"`
	TotalPages  int    `json:"totalPages"`
	CurrentPage int    `json:"currentPage"`
}

// trip is a drive that has ended. Where it has no position of its own, it is
// estimated that it began where the vehicle was last.
type trip struct {
	ID    string `json:"id"`
	Start struct {
		Time      time.Time `json:"time"`
		Location  *spot     `json:"location"`
		Estimated *spot     `json:"estimatedLocation"`
	} `json:"start"`
	End struct {
		Time     time.Time `json:"time"`
		Location *spot     `json:"location"`
	} `json:"end"`
	// Dropped says that for longer than a gap no position was heard on the way.
	Dropped bool `json:"droppedData"`
}

type spot struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
}

func spotOf(l sayso.Location) *spot { return &spot{l.Latitude, l.Longitude} }

// trips answers a page of the drives of all time, from ignition on to ignition
// off, the one that ended last first.
func (a *answers) trips(req *http.Request, r *reader) (any, error) {
	page, err := pageOf(req)
	if err != nil {
		return nil, err
	}
	now := sayso.At(a.Clock.Now())
	s := &search{r: r, c: call(req), m: byIgnition}
	s.q = segment.Query{From: now - longest, To: now, Now: now, MaxGap: 300 * segment.Second, MinDuration: 240}
	var drives []segment.Range
	for drive := range segment.Ignition(0, segment.Past{}, s.samples(signalIgnition, s.q.From, s.q.To), s.q) {
		if !drive.Ongoing {
			drives = append(drives, drive)
		}
	}
	if s.err != nil {
		return nil, cause(s.c, s.err)
	}
	out := tripPage{Trips: []trip{}, TotalPages: (len(drives) + perPage - 1) / perPage, CurrentPage: page}
	last := max(0, len(drives)-(page-1)*perPage)
	for _, drive := range drives[max(0, last-perPage):last] {
		t, err := s.trip(drive)
		if err != nil {
			return nil, cause(s.c, err)
		}
		out.Trips = append(out.Trips, t)
	}
	slices.Reverse(out.Trips)
	return out, nil
}

// trip reads the way of a drive.
func (s *search) trip(drive segment.Range) (t trip, err error) {
	t.ID = strconv.FormatUint(s.r.vehicle, 10) + "-" + strconv.FormatInt(int64(drive.Start), 10)
	t.Start.Time, t.End.Time = drive.Start.Time(), drive.End.Time()
	fix := s.r.a.access[s.r.a.fix.Name]
	heard := drive.Start
	s.scan([]sayso.SignalID{fix.signal.ID}, s.r.shared(fix), drive.Start, drive.End, func(row vault.Row) bool {
		l := row.Value.Location
		if l.Latitude == 0 && l.Longitude == 0 {
			return true
		}
		if t.Start.Location == nil {
			t.Start.Location = spotOf(l)
		}
		t.End.Location = spotOf(l)
		t.Dropped = t.Dropped || row.Time-heard > s.q.MaxGap
		heard = row.Time
		return true
	})
	if s.err != nil {
		return t, s.err
	}
	t.Dropped = t.Dropped || drive.End-heard > s.q.MaxGap
	if t.Start.Location == nil {
		row, err := s.fixBefore(drive.Start)
		if err != nil {
			return t, err
		}
		if row != nil {
			t.Start.Estimated = spotOf(row.Value.Location)
		}
	}
	return t, nil
}
