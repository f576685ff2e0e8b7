package front_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/node/vault"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

// letterOf is a message of a device before it is written: members of the envelope
// as raw JSON, in the order in which they are written.
type letterOf struct {
	members []member
	bearer  string
	header  map[string]string
}

type member struct{ name, json string }

const measured = `{"signals":[{"name":"speed","timestamp":"2026-03-02T11:00:00Z","value":42}]}`

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) }

func deviceDID(id uint64) string {
	return sayso.NFT(testChain.ID, testChain.AftermarketDevice, id).String()
}

func carDID(id uint64) string { return sayso.NFT(testChain.ID, testChain.Vehicle, id).String() }

// signData signs the bytes of the payload as devices do, and lets the signature
// be changed before it is written.
func signData(name, data string, change ...func([]byte) []byte) string {
	sum := sayso.Keccak256([]byte(data))
	return sign(key(name), sum[:], change...)
}

func sign(k *ecdsa.PrivateKey, hash []byte, change ...func([]byte) []byte) string {
	sig, err := crypto.Sign(hash, k)
	if err != nil {
		panic(err)
	}
	sig[64] += 27
	for _, c := range change {
		sig = c(sig)
	}
	return "0x" + hex.EncodeToString(sig)
}

// genuine is a message that the device may send.
func genuine(id string) letterOf {
	return letterOf{members: []member{
		{"id", quoted(id)}, {"specversion", `"1.0"`}, {"type", `"dimo.status"`}, {"time", `"2026-03-02T11:00:01Z"`},
		{"source", quoted(account("device").String())}, {"producer", quoted(deviceDID(5))}, {"subject", quoted(carDID(car))},
		{"dataversion", `"default/v1.0"`}, {"signature", quoted(signData("device", measured))}, {"data", measured},
	}}
}

// with replaces a member, or adds it; an empty text removes it.
func (l letterOf) with(name, json string) letterOf {
	out := letterOf{bearer: l.bearer, header: l.header}
	found := false
	for _, m := range l.members {
		if m.name == name {
			found = true
			m.json = json
		}
		if m.json != "" {
			out.members = append(out.members, m)
		}
	}
	if !found && json != "" {
		out.members = append(out.members, member{name, json})
	}
	return out
}

// by makes somebody the sender, who signs.
func (l letterOf) by(name string) letterOf {
	return l.with("source", quoted(account(name).String())).with("signature", quoted(signData(name, measured)))
}

// holding sends a token in place of a signature.
func (l letterOf) holding(bearer string) letterOf {
	l = l.with("signature", "")
	l.bearer = bearer
	return l
}

func (l letterOf) body() string {
	var b strings.Builder
	for i, m := range l.members {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + quoted(m.name) + ":" + m.json)
	}
	return b.String() + "}"
}

// post sends a message in a form of the door.
func (w *world) post(l letterOf, contentType string) (int, string) {
	w.t.Helper()
	body := l.body()
	switch contentType {
	case "application/cloudevents-batch+json":
		body = "[" + body + "]"
	case "application/x-ndjson":
		body += "\n"
	}
	r, err := http.NewRequest("POST", w.server.URL+"/v1/devices/events", strings.NewReader(body))
	w.must(err)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "application/json")
	if l.bearer != "" {
		r.Header.Set("Authorization", l.bearer)
	}
	for k, v := range l.header {
		r.Header.Set(k, v)
	}
	res, err := w.server.Client().Do(r)
	w.must(err)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	w.must(err)
	return res.StatusCode, string(out)
}

// garage adds devices in every state in which one may not send.
func (w *world) garage() {
	w.fold(func(tx *registry.Tx) {
		b := tx.Block.Number
		past := bought[1].Unix()
		tx.PutVehicle(registry.Vehicle{ID: 7004, Burned: true, Owners: []registry.Ownership{{Owner: account("owner"), From: past, Block: b}}})
		for id, d := range map[uint64]registry.Device{
			6:  {Address: account("unpaired")},
			7:  {Address: account("burned")},
			8:  {Address: account("elsewhere"), Pairings: []registry.Pairing{{Vehicle: elsewhere, From: past}}},
			9:  {Address: account("taken out"), Pairings: []registry.Pairing{{Vehicle: car, From: past, To: past + 60}}},
			10: {Address: account("in a wreck"), Pairings: []registry.Pairing{{Vehicle: 7004, From: past}}},
			11: {Address: account("moved on"), Pairings: []registry.Pairing{{Vehicle: car, From: past, To: past + 60}, {Vehicle: elsewhere, From: past + 60}}},
			12: {Address: account("to be removed"), Pairings: []registry.Pairing{{Vehicle: car, From: past}}},
			13: {Address: account("just came"), Pairings: []registry.Pairing{{Vehicle: car, From: noon.Unix() - 60}}},
		} {
			d.ID, d.Manufacturer, d.Owner = id, 1, account("owner")
			tx.PutDevice(d)
		}
	})
	w.fold(func(tx *registry.Tx) { tx.DeleteDevice(7) })
}

// deviceLogin signs a device in.
func (w *world) deviceLogin(name string) string {
	return "Bearer " + w.loginAs(name, "sayso-device")
}

// badSignatures are genuine messages whose signature is not right.
func badSignatures() map[string]letterOf {
	g := genuine("forged")
	raw := func(hash [32]byte) letterOf {
		return g.with("signature", quoted(sign(key("device"), hash[:])))
	}
	bent := func(change func([]byte) []byte) letterOf {
		return g.with("signature", quoted(signData("device", measured, change)))
	}
	set := func(at int, v ...byte) func([]byte) []byte {
		return func(s []byte) []byte { copy(s[at:], v); return s }
	}
	n := crypto.S256().Params().N
	good := signData("device", measured)
	spaced := strings.ReplaceAll(measured, ":", ": ")
	reordered := `{"signals":[{"value":42,"name":"speed","timestamp":"2026-03-02T11:00:00Z"}]}`
	m := map[string]letterOf{
		"wrong key": g.with("signature", quoted(signData("eve", measured))),
		"high s": bent(func(s []byte) []byte {
			new(big.Int).Sub(n, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
			s[64] = 55 - s[64]
			return s
		}),
		"other v":                bent(func(s []byte) []byte { s[64] = 55 - s[64]; return s }),
		"personal_sign":          raw(chain.PersonalDigest([]byte(measured))),
		"SHA-256":                raw(sha256.Sum256([]byte(measured))),
		"hash of the hash":       raw(sayso.Keccak256(hashed(measured))),
		"hash of the envelope":   raw(sayso.Keccak256([]byte(g.body()))),
		"hash of nothing":        raw(sayso.Keccak256(nil)),
		"short":                  bent(func(s []byte) []byte { return s[:64] }),
		"long":                   bent(func(s []byte) []byte { return append(s, 27) }),
		"r of 0":                 bent(set(0, make([]byte, 32)...)),
		"s of 0":                 bent(set(32, make([]byte, 32)...)),
		"r of n":                 bent(set(0, n.Bytes()...)),
		"s of n":                 bent(set(32, n.Bytes()...)),
		"r and s swapped":        bent(func(s []byte) []byte { return append(append(append([]byte{}, s[32:64]...), s[:32]...), s[64]) }),
		"zeros":                  bent(func([]byte) []byte { return make([]byte, 65) }),
		"all ones":               bent(func([]byte) []byte { return []byte(strings.Repeat("\xff", 65)) }),
		"missing":                g.with("signature", ""),
		"empty":                  g.with("signature", `""`),
		"0x":                     g.with("signature", `"0x"`),
		"0x0x":                   g.with("signature", quoted("0x"+good)),
		"0X":                     g.with("signature", quoted("0X"+good[2:])),
		"no hexadecimal":         g.with("signature", quoted("0x"+strings.Repeat("zz", 65))),
		"odd":                    g.with("signature", quoted(good+"0")),
		"a space":                g.with("signature", quoted(" "+good)),
		"a number":               g.with("signature", "12"),
		"a list":                 g.with("signature", "["+quoted(good)+"]"),
		"null":                   g.with("signature", "null"),
		"DER":                    g.with("signature", quoted("0x"+hex.EncodeToString(der(good)))),
		"base64":                 g.with("signature", quoted(base64.StdEncoding.EncodeToString(unhex(good)))),
		"of other data":          g.with("data", strings.Replace(measured, "42", "43", 1)),
		"of data with spaces":    g.with("data", spaced),
		"of data reordered":      g.with("data", reordered),
		"over re-written data":   g.with("signature", quoted(signData("device", spaced))),
		"of the time too":        g.with("data", strings.Replace(measured, "11:00", "11:01", 1)),
		"of base64 as bytes":     g.with("data", "").with("datacontenttype", `"application/json"`).with("data_base64", quoted(base64.StdEncoding.EncodeToString([]byte(measured)))),
		"twice, wrong first":     {members: append([]member{{"signature", quoted(signData("eve", measured))}}, g.members...)},
		"data twice, own second": {members: append([]member{{"data", strings.Replace(measured, "42", "99", 1)}}, g.members...)},
		"as an extension":        g.with("signature", "").with("sig", quoted(good)),
	}
	for _, v := range []byte{0, 1, 2, 26, 29, 30, 31, 35, 255} {
		m[fmt.Sprint("v ", v)] = bent(set(64, v))
	}
	return m
}

func hashed(s string) []byte { h := sayso.Keccak256([]byte(s)); return h[:] }

func unhex(s string) []byte { b, _ := hex.DecodeString(strings.TrimPrefix(s, "0x")); return b }

func der(s string) []byte {
	b := unhex(s)
	out, _ := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:64])})
	return out
}

// badSenders are well signed messages of somebody who may not send them.
func badSenders() map[string]letterOf {
	g := genuine("forged")
	return map[string]letterOf{
		"a key that is not registered":        g.by("eve"),
		"a device that is not paired":         g.by("unpaired").with("producer", quoted(deviceDID(6))),
		"a device that was burned":            g.by("burned").with("producer", quoted(deviceDID(7))),
		"a device of another car":             g.by("elsewhere").with("producer", quoted(deviceDID(8))),
		"a device that was taken out":         g.by("taken out").with("producer", quoted(deviceDID(9))),
		"a device in a burned car":            g.by("in a wreck").with("producer", quoted(deviceDID(10))).with("subject", quoted(carDID(7004))),
		"a device that moved on":              g.by("moved on").with("producer", quoted(deviceDID(11))),
		"a person":                            g.by("owner"),
		"the signer of an app":                g.by("app signer"),
		"the source of another":               g.by("elsewhere").with("source", quoted(account("device").String())),
		"another source, own signature":       g.with("source", quoted(account("elsewhere").String())),
		"the source of another, its producer": g.by("elsewhere").with("producer", quoted(deviceDID(8))).with("source", quoted(account("device").String())),
		"no source":                           g.with("source", ""),
		"the zero source":                     g.with("source", quoted(sayso.Address{}.String())),
		"a source that is a DID":              g.with("source", quoted(sayso.Account(testChain.ID, account("device")).String())),
		"a source that is no address":         g.with("source", `"device"`),
		"a source that is a number":           g.with("source", "5"),
		"another car":                         g.with("subject", quoted(carDID(elsewhere))),
		"a car that there is not":             g.with("subject", quoted(carDID(999999))),
		"the car on another chain":            g.with("subject", quoted(sayso.NFT(1, testChain.Vehicle, car).String())),
		"the car of another contract":         g.with("subject", quoted(sayso.NFT(testChain.ID, alias, car).String())),
		"a subject that is another device":    g.with("subject", quoted(deviceDID(8))),
		"a subject that is an account":        g.with("subject", quoted(sayso.Account(testChain.ID, account("owner")).String())),
		"a subject that is no DID":            g.with("subject", `"my car"`),
		"a subject over 64 bits":              g.with("subject", quoted(fmt.Sprintf("did:erc721:%d:%s:18446744073709558617", testChain.ID, testChain.Vehicle))),
		"the producer is another device":      g.with("producer", quoted(deviceDID(8))),
		"the producer is on another chain":    g.with("producer", quoted(sayso.NFT(1, testChain.AftermarketDevice, 5).String())),
		"the producer is of another contract": g.with("producer", quoted(sayso.NFT(testChain.ID, alias, 5).String())),
		"the producer is the car":             g.with("producer", quoted(carDID(car))),
		"the producer is no DID":              g.with("producer", `"device 5"`),
		"back-fill with a signature alone":    {members: g.members, header: map[string]string{"Sayso-Backfill": "true"}},
	}
}

// badTokens are messages that come with a token which is not that of a device
// in the car.
func (w *world) badTokens() map[string]letterOf {
	g := genuine("forged")
	device, vehicle := w.deviceLogin("device"), ""
	vehicle, _ = w.exchange("owner", car, everything)
	parts := strings.Split(strings.TrimPrefix(device, "Bearer "), ".")
	stranger, err := token.OpenIssuer(w.t.TempDir(), "developer-tokens", home+"/auth")
	w.must(err)
	foreign := &token.SignIn{Issuer: stranger, State: w.registry, Clock: w.clock, Home: home}
	state, text, err := foreign.Challenge(token.Request{ClientID: "sayso-device", Domain: home, Scope: "openid email", Address: account("device").String()})
	w.must(err)
	issued, err := foreign.Submit(context.Background(), "sayso-device", home, state, sign(key("device"), chain.PersonalDigest([]byte(text)).Bytes()))
	w.must(err)
	return map[string]letterOf{
		"a person":                       g.holding("Bearer " + w.login("owner")),
		"the device's key as a person":   g.holding("Bearer " + w.loginAs("device", "dimo-driver")),
		"an app":                         g.holding("Bearer " + w.login("app")),
		"a vehicle token":                g.holding("Bearer " + vehicle),
		"a token of another node":        g.holding("Bearer " + issued.Access),
		"a device that is not paired":    g.holding(w.deviceLogin("unpaired")).with("producer", quoted(deviceDID(6))),
		"a device of another car":        g.holding(w.deviceLogin("elsewhere")).with("producer", quoted(deviceDID(8))),
		"a device of another car, ours":  g.holding(w.deviceLogin("elsewhere")),
		"a device that was taken out":    g.holding(w.deviceLogin("taken out")).with("producer", quoted(deviceDID(9))),
		"a device that moved on":         g.holding(w.deviceLogin("moved on")).with("producer", quoted(deviceDID(11))),
		"a device that was removed":      g.holding(w.deviceLogin("to be removed")).with("producer", quoted(deviceDID(12))),
		"no signature on the token":      g.holding("Bearer " + parts[0] + "." + parts[1] + "."),
		"alg none":                       g.holding("Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."),
		"half a token":                   g.holding(device[:len(device)/2]),
		"the word alone":                 g.holding("Bearer"),
		"another scheme":                 g.holding("Basic " + parts[1]),
		"the token without the word":     g.holding(strings.TrimPrefix(device, "Bearer ")),
		"a good signature, a bad token":  {members: g.members, bearer: "Bearer x"},
		"a good signature, a person":     {members: g.members, bearer: "Bearer " + w.login("owner")},
		"the producer is another device": g.holding(device).with("producer", quoted(deviceDID(8))),
		"another car":                    g.holding(device).with("subject", quoted(carDID(elsewhere))),
	}
}

// TestForgedMessages sends what nobody may send, in every form of the door:
// none of it reaches the vault.
func TestForgedMessages(t *testing.T) {
	w := newWorld(t)
	w.garage()
	crowds := map[string]map[string]letterOf{"signature": badSignatures(), "sender": badSenders(), "token": w.badTokens()}
	w.fold(func(tx *registry.Tx) { tx.DeleteDevice(12) })
	before, n := w.vault.Seq(), 0
	for crowd, list := range crowds {
		for name, l := range list {
			n++
			for _, form := range []string{"application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson"} {
				status, body := w.post(l, form)
				if status < 400 || status > 403 {
					t.Errorf("%s: %s as %s: %d %s", crowd, name, form, status, body)
				}
				if w.vault.Seq() != before {
					t.Fatalf("%s: %s as %s: something was kept", crowd, name, form)
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d forged messages", n)
	}
	old := genuine("late").holding(w.deviceLogin("device"))
	w.wall.Advance(token.DeveloperTerm)
	w.look()
	if status, body := w.post(old, "application/json"); status != 401 || w.vault.Seq() != before {
		t.Errorf("a token that is too old: %d %s", status, body)
	}
	t.Logf("%d forged messages in three forms, none kept", n+1)
}

// TestGenuineMessages is the other side: what the forged ones are made from is
// kept, once.
func TestGenuineMessages(t *testing.T) {
	w := newWorld(t)
	w.garage()
	in := base64.StdEncoding.EncodeToString([]byte(measured))
	for i, l := range []letterOf{
		genuine("a"), genuine("b").with("subject", ""), genuine("c").with("producer", ""), genuine("d").with("subject", quoted(deviceDID(5))),
		genuine("e").holding(w.deviceLogin("device")), genuine("f").holding(w.deviceLogin("device")).with("source", quoted(account("eve").String())),
		genuine("g").with("signature", quoted(strings.TrimPrefix(signData("device", measured), "0x"))), genuine("").with("id", ""),
		genuine("h").with("data", "").with("datacontenttype", `"application/json"`).with("data_base64", quoted(in)).with("signature", quoted(signData("device", in))),
	} {
		for range 2 {
			status, body := w.post(l, "application/json")
			if status != 200 || w.vault.Seq() != uint64(i+1) {
				t.Errorf("message %d: %d %s, %d kept", i, status, body, w.vault.Seq())
			}
		}
	}
	kept := 0
	w.must(w.vault.CloudEvents(context.Background(), vault.View{Vehicle: car, Epochs: []uint32{1, 2}}, 0, sayso.At(noon.Add(time.Hour)), func(s vault.Stored) bool {
		if kept++; s.Envelope.Source != account("device") || s.Envelope.Producer.String() != deviceDID(5) || s.Envelope.Subject.String() != carDID(car) || s.Epoch != 2 {
			t.Errorf("kept as %+v of ownership %d", s.Envelope, s.Epoch)
		}
		return true
	}))
	if kept != 9 {
		t.Errorf("%d kept", kept)
	}
}
