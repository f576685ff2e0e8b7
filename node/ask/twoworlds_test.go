package ask

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/cores"
	"sayso/internal/h3"
	"sayso/node/ask/identity"
	"sayso/node/vault"
	"sayso/node/vault/naive"
	"sayso/owner/consent"
)

var (
	pairs = flag.Int("pairs", 10_000, "pairs of worlds to compare")
	only  = flag.Int("pair", -1, "compare this pair alone")
)

// Three ownerships of two hours each; the quarters of an hour do not straddle
// them.
var epochStart = [4]time.Time{1: at("05:00:00"), 2: at("07:00:00"), 3: at("09:00:00")}

// What the vehicle of a pair says. The permissions that show it are written out
// here, apart from the catalogue.
var spoken = []struct {
	signal string
	need   sayso.Permission
	value  func(*rand.Rand) sayso.Value
}{
	{"speed", 1, number}, {"isIgnitionOn", 1, toggle}, {"powertrainTransmissionTravelledDistance", 1, number},
	{"powertrainCombustionEngineSpeed", 1, number}, {"powertrainFuelSystemRelativeLevel", 1, number},
	{"powertrainType", 1, text}, {"currentLocationAltitude", 4, number}, {"currentLocationHeading", 4, number}, {"currentLocationCoordinates", 4, place},
}

func toggle(r *rand.Rand) sayso.Value { return sayso.NumberValue(float64(r.IntN(2))) }
func number(r *rand.Rand) sayso.Value { return sayso.NumberValue(float64(r.IntN(400)) / 4) }
func text(r *rand.Rand) sayso.Value {
	return sayso.TextValue([]string{"ELECTRIC", "HYBRID", "COMBUSTION"}[r.IntN(3)])
}

func place(r *rand.Rand) sayso.Value {
	if r.IntN(20) == 0 {
		return sayso.LocationValue(sayso.Location{HDOP: r.Float64()}) // no position
	}
	return sayso.LocationValue(sayso.Location{Latitude: 48 + r.Float64()/4, Longitude: 11 + r.Float64()/4, HDOP: r.Float64() * 5, Heading: r.Float64() * 360})
}

// item is one thing that is said, of vehicle 3 or of another one.
type item struct {
	vehicle uint64
	source  sayso.Address
	reading *sayso.Reading
	event   *sayso.Event
}

// story makes what two worlds say: both the same of what rights show, and each
// by itself of what they do not.
type story struct {
	r      *rand.Rand
	rights map[uint32]sayso.Permissions
	worlds [2][]item
}

// add puts something into one world or both, in the order in which it is said.
func (s *story) add(i item, worlds ...int) {
	for _, w := range worlds {
		s.worlds[w] = append(s.worlds[w], i)
	}
}

// some times of an ownership; few enough to meet each other.
func (s *story) time(epoch uint32) sayso.Instant {
	return sayso.At(epochStart[epoch].Add(time.Duration(s.r.IntN(2*60*6)) * 10 * time.Second))
}

// say makes up to most things, seen in both worlds if shown, else in each world
// others.
func (s *story) say(shown bool, most int, make func() item) {
	if shown {
		for range s.r.IntN(most + 1) {
			s.add(make(), 0, 1)
		}
		return
	}
	for w := range 2 {
		for range s.r.IntN(most + 1) {
			s.add(make(), w)
		}
	}
}

func (s *story) epoch(epoch uint32) {
	rights := s.rights[epoch]
	for _, source := range []sayso.Address{sourceA, sourceB} {
		for _, what := range spoken {
			shown := rights.Has(what.need)
			if what.signal == "currentLocationCoordinates" && !shown && rights.Has(8) {
				s.approximate(epoch, source)
				continue
			}
			s.say(shown, 3, func() item {
				return item{3, source, &sayso.Reading{Signal: loaded.Signal(what.signal).ID, Epoch: epoch, Time: s.time(epoch), Value: what.value(s.r)}, nil}
			})
		}
		s.say(rights.Has(1) && rights.Has(4), 2, func() item {
			name := []string{"behavior.harshBraking", "safety.collision"}[s.r.IntN(2)]
			return item{3, source, nil, &sayso.Event{Name: name, Epoch: epoch, Time: s.time(epoch)}}
		})
	}
	s.say(false, 2, func() item { // another vehicle
		return item{4, sourceA, &sayso.Reading{Signal: loaded.Signal("speed").ID, Epoch: 1, Time: s.time(epoch), Value: number(s.r)}, nil}
	})
}

// approximate makes positions of which only the cell of the first one in each
// quarter of an hour is the same: neither the place in the cell, nor the time in
// the quarter, nor how many follow. The first one of source A comes before that
// of source B, since that they have in common is seen as well.
func (s *story) approximate(epoch uint32, source sayso.Address) {
	fix := loaded.Signal("currentLocationCoordinates").ID
	for quarter := range 8 {
		if s.r.IntN(3) == 0 {
			continue
		}
		p := sayso.Location{Latitude: 48 + s.r.Float64(), Longitude: 11 + s.r.Float64()}
		begin := sayso.At(epochStart[epoch]) + sayso.Instant(quarter)*slot
		if source == sourceB {
			begin += slot / 3
		}
		for w := range 2 {
			first := begin + 1 + sayso.Instant(s.r.Int64N(int64(slot/3-2)))
			put := func(at sayso.Instant, l sayso.Location) {
				l.HDOP, l.Heading = s.r.Float64(), s.r.Float64()*360
				s.add(item{3, source, &sayso.Reading{Signal: fix, Epoch: epoch, Time: at, Value: sayso.LocationValue(l)}, nil}, w)
			}
			if s.r.IntN(4) == 0 {
				put(first-1, sayso.Location{})
			}
			q := sayso.Location{Latitude: p.Latitude + (s.r.Float64()-0.5)/20, Longitude: p.Longitude + (s.r.Float64()-0.5)/20}
			if h3.Cell(p.Latitude, p.Longitude) != h3.Cell(q.Latitude, q.Longitude) {
				q = p
			}
			put(first, q)
			for range s.r.IntN(3) {
				last := sayso.At(epochStart[epoch]) + sayso.Instant(quarter+1)*slot
				put(first+1+sayso.Instant(s.r.Int64N(int64(last-first-1))), place(s.r).Location)
			}
		}
	}
}

// tell commits a world, in deposits of random size.
func (s *story) tell(t *testing.T, w int) *naive.Vault {
	v := naive.New(clock.NewManual(testNow))
	rest := s.worlds[w]
	for n := 0; len(rest) > 0; n++ {
		first := rest[0]
		d := &vault.Deposit{Vehicle: first.vehicle, Epoch: 1, Envelope: sayso.CloudEvent{
			Type: sayso.TypeStatus, Source: first.source, Subject: sayso.NFT(137, testChain.Vehicle, first.vehicle), ID: fmt.Sprint(n), Time: testNow,
		}}
		for size := 1 + s.r.IntN(4); size > 0 && len(rest) > 0 && rest[0].vehicle == first.vehicle && rest[0].source == first.source; size-- {
			if rest[0].reading != nil {
				d.Readings = append(d.Readings, *rest[0].reading)
			} else {
				d.Events = append(d.Events, *rest[0].event)
			}
			rest = rest[1:]
		}
		if _, err := v.Commit(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// stage serves whatever vault and session are set.
type stage struct {
	Vault
	session  *Session
	handlers map[string]http.Handler
}

func newStage(t *testing.T) *stage {
	s := &stage{handlers: map[string]http.Handler{}}
	for name, d := range dialects {
		h, err := New(Config{
			Catalogue: loaded, Vault: s, Chain: testChain, Clock: clock.NewManual(testNow),
			Authorise: func(*http.Request) (*Session, error) { return s.session, nil },
		}, d)
		if err != nil {
			t.Fatal(err)
		}
		s.handlers[name] = h
	}
	id, err := identity.New(identity.Config{Registry: testRegistry(t), Clock: clock.NewManual(testNow), BaseURL: "http://node"})
	if err != nil {
		t.Fatal(err)
	}
	s.handlers["identity"] = id
	return s
}

// answer is everything that arrives: status, headers, body.
func (s *stage) answer(to, query string, v Vault) string {
	s.Vault = v
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"query":`+quoted(query)+`}`))
	w := httptest.NewRecorder()
	s.handlers[to].ServeHTTP(w, r)
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	for _, k := range slices.Sorted(maps.Keys(w.Header())) {
		fmt.Fprintln(&b, k, w.Header()[k])
	}
	b.Write(w.Body.Bytes())
	return b.String()
}

// Worlds that differ only in what a principal may not see give it the same
// bytes, whatever it asks: other signals, other ownerships, other vehicles,
// events, sources, how often something was said and in which order, and the way
// within a cell and a quarter of an hour. (RAND is left out: it differs by
// itself.)
func TestTwoWorlds(t *testing.T) {
	from, to := 0, *pairs
	if *only >= 0 {
		from, to = *only, *only+1
	}
	var next, asked, told, differ, wide atomic.Int64
	next.Store(int64(from))
	t.Run("pairs", func(t *testing.T) {
		for worker := range cores.Count() {
			t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
				t.Parallel()
				st := newStage(t)
				for n := next.Add(1) - 1; n < int64(to); n = next.Add(1) - 1 {
					c := st.compare(t, n)
					asked.Add(c.asked)
					told.Add(c.told)
					differ.Add(c.differ)
					wide.Add(c.wide)
				}
			})
		}
	})
	t.Logf("%d pairs, %d questions; %d answers told something; to one who may see all, %d of %d differ",
		to-from, asked.Load(), told.Load(), differ.Load(), wide.Load())
	if *only < 0 && (told.Load() < asked.Load()/5 || differ.Load() < wide.Load()/2) {
		t.Error("the worlds are too dull to prove anything")
	}
}

// compared counts questions, answers that told something, and what was asked by
// one who may see all, with how often that differed.
type compared struct{ asked, told, wide, differ int64 }

// compare asks five questions of a pair.
func (st *stage) compare(t *testing.T, pair int64) (c compared) {
	s := &story{r: rand.New(rand.NewPCG(uint64(pair), 7)), rights: map[uint32]sayso.Permissions{}}
	session, all := s.principal()
	for epoch := uint32(1); epoch <= 3; epoch++ {
		s.epoch(epoch)
	}
	a, b := s.tell(t, 0), s.tell(t, 1)
	for range 5 {
		to, query := s.query()
		st.session = session
		x, y := st.answer(to, query, a), st.answer(to, query, b)
		if x != y {
			t.Fatalf("pair %d (run with -pair %d) rights %v\n%s: %s\n%s\n%s", pair, pair, s.rights, to, query, x, y)
		}
		c.asked++
		if strings.Contains(x, `"2026-03-02T`) {
			c.told++
		}
		if pair%10 == 0 && to != "identity" {
			c.wide++
			st.session = all
			if st.answer(to, query, a) != st.answer(to, query, b) {
				c.differ++
			}
		}
	}
	return c
}

// principal draws who asks, and tells what it sees by ownership; all is who may
// see everything.
func (s *story) principal() (session, all *Session) {
	asset := sayso.NFT(137, testChain.Vehicle, 3)
	everything := consent.Verdict{Vehicle: 3, Owner: true}
	verdict := consent.Verdict{Vehicle: 3}
	claims := sayso.AllPermissions()
	if s.r.IntN(4) == 0 {
		claims = s.permissions()
	}
	for epoch := uint32(1); epoch <= 3; epoch++ {
		everything.Rights = append(everything.Rights, consent.Right{Epoch: epoch, Permissions: sayso.AllPermissions()})
		if p := s.permissions(); s.r.IntN(3) > 0 && !p.Empty() {
			verdict.Rights = append(verdict.Rights, consent.Right{Epoch: epoch, Permissions: p})
			s.rights[epoch] = p.And(claims)
		}
	}
	if len(verdict.Rights) == 0 {
		verdict.Reason = []consent.Reason{consent.NotShared, consent.Expired, consent.NotFinal, consent.ChainStale, consent.NoSuchVehicle}[s.r.IntN(5)]
	}
	all = &Session{Who: who("ben"), Asset: &asset, Claims: sayso.AllPermissions(), Decide: func(uint64) consent.Verdict { return everything }}
	session = &Session{Who: who("all"), Asset: &asset, Claims: claims, Decide: func(uint64) consent.Verdict { return verdict }}
	switch s.r.IntN(30) {
	case 0:
		session, s.rights = nil, map[uint32]sayso.Permissions{}
	case 1:
		other := sayso.NFT(137, testChain.Vehicle, 4)
		session.Asset, s.rights = &other, map[uint32]sayso.Permissions{}
	}
	return session, all
}

func (s *story) permissions() sayso.Permissions {
	var p sayso.Permissions
	for _, n := range []sayso.Permission{1, 3, 4, 5, 7, 8, 8} {
		if s.r.IntN(5) < 2 {
			p = p.With(n)
		}
	}
	return p
}

// query draws a question of one to three parts.
func (s *story) query() (to, query string) {
	if s.r.IntN(50) == 0 {
		return "identity", `{vehicle(tokenId:3){owner sacds(first:10){totalCount nodes{grantee permissions}}} vehicles(first:5){nodes{tokenId}}}`
	}
	to = []string{"telemetry", "subject"}[s.r.IntN(2)]
	vehicle := subject(dialects[to], 3)
	var b strings.Builder
	for n := range 1 + s.r.IntN(3) {
		fmt.Fprintf(&b, "q%d:", n)
		source := ""
		switch s.r.IntN(6) {
		case 0:
			source = fmt.Sprintf(`, filter:{source:"did:ethr:137:%s"}`, sourceA)
		case 1:
			source = fmt.Sprintf(`, filter:{source:"did:ethr:137:%s"}`, sourceB)
		case 2:
			source = `, filter:{source:"` + []string{"tesla", "", "did:ethr:137:0x1", who("all").String()}[s.r.IntN(4)] + `"}`
		}
		switch s.r.IntN(8) {
		case 6:
			s.events(&b, vehicle)
		case 7:
			s.segments(&b, vehicle, to)
		case 0, 1:
			s.signals(&b, vehicle, source)
		case 2, 3:
			fmt.Fprintf(&b, "signalsLatest(%s%s){", vehicle, source)
			if s.r.IntN(2) == 0 {
				b.WriteString("lastSeen ")
			}
			for range 1 + s.r.IntN(5) {
				fmt.Fprintf(&b, "%s ", s.latest())
			}
			b.WriteString("} ")
		case 4:
			fmt.Fprintf(&b, "signalsSnapshot(%s%s){lastSeen signals{name timestamp valueNumber valueString valueLocation{latitude longitude hdop}}} ", vehicle, source)
		case 5:
			fmt.Fprintf(&b, "availableSignals(%s%s) d%d:dataSummary(%s%s){numberOfSignals availableSignals firstSeen lastSeen signalDataSummary{name numberOfSignals firstSeen lastSeen} eventDataSummary{name numberOfEvents firstSeen lastSeen}} ", vehicle, source, n, vehicle, source)
		}
	}
	return to, "{" + b.String() + "}"
}

const approximateName = "currentLocationApproximateCoordinates"

func (s *story) name() string {
	if n := s.r.IntN(len(spoken) + 3); n < len(spoken) {
		return spoken[n].signal
	}
	return approximateName
}

func (s *story) latest() string {
	name := s.name()
	if strings.HasSuffix(name, "Coordinates") {
		return name + "{timestamp value{latitude longitude hdop}}"
	}
	return name + "{timestamp value}"
}

func (s *story) signals(b *strings.Builder, vehicle, source string) {
	interval := []string{"1s", "10s", "1m", "7m", "15m", "1h", "24h"}[s.r.IntN(7)]
	start := epochStart[1].Add(time.Duration(s.r.IntN(7*60)) * time.Minute)
	end := start.Add([]time.Duration{0, -time.Hour, time.Microsecond, time.Minute, 10 * time.Minute, 2 * time.Hour, 7 * time.Hour, 20 * time.Hour}[s.r.IntN(8)])
	if s.r.IntN(2) == 0 {
		start, end = epochStart[1].Add(-time.Hour), epochStart[3].Add(5*time.Hour)
	}
	fmt.Fprintf(b, "signals(%s%s, interval:%q, from:%q, to:%q){timestamp ", vehicle, source, interval, start.Format(time.RFC3339Nano), end.Format(time.RFC3339Nano))
	for n := range 1 + s.r.IntN(4) {
		name := s.name()
		fmt.Fprintf(b, "a%d:%s(agg:", n, name)
		switch {
		case name == "powertrainType":
			b.WriteString([]string{"TOP", "UNIQUE", "FIRST", "LAST"}[s.r.IntN(4)] + ") ")
		case strings.HasSuffix(name, "Coordinates"):
			b.WriteString([]string{"AVG", "FIRST", "LAST"}[s.r.IntN(3)])
			if name != approximateName && s.r.IntN(2) == 0 {
				fmt.Fprintf(b, ", filter:{inCircle:{center:{latitude:48.1,longitude:11.1},radius:%d}}", 1+s.r.IntN(40))
			}
			b.WriteString("){latitude longitude hdop} ")
		default:
			b.WriteString([]string{"AVG", "MED", "MAX", "MIN", "FIRST", "LAST"}[s.r.IntN(6)])
			if s.r.IntN(3) == 0 {
				fmt.Fprintf(b, ", filter:{gt:%d, or:[{lt:10},{neq:3}]}", s.r.IntN(90))
			}
			b.WriteString(") ")
		}
	}
	b.WriteString("} ")
}
