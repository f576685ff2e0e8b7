package front_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/h3"
	"sayso/owner/registry"
)

// question is one query about a vehicle in one dialect.
type question struct {
	dialect, field string
	selected       []*catalogue.Signal
	text           string // with $V for the argument that names the vehicle
}

func (q question) about(vehicle uint64) string {
	argument := fmt.Sprintf("tokenId: %d", vehicle)
	switch {
	case q.field == "SignalsLatest":
		argument = fmt.Sprintf("tokenID: %d", vehicle)
	case q.dialect == "fetch":
		argument = fmt.Sprintf("did: %q", carDID(vehicle))
	case q.dialect == "grpc":
		argument = carDID(vehicle)
	case q.dialect == "subject":
		argument = fmt.Sprintf("subject: %q", sayso.NFT(testChain.ID, testChain.Vehicle, vehicle).String())
	}
	return strings.ReplaceAll(q.text, "$V", argument)
}

// perQuery is how many signals are asked for at once: a query may select 100
// fields.
const perQuery = 30

var aggregations = map[sayso.Kind][]string{
	sayso.Number:   {"AVG", "MED", "MAX", "MIN", "RAND", "FIRST", "LAST"},
	sayso.Text:     {"RAND", "TOP", "UNIQUE", "FIRST", "LAST"},
	sayso.Position: {"AVG", "RAND", "FIRST", "LAST"},
}

// questions ask for everything that the policy has an operation for.
func questions(t *testing.T, cat *catalogue.Catalogue, p *policy) (list []question) {
	t.Helper()
	for name, op := range p.operations {
		for _, dialect := range op.dialects {
			add := func(text string, selected []*catalogue.Signal) {
				list = append(list, question{dialect, name, selected, text})
			}
			switch name {
			case "signals", "signalsLatest", "SignalsLatest":
				for chunk := range slices.Chunk(cat.Signals(), perQuery) {
					add(selection(name, chunk), chunk)
				}
			case "signalsSnapshot":
				add(`{signalsSnapshot($V){lastSeen signals{name timestamp valueNumber valueString valueLocation{latitude longitude hdop}}}}`, nil)
			case "availableSignals":
				add(`{availableSignals($V)}`, nil)
			case "dataSummary":
				add(`{dataSummary($V){numberOfSignals availableSignals firstSeen lastSeen signalDataSummary{name numberOfSignals firstSeen lastSeen} eventDataSummary{name numberOfEvents firstSeen lastSeen}}}`, nil)
			case "events":
				add(`{events($V, from: "2026-03-02T05:00:00Z", to: "2026-03-02T12:00:00Z"){timestamp name source durationNs metadata}}`, nil)
			case "segments", "dailyActivity":
				add(minutesOf(dialect, name), nil)
			case "grpc.ListCloudEvents", "grpc.GetLatestCloudEvent", "grpc.ListIndexes", "grpc.GetLatestIndex", "grpc.ListCloudEventsFromIndex":
				add(name+" $V", nil)
			case "grpc.AccessCheck": // TestAccessCheck
			case "latestCloudEvent", "cloudEvents", "latestIndex", "indexes", "availableCloudEventTypes", "attestations", "vinVCLatest":
				add(rawQuestions[name], nil)
			default:
				t.Fatalf("the policy has an operation %s, but no question asks for it", name)
			}
		}
	}
	return list
}

// selection is a query of signals.
func selection(field string, signals []*catalogue.Signal) string {
	var b strings.Builder
	if field == "signals" {
		b.WriteString(`{signals($V, interval: "1s", from: "2026-03-02T05:00:00Z", to: "2026-03-02T12:00:00Z"){timestamp`)
	} else {
		b.WriteString("{" + field + "($V){lastSeen")
	}
	for i, s := range signals {
		parts := ""
		if s.Kind == sayso.Position {
			parts = "{latitude longitude hdop}"
		}
		if field == "signals" {
			list := aggregations[s.Kind]
			fmt.Fprintf(&b, " %s(agg: %s)%s", s.Name, list[i%len(list)], parts)
		} else {
			fmt.Fprintf(&b, " %s{timestamp value%s}", s.Name, parts)
		}
	}
	return b.String() + "}}"
}

// plain makes numbers of a decoded answer comparable.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return v.String()
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// exam is the whole proof under way.
type exam struct {
	*world
	cat       *catalogue.Catalogue
	p         *policy
	d         *data
	secrets   []string
	questions []question
	cells     int
}

// TestAccess asks everything as everybody in every state with every set of
// permissions, and compares with the policy: what must be seen, and that
// nothing else is.
func TestAccess(t *testing.T) {
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	p := readPolicy(t)
	x := &exam{world: newWorld(t), cat: cat, p: p, questions: questions(t, cat, p)}
	x.d = x.speak(cat, p, car)
	x.secrets = append(x.d.secrets(), x.speak(cat, p, elsewhere).secrets()...)
	for _, r := range p.who {
		t.Run(r.who+" "+r.state, func(t *testing.T) {
			x.t = t
			for _, set := range x.sets(r) {
				x.examine(r, set)
				if t.Failed() {
					return // the other sets would say the same again
				}
			}
		})
	}
	t.Logf("%d cells: %d principals in a state, %d sets of permissions, %d questions", x.cells, len(p.who), len(p.opens), len(x.questions))
}

// sets are the sets of permissions that matter for somebody.
func (x *exam) sets(r row) []sayso.Permissions {
	granted := r.who == "app" || r.who == "person" || strings.HasPrefix(r.state, "lent-back") || r.state == "token-of-less"
	if !granted {
		return []sayso.Permissions{everything}
	}
	list := x.p.subsets()
	if r.state == "token-of-less" {
		list = list[1:] // there is no token of nothing
	}
	return list
}

func (x *exam) examine(r row, set sayso.Permissions) {
	sc := x.play(r, set)
	o := &oracle{x.p, x.d, r, sc.grant, sc.token}
	x.trade(r, sc)
	for _, q := range x.questions {
		if x.t.Failed() {
			return // the other answers would say the same again
		}
		got := x.world.ask(q.dialect, sc.bearer[car], q.about(car))
		if found := leaks(got.errors, x.secrets); found != nil {
			x.t.Errorf("%v: the errors of %s (%s) tell %q", set.List(), q.field, q.dialect, found)
		}
		if o.nothing(x.p.operations[q.field]) {
			x.refused(r, sc, q, got)
		} else if want := x.want(o, q); !reflect.DeepEqual(plain(got.data[q.field]), want) {
			x.t.Errorf("%v: %s (%s): %s\nerrors %s", set.List(), q.field, q.dialect, difference(got.data[q.field], want), short(got.errors))
		}
		x.cells += max(len(q.selected), 1)
		if q.selected == nil {
			x.cells += len(x.cat.Signals()) // each may be in the list
		}
	}
}

// TestTokensOpenOneVehicle takes tokens of three vehicles and two audiences to
// questions about those and about names that are like theirs: each opens its own
// vehicle for the audience of this node, and nothing else.
func TestTokensOpenOneVehicle(t *testing.T) {
	w, p := newWorld(t), readPolicy(t)
	cat, err := catalogue.Load()
	w.must(err)
	speaks := map[uint64]*data{}
	for _, v := range []uint64{car, twin, elsewhere} {
		speaks[v] = w.speak(cat, p, v)
		if v != elsewhere {
			w.fold(func(tx *registry.Tx) { tx.PutGrant(grant(v, "app", everything, registry.Forever, tx.Block.Number)) })
		}
	}
	w.final()
	cells, opened := 0, 0
	for of := range speaks {
		for _, audience := range []string{"dimo.zone", "dimo.zone.evil.test", "DIMO.zone", "example.org"} {
			bearer, body := w.exchange("app", of, everything, audience)
			if bearer == "" {
				t.Fatal(body)
			}
			for about, argument := range map[string]string{
				"car": fmt.Sprint(car), "twin": fmt.Sprint(twin), "elsewhere": fmt.Sprint(elsewhere), "none": "999", "negative": "-1",
				"car DID": carDID(car), "twin DID": carDID(twin), "elsewhere DID": carDID(elsewhere),
				"other chain":    sayso.NFT(1, testChain.Vehicle, of).String(),
				"other contract": sayso.NFT(testChain.ID, testChain.AftermarketDevice, of).String(),
				"alias":          sayso.NFT(testChain.ID, alias, of).String(),
				"account":        sayso.Account(testChain.ID, account("owner")).String(),
				"over 64 bits":   fmt.Sprintf("did:erc721:%d:%s:%d", testChain.ID, testChain.Vehicle, of) + "00000000000000000000",
			} {
				dialect, query := "telemetry", "{signalsSnapshot(tokenId: "+argument+"){lastSeen signals{name timestamp valueNumber valueString}}}"
				if strings.HasPrefix(argument, "did:") {
					dialect, query = "subject", fmt.Sprintf("{signalsSnapshot(subject: %q){lastSeen signals{name timestamp valueNumber valueString}}}", argument)
				}
				got := w.ask(dialect, bearer, query)
				cells++
				own := audience == "dimo.zone" && (argument == fmt.Sprint(of) || argument == carDID(of))
				for v, d := range speaks {
					if seen := leaks(got.raw, d.values()) != nil; seen != (own && v == of) {
						t.Errorf("a token of %d for %s tells of %d when asked about %s: %v: %s", of, audience, v, about, seen, short(got.raw))
					}
				}
				if own {
					opened++
				}
			}
		}
	}
	t.Logf("%d cells, %d opened", cells, opened)
}

// TestHiddenDataChangesNothing compares two worlds that differ in what somebody
// may not see: every answer must be the same to the byte.
func TestHiddenDataChangesNothing(t *testing.T) {
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	w, p := newWorld(t), readPolicy(t)
	w.speak(cat, p, car)
	list := questions(t, cat, p)
	next, compared := uint64(800800), 0 // no value that is said holds these digits
	shadow := func(alter func(s *catalogue.Signal, ownership, n int, v sayso.Value) (sayso.Value, bool), who string, set sayso.Permissions) {
		next++
		v, _ := w.registry.Vehicle(car)
		w.must(w.registry.Unwind(w.base))
		w.fold(func(tx *registry.Tx) {
			v.ID = next
			tx.PutVehicle(v)
			if who == "app" {
				tx.PutGrant(grant(car, who, set, registry.Forever, tx.Block.Number))
				tx.PutGrant(grant(next, who, set, registry.Forever, tx.Block.Number))
			}
		})
		w.final()
		w.speakAs(cat, p, next, car, alter)
		one, _ := w.exchange(who, car, set)
		two, _ := w.exchange(who, next, set)
		for _, q := range list {
			a, b := w.ask(q.dialect, one, q.about(car)), w.ask(q.dialect, two, q.about(next))
			if got := strings.ReplaceAll(b.raw, fmt.Sprint(next), fmt.Sprint(car)); got != a.raw {
				t.Errorf("%s with %v: %s (%s) tells of what is hidden:\n%s\n%s", who, set.List(), q.field, q.dialect, short(a.raw), short(got))
			}
			compared++
		}
	}
	for _, set := range p.subsets()[1:] {
		shadow(func(s *catalogue.Signal, ownership, n int, v sayso.Value) (sayso.Value, bool) {
			return p.veil(s, ownership == 2, n, v, set)
		}, "app", set)
	}
	shadow(func(_ *catalogue.Signal, ownership, _ int, v sayso.Value) (sayso.Value, bool) {
		return v, ownership == 2
	}, "owner", everything)
	shadow(func(_ *catalogue.Signal, ownership, _ int, v sayso.Value) (sayso.Value, bool) {
		return v, ownership == 1
	}, "prior-owner", everything)
	t.Logf("%d answers compared", compared)
}

// veil leaves out what a set of permissions does not open. Of positions of which
// only the cell is seen the first of the quarter of an hour moves within its
// cell, and the others are not there.
func (p *policy) veil(s *catalogue.Signal, current bool, n int, v sayso.Value, set sayso.Permissions) (sayso.Value, bool) {
	switch {
	case !current:
		return v, false
	case s == nil:
		return v, strings.Contains(p.opens[set]["dataSummary"], "e")
	case s == message:
		return v, p.opens[set]["raw"] != ""
	case p.opens[set][p.class(s.Name)] != "":
		return v, true
	case s.Kind != sayso.Position || p.opens[set]["approximate"] == "" || n > 0:
		return v, false
	}
	lat, lng := h3.CellCentre(v.Location.Latitude, v.Location.Longitude)
	return sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lng, HDOP: 3}), true
}

func (x *exam) want(o *oracle, q question) any {
	switch q.field {
	case "signals":
		return o.signals(q.selected)
	case "signalsLatest", "SignalsLatest":
		return o.latest(x.cat, q.selected)
	case "signalsSnapshot":
		return o.snapshot(x.cat)
	case "availableSignals":
		return o.available(x.cat)
	case "events":
		return o.events()
	case "segments":
		return o.segments(x.cat)
	case "dailyActivity":
		return o.days(x.cat)
	}
	if answer, ok := o.messages(q.field); ok {
		return answer
	}
	return o.summary(x.cat, x.clock.Now())
}

// refused checks an answer that may tell nothing: no secret is in it, and it is
// to the byte what is answered about a vehicle that never spoke.
func (x *exam) refused(r row, sc scene, q question, got answer) {
	x.t.Helper()
	if found := leaks(got.raw, x.secrets); found != nil {
		x.t.Errorf("%s tells %q: %s", q.field, found, got.raw)
	}
	silent := x.world.ask(q.dialect, sc.bearer[twin], q.about(twin))
	if other := strings.ReplaceAll(silent.raw, fmt.Sprint(twin), fmt.Sprint(car)); got.status != silent.status || got.raw != other {
		x.t.Errorf("%s tells a vehicle that spoke from one that did not:\n%d %s\n%d %s", q.field, got.status, got.raw, silent.status, other)
	}
	if len(r.values) > 0 || len(r.lists) > 0 {
		return // it is the set of permissions that opens nothing
	}
	says := r.says
	if sc.grant.Empty() && (says == "expired" || says == "not final") {
		says = "not shared" // nothing was, at any time
	}
	if got.data[q.field] != nil || !strings.Contains(got.errors, says) {
		x.t.Errorf("%s is not refused with %q: %d %s", q.field, r.says, got.status, got.raw)
	}
}

// trade checks whether a new token is to be had.
func (x *exam) trade(r row, sc scene) {
	if r.who == "anonymous" {
		status, body := x.call("POST", "/v1/tokens/exchange", "", "application/json", `{}`)
		if status != 400 || leaks(body, x.secrets) != nil {
			x.t.Errorf("exchange without a token: %d %s", status, body)
		}
		return
	}
	token, body := x.exchange(r.who, car, sc.wants)
	if want := r.exchange && !sc.wants.Empty(); want != (token != "") {
		x.t.Errorf("exchange of %v: got a token: %v, want %v: %s", sc.wants.List(), token != "", want, body)
	}
	if token == "" {
		_, other := x.exchange(r.who, twin, sc.wants)
		if leaks(body, x.secrets) != nil || body != strings.ReplaceAll(other, fmt.Sprint(twin), fmt.Sprint(car)) {
			x.t.Errorf("the refused exchange tells of data:\n%s\n%s", body, other)
		}
	}
	if len(r.values) == 1 && r.values[0].granted && r.state != "token-of-less" && sc.grant != everything {
		if token, _ := x.exchange(r.who, car, everything); token != "" {
			x.t.Errorf("a grant of %v gave a token of everything", sc.grant.List())
		}
	}
	x.cells += 2
}

// difference is where two answers differ first.
func difference(got, want any) string {
	switch g := got.(type) {
	case []any:
		if w, ok := want.([]any); ok && len(g) == len(w) {
			for i := range g {
				if !reflect.DeepEqual(g[i], w[i]) {
					return fmt.Sprint(i, ".", difference(g[i], w[i]))
				}
			}
		}
	case map[string]any:
		if w, ok := want.(map[string]any); ok && len(g) == len(w) {
			for k := range g {
				if !reflect.DeepEqual(g[k], w[k]) {
					return fmt.Sprint(k, ".", difference(g[k], w[k]))
				}
			}
		}
	}
	return " got " + short(got) + ", want " + short(want)
}

func short(v any) string {
	b, _ := json.Marshal(v)
	if len(b) > 400 {
		b = append(b[:400], "…"...)
	}
	return string(b)
}
