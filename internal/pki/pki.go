// Package pki is who may connect to the door of connections, and as whom the
// door answers: an authority of the node's own that signs client certificates,
// and the certificate of the server. All of it is files of one folder, so that
// an operator can put others there: clients.pem has the authorities whose
// clients are let in, server.pem and server.key what the server shows. What is
// missing is made.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sayso/internal/durable"
)

// The files.
const (
	authority    = "clients.pem"
	authorityKey = "clients.key"
	server       = "server.pem"
	serverKey    = "server.key"
)

// How long certificates are good for. That of the server is made again when a
// third of its time is left.
const (
	authorityTerm = 20 * 365 * 24 * time.Hour
	serverTerm    = 365 * 24 * time.Hour
	ClientTerm    = 365 * 24 * time.Hour
	slack         = time.Hour // by which clocks may differ
)

// Server is the configuration of a server under the given names that asks every
// client for a certificate of the authorities in dir.
func Server(dir string, hosts []string, now time.Time) (*tls.Config, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := openAuthority(dir, now); err != nil {
		return nil, fmt.Errorf("the authority of clients: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, authority))
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate of an authority", filepath.Join(dir, authority))
	}
	cert, err := openServer(dir, hosts, now)
	if err != nil {
		return nil, fmt.Errorf("the certificate of the server: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}, nil
}

// Issue signs the certificate of a client with the authority that was made in
// dir; both are PEM. The key is made here.
func Issue(dir, name string, now time.Time) (certificate, key []byte, err error) {
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, authority), filepath.Join(dir, authorityKey))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: the node makes its authority when it starts with --connections; with an authority of your own, sign there", err)
	}
	if err != nil {
		return nil, nil, err
	}
	return signed(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-slack), NotAfter: now.Add(ClientTerm),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &ca)
}

// openAuthority makes the authority where there is none.
func openAuthority(dir string, now time.Time) error {
	if there, err := exists(dir, authority); there || err != nil {
		return err
	}
	cert, key, err := signed(&x509.Certificate{
		Subject: pkix.Name{CommonName: "clients of this node"}, NotBefore: now.Add(-slack), NotAfter: now.Add(authorityTerm),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}, nil)
	if err != nil {
		return err
	}
	return write(dir, authority, authorityKey, cert, key)
}

// openServer reads the certificate of the server. One that was made here is made
// again when it runs out, or is for other names.
func openServer(dir string, hosts []string, now time.Time) (tls.Certificate, error) {
	there, err := exists(dir, server)
	if err != nil {
		return tls.Certificate{}, err
	}
	if there {
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, server), filepath.Join(dir, serverKey))
		if err != nil || !stale(cert.Leaf, hosts, now) {
			return cert, err
		}
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: selfMade}, NotBefore: now.Add(-slack), NotAfter: now.Add(serverTerm),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	cert, key, err := signed(template, nil)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := write(dir, server, serverKey, cert, key); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

const selfMade = "sayso, self-signed"

// stale says whether a certificate was made here and is to be made again.
func stale(c *x509.Certificate, hosts []string, now time.Time) bool {
	if c == nil || c.Subject.CommonName != selfMade {
		return false
	}
	other := slices.ContainsFunc(hosts, func(h string) bool { return c.VerifyHostname(h) != nil })
	return other || now.After(c.NotAfter.Add(-serverTerm/3))
}

// signed makes a key and its certificate, signed by an authority or by itself.
func signed(template *x509.Certificate, by *tls.Certificate) (certificate, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	parent, signer := template, any(k)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &k.PublicKey, signer)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}

// write puts the key first, so that there is no certificate without it.
func write(dir, certName, keyName string, cert, key []byte) error {
	if err := durable.WriteFile(filepath.Join(dir, keyName), key, 0o600); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, certName), cert, 0o644)
}

func exists(dir, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
