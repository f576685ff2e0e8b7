package shelf_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sayso/owner/consent"
	"sayso/owner/document"
	"sayso/owner/registry"
)

// distant is a gateway of somebody else.
type distant struct {
	*httptest.Server
	hits   atomic.Int64
	answer func(http.ResponseWriter, *http.Request)
}

func newDistant(t *testing.T) *distant {
	d := &distant{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.hits.Add(1)
		d.answer(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

// holds lets the gateway serve contents by their CIDs.
func (d *distant) holds(contents ...[]byte) {
	d.answer = func(w http.ResponseWriter, r *http.Request) {
		for _, c := range contents {
			for _, name := range []document.CID{document.Of(c), document.FileOf(c)} {
				if r.URL.Path == "/ipfs/"+name.String() {
					w.Write(c)
					return
				}
			}
		}
		http.NotFound(w, r)
	}
}

func TestADocumentIsFetchedOnceAndKept(t *testing.T) {
	g := newDistant(t)
	body := written(draft(), "anna")
	g.holds(body)
	w := newWorld(t, options{gateway: g.URL + "/ipfs"})
	w.grant(car, "app", document.FileOf(body).Source())
	app := w.login("app")
	if r := w.exchange(app, car, `"privilege:GetNonLocationHistory"`, "null"); r.status != 200 || g.hits.Load() != 0 {
		t.Errorf("what the record gives: %d, %d fetches; want none", r.status, g.hits.Load())
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if r := w.exchange(app, car, rawData, attestations()); r.status != 200 {
				t.Errorf("%d %s", r.status, r.raw)
			}
		})
	}
	wg.Wait()
	if n := g.hits.Load(); n != 1 {
		t.Errorf("%d fetches for 20 exchanges, want 1", n)
	}
	w.must(w.shelf.Close())
	again := newWorld(t, options{dir: w.dir})
	if r := again.exchange(again.login("app"), car, rawData, attestations()); r.status != 200 {
		t.Errorf("after a restart without a gateway: %d %s", r.status, r.raw)
	}
}

func TestATemplateIsFetchedToo(t *testing.T) {
	g := newDistant(t)
	data := fmt.Appendf(nil, `{"owner":{"address":%q},"agreements":[]}`, account("dora"))
	template := envelope(document.TypeTemplate, data, sign("dora", data))
	d := draft()
	d.Template = "5"
	body := written(d, "anna")
	g.holds(body, template)
	w := newWorld(t, options{gateway: g.URL + "/ipfs"})
	w.fold(func(tx *registry.Tx) {
		tx.PutTemplate(registry.Template{ID: "5", Creator: account("dora"), Asset: where.Vehicle, Permissions: "0x0", CID: document.Of(template).String(), Active: true, Block: tx.Block.Number})
	})
	w.grant(car, "app", document.Of(body).Source())
	if r := w.exchange(w.login("app"), car, rawData, "null"); r.status != 200 || g.hits.Load() != 2 {
		t.Errorf("%d %s, %d fetches", r.status, r.raw, g.hits.Load())
	}
	w.fold(func(tx *registry.Tx) {
		x, _ := tx.Template("5")
		x.Active = false
		tx.PutTemplate(x)
	})
	if r := w.exchange(w.login("app"), car, rawData, "null"); r.status != http.StatusForbidden {
		t.Errorf("after the template was ended: %d %s", r.status, r.raw)
	}
}

func TestWhatAGatewayMayNotDo(t *testing.T) {
	inside := newDistant(t)
	body := written(draft(), "anna")
	cid := document.Of(body)
	inside.holds(body)
	unsigned := written(draft(), "bert")
	for name, c := range map[string]struct {
		content []byte // what the record points to
		answer  func(http.ResponseWriter, *http.Request)
	}{
		"say that there is none": {body, http.NotFound},
		"send another content":   {body, func(w http.ResponseWriter, r *http.Request) { w.Write(append(bytes.Clone(body), ' ')) }},
		"send nothing":           {body, func(w http.ResponseWriter, r *http.Request) {}},
		"send without end": {body, func(w http.ResponseWriter, r *http.Request) {
			w.Write(body)
			for chunk := bytes.Repeat([]byte(" "), 1<<16); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}},
		"break off": {body, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100000")
			w.Write(body[:10])
		}},
		"lead inside": {body, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, inside.URL+"/ipfs/"+cid.String(), http.StatusFound)
		}},
		"lead inside by name": {body, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(inside.URL, "127.0.0.1", "localhost", 1)+"/ipfs/"+cid.String(), http.StatusFound)
		}},
		"lead to a file": {body, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}},
		"lead in a circle":      {body, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }},
		"send what is unsigned": {unsigned, func(w http.ResponseWriter, r *http.Request) { w.Write(unsigned) }},
		"send no document":      {[]byte("hello"), func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hello")) }},
	} {
		t.Run(name, func(t *testing.T) {
			g := newDistant(t)
			g.answer = c.answer
			w := newWorld(t, options{gateway: g.URL + "/ipfs"})
			source := document.Of(c.content).Source()
			w.grant(car, "app", source)
			r := w.exchange(w.login("app"), car, rawData, "null")
			if r.status != http.StatusForbidden || w.decide("app").Paper != consent.NotHere {
				t.Errorf("%d %s", r.status, r.raw)
			}
			if g.hits.Load() == 0 {
				t.Error("the gateway was not asked")
			}
		})
	}
	if n := inside.hits.Load(); n != 0 {
		t.Errorf("%d connections were led inside", n)
	}
}

func TestAGatewayIsNotAskedAgainAtOnce(t *testing.T) {
	g := newDistant(t)
	g.answer = http.NotFound
	w := newWorld(t, options{gateway: g.URL + "/ipfs"})
	body := written(draft(), "anna")
	w.grant(car, "app", document.Of(body).Source())
	app := w.login("app")
	for range 5 {
		w.exchange(app, car, rawData, "null")
	}
	if n := g.hits.Load(); n != 1 {
		t.Errorf("%d fetches in a row, want 1", n)
	}
	g.holds(body)
	w.clock.Advance(31 * time.Second)
	w.registry.Looked(w.clock.Now())
	if r := w.exchange(app, car, rawData, "null"); r.status != 200 || g.hits.Load() != 2 {
		t.Errorf("half a minute later: %d %s, %d fetches", r.status, r.raw, g.hits.Load())
	}
}

// A gateway that does not answer holds up the exchange that needs it until its
// caller goes away, and nobody else.
func TestASilentGateway(t *testing.T) {
	g := newDistant(t)
	wait := make(chan struct{})
	g.answer = func(w http.ResponseWriter, r *http.Request) { <-wait }
	t.Cleanup(func() { close(wait) })
	w := newWorld(t, options{gateway: g.URL + "/ipfs"})
	w.grant(car, "app", document.Of(written(draft(), "anna")).Source())
	app, anna := w.login("app"), w.login("anna")
	w.server.Client().Timeout = 500 * time.Millisecond
	gone := make(chan error)
	go func() {
		r, _ := http.NewRequest("POST", w.server.URL+"/v1/tokens/exchange", strings.NewReader(fmt.Sprintf(`{"asset":%q,"permissions":[%s]}`, did(car), rawData)))
		r.Header.Set("Authorization", "Bearer "+app)
		_, err := w.server.Client().Do(r)
		gone <- err
	}()
	for g.hits.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if r := w.exchange(app, car, `"privilege:GetNonLocationHistory"`, "null"); r.status != 200 {
		t.Errorf("what the record gives: %d %s", r.status, r.raw)
	}
	if r := w.exchange(anna, car, rawData, "null"); r.status != 200 {
		t.Errorf("the owner: %d %s", r.status, r.raw)
	}
	if err := <-gone; err == nil {
		t.Error("the exchange was answered without its document")
	}
	w.must(w.shelf.Close()) // ends the fetch
}
