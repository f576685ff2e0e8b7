package door_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/car/door"
	"sayso/owner/registry"
)

// The sources of these tests. Cloud and rival are connections; cloud's owner has
// the manufacturer of device 9 too.
var (
	cloud, rival   = sayso.Address{1: 0xc1, 19: 1}, sayso.Address{1: 0xc2, 19: 2}
	cloudKey, _    = crypto.ToECDSA(bytes.Repeat([]byte{11}, 32))
	cloudDevice    = sayso.Address(crypto.PubkeyToAddress(cloudKey.PublicKey))
	synthetics     = sayso.Address{1: 0x5d, 19: 3}
	syntheticChain = registry.ChainInfo{ID: chain.ID, Vehicle: chain.Vehicle, AftermarketDevice: chain.AftermarketDevice, SyntheticDevice: synthetics}
)

// sources puts two connections into the registry: cloud has the synthetic device
// 5 in vehicle 1, made in the third ownership; rival has 6 in vehicle 2; 7, in
// vehicle 1, is burnt.
func newSources(t *testing.T) *street {
	t.Helper()
	s := newStreet(t)
	s.door.Chain = syntheticChain
	s.must(s.registry.Fold(registry.Block{Number: 2, Time: now.Unix() - 9}, func(tx *registry.Tx) error {
		tx.PutManufacturer(registry.Manufacturer{ID: 3, Name: "Maker", Owner: sayso.Address{19: 'm'}})
		d, _ := tx.Device(9)
		d.Manufacturer = 3
		tx.PutDevice(d)
		tx.PutConnection(registry.Connection{ID: "77", Name: "Cloud", Address: cloud, Owner: sayso.Address{19: 'm'}})
		tx.PutConnection(registry.Connection{ID: "78", Name: "Rival", Address: rival, Owner: sayso.Address{19: 'r'}})
		tx.PutSynthetic(registry.Synthetic{ID: 5, Connection: "77", Vehicle: 1, Address: cloudDevice, MintedAt: days[3].Unix() + 60})
		tx.PutSynthetic(registry.Synthetic{ID: 6, Connection: "78", Vehicle: 2, Address: sayso.Address{18: 6}, MintedAt: days[3].Unix() + 60})
		tx.PutSynthetic(registry.Synthetic{ID: 7, Connection: "77", Vehicle: 1, Address: sayso.Address{18: 7}, MintedAt: days[3].Unix(), BurnedAt: now.Unix() - 100})
		return nil
	}))
	return s
}

// as is a request whose certificate has that common name.
func as(name, body string) *http.Request {
	r := httptest.NewRequest("POST", "/any/path", strings.NewReader(body))
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: name}}}}}
	return r
}

func (s *street) connect(r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	s.door.Connections().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func synthetic(id int) string {
	return fmt.Sprintf("did:erc721:%d:%s:%d", chain.ID, synthetics, id)
}

func vehicleDID(id int) string {
	return fmt.Sprintf("did:erc721:%d:%s:%d", chain.ID, chain.Vehicle, id)
}

func aftermarket(id int) string {
	return fmt.Sprintf("did:erc721:%d:%s:%d", chain.ID, chain.AftermarketDevice, id)
}

// cloudEvent is a status of a producer, with members that replace its own.
func cloudEvent(producer, subject, data string, members ...string) string {
	m := map[string]json.RawMessage{
		"id": json.RawMessage(`"c"`), "source": json.RawMessage(`"0x00000000000000000000000000000000000000ff"`), "specversion": json.RawMessage(`"1.0"`),
		"type": json.RawMessage(`"dimo.status"`), "producer": json.RawMessage(fmt.Sprintf("%q", producer)), "subject": json.RawMessage(fmt.Sprintf("%q", subject)),
		"time": json.RawMessage(fmt.Sprintf("%q", now.Format(time.RFC3339))), "data": json.RawMessage(data),
	}
	for i := 0; i+1 < len(members); i += 2 {
		if m[members[i]] = json.RawMessage(members[i+1]); members[i+1] == "" {
			delete(m, members[i])
		}
	}
	b, _ := json.Marshal(m)
	return string(b)
}

// A connection speaks for its synthetic devices and for the devices of its
// owner's manufacturer, and for nobody else. What is kept has the connection as
// its source whatever the message says.
func TestAConnectionSpeaksForItsOwn(t *testing.T) {
	for name, c := range map[string]struct {
		as, body string
		want     int
		producer string
	}{
		"its synthetic device":               {cloud.String(), cloudEvent(synthetic(5), vehicleDID(1), speeds(now)), 200, synthetic(5)},
		"a name in lower case":               {strings.ToLower(cloud.String()), cloudEvent(synthetic(5), vehicleDID(1), speeds(now)), 200, synthetic(5)},
		"no subject":                         {cloud.String(), cloudEvent(synthetic(5), "", speeds(now), "subject", ""), 200, synthetic(5)},
		"about the device":                   {cloud.String(), cloudEvent(synthetic(5), synthetic(5), speeds(now)), 200, synthetic(5)},
		"a device of its owner's":            {cloud.String(), cloudEvent(aftermarket(9), vehicleDID(1), speeds(now)), 200, aftermarket(9)},
		"raw":                                {cloud.String(), cloudEvent(synthetic(5), vehicleDID(1), `{"x":1}`, "type", `"dimo.raw.status"`), 200, synthetic(5)},
		"no producer":                        {cloud.String(), cloudEvent("", vehicleDID(1), speeds(now), "producer", ""), 400, ""},
		"another's synthetic device":         {cloud.String(), cloudEvent(synthetic(6), vehicleDID(2), speeds(now)), 403, ""},
		"another's vehicle":                  {cloud.String(), cloudEvent(synthetic(5), vehicleDID(2), speeds(now)), 403, ""},
		"a burnt one":                        {cloud.String(), cloudEvent(synthetic(7), vehicleDID(1), speeds(now)), 403, ""},
		"one that is not":                    {cloud.String(), cloudEvent(synthetic(99), vehicleDID(1), speeds(now)), 403, ""},
		"the number 0":                       {cloud.String(), cloudEvent(aftermarket(0), vehicleDID(1), speeds(now)), 403, ""},
		"a device of another's":              {rival.String(), cloudEvent(aftermarket(9), vehicleDID(1), speeds(now)), 403, ""},
		"the vehicle itself":                 {cloud.String(), cloudEvent(vehicleDID(1), vehicleDID(1), speeds(now)), 403, ""},
		"another chain":                      {cloud.String(), cloudEvent(strings.Replace(synthetic(5), "erc721:", "erc721:9", 1), vehicleDID(1), speeds(now)), 403, ""},
		"an attestation":                     {cloud.String(), cloudEvent(synthetic(5), vehicleDID(1), `{}`, "type", `"dimo.attestation"`), 400, ""},
		"a tombstone":                        {cloud.String(), cloudEvent(synthetic(5), vehicleDID(1), `{"voidsId":"c"}`, "type", `"dimo.tombstone"`), 400, ""},
		"another type":                       {cloud.String(), cloudEvent(synthetic(5), vehicleDID(1), speeds(now), "type", `"x"`), 400, ""},
		"before its owner had the car":       {cloud.String(), cloudEvent(synthetic(5), vehicleDID(1), speeds(days[3].Add(-time.Hour))), 403, ""},
		"a certificate of no connection":     {self().String(), cloudEvent(synthetic(5), vehicleDID(1), speeds(now)), 401, ""},
		"a certificate of a synthetic one":   {cloudDevice.String(), cloudEvent(synthetic(5), vehicleDID(1), speeds(now)), 401, ""},
		"a certificate of nobody":            {"0x0000000000000000000000000000000000000000", cloudEvent(synthetic(5), vehicleDID(1), speeds(now)), 401, ""},
		"a certificate of a name":            {"cloud", cloudEvent(synthetic(5), vehicleDID(1), speeds(now)), 401, ""},
		"a certificate with a name too long": {cloud.String() + "00", cloudEvent(synthetic(5), vehicleDID(1), speeds(now)), 401, ""},
	} {
		s := newSources(t)
		status, said := s.connect(as(c.as, c.body))
		if status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, said, c.want)
		}
		if c.want != 200 {
			if len(s.kept) > 0 {
				t.Errorf("%s: kept %+v", name, s.kept[0])
			}
			continue
		}
		if len(s.kept) != 1 {
			t.Fatalf("%s: %d kept", name, len(s.kept))
		}
		p := s.kept[0]
		if e := p.Envelope; e.Source != cloud || e.Producer.String() != c.producer || e.Subject.String() != vehicleDID(1) || p.Vehicle != 1 || p.Epoch != 3 {
			t.Errorf("%s: %+v", name, p)
		}
		if raw := p.Envelope.Type == door.TypeRaw; raw != (name == "raw") || raw != (len(p.Readings) == 0) {
			t.Errorf("%s: %s with %d readings", name, p.Envelope.Type, len(p.Readings))
		}
	}
}

// Whom no certificate was asked of is nobody, whatever the request says.
func TestAConnectionNeedsItsCertificate(t *testing.T) {
	s := newSources(t)
	body := cloudEvent(synthetic(5), vehicleDID(1), speeds(now))
	unverified := as(cloud.String(), body)
	unverified.TLS.PeerCertificates, unverified.TLS.VerifiedChains = unverified.TLS.VerifiedChains[0], nil
	plain := as(cloud.String(), body)
	plain.TLS = nil
	bearer := as(rival.String(), body)
	bearer.Header.Set("Authorization", "Bearer device")
	get := as(cloud.String(), body)
	get.Method = "GET"
	for want, r := range map[*http.Request]int{unverified: 401, plain: 401, bearer: 403, get: 405} {
		if status, said := s.connect(want); status != r {
			t.Errorf("%d %s, want %d", status, said, r)
		}
	}
	if len(s.kept) > 0 {
		t.Errorf("kept %+v", s.kept[0])
	}
}

// Of a connection's message each value is judged alone: what lies before the
// ownership in which the synthetic device was made is rejected.
func TestAConnectionSaysNothingOfFormerOwners(t *testing.T) {
	s := newSources(t)
	r := as(cloud.String(), cloudEvent(synthetic(5), vehicleDID(1), speeds(now, days[3].Add(-time.Hour), days[3].Add(time.Second))))
	r.Header.Set("Accept", "application/json")
	status, said := s.connect(r)
	var result door.Result
	s.must(json.Unmarshal([]byte(said), &result))
	if status != 200 || result.Signals != 2 || len(result.Rejected) != 1 || len(s.kept[0].Readings) != 2 {
		t.Errorf("%d %s", status, said)
	}
	for _, reading := range s.kept[0].Readings {
		if reading.Epoch != 3 {
			t.Errorf("%+v", reading)
		}
	}
}

// Batches and compression are as at the door of devices.
func TestAConnectionSendsBatches(t *testing.T) {
	s := newSources(t)
	r := as(cloud.String(), "["+cloudEvent(synthetic(5), vehicleDID(1), speeds(now))+","+cloudEvent(synthetic(6), vehicleDID(2), speeds(now))+"]")
	r.Header.Set("Content-Type", "application/cloudevents-batch+json")
	r.Header.Set("Accept", "application/json")
	status, said := s.connect(r)
	var results []door.Result
	s.must(json.Unmarshal([]byte(said), &results))
	if status != 403 || len(results) != 2 || !results[0].Accepted || results[1].Accepted || len(s.kept) != 1 {
		t.Errorf("%d %s", status, said)
	}
}

// Where signatures are required, that of a connection's message is the device's.
func TestAConnectionsSignatures(t *testing.T) {
	s := newSources(t)
	s.door.Signatures = door.Require
	data := speeds(now)
	sum := sayso.Keccak256([]byte(data))
	for key, want := range map[string]int{"cloud": 200, "device": 401, "none": 401} {
		body := cloudEvent(synthetic(5), vehicleDID(1), data)
		if key != "none" {
			k := cloudKey
			if key == "device" {
				k = secret
			}
			sig, err := crypto.Sign(sum[:], k)
			s.must(err)
			sig[64] += 27
			body = cloudEvent(synthetic(5), vehicleDID(1), data, "signature", `"0x`+hex.EncodeToString(sig)+`"`)
		}
		if status, said := s.connect(as(cloud.String(), body)); status != want {
			t.Errorf("signed by %s: %d %s", key, status, said)
		}
	}
}

// A synthetic device speaks for itself at the door of devices, signed in or by
// its signature, and by nobody else's.
func TestASyntheticDeviceSpeaksForItself(t *testing.T) {
	s := newSources(t)
	take := func(body string, signedIn sayso.Address) error {
		_, err := s.door.Take(context.Background(), []byte(body), signedIn, false)
		return err
	}
	if err := take(cloudEvent(synthetic(5), vehicleDID(1), speeds(now), "id", `"a"`), cloudDevice); err != nil {
		t.Error(err)
	}
	if err := take(cloudEvent("", "", speeds(now), "id", `"b"`, "producer", "", "subject", ""), cloudDevice); err != nil {
		t.Error(err)
	}
	data := speeds(now)
	sum := sayso.Keccak256([]byte(data))
	sign := func(by string) string {
		k := cloudKey
		if by == "other" {
			k = secret
		}
		sig, _ := crypto.Sign(sum[:], k)
		sig[64] += 27
		return `"0x` + hex.EncodeToString(sig) + `"`
	}
	source := fmt.Sprintf("%q", cloudDevice)
	if err := take(cloudEvent(synthetic(5), vehicleDID(1), data, "id", `"d"`, "source", source, "signature", sign("self")), sayso.Address{}); err != nil {
		t.Error(err)
	}
	if len(s.kept) != 3 || s.kept[2].Envelope.Producer.String() != synthetic(5) || s.kept[2].Envelope.Source != cloudDevice {
		t.Errorf("%d kept", len(s.kept))
	}
	for why, err := range map[string]error{
		"another's signature":      take(cloudEvent(synthetic(5), vehicleDID(1), data, "id", `"e"`, "source", source, "signature", sign("other")), sayso.Address{}),
		"another vehicle":          take(cloudEvent(synthetic(5), vehicleDID(2), data, "id", `"f"`), cloudDevice),
		"another device":           take(cloudEvent(synthetic(6), vehicleDID(1), data, "id", `"g"`), cloudDevice),
		"as an aftermarket one":    take(cloudEvent(aftermarket(5), vehicleDID(1), data, "id", `"h"`), cloudDevice),
		"the key of a burnt one":   take(cloudEvent(synthetic(7), vehicleDID(1), data, "id", `"i"`), sayso.Address{18: 7}),
		"time of a former owner":   take(cloudEvent(synthetic(5), vehicleDID(1), speeds(days[2]), "id", `"j"`), cloudDevice),
		"raw, which is not for it": take(cloudEvent(synthetic(5), vehicleDID(1), data, "id", `"k"`, "type", `"dimo.raw.status"`), cloudDevice),
	} {
		if err == nil {
			t.Errorf("%s: taken", why)
		}
	}
	if len(s.kept) != 3 {
		t.Errorf("%d kept", len(s.kept))
	}
}
