package door

import (
	"fmt"
	"net/http"

	"sayso"
)

// Connections is the door of data sources that speak for many cars (spec ingest
// 1.4): a POST to any path over TLS, whose client certificate has the address of
// the connection licence as its common name. The server has checked the
// certificate. What they may say, and about which cars, the registry decides at
// each message.
func (d *Door) Connections() http.Handler { return d.posted(d.certificate) }

// certificate reads which connection a certificate is of.
func (d *Door) certificate(r *http.Request) (f from, err error) {
	refuse := func(why string) (from, error) { return f, sayso.Fail(sayso.Unauthorized, op, why) }
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return refuse("this door is for connections: come with a client certificate")
	}
	name := r.TLS.VerifiedChains[0][0].Subject.CommonName
	a, err := sayso.ParseAddress(name)
	if err != nil || a.IsZero() {
		return refuse(fmt.Sprintf("the common name of the certificate must be the address of the connection licence, not %.60q", name))
	}
	c, ok := d.State.ConnectionByAddress(a)
	if !ok {
		return refuse(fmt.Sprintf("there is no connection with the address %s on this chain", a))
	}
	f.connection = &c
	return f, nil
}
