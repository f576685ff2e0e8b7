package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	foreign "github.com/golang-jwt/jwt/v5"
)

// A library that is not ours verifies our tokens with nothing but what is
// published: the discovery document and the key set.
func TestPublishedKeysVerifyTokens(t *testing.T) {
	w := newWorld(t)
	developer := w.access(app())
	vehicle := w.exchange(developer, `{"asset":"`+did(ownerID)+`","privileges":[1]}`).body["token"].(string)
	for path, raw := range map[string]string{"/auth": developer, "/roles": vehicle} {
		found := w.call("GET", path+"/.well-known/openid-configuration", "", "", "")
		if found.status != 200 || found.body["issuer"] != w.server.URL+path || found.body["jwks_uri"] != w.server.URL+path+"/keys" ||
			found.body["authorization_endpoint"] == nil || found.body["token_endpoint"] == nil {
			t.Fatalf("%s: %s", path, found.raw)
		}
		keys := w.call("GET", strings.TrimPrefix(found.body["jwks_uri"].(string), w.server.URL), "", "", "")
		var age int
		if _, err := fmt.Sscanf(keys.header.Get("Cache-Control"), "max-age=%d, must-revalidate", &age); err != nil || age < 120 {
			t.Errorf("%s: Cache-Control %q", path, keys.header.Get("Cache-Control"))
		}
		verified, err := foreign.Parse(raw, func(u *foreign.Token) (any, error) { return published(keys.raw, u.Header["kid"]) },
			foreign.WithValidMethods([]string{"RS256"}), foreign.WithIssuer(w.server.URL+path), foreign.WithTimeFunc(w.clock.Now), foreign.WithExpirationRequired())
		if err != nil || !verified.Valid {
			t.Errorf("%s: %v", path, err)
		}
		if strings.Contains(keys.raw, `"d":`) || strings.Contains(keys.raw, `"p":`) {
			t.Errorf("%s publishes a secret: %s", path, keys.raw)
		}
	}
}

// published reads the key of an id out of a key set.
func published(set string, kid any) (*rsa.PublicKey, error) {
	var body struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(set), &body); err != nil {
		return nil, err
	}
	for _, k := range body.Keys {
		if k["kid"] != kid || k["use"] != "sig" || k["kty"] != "RSA" || k["alg"] != "RS256" {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(k["n"])
		if err != nil {
			return nil, err
		}
		e, err := base64.RawURLEncoding.DecodeString(k["e"])
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, err
	}
	return nil, fmt.Errorf("no key %v in %s", kid, set)
}

// forge makes mutants of a token that was issued. It has the issuer's own
// secret key, so that a mutant falls by its form or its claims, and not only by
// its signature.
type forge struct {
	t               *testing.T
	raw             string
	header, payload map[string]any
	key             *rsa.PrivateKey
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func text(v any) string {
	b, _ := json.Marshal(v)
	return b64(b)
}

// signed signs a header and a payload, each in base64.
func (f *forge) signed(header, payload string) string {
	sum := sha256.Sum256([]byte(header + "." + payload))
	sig, err := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA256, sum[:])
	if err != nil {
		f.t.Fatal(err)
	}
	return header + "." + payload + "." + b64(sig)
}

// with sets members of the header; nil removes one.
func with(of map[string]any, set map[string]any) string {
	out := map[string]any{}
	for k, v := range of {
		out[k] = v
	}
	for k, v := range set {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return text(out)
}

func (f *forge) head(set map[string]any) string {
	return f.signed(with(f.header, set), text(f.payload))
}

// claims keeps the very header, so that only the claims can be at fault.
func (f *forge) claims(set map[string]any) string {
	return f.signed(strings.Split(f.raw, ".")[0], with(f.payload, set))
}

// replaced replaces a part of the payload's text.
func (f *forge) replaced(old, new string) string {
	b, _ := base64.RawURLEncoding.DecodeString(strings.Split(f.raw, ".")[1])
	out := strings.Replace(string(b), old, new, 1)
	if out == string(b) {
		f.t.Fatalf("%s is not in %s", old, b)
	}
	return f.signed(strings.Split(f.raw, ".")[0], b64([]byte(out)))
}

// algorithms are mutants that name another algorithm, signed so that a verifier
// that believes the header would accept them.
func (f *forge) algorithms() map[string]string {
	m := map[string]string{}
	unsigned := func(alg string) string { return with(f.header, map[string]any{"alg": alg}) + "." + text(f.payload) }
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		m["alg "+alg+" without a signature"] = unsigned(alg) + "."
		m["alg "+alg+" with the signature"] = unsigned(alg) + "." + strings.Split(f.raw, ".")[2]
	}
	der, _ := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	secrets := map[string][]byte{
		"PKIX PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "PKIX DER": der, "PKCS1 DER": x509.MarshalPKCS1PublicKey(&f.key.PublicKey),
		"PKCS1 PEM": pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&f.key.PublicKey)}),
		"modulus":   f.key.N.Bytes(), "nothing": nil, "kid": []byte(f.header["kid"].(string)),
	}
	for name, secret := range secrets {
		in := unsigned("HS256")
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(in))
		m["HS256 with the public key as "+name] = in + "." + b64(h.Sum(nil))
	}
	sum384, sum512 := sha512.Sum384([]byte(unsigned("RS384"))), sha512.Sum512([]byte(unsigned("RS512")))
	if sig, err := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA384, sum384[:]); err == nil {
		m["RS384"] = unsigned("RS384") + "." + b64(sig)
	}
	if sig, err := rsa.SignPKCS1v15(rand.Reader, f.key, crypto.SHA512, sum512[:]); err == nil {
		m["RS512"] = unsigned("RS512") + "." + b64(sig)
	}
	ps := sha256.Sum256([]byte(unsigned("PS256")))
	if sig, err := rsa.SignPSS(rand.Reader, f.key, crypto.SHA256, ps[:], nil); err == nil {
		m["PS256"] = unsigned("PS256") + "." + b64(sig)
	}
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	es := sha256.Sum256([]byte(unsigned("ES256")))
	r, s, _ := ecdsa.Sign(rand.Reader, ec, es[:])
	m["ES256"] = unsigned("ES256") + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	m["ES256 with a zero signature"] = unsigned("ES256") + "." + b64(make([]byte, 64))
	m["EdDSA"] = unsigned("EdDSA") + "." + b64(make([]byte, 64))
	m["lower case"] = f.head(map[string]any{"alg": "rs256"})
	m["a list"] = f.head(map[string]any{"alg": []string{"RS256"}})
	m["missing"] = f.head(map[string]any{"alg": nil})
	return m
}

// headers are mutants of the other members of the header.
func (f *forge) headers(other *rsa.PrivateKey) map[string]string {
	m := map[string]string{}
	jwk := map[string]any{"kty": "RSA", "n": b64(other.N.Bytes()), "e": "AQAB", "kid": f.header["kid"]}
	for name, set := range map[string]map[string]any{
		"no kid": {"kid": nil}, "empty kid": {"kid": ""}, "foreign kid": {"kid": "0123456789abcdef"}, "kid a path": {"kid": "../../developer-tokens.pem"},
		"kid /dev/null": {"kid": "/dev/null"}, "kid a URL": {"kid": "https://evil.test/keys"}, "kid SQL": {"kid": "x' UNION SELECT 'y"}, "kid a number": {"kid": 1},
		"kid a list": {"kid": []string{f.header["kid"].(string)}}, "kid with a space": {"kid": f.header["kid"].(string) + " "}, "kid upper case": {"kid": strings.ToUpper(f.header["kid"].(string)) + "A"},
		"jku": {"jku": "https://evil.test/keys"}, "x5u": {"x5u": "https://evil.test/cert"}, "jwk": {"jwk": jwk}, "x5c": {"x5c": []string{"AAAA"}},
		"crit": {"crit": []string{"exp"}, "exp": 1}, "crit unknown": {"crit": []string{"zzz"}, "zzz": 1}, "crit empty": {"crit": []string{}},
		"b64 false": {"b64": false, "crit": []string{"b64"}}, "b64 without crit": {"b64": false}, "zip": {"zip": "DEF"}, "cty nested": {"cty": "JWT"},
		"typ other": {"typ": "at+jwt"}, "typ none": {"typ": nil}, "another member": {"x": 1}, "encryption": {"enc": "A128GCM"},
	} {
		m[name] = f.head(set)
	}
	// the same with a key of the attacker's that the header brings along
	own := &forge{f.t, f.raw, f.header, f.payload, other}
	m["foreign key, its jwk"] = own.head(map[string]any{"jwk": jwk})
	m["foreign key, our header"] = own.claims(nil)
	twice := strings.Replace(string(must(base64.RawURLEncoding.DecodeString(strings.Split(f.raw, ".")[0]))), "{", `{"alg":"none",`, 1)
	m["alg twice"] = f.signed(b64([]byte(twice)), text(f.payload))
	m["header with a space"] = f.signed(b64([]byte(" "+string(must(base64.RawURLEncoding.DecodeString(strings.Split(f.raw, ".")[0]))))), text(f.payload))
	return m
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// times are mutants of the claims, signed by the issuer.
func (f *forge) times(now time.Time) map[string]string {
	m := map[string]string{}
	at := now.Unix()
	exp := fmt.Sprintf(`"exp":%v`, int64(f.payload["exp"].(float64)))
	for name, set := range map[string]map[string]any{
		"no exp": {"exp": nil}, "exp now": {"exp": at}, "exp past": {"exp": at - 1}, "exp negative": {"exp": -at}, "exp zero": {"exp": 0}, "exp null": {"exp": json.RawMessage("null")},
		"exp a text": {"exp": fmt.Sprint(at + 60)}, "exp true": {"exp": true}, "exp a list": {"exp": []int64{at + 60}}, "exp an object": {"exp": map[string]any{}},
		"exp too far": {"exp": at + 15*86400}, "exp a year": {"exp": at + 365*86400},
		"no iat": {"iat": nil}, "iat future": {"iat": at + 3600}, "iat a text": {"iat": fmt.Sprint(at)}, "iat negative": {"iat": -1}, "iat long ago": {"iat": at - 15*86400},
		"nbf future": {"nbf": at + 3600}, "nbf a text": {"nbf": "0"}, "nbf negative": {"nbf": -5},
		"no iss": {"iss": nil}, "iss other": {"iss": "https://auth.dimo.zone"}, "iss with a slash": {"iss": f.payload["iss"].(string) + "/"}, "iss empty": {"iss": ""}, "iss a list": {"iss": []any{f.payload["iss"]}},
		"iss upper case": {"iss": strings.ToUpper(f.payload["iss"].(string))},
		"no aud":         {"aud": nil}, "aud other": {"aud": "evil.test"}, "aud empty": {"aud": []string{}}, "aud a number": {"aud": 1}, "aud star": {"aud": "*"}, "aud upper case": {"aud": "DIMO.ZONE"},
		"aud with a space": {"aud": " " + audienceOf(f)},
	} {
		m[name] = f.claims(set)
	}
	for name, value := range map[string]string{
		"a fraction": fmt.Sprintf("%d.5", at+60), "a fraction of zero": fmt.Sprintf("%d.0", at+60), "an exponent": "1e10", "2^63": "9223372036854775808", "2^64": "18446744073709551616",
		"over all": "1e400", "minus zero": "-0", "huge": strings.Repeat("9", 40),
	} {
		m["exp "+name] = f.replaced(exp, `"exp":`+value)
	}
	m["exp twice, later last"] = f.replaced(exp, fmt.Sprintf(`"exp":%d,"exp":%d`, at-60, at+60))
	m["exp twice, later first"] = f.replaced(exp, fmt.Sprintf(`"exp":%d,"exp":%d`, at+60, at-60))
	m["exp twice in another case"] = f.replaced(exp, fmt.Sprintf(`"exp":%d,"EXP":%d`, at+60, at+60))
	m["payload a list"] = f.signed(strings.Split(f.raw, ".")[0], b64([]byte(`[]`)))
	m["payload empty"] = f.signed(strings.Split(f.raw, ".")[0], "")
	m["payload a text"] = f.signed(strings.Split(f.raw, ".")[0], b64([]byte(`"x"`)))
	m["payload no JSON"] = f.signed(strings.Split(f.raw, ".")[0], b64([]byte(`{`)))
	m["payload with a tail"] = f.signed(strings.Split(f.raw, ".")[0], strings.Split(f.raw, ".")[1]+b64([]byte("{}")))
	return m
}

func audienceOf(f *forge) string {
	switch a := f.payload["aud"].(type) {
	case string:
		return a
	case []any:
		return a[0].(string)
	}
	return ""
}

// forms are mutants of how a token is written.
func (f *forge) forms() map[string]string {
	p := strings.Split(f.raw, ".")
	sig := must(base64.RawURLEncoding.DecodeString(p[2]))
	flip := func(n int) string {
		s := append([]byte{}, sig...)
		s[n] ^= 1
		return p[0] + "." + p[1] + "." + b64(s)
	}
	last := p[2][len(p[2])-1]
	noncanonical := ""
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		other := p[2][:len(p[2])-1] + string(c)
		if b, err := base64.RawURLEncoding.DecodeString(other); err == nil && byte(c) != last && string(b) == string(sig) {
			noncanonical = p[0] + "." + p[1] + "." + other
			break
		}
	}
	m := map[string]string{
		"empty": "", "one part": p[0], "two parts": p[0] + "." + p[1], "four parts": f.raw + ".x", "a dot more": f.raw + ".", "a dot before": "." + f.raw, "dots": "..",
		"no signature": p[0] + "." + p[1] + ".", "detached": p[0] + ".." + p[2], "no header": "." + p[1] + "." + p[2], "cut": f.raw[:len(f.raw)-1], "half": f.raw[:len(f.raw)/2],
		"first bit": flip(0), "last bit": flip(len(sig) - 1), "padded": f.raw + "=", "padded twice": f.raw + "==", "padded header": p[0] + "=." + p[1] + "." + p[2], "padded payload": p[0] + "." + p[1] + "==." + p[2],
		"standard alphabet": p[0] + "." + p[1] + "." + base64.RawStdEncoding.EncodeToString(append(sig[:255:255], 0xff)),
		"other bits":        noncanonical,
		"a line end":        f.raw + "\n", "a line end within": p[0] + "." + p[1][:9] + "\n" + p[1][9:] + "." + p[2], "a return within": p[0] + "." + p[1] + "." + p[2][:9] + "\r" + p[2][9:], "a space within": p[0] + "." + p[1] + ". " + p[2],
		"a space before": " " + f.raw, "a tab after": f.raw + "\t", "a NUL": f.raw + "\x00", "quoted": `"` + f.raw + `"`, "Bearer twice": "Bearer " + f.raw,
		"zero signature": p[0] + "." + p[1] + "." + b64(make([]byte, 256)), "short signature": p[0] + "." + p[1] + "." + b64(sig[:255]), "long signature": p[0] + "." + p[1] + "." + b64(append(append([]byte{}, sig...), 0)),
		"signature with a zero before": p[0] + "." + p[1] + "." + b64(append([]byte{0}, sig...)), "parts swapped": p[1] + "." + p[0] + "." + p[2],
		"JSON form":          fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p[1], p[0], p[2]),
		"JSON form, general": fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2]),
		"nested":             f.signed(p[0], b64([]byte(f.raw))),
		"encrypted form":     text(map[string]any{"alg": "RSA-OAEP", "enc": "A128GCM"}) + ".AA.AA.AA.AA",
		"oversized":          f.claims(map[string]any{"padding": strings.Repeat("x", 9000)}), "oversized by far": f.raw + strings.Repeat("A", 1<<20),
	}
	return m
}

// No mutant passes either verifier, whether or not the token it came from was
// seen before.
func TestMutants(t *testing.T) {
	w := newWorld(t)
	developer := w.access(person("frank"))
	vehicle := w.exchange(developer, `{"asset":"`+did(ownerID)+`","privileges":[1]}`).body["token"].(string)
	check := map[string]func(raw string) error{
		"developer": func(raw string) error { _, err := w.developers.Verify(raw, "dimo-driver", w.clock.Now()); return err },
		"vehicle":   func(raw string) error { _, err := w.vehicles.Verify(raw, "dimo.zone", w.clock.Now()); return err },
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	w.must(err)
	total := 0
	for name, raw := range map[string]string{"developer": developer, "vehicle": vehicle} {
		f := &forge{t, raw, part(t, raw, 0), part(t, raw, 1), w.private(name + "-tokens")}
		if err := check[name](f.claims(nil)); err != nil {
			t.Fatalf("%s: the forge cannot even copy a token: %v", name, err)
		}
		for what, crowd := range map[string]map[string]string{"alg": f.algorithms(), "header": f.headers(other), "claims": f.times(w.clock.Now()), "form": f.forms()} {
			for mutant, raw := range crowd {
				total++
				for verifier := range check {
					if err := check[verifier](raw); err == nil {
						t.Errorf("a %s token passed as a %s token: %s: %s: %.300s", name, verifier, what, mutant, raw)
					}
				}
			}
		}
		for verifier := range check {
			if err := check[verifier](raw); (err == nil) != (verifier == name) {
				t.Errorf("a %s token at the verifier of %s tokens: %v", name, verifier, err)
			}
		}
	}
	if _, err := w.developers.Verify(developer, "", noon.Add(14*24*time.Hour)); err == nil {
		t.Error("an old developer token passes")
	}
	if _, err := w.vehicles.Verify(vehicle, "", noon.Add(10*time.Minute)); err == nil {
		t.Error("an old vehicle token passes")
	}
	if total < 2*64 {
		t.Errorf("only %d mutants", total)
	}
	t.Logf("%d mutants at two verifiers, none passed", total)
}

// Each mutant is refused where it would be used, with an error that says no more
// than that.
func TestMutantsOverHTTP(t *testing.T) {
	w := newWorld(t)
	developer := w.access(person("frank"))
	f := &forge{t, developer, part(t, developer, 0), part(t, developer, 1), w.private("developer-tokens")}
	body := `{"asset":"` + did(ownerID) + `","privileges":[1]}`
	for mutant, raw := range f.forms() {
		if strings.ContainsAny(raw, "\n\r\x00") || len(raw) > 1<<16 || strings.TrimSpace(raw) == developer {
			continue // such a header cannot be sent, or is the token
		}
		r := w.call("POST", "/v1/tokens/exchange", "application/json", "Bearer "+raw, body)
		if r.status != http.StatusUnauthorized && r.status != http.StatusBadRequest || strings.Contains(r.raw, "token\":") {
			t.Errorf("%s: %d %s", mutant, r.status, r.raw)
		}
	}
}
