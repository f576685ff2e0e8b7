package mqtt

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
)

// proofs are passwords that the device must not get in with.
func (c *car) proofs() map[string]string {
	unix, nonce := start.Unix(), "nonce-of-this"
	other := c.w.add(90)
	text := SignInText(home, c.address, unix, nonce)
	write := func(sig []byte) string {
		return fmt.Sprintf("sayso1.%d.%s.0x%s", unix, nonce, hex.EncodeToString(sig))
	}
	over := func(text string) string { return write(c.sign(personal(text))) }
	bent := func(change func([]byte) []byte) string { return write(change(c.sign(personal(text)))) }
	at := func(d time.Duration) string { return c.signed(start.Add(d), nonce) }
	n := crypto.S256().Params().N
	good := c.sign(personal(text))
	hexa := hex.EncodeToString(good)
	m := map[string]string{
		"none": "", "a word": "secret", "the address": c.address.String(), "the scheme alone": "sayso1", "the scheme and a dot": "sayso1.",
		"the key of another":     write(other.sign(personal(text))),
		"the proof of another":   other.signed(start, nonce),
		"the token of another":   other.token(),
		"for another node":       over(SignInText("http://evil.example", c.address, unix, nonce)),
		"for the node with /":    over(SignInText(home+"/", c.address, unix, nonce)),
		"for another device":     over(SignInText(home, other.address, unix, nonce)),
		"for another time":       over(SignInText(home, c.address, unix+1, nonce)),
		"for another nonce":      over(SignInText(home, c.address, unix, nonce+"x")),
		"address in small":       over(strings.Replace(text, c.address.String(), strings.ToLower(c.address.String()), 1)),
		"with a newline":         over(text + "\n"),
		"with CRLF":              over(strings.ReplaceAll(text, "\n", "\r\n")),
		"without the first line": over(text[strings.Index(text, "\n")+1:]),
		"the nonce alone":        over(nonce),
		"nothing":                over(""),
		"without the prefix":     write(c.sign(sayso.Keccak256([]byte(text)))),
		"SHA-256":                write(c.sign(sha256.Sum256([]byte(text)))),
		"hashed twice":           write(c.sign(sayso.Keccak256(func() []byte { h := personal(text); return h[:] }()))),
		"hours ago":              at(-3 * time.Hour), "just too old": at(-signatureWindow - time.Second), "just too new": at(signatureWindow + time.Second), "tomorrow": at(24 * time.Hour),
		"high s": bent(func(s []byte) []byte {
			new(big.Int).Sub(n, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
			s[64] = 55 - s[64]
			return s
		}),
		"the other v":      bent(func(s []byte) []byte { s[64] = 55 - s[64]; return s }),
		"short":            bent(func(s []byte) []byte { return s[:64] }),
		"long":             bent(func(s []byte) []byte { return append(s, 27) }),
		"zeros":            bent(func(s []byte) []byte { return make([]byte, 65) }),
		"r of 0":           bent(func(s []byte) []byte { clear(s[:32]); return s }),
		"s of 0":           bent(func(s []byte) []byte { clear(s[32:64]); return s }),
		"r of n":           bent(func(s []byte) []byte { copy(s, n.Bytes()); return s }),
		"s of n":           bent(func(s []byte) []byte { copy(s[32:], n.Bytes()); return s }),
		"swapped":          bent(func(s []byte) []byte { return append(append(append([]byte{}, s[32:64]...), s[:32]...), s[64]) }),
		"base64":           fmt.Sprintf("sayso1.%d.%s.%s", unix, nonce, base64.StdEncoding.EncodeToString(good)),
		"no hexadecimal":   fmt.Sprintf("sayso1.%d.%s.0x%s", unix, nonce, strings.Repeat("z", 130)),
		"0X":               fmt.Sprintf("sayso1.%d.%s.0X%s", unix, nonce, hexa),
		"0x0x":             fmt.Sprintf("sayso1.%d.%s.0x0x%s", unix, nonce, hexa),
		"another scheme":   fmt.Sprintf("sayso2.%d.%s.0x%s", unix, nonce, hexa),
		"Sayso1":           fmt.Sprintf("Sayso1.%d.%s.0x%s", unix, nonce, hexa),
		"a part more":      fmt.Sprintf("sayso1.%d.%s.0x%s.", unix, nonce, hexa),
		"a part less":      fmt.Sprintf("sayso1.%d.0x%s", unix, hexa),
		"time with +":      fmt.Sprintf("sayso1.+%d.%s.0x%s", unix, nonce, hexa),
		"time with 0":      fmt.Sprintf("sayso1.0%d.%s.0x%s", unix, nonce, hexa),
		"time in ms":       fmt.Sprintf("sayso1.%d000.%s.0x%s", unix, nonce, hexa),
		"negative time":    fmt.Sprintf("sayso1.-%d.%s.0x%s", unix, nonce, hexa),
		"no time":          fmt.Sprintf("sayso1..%s.0x%s", nonce, hexa),
		"time over 64 bit": fmt.Sprintf("sayso1.99999999999999999999.%s.0x%s", nonce, hexa),
		"time as text":     fmt.Sprintf("sayso1.%s.%s.0x%s", start.Format(time.RFC3339), nonce, hexa),
		"a short nonce":    c.signed(start, "1234567"), "a long nonce": c.signed(start, strings.Repeat("a", 65)), "no nonce": c.signed(start, ""),
		"a nonce with a space": c.signed(start, "nonce of this"), "a nonce in Greek": c.signed(start, "αβγδεζηθ"), "a nonce with NUL": c.signed(start, "nonce\x00of-this"),
		"a space before": " " + c.signed(start, "nonce-1234"), "a newline after": c.signed(start, "nonce-1234") + "\n",
		"a space after": c.signed(start, "nonce-1234") + " ", "twice": c.signed(start, "nonce-1234") + c.signed(start, "nonce-1234"),
	}
	for _, v := range []byte{0, 1, 2, 26, 29, 31, 35, 255} {
		m[fmt.Sprint("v ", v)] = bent(func(s []byte) []byte { s[64] = v; return s })
	}
	return m
}

// people are CONNECT packets that do not get in whatever their password is.
func (c *car) people() map[string]packets.Packet {
	free := c.w.add(91)
	free.unpair()
	wreck := c.w.add(92)
	v := c.w.vehicles[92]
	v.Burned = true
	c.w.vehicles[92] = v
	gone := c.w.add(93)
	delete(c.w.devices, gone.address)
	nowhere := c.w.add(94)
	c.w.devices[nowhere.address] = registry.Device{ID: 94, Address: nowhere.address, Pairings: []registry.Pairing{{Vehicle: 4711, From: 1}}}
	other := c.w.add(95)
	hello := func(id, user, password string) packets.Packet {
		p := c.hello(5, password)
		p.Connect.ClientIdentifier, p.Connect.Username = id, []byte(user)
		return p
	}
	own := c.address.String()
	return map[string]packets.Packet{
		"an unpaired device": free.hello(5, free.token()), "an unpaired device that signs": free.hello(5, free.signed(start, "unpaired-1")),
		"in a burned vehicle": wreck.hello(5, wreck.token()), "not registered": gone.hello(5, gone.token()), "signs and is not registered": gone.hello(5, gone.signed(start, "nobody-12")),
		"in a vehicle that there is not": nowhere.hello(5, nowhere.token()),
		"another's name":                 hello(other.address.String(), other.address.String(), c.token()),
		"another's identifier":           hello(other.address.String(), own, c.token()),
		"another's name, own identifier": hello(own, other.address.String(), c.token()),
		"a name that is none":            hello(own, "device", c.token()),
		"a name that is a DID":           hello(own, "did:ethr:1337:"+own, c.token()),
		"a name with a space":            hello(own, own+" ", c.token()),
		"a name that is longer":          hello(own, own+"00", c.token()),
		"the zero address":               hello("", sayso.Address{}.String(), c.token()),
		"an identifier with more":        hello(own+"-1", own, c.token()),
		"an identifier in quotes":        hello(`"`+own+`"`, own, c.token()),
		"nobody":                         hello("", "", c.token()),
	}
}

// None of the forged proofs and people gets in, and an event that is sent after
// them without waiting is not kept.
func TestForgedConnections(t *testing.T) {
	versions(t, func(t *testing.T, version byte) {
		w := newWorld(t, nil).listen()
		car := w.add(1)
		n := 0
		try := func(name string, hello packets.Packet) {
			n++
			hello.ProtocolVersion = version
			c, ack, err := w.connect(hello)
			if err == nil && ack.ReasonCode == 0 {
				t.Errorf("%s: got in", name)
			}
			if err == nil && version == 5 && (ack.ReasonCode < 0x80 || ack.Properties.ReasonString == "") {
				t.Errorf("%s: code %#x %q", name, ack.ReasonCode, ack.Properties.ReasonString)
			}
			if err == nil && version == 4 && ack.ReasonCode != 2 && ack.ReasonCode != 4 && ack.ReasonCode != 5 {
				t.Errorf("%s: code %#x", name, ack.ReasonCode)
			}
			if c != nil { // whoever goes on as if nothing had been said
				_ = c.write(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, PacketID: 1, TopicName: car.topic("status"), Payload: car.speed(1)})
				c.conn.Close()
			}
		}
		for name, password := range car.proofs() {
			try(name, car.hello(version, password))
		}
		for name, hello := range car.people() {
			try(name, hello)
		}
		if n < 60 {
			t.Errorf("only %d", n)
		}
		eventually(t, "all are gone", func() bool { return w.server.Figures().Refused >= int64(n) })
		if kept := len(w.parcels()); kept != 0 || w.server.Figures().Accepted != 0 {
			t.Errorf("%d kept, %d let in", kept, w.server.Figures().Accepted)
		}
		t.Logf("%d forged connections, none let in", n)
		for _, password := range []string{car.token(), car.signed(start, "genuine-1"), car.signed(start.Add(-signatureWindow), "genuine-2"), car.signed(start.Add(signatureWindow), "genuine-3")} {
			if _, ack, err := w.connect(car.hello(version, password)); err != nil || ack.ReasonCode != 0 {
				t.Errorf("%s: %v, code %#x %s", password, err, ack.ReasonCode, ack.Properties.ReasonString)
			}
		}
	})
}

// A signature is good once while it could be good, and the memory of it does not
// grow for ever.
func TestASignatureIsGoodOnce(t *testing.T) {
	w := newWorld(t, nil).listen()
	car, other := w.add(1), w.add(2)
	ticks := w.clock.(*clock.Manual)
	once := car.signed(start.Add(signatureWindow), "only-once")
	for i, want := range []byte{0, 0x86, 0x86} {
		if _, ack, _ := w.connect(car.hello(5, once)); ack.ReasonCode != want {
			t.Errorf("time %d: code %#x, want %#x", i+1, ack.ReasonCode, want)
		}
		ticks.Advance(signatureWindow - time.Second)
	}
	if _, ack, _ := w.connect(other.hello(5, other.signed(w.clock.Now(), "only-once"))); ack.ReasonCode != 0 {
		t.Errorf("the same nonce of another device: code %#x", ack.ReasonCode)
	}
	for i := range 5000 {
		if err := w.server.nonces.use(car.address, Password{Time: w.clock.Now().Unix(), Nonce: fmt.Sprint(i)}, w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		ticks.Advance(time.Second)
	}
	if n := len(w.server.nonces.used); n > 2048 {
		t.Errorf("%d nonces are remembered, of which %d can be used again", n, 2*signatureWindow/time.Second)
	}
}

// The text is fixed: devices have it built in.
func TestTheTextToSign(t *testing.T) {
	const want = "Sayso device sign-in\nnode: http://node.example:8480\nclient: 0x00000000000000000000000000000000000000AA\ntime: 1772625600\nnonce: 0123456789"
	a, err := sayso.ParseAddress("0x00000000000000000000000000000000000000aa")
	if err != nil {
		t.Fatal(err)
	}
	if got := SignInText(home, a, start.Unix(), "0123456789"); got != want {
		t.Errorf("%q", got)
	}
}

func FuzzPassword(f *testing.F) {
	f.Add("sayso1.1772625600.0123456789.0xab")
	f.Add("sayso1.0.--------.")
	f.Add("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
	f.Fuzz(func(t *testing.T, text string) {
		p, ok, err := ParsePassword(text)
		begins := strings.HasPrefix(text, "sayso1.")
		switch {
		case err != nil && (ok || !begins):
			t.Errorf("%q: both an error and an answer", text)
		case err == nil && ok != begins:
			t.Errorf("%q: taken for a signature: %v", text, ok)
		case ok && p.String() != text:
			t.Errorf("%q is written as %q", text, p.String())
		case ok && (p.Time < 0 || len(p.Nonce) < 8 || len(p.Nonce) > 64 || strings.ContainsAny(p.Nonce, ". \n\x00")):
			t.Errorf("%q: %+v", text, p)
		}
	})
}
