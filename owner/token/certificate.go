package token

import (
	"time"

	"github.com/go-jose/go-jose/v4"

	"sayso/internal/clock"
)

// CertificateKeys is the name of the keys that certificates are signed with.
const CertificateKeys = "certificates"

// certificateTerm is how long the key of a certificate stays published.
const certificateTerm = 100 * 365 * 24 * time.Hour

// OpenCertifier loads the keys that certificates are signed with, making one
// where there is none. Keys that signed before stay published, because a
// certificate has no end.
func OpenCertifier(dir, url string, now clock.Clock) (*Issuer, error) {
	i, err := OpenIssuer(dir, CertificateKeys, url)
	if err != nil {
		return nil, err
	}
	i.Clock, i.Term = now, certificateTerm
	return i, nil
}

// Certify signs claims under a type of their own, so that what is signed is never
// taken for a token.
func (i *Issuer) Certify(kind string, claims any) (string, error) {
	return i.signer(i.Clock.Now()).signAs(jose.ContentType(kind), claims)
}
