package fetch_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/ask/fetch"
	"sayso/node/vault"
	"sayso/node/vault/naive"
	"sayso/owner/consent"
	"sayso/owner/document"
)

var start = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// told is an event of the tests.
type told struct {
	epoch    uint32
	kind, id string
	source   byte
	tags     []string
	at       time.Time
	vin      bool
	voids    string
}

func (e *told) keep(t testing.TB, v vault.Engine) {
	data := fmt.Sprintf(`{"of":%q}`, e.id)
	if e.vin {
		data = `{"vehicle":{"VIN" : "x"}}`
	}
	if e.voids != "" {
		data = fmt.Sprintf(`{"voidsId":%q}`, e.voids)
	}
	_, err := v.Commit(context.Background(), &vault.Deposit{Vehicle: 7, Epoch: e.epoch, Body: sha256.Sum256([]byte(data)), Envelope: sayso.CloudEvent{
		Type: e.kind, ID: e.id, Source: sayso.Address{19: e.source}, Subject: sayso.NFT(1, sayso.Address{1}, 7), Tags: e.tags, Time: e.at, Data: []byte(data),
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// story makes events by chance, each with an id of its own and a time of its own.
func story(r *rand.Rand) (list []*told) {
	for i := range 60 {
		e := &told{
			epoch: uint32(1 + r.IntN(3)), kind: pick(r, sayso.TypeStatus, sayso.TypeFingerprint, sayso.TypeAttestation, "dimo.document.bill"), id: fmt.Sprint("id-", i),
			source: byte(1 + r.IntN(3)), at: start.Add(time.Duration(r.IntN(1000))*time.Second + time.Duration(i)*time.Microsecond), vin: r.IntN(4) == 0,
			tags: pick(r, nil, []string{"x"}, []string{"x", "y"}, []string{"z"}),
		}
		if r.IntN(8) == 0 {
			e.kind, e.vin, e.voids = sayso.TypeTombstone, false, fmt.Sprint("id-", r.IntN(60))
		}
		list = append(list, e)
	}
	return list
}

// asked is a reader's right and question.
type asked struct {
	rights map[uint32]sayso.Permissions
	filter *document.Filter // an agreement on the events of ownership 3
	q      fetch.Query
	types  []string
}

func question(r *rand.Rand) asked {
	a := asked{rights: map[uint32]sayso.Permissions{}}
	for epoch := range uint32(3) {
		set := sayso.Permissions{}
		for _, p := range []sayso.Permission{1, 4, 5, 7} {
			if r.IntN(2) == 0 && (p != 7 || r.IntN(3) == 0) {
				set = set.With(p)
			}
		}
		a.rights[epoch+1] = set
	}
	if r.IntN(2) == 0 {
		a.filter = &document.Filter{
			EventType: pick(r, "*", sayso.TypeAttestation, "dimo.document.bill"), Source: pick(r, "*", sayso.Address{19: 1}.String()),
			IDs: pick(r, []string{"*"}, []string{"id-1", "id-2", "id-3", "id-30"}), Tags: pick(r, []string{"*"}, []string{"x"}, []string{"y", "z"}),
		}
	}
	a.q = fetch.Query{Subject: fetch.Subject{Vehicle: 7}, Limit: 1 + r.IntN(30), Deleted: r.IntN(3) == 0, Tombstones: r.IntN(2) == 0, Ascending: r.IntN(3) == 0}
	if r.IntN(2) == 0 {
		a.q.After = start.Add(time.Duration(r.IntN(600)) * time.Second)
	}
	if r.IntN(2) == 0 {
		a.q.Before = start.Add(time.Duration(400+r.IntN(600)) * time.Second)
	}
	if r.IntN(2) == 0 {
		a.types = []string{pick(r, sayso.TypeStatus, sayso.TypeAttestation, sayso.TypeTombstone), "dimo.document.bill"}
		for _, t := range a.types {
			a.q.Classes |= vault.ClassOf(t)
		}
		a.q.Match = func(e *sayso.CloudEvent) bool { return slices.Contains(a.types, e.Type) }
	}
	return a
}

func (a *asked) verdict() (v consent.Verdict) {
	for epoch := range uint32(3) {
		if set := a.rights[epoch+1]; !set.Empty() {
			v.Rights = append(v.Rights, consent.Right{Epoch: epoch + 1, Permissions: set})
		}
	}
	if a.filter != nil {
		v.Events = []consent.EventRight{{Epoch: 3, Allowed: []document.Filter{*a.filter}}}
	}
	return v
}

// opens says in other words than the program what may be seen.
func (a *asked) opens(e *told) bool {
	set := a.rights[e.epoch]
	tells := e.vin || e.kind == sayso.TypeFingerprint
	if set.Has(7) || set.Has(1) && set.Has(4) && (!tells || set.Has(5)) {
		return true
	}
	f := a.filter
	if f == nil || e.epoch != 3 || f.EventType != "*" && f.EventType != e.kind || f.Source != "*" && e.source != 1 || f.IDs[0] != "*" && !slices.Contains(f.IDs, e.id) {
		return false
	}
	return f.Tags[0] == "*" || slices.ContainsFunc(e.tags, func(t string) bool { return slices.Contains(f.Tags, t) })
}

// want is the answer by looking at everything.
func (a *asked) want(list []*told) (ids []string) {
	var seen []*told
	for _, e := range list {
		gone := slices.ContainsFunc(list, func(x *told) bool {
			return x.voids == e.id && x.source == e.source && x.epoch == e.epoch && e.voids == "" && len(a.epochs()) > 0 && slices.Contains(a.epochs(), x.epoch)
		})
		switch {
		case !a.opens(e), gone && !a.q.Deleted, e.voids != "" && !a.q.Tombstones:
		case !a.q.After.IsZero() && !e.at.After(a.q.After), !a.q.Before.IsZero() && !e.at.Before(a.q.Before):
		case a.types != nil && !slices.Contains(a.types, e.kind):
		default:
			seen = append(seen, e)
		}
	}
	slices.SortFunc(seen, func(x, y *told) int { return y.at.Compare(x.at) })
	if a.q.Ascending {
		slices.Reverse(seen)
	}
	for _, e := range seen[:min(len(seen), a.q.Limit)] {
		ids = append(ids, e.id)
	}
	return ids
}

func (a *asked) epochs() []uint32 { return a.verdict().Messages() }

// Whatever was said, granted and asked, exactly what is open is answered, in
// order, without what was taken back.
func TestExactlyWhatIsOpen(t *testing.T) {
	answered, hidden := 0, 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 5))
		v := naive.New(clock.NewManual(start))
		list := story(r)
		for _, e := range list {
			e.keep(t, v)
		}
		reader := &fetch.Reader{Vault: v}
		for range 20 {
			a := question(r)
			got, err := reader.List(context.Background(), a.verdict(), a.q)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, s := range got {
				ids = append(ids, s.Envelope.ID)
			}
			if want := a.want(list); !slices.Equal(ids, want) {
				t.Fatalf("seed %d: rights %v filter %+v types %v query %+v\n got %v\nwant %v", seed, a.rights, a.filter, a.types, a.q, ids, want)
			}
			answered, hidden = answered+len(ids), hidden+len(list)-len(ids)
		}
	}
	if answered < 5000 || hidden < 5000 {
		t.Errorf("%d answered, %d hidden", answered, hidden)
	}
}

func TestIndexKeys(t *testing.T) {
	for key, want := range map[string]string{
		"did:x!2026-03-02T12:00:00Z!dimo.status!0x1!a!b": "dimo.status", "": "", "a!b!c!d!e": "", "did:x!2026-03-02T12:00:00Z!dimo.status!0x1": "",
	} {
		if at, kind, err := fetch.ParseKey(key); kind != want || (err == nil) != (want != "") || err == nil && !at.Equal(start) {
			t.Errorf("%q: %v %q %v", key, at, kind, err)
		}
	}
}
