package pki

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sayso/internal/clock"
)

var now = clock.System{}.Now()

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func serving(t *testing.T, dir string, at time.Time, hosts ...string) *tls.Config {
	t.Helper()
	c, err := Server(dir, hosts, at)
	must(t, err)
	return c
}

// dial shakes hands, and answers as whom the server knows the client.
func dial(t *testing.T, server *tls.Config, client *tls.Config) (string, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	must(t, err)
	defer l.Close()
	known := make(chan string, 1)
	go func() {
		defer close(known)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if c.(*tls.Conn).Handshake() == nil {
			known <- c.(*tls.Conn).ConnectionState().VerifiedChains[0][0].Subject.CommonName
			_, _ = c.Write([]byte("x"))
		}
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		defer c.Close()
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	return <-known, err
}

func client(t *testing.T, dir, signedIn, name string, at time.Time) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(dir, server))
	must(t, err)
	roots.AppendCertsFromPEM(text)
	c := &tls.Config{RootCAs: roots, ServerName: "node.test"}
	if signedIn != "" {
		cert, key, err := Issue(signedIn, name, at)
		must(t, err)
		pair, err := tls.X509KeyPair(cert, key)
		must(t, err)
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c
}

// Who has a certificate of the authority is let in under its name; nobody else
// is, whatever the certificate says.
func TestWhoIsLetIn(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	s := serving(t, dir, now, "node.test", "127.0.0.1")
	serving(t, other, now, "node.test")
	if name, err := dial(t, s, client(t, dir, dir, "0xabc", now)); err != nil || name != "0xabc" {
		t.Errorf("%q, %v", name, err)
	}
	for why, c := range map[string]*tls.Config{
		"no certificate":              client(t, dir, "", "", now),
		"another authority":           client(t, dir, other, "0xabc", now),
		"one that has run out":        client(t, dir, dir, "0xabc", now.Add(-2*ClientTerm)),
		"one that is not good yet":    client(t, dir, dir, "0xabc", now.Add(48*time.Hour)),
		"TLS 1.1":                     {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true},
		"the certificate of a server": as(t, dir, server, serverKey),
	} {
		if name, err := dial(t, s, c); err == nil || name != "" {
			t.Errorf("%s: let in as %q", why, name)
		}
	}
	wrong := client(t, dir, dir, "0xabc", now)
	wrong.ServerName = "other.test"
	if _, err := dial(t, s, wrong); err == nil {
		t.Error("the server is believed under another name")
	}
}

func as(t *testing.T, dir, cert, key string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, cert), filepath.Join(dir, key))
	must(t, err)
	return &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }}
}

// What is there stays; what was made here is made again in time, and for other
// names. Secrets are for the owner of the files.
func TestWhatIsThereStays(t *testing.T) {
	dir := t.TempDir()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return string(text)
	}
	serving(t, dir, now, "node.test")
	ca, first := read(authority), read(server)
	serving(t, dir, now.Add(serverTerm/2), "node.test")
	if read(server) != first {
		t.Error("made again without need")
	}
	serving(t, dir, now, "node.test", "other.test")
	second := read(server)
	serving(t, dir, now.Add(serverTerm*3/4), "node.test", "other.test")
	if second == first || read(server) == second || read(authority) != ca {
		t.Error("not made again, or the authority with it")
	}
	for _, name := range []string{authorityKey, serverKey} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %s", name, info.Mode())
		}
	}
	cert, key, err := signed(&x509.Certificate{NotBefore: now, NotAfter: now.Add(time.Hour), DNSNames: []string{"own.test"}}, nil)
	must(t, err)
	must(t, write(dir, server, serverKey, cert, key))
	c := serving(t, dir, now.Add(time.Hour*24), "node.test")
	if c.Certificates[0].Leaf.VerifyHostname("own.test") != nil || read(server) != string(cert) {
		t.Error("the operator's certificate was replaced")
	}
	must(t, os.Remove(filepath.Join(dir, authorityKey)))
	serving(t, dir, now, "node.test")
	if _, _, err := Issue(dir, "x", now); err == nil {
		t.Error("issued without the key of the authority")
	}
	must(t, os.WriteFile(filepath.Join(dir, authority), []byte("nothing"), 0o600))
	if _, err := Server(dir, nil, now); err == nil {
		t.Error("served without an authority")
	}
}
