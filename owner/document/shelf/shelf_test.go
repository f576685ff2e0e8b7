package shelf_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/document"
	"sayso/owner/document/shelf"
	"sayso/owner/registry"
)

var update = flag.Bool("update", false, "write the fixture of this format again; only for a new format")

func TestADocumentIsKeptAndServedToThoseItNames(t *testing.T) {
	w := newWorld(t, options{})
	body := written(draft(), "anna")
	r := w.post(body)
	cid := document.Of(body).String()
	if r.status != http.StatusCreated || r.text("cid") != cid || r.text("source") != "ipfs://"+cid {
		t.Fatalf("posted: %d %s", r.status, r.raw)
	}
	if r := w.post(body); r.status != http.StatusOK || r.text("cid") != cid {
		t.Errorf("posted again: %d %s", r.status, r.raw)
	}
	for _, path := range []string{"/v1/documents/" + cid, "/ipfs/" + cid, "/ipfs/" + document.FileOf(body).String()} {
		for name, want := range map[string]int{"anna": 200, "app": 200, "bert": 404, "": 404} {
			login := ""
			if name != "" {
				login = w.login(name)
			}
			r := w.call("GET", path, login, "", nil)
			if r.status != want || want == 200 && r.raw != string(body) {
				t.Errorf("%s as %q: %d %s", path, name, r.status, r.raw)
			}
			if want != 200 && strings.Contains(r.raw, account("app").String()[2:]) {
				t.Errorf("%s tells %q whom the document names: %s", path, name, r.raw)
			}
		}
	}
	absent := w.call("GET", "/ipfs/"+document.Of([]byte("x")).String(), w.login("bert"), "", nil)
	refused := w.call("GET", "/ipfs/"+cid, w.login("bert"), "", nil)
	if absent.raw != refused.raw || absent.status != refused.status {
		t.Errorf("a stranger can tell a document from none: %s / %s", absent.raw, refused.raw)
	}
	if r := w.call("GET", "/ipfs/nothing", "", "", nil); r.status != http.StatusBadRequest {
		t.Errorf("no CID: %d", r.status)
	}
	if r := w.call("GET", "/ipfs/"+cid, "not a token", "", nil); r.status != http.StatusUnauthorized {
		t.Errorf("a bad token: %d", r.status)
	}
}

func TestATemplateIsForEverybody(t *testing.T) {
	w := newWorld(t, options{})
	template := func(owner string) []byte {
		data := fmt.Appendf(nil, `{"owner":{"address":%q},"agreements":[{"type":"permission","asset":%q,"permissions":[{"name":"privilege:GetRawData"}]}]}`, account(owner), sayso.Account(where.ID, where.Vehicle))
		return envelope(document.TypeTemplate, data, sign(owner, data))
	}
	cid := strings.TrimPrefix(w.kept(template("dora")), "ipfs://")
	if r := w.call("GET", "/ipfs/"+cid, "", "", nil); r.status != 200 || r.raw != string(template("dora")) {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := w.post(template("anna")); r.status != http.StatusForbidden {
		t.Errorf("of somebody without a licence: %d %s", r.status, r.raw)
	}
	// It has no use as a grant, and as a template once the chain knows it.
	w.grant(car, "app", "ipfs://"+cid)
	if v := w.decide("app"); v.Paper != consent.NotAGrant {
		t.Errorf("a template as a grant: %+v", v)
	}
	d := draft()
	d.Template = "99"
	w.grant(car, "app", w.kept(written(d, "anna")))
	if v := w.decide("app"); v.Paper != consent.NotTheForm {
		t.Errorf("a template that is not on chain: %+v", v)
	}
	w.fold(func(tx *registry.Tx) {
		tx.PutTemplate(registry.Template{ID: "99", Creator: account("dora"), Asset: where.Vehicle, Permissions: "0xc000", CID: cid, Active: true, Block: tx.Block.Number})
	})
	if v := w.decide("app"); v.Paper != "" || !v.Permissions().Has(sayso.RawData) {
		t.Errorf("following a template: %+v", v)
	}
}

// decide asks what somebody may see of the car.
func (w *world) decide(who string) consent.Verdict {
	return consent.Decide(shelf.State{Registry: w.registry, Shelf: w.shelf}, account(who), car, w.clock.Now())
}

func TestWhatIsNotKept(t *testing.T) {
	w := newWorld(t, options{})
	good := written(draft(), "anna")
	change := func(f func(*document.Draft)) []byte {
		d := draft()
		f(&d)
		return written(d, "anna")
	}
	data, err := draft().Data()
	w.must(err)
	sig := sign("anna", data)
	bent := func(f func(sig []byte) []byte) []byte {
		return envelope(document.TypeGrant, data, f(bytes.Clone(sig)))
	}
	raw, err := crypto.Sign(crypto.Keccak256(data), key("anna"))
	w.must(err)
	raw[64] += 27
	for name, c := range map[string]struct {
		body []byte
		want int
	}{
		"nothing":                       {nil, 400},
		"too large":                     {bytes.Repeat([]byte(" "), document.MaxBytes+1), 413},
		"signed by another":             {written(draft(), "bert"), 400},
		"signed by the grantee":         {written(draft(), "app"), 400},
		"one byte of the data changed":  {bytes.Replace(good, []byte("vehicle.odometer"), []byte("vehicle.odometeR"), 1), 400},
		"the data with another spacing": {bytes.Replace(good, []byte(`"grantor":`), []byte(`"grantor": `), 1), 400},
		"v 0 or 1":                      {bent(func(s []byte) []byte { s[64] -= 27; return s }), 400},
		"the other s":                   {bent(otherForm), 400},
		"no prefix":                     {envelope(document.TypeGrant, data, raw), 400},
		"a zero signature":              {bent(func(s []byte) []byte { return make([]byte, 65) }), 400},
		"a short signature":             {bent(func(s []byte) []byte { return s[:64] }), 400},
		"a long signature":              {bent(func(s []byte) []byte { return append(s, 0) }), 400},
		"of somebody else's car":        {change(func(d *document.Draft) { d.Asset = did(van) }), 403},
		"of a car that is not":          {change(func(d *document.Draft) { d.Asset = did(9) }), 403},
		"of another chain":              {change(func(d *document.Draft) { d.Asset.Chain++ }), 403},
		"of another contract":           {change(func(d *document.Draft) { d.Asset.Address = sayso.Address{1} }), 403},
		"of an account":                 {change(func(d *document.Draft) { d.Asset = sayso.Account(where.ID, account("anna")) }), 403},
		"by somebody without a car":     {written(func() document.Draft { d := draft(); d.Grantor = account("cleo"); return d }(), "cleo"), 403},
	} {
		r := w.post(c.body)
		if r.status != c.want || r.text("message") == "" {
			t.Errorf("%s: %d %s, want %d", name, r.status, r.raw, c.want)
		}
		if _, ok := w.shelf.Document(document.Of(c.body).Source()); ok {
			t.Errorf("%s: kept", name)
		}
	}
	if r := w.post(good); r.status != http.StatusCreated {
		t.Errorf("the good one: %d %s", r.status, r.raw)
	}
}

// otherForm is the second signature that there is for every one.
func otherForm(sig []byte) []byte {
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64]))
	s.FillBytes(sig[32:64])
	sig[64] = 27 + 28 - sig[64]
	return sig
}

// The way of a grant with a document: from the owner's pen to the app's token,
// and its end.
func TestAnExchangeOnADocument(t *testing.T) {
	w := newWorld(t, options{})
	app := w.login("app")
	if r := w.exchange(app, car, rawData, "null"); r.status != http.StatusForbidden {
		t.Fatalf("without a grant: %d %s", r.status, r.raw)
	}
	body := written(draft(), "anna")
	w.grant(car, "app", document.Of(body).Source())
	r := w.exchange(app, car, rawData, attestations())
	if r.status != http.StatusForbidden || !strings.Contains(r.text("reason"), string(consent.NotHere)) || !strings.Contains(r.text("message"), "dimo.attestation") {
		t.Errorf("before the document came: %d %s", r.status, r.raw)
	}
	w.kept(body)
	r = w.exchange(app, car, rawData, attestations())
	claims, err := w.vehicles.Verify(r.text("token"), "dimo.zone", w.clock.Now())
	if err != nil {
		t.Fatalf("%d %s: %v", r.status, r.raw, err)
	}
	if got, want := fmt.Sprint(claims.CloudEvents), fmt.Sprintf("{[{dimo.attestation %s [*] [vehicle.odometer]}]}", account("garage")); got != want || claims.Set() != sayso.PermissionSet(sayso.RawData) {
		t.Errorf("claims %s %v, want %s", got, claims.Set(), want)
	}
	if r := w.exchange(app, car, `"privilege:GetNonLocationHistory",`+rawData, "null"); r.status != 200 {
		t.Errorf("of the record and of the document: %d %s", r.status, r.raw)
	}
	for name, events := range map[string]string{
		"another source":  strings.Replace(attestations(), account("garage").String(), account("bert").String(), 1),
		"every source":    `{"events":[{"eventType":"dimo.attestation","tags":["vehicle.odometer"]}]}`,
		"another tag":     fmt.Sprintf(`{"events":[{"eventType":"dimo.attestation","source":"%s","tags":["vehicle.odometer","vehicle"]}]}`, account("garage")),
		"every tag":       fmt.Sprintf(`{"events":[{"eventType":"dimo.attestation","source":"%s"}]}`, account("garage")),
		"one of two":      strings.TrimSuffix(attestations(), "]}") + `,{"eventType":"dimo.status"}]}`,
		"of another type": strings.Replace(attestations(), "attestation", "status", 1),
	} {
		if r := w.exchange(app, car, "", events); r.status != http.StatusForbidden || r.body["missingEvents"] == nil {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	if r := w.exchange(w.login("anna"), car, rawData, `{"events":[{}]}`); r.status != 200 {
		t.Errorf("the owner asks for every event: %d %s", r.status, r.raw)
	}
	for name, bad := range map[string]string{"a list": "[]", "text": `"x"`, "numbers": `{"events":[{"ids":[1]}]}`, "an empty list alone": `{"events":[]}`} {
		if r := w.exchange(app, car, "", bad); r.status != http.StatusBadRequest {
			t.Errorf("cloudEvents %s: %d %s", name, r.status, r.raw)
		}
	}
	many := `{"events":[{"ids":[` + strings.Repeat(`"a",`, 40) + `"b"],"tags":[` + strings.Repeat(`"a",`, 40) + `"b"]}]}`
	if r := w.exchange(app, car, "", many); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("1681 pairs: %d %s", r.status, r.raw)
	}

	read := func() consent.Verdict { return w.decide("app").Limit(claims.Set()).LimitEvents(claims.Filters()) }
	if sight, _ := read().Event("dimo.attestation", account("garage").Lower(), "any", []string{"vehicle.odometer", "vehicle"}); sight != consent.Allow {
		t.Error("the token does not read what it is for")
	}
	w.fold(func(tx *registry.Tx) { tx.DeleteGrant(car, account("app")) })
	if v := read(); len(v.Rights) > 0 || len(v.Events) > 0 {
		t.Errorf("after the revocation the token reads %+v", v)
	}
	if r := w.exchange(app, car, rawData, "null"); r.status != http.StatusForbidden {
		t.Errorf("after the revocation: %d %s", r.status, r.raw)
	}
}

// The next owner has agreed to nothing: an old document on a new record counts
// for nothing.
func TestADocumentEndsWithItsOwner(t *testing.T) {
	w := newWorld(t, options{})
	source := w.kept(written(draft(), "anna"))
	w.grant(car, "app", source)
	if v := w.decide("app"); v.Paper != "" {
		t.Fatal(v.Paper)
	}
	w.fold(func(tx *registry.Tx) {
		v, _ := tx.Vehicle(car)
		v.Owners = append(v.Owners[:1:1], registry.Ownership{Owner: account("bert"), From: noon.Unix(), Block: tx.Block.Number})
		tx.PutVehicle(v)
		tx.DeleteGrants(car)
	})
	w.grant(car, "app", source)
	if v := w.decide("app"); v.Paper != consent.NotTheOwners || v.Permissions().Has(sayso.RawData) || len(v.Events) > 0 {
		t.Errorf("%+v", v)
	}
}

func TestWhatIsKeptIsSealed(t *testing.T) {
	w := newWorld(t, options{})
	data := fmt.Appendf(nil, `{"grantor":{"address":%q,"name":"Anna Canary"},"grantee":{"address":%q},"asset":%q,"agreements":[]}`, account("anna"), account("app"), did(car))
	body := envelope(document.TypeGrant, data, sign("anna", data))
	source := w.kept(body)
	look := func(when string) {
		files, err := filepath.Glob(filepath.Join(w.dir, "documents.db*"))
		if err != nil || len(files) == 0 {
			t.Fatal("no files", err)
		}
		for _, f := range files {
			content, err := os.ReadFile(f)
			w.must(err)
			for _, canary := range []string{"Canary", `"grantor":`, account("app").String(), account("app").Lower(), "dimo.sacd"} {
				if bytes.Contains(content, []byte(canary)) {
					t.Errorf("%s %s holds %q in clear", when, f, canary)
				}
			}
		}
	}
	look("open")
	w.must(w.shelf.Close())
	look("closed")

	again := newWorld(t, options{dir: w.dir})
	if d, ok := again.shelf.Document(source); !ok || !bytes.Equal(d.Data, data) {
		t.Errorf("after a restart: %+v", d)
	}
	again.must(again.shelf.Close())
	other := newWorld(t, options{dir: w.dir, root: 1})
	if d, ok := other.shelf.Document(source); ok || !strings.Contains(other.log.String(), "cannot be read") {
		t.Errorf("under another root key: %+v, log %s", d, other.log.String())
	}
}

// Documents that another key sealed are sealed anew once, and open without it
// from then on.
func TestDocumentsOfAFormerKey(t *testing.T) {
	w := newWorld(t, options{root: 3})
	body := written(draft(), "anna")
	if r := w.post(body); r.status != http.StatusCreated {
		t.Fatalf("posted: %d %s", r.status, r.raw)
	}
	source := "ipfs://" + document.Of(body).String()
	w.must(w.shelf.Close())
	for _, o := range []options{{dir: w.dir, root: 4, former: 3}, {dir: w.dir, root: 4, former: 9}, {dir: w.dir, root: 4}} {
		again := newWorld(t, o)
		if _, ok := again.shelf.Document(source); !ok {
			t.Errorf("%+v: the document cannot be read: %s", o, again.log.String())
		}
		again.must(again.shelf.Close())
	}
	old := newWorld(t, options{dir: w.dir, root: 3})
	if _, ok := old.shelf.Document(source); ok {
		t.Error("the former key still opens it")
	}
}

func TestAGrantorHasARoomOfSomeSize(t *testing.T) {
	w := newWorld(t, options{})
	d := draft()
	next := func() []byte { d.Until = d.Until.Add(time.Second); return written(d, "anna") }
	d.Until = noon
	first := w.kept(next())
	w.grant(car, "app", first)
	second := w.kept(next())
	for range 254 {
		w.kept(next())
	}
	if _, ok := w.shelf.Document(second); !ok {
		t.Fatal("dropped too soon")
	}
	last := w.kept(next())
	for source, want := range map[string]bool{first: true, second: false, last: true} {
		if _, ok := w.shelf.Document(source); ok != want {
			t.Errorf("%s is here: %v", source, ok)
		}
	}
	if r := w.post(written(document.Draft{Grantor: account("bert"), Grantee: account("app"), Asset: did(van)}, "bert")); r.status != http.StatusCreated {
		t.Errorf("somebody else has room: %d", r.status)
	}
}

// The fixture was written by the first version of the format and must stay
// readable.
func TestTheFixtureStaysReadable(t *testing.T) {
	body := written(draft(), "anna")
	path := filepath.Join("testdata", "documents-1.db")
	if *update {
		w := newWorld(t, options{root: 42})
		w.kept(body)
		w.must(w.shelf.Close())
		content, err := os.ReadFile(filepath.Join(w.dir, "documents.db"))
		w.must(err)
		w.must(os.MkdirAll("testdata", 0o755))
		w.must(os.WriteFile(path, content, 0o644))
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "documents.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, options{root: 42, dir: dir})
	got, d, err := w.shelf.Get(t.Context(), document.Of(body))
	if err != nil || !bytes.Equal(got, body) || d.Grantor != account("anna") {
		t.Errorf("%s, %+v, %v", got, d, err)
	}
}
