package front_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/node/ask/fetch"
	"sayso/node/vault"
	"sayso/owner/registry"
)

// large keeps a document with a payload that is too long for an answer.
func (w *world) large(id string, ownership int, contentType string, payload []byte) {
	w.t.Helper()
	e := sayso.CloudEvent{
		Type: "dimo.document.bill", Source: account("maker"), Subject: sayso.NFT(testChain.ID, testChain.Vehicle, car), ID: id,
		Time: bought[ownership].Add(30*time.Minute + 123*time.Microsecond), Data: payload, Base64: contentType != "application/json", DataContentType: contentType,
	}
	_, err := w.vault.Commit(context.Background(), &vault.Deposit{Vehicle: car, Epoch: uint32(ownership), Envelope: e, Body: sha256.Sum256(payload)})
	w.must(err)
}

// aLink asks for a document and answers the link to its payload, from the path
// on. The payload itself must not be in the answer.
func (w *world) aLink(dialect, bearer, id string) string {
	w.t.Helper()
	text := fmt.Sprintf(`{cloudEvents($V, filter: {id: %q}){header{id} data dataBase64 dataUrl}}`, id)
	got := w.ask(dialect, bearer, question{dialect: dialect, field: "cloudEvents", text: text}.about(car))
	var out struct {
		Data struct {
			CloudEvents []struct {
				Data       json.RawMessage
				DataBase64 *string
				DataURL    *string `json:"dataUrl"`
			}
		}
	}
	w.must(json.Unmarshal([]byte(got.raw), &out))
	list := out.Data.CloudEvents
	if len(list) != 1 || list[0].DataURL == nil || string(list[0].Data) != "null" || list[0].DataBase64 != nil {
		w.t.Fatalf("%s: no link to %s: %.300s", dialect, id, got.raw)
	}
	path, ours := strings.CutPrefix(*list[0].DataURL, home+fetch.PayloadPath)
	if !ours {
		w.t.Fatalf("the link is not the node's own: %s", *list[0].DataURL)
	}
	return fetch.PayloadPath + path
}

// long is a payload of a size that holds a secret.
func long(size int, secret string) []byte {
	return []byte(`{"secret":"` + secret + `","filling":"` + strings.Repeat("x", size) + `"}`)
}

// A payload of over 1 MiB is answered by a link, without a token, for 15 minutes.
func TestLargePayloadsAreHadByLink(t *testing.T) {
	w := newWorld(t)
	scan := append([]byte("%PDF-1.7 "), slices.Repeat([]byte{0, 255}, 600_000)...)
	w.large("report", 2, "application/json", long(1<<20, "in the report"))
	w.large("scan", 2, "application/pdf", scan)
	w.large("page", 2, "text/html\r\nSet-Cookie: a=b", scan)
	w.large("short", 2, "application/json", []byte(`{"secret":"short"}`))
	owner, _ := w.exchange("owner", car, everything)
	for id, want := range map[string]struct {
		kind    string
		payload []byte
	}{
		"report": {"application/json", long(1<<20, "in the report")}, "scan": {"application/pdf", scan}, "page": {"application/octet-stream", scan},
	} {
		for _, dialect := range []string{"subject", "fetch"} {
			res, err := w.server.Client().Get(w.server.URL + w.aLink(dialect, owner, id))
			w.must(err)
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			w.must(err)
			h := res.Header
			if res.StatusCode != http.StatusOK || string(body) != string(want.payload) || h.Get("Content-Type") != want.kind {
				t.Errorf("%s: %d, %d bytes of %d, %s", id, res.StatusCode, len(body), len(want.payload), h.Get("Content-Type"))
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Disposition") != "attachment" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox") || h.Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: a browser may act on it: %v", id, h)
			}
		}
	}
	got := w.ask("fetch", owner, fmt.Sprintf(`{cloudEvents(did: %q, filter: {id: "short"}){data dataUrl}}`, carDID(car)))
	if !strings.Contains(got.raw, `"dataUrl":null`) || !strings.Contains(got.raw, `"secret":"short"`) {
		t.Errorf("a short payload does not stand in the answer: %s", got.raw)
	}
	// gRPC has no member for a link: its answers may have 50 MiB, and hold it.
	raw, err := w.rpc("GetLatestCloudEvent", owner, `{"options":{"id":"report"}}`)
	if want := base64.StdEncoding.EncodeToString(long(1<<20, "in the report")); err != nil || !strings.Contains(raw, want) {
		t.Errorf("gRPC: %d bytes, %v", len(raw), err)
	}
}

// gone checks that a link gives nothing.
func (w *world) gone(what, path string, statuses ...int) {
	w.t.Helper()
	for _, bearer := range []string{"", w.logins["stranger"+"dimo-driver"]} {
		status, body := w.call("GET", path, bearer, "", "")
		if !slices.Contains(statuses, status) || strings.Contains(body, "secret") || len(body) > 1000 {
			w.t.Errorf("%s: %d %.300s", what, status, body)
		}
	}
}

// A link opens what its grantee may see at the moment of the fetch, and nothing
// else.
func TestLinksOpenNothingByThemselves(t *testing.T) {
	w := newWorld(t)
	w.login("stranger")
	w.large("report", 2, "application/json", long(1<<20, "in the report"))
	w.large("before", 1, "application/json", long(1<<20, "of the prior owner"))
	share := func(set sayso.Permissions, expires int64) {
		w.fold(func(tx *registry.Tx) { tx.PutGrant(grant(car, "app", set, expires, tx.Block.Number)) })
		w.final()
	}
	fine := func(what, path, secret string) {
		if status, body := w.call("GET", path, "", "", ""); status != http.StatusOK || !strings.Contains(body, secret) {
			t.Fatalf("%s: %d %.300s", what, status, body)
		}
	}
	share(everything, registry.Forever)
	app, _ := w.exchange("app", car, everything)
	path := w.aLink("fetch", app, "report")
	fine("a fresh link", path, "in the report")

	owner, _ := w.exchange("owner", car, everything)
	prior, _ := w.exchange("prior-owner", car, everything)
	for who, bearer := range map[string]string{"the owner": owner, "the app": app} {
		if got := w.ask("fetch", bearer, fmt.Sprintf(`{cloudEvents(did: %q, filter: {id: "before"}){dataUrl}}`, carDID(car))); strings.Contains(got.raw, "payloads") {
			t.Errorf("%s has a link to what the prior owner's car said: %s", who, got.raw)
		}
	}
	theirs := w.aLink("fetch", prior, "before")
	fine("the prior owner's", theirs, "of the prior owner")
	w.forgeLinks(path, theirs)

	share(everything, noon.Unix()-1)
	w.gone("the grant has expired", path, 403)
	share(sayso.PermissionSet(sayso.NonLocationHistory), registry.Forever)
	w.gone("the grant is of signals alone", path, 403)
	share(everything, registry.Forever)
	fine("granted again", path, "in the report")
	w.fold(func(tx *registry.Tx) { tx.PutGrant(grant(car, "app", sayso.Permissions{}, 0, tx.Block.Number)) })
	w.gone("revoked, with its block", path, 403)
	fine("the prior owner's, when the app's is revoked", theirs, "of the prior owner")
	share(everything, registry.Forever)
	fine("granted once more", path, "in the report")

	w.wall.Advance(2 * registry.Horizon)
	w.gone("without sight of the chain", path, 503)
	w.look()
	fine("in sight again", path, "in the report")
	mine := w.aLink("fetch", func() string { s, _ := w.exchange("app", car, everything); return s }(), "report")
	w.wall.Advance(fetch.LinkTerm - time.Minute)
	w.look()
	w.gone("over its term", path, 410)
	fine("a younger one", mine, "in the report")
	w.wall.Advance(time.Minute)
	w.look()
	w.gone("at its term", mine, 410)
}

// What is taken back, or erased, is no longer behind a link.
func TestLinksToWhatIsGone(t *testing.T) {
	w := newWorld(t)
	w.large("report", 2, "application/json", long(1<<20, "in the report"))
	owner, _ := w.exchange("owner", car, everything)
	path := w.aLink("fetch", owner, "report")
	back := sayso.CloudEvent{
		Type: sayso.TypeTombstone, Source: account("maker"), Subject: sayso.NFT(testChain.ID, testChain.Vehicle, car), ID: "back",
		Time: noon, Data: []byte(`{"voidsId":"report"}`), DataContentType: "application/json",
	}
	_, err := w.vault.Commit(t.Context(), &vault.Deposit{Vehicle: car, Epoch: 2, Envelope: back, Body: sha256.Sum256(back.Data)})
	w.must(err)
	w.gone("taken back", path, 404)
	got := w.ask("fetch", owner, fmt.Sprintf(`{latestCloudEvent(did: %q, includeDeleted: true, filter: {id: "report"}){dataUrl}}`, carDID(car)))
	all, _ := got.data["latestCloudEvent"].(map[string]any)
	path = strings.TrimPrefix(fmt.Sprint(all["dataUrl"]), home)
	if status, body := w.call("GET", path, "", "", ""); status != http.StatusOK || !strings.Contains(body, "in the report") {
		t.Errorf("asked for with what was taken back: %d %.300s", status, body)
	}
	if e := w.erase("owner", ""); e.status != http.StatusOK {
		t.Fatal(e.body)
	}
	w.gone("erased", path, 404)
}

// forgeLinks changes links in every byte, and mixes two and those of another
// node: none leads anywhere.
func (w *world) forgeLinks(one, two string) {
	w.t.Helper()
	split := func(path string) (body, mac string) {
		body, mac, _ = strings.Cut(strings.TrimPrefix(path, fetch.PayloadPath), ".")
		return body, mac
	}
	body, mac := split(one)
	other, mac2 := split(two)
	for what, link := range map[string]string{
		"nothing": "x", "no proof": body, "an empty proof": body + ".", "another's proof": body + "." + mac2, "another's event": other + "." + mac,
		"a dot more": body + "." + mac + ".", "padded": body + "=." + mac, "half": body[:len(body)/2] + "." + mac, "a zero proof": body + "." + strings.Repeat("A", len(mac)),
	} {
		w.gone(what, fetch.PayloadPath+link, 404)
	}
	text := body + "." + mac
	for i := 0; i < len(text); i += 3 {
		b := []byte(text)
		if b[i] == '.' {
			continue
		}
		if b[i]++; strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", b[i]) < 0 {
			b[i] = 'A'
		}
		w.gone(fmt.Sprint("changed at ", i), fetch.PayloadPath+string(b), 404)
	}
	claims, err := base64.RawURLEncoding.DecodeString(body)
	w.must(err)
	for old, altered := range map[string]string{
		account("app").String(): account("owner").String(), `"epoch":2`: `"epoch":1`, `"expires":`: `"expires":9`, fmt.Sprint(car): fmt.Sprint(elsewhere),
	} {
		changed := strings.Replace(string(claims), old, altered, 1)
		if changed == string(claims) {
			w.t.Fatalf("%s is not in %s", old, claims)
		}
		w.gone("with "+altered, fetch.PayloadPath+base64.RawURLEncoding.EncodeToString([]byte(changed))+"."+mac, 404)
	}
	if strings.Contains(string(claims), "secret") {
		w.t.Errorf("a link tells of its payload: %s", claims)
	}
	stranger := newWorld(w.t)
	stranger.large("report", 2, "application/json", long(1<<20, "in the report"))
	bearer, _ := stranger.exchange("owner", car, everything)
	w.gone("a link of another node", stranger.aLink("fetch", bearer, "report"), 404)
}
