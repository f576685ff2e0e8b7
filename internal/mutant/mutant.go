// Package mutant makes tokens that no verifier may take, from one that was issued
// and with the issuer's own key. It is for tests.
package mutant

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
	"os"
	"strings"
	"testing"
	"time"
)

// New takes a token and the file of the key that signed it.
func New(t testing.TB, raw, keyFile string) *Forge {
	t.Helper()
	block, _ := pem.Decode(must(os.ReadFile(keyFile)))
	f := &Forge{t: t, raw: raw, key: must(x509.ParsePKCS1PrivateKey(block.Bytes))}
	for i, part := range []*map[string]any{&f.header, &f.payload} {
		if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[i])), part); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// All are all mutants, by class and name.
func (f *Forge) All(now time.Time) map[string]map[string]string {
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	return map[string]map[string]string{"alg": f.algorithms(), "header": f.headers(other), "claims": f.times(now), "form": f.Forms()}
}

// Forge makes mutants of a token that was issued. It has the issuer's own
// secret key, so that a mutant falls by its form or its claims, and not only by
// its signature.
type Forge struct {
	t               testing.TB
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
func (f *Forge) signed(header, payload string) string {
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

func (f *Forge) head(set map[string]any) string {
	return f.signed(with(f.header, set), text(f.payload))
}

// Claims keeps the very header, so that only the claims can be at fault.
func (f *Forge) Claims(set map[string]any) string {
	return f.signed(strings.Split(f.raw, ".")[0], with(f.payload, set))
}

// replaced replaces a part of the payload's text.
func (f *Forge) replaced(old, new string) string {
	b, _ := base64.RawURLEncoding.DecodeString(strings.Split(f.raw, ".")[1])
	out := strings.Replace(string(b), old, new, 1)
	if out == string(b) {
		f.t.Fatalf("%s is not in %s", old, b)
	}
	return f.signed(strings.Split(f.raw, ".")[0], b64([]byte(out)))
}

// algorithms are mutants that name another algorithm, signed so that a verifier
// that believes the header would accept them.
func (f *Forge) algorithms() map[string]string {
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
func (f *Forge) headers(other *rsa.PrivateKey) map[string]string {
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
	own := &Forge{f.t, f.raw, f.header, f.payload, other}
	m["foreign key, its jwk"] = own.head(map[string]any{"jwk": jwk})
	m["foreign key, our header"] = own.Claims(nil)
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
func (f *Forge) times(now time.Time) map[string]string {
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
		m[name] = f.Claims(set)
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

func audienceOf(f *Forge) string {
	switch a := f.payload["aud"].(type) {
	case string:
		return a
	case []any:
		return a[0].(string)
	}
	return ""
}

// Forms are mutants of how a token is written.
func (f *Forge) Forms() map[string]string {
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
		"oversized":          f.Claims(map[string]any{"padding": strings.Repeat("x", 9000)}), "oversized by far": f.raw + strings.Repeat("A", 1<<20),
	}
	return m
}
