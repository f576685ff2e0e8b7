package shelf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"sayso"
	"sayso/owner/document"
)

const (
	gatewayTime  = 30 * time.Second
	maxRedirects = 3
)

// gateway fetches documents from a server of IPFS content.
type gateway struct {
	base   *url.URL
	client *http.Client
}

func newGateway(base string) (*gateway, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("--document-gateway %s: want a URL that a CID is put behind, such as https://assets.dimo.xyz/ipfs", base)
	}
	g := &gateway{base: u}
	own := hostPort(u)
	anywhere := &net.Dialer{Timeout: 10 * time.Second}
	public := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error { return onlyPublic(address) }}
	g.client = &http.Client{
		Timeout: gatewayTime,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == own { // the operator's choice, which may be a gateway on this machine
					return anywhere.DialContext(ctx, network, address)
				}
				return public.DialContext(ctx, network, address)
			},
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: gatewayTime, MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost: 8, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, DisableCompression: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			switch {
			case len(via) > maxRedirects:
				return errors.New("too many redirects")
			case r.URL.Scheme != "https" && (r.URL.Scheme != "http" || via[0].URL.Scheme == "https"):
				return errors.New("a redirect away from https")
			}
			r.Header.Del("Referer")
			return nil
		},
	}
	return g, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// private are the ranges that are not the public Internet and that netip does
// not name: shared address space, benchmarks, documentation, IETF, reserved, and
// the prefixes under which IPv6 embeds IPv4.
var private = []string{
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
}

// onlyPublic refuses to connect to an address inside a network. It sees the
// address that is dialled, so a name that resolves differently later is no way in.
func onlyPublic(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().WithZone("").Unmap()
	open := ip.IsGlobalUnicast() && !ip.IsPrivate()
	for _, p := range private {
		open = open && !netip.MustParsePrefix(p).Contains(ip)
	}
	if !open {
		return fmt.Errorf("%s is not an address of the public Internet", ip)
	}
	return nil
}

// fetch gets the content of a CID, which is checked against its hash.
func (g *gateway) fetch(ctx context.Context, c document.CID) ([]byte, error) {
	fail := func(message string, err error) ([]byte, error) {
		return nil, &sayso.Error{Op: "shelf.fetch", Fault: sayso.Busy, Subject: c.String(), Message: message, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base.JoinPath(c.String()).String(), nil)
	if err != nil {
		return fail("the document gateway cannot be asked", err)
	}
	req.Header.Set("User-Agent", "sayso")
	res, err := g.client.Do(req)
	if err != nil {
		return fail("the document gateway does not answer", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fail("the document gateway answered "+res.Status, nil)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, document.MaxBytes+1))
	switch {
	case err != nil:
		return fail("the document gateway broke off", err)
	case len(body) > document.MaxBytes:
		return fail(fmt.Sprintf("the document is larger than %d bytes", document.MaxBytes), nil)
	case !c.Names(body):
		return fail("the document gateway sent something of another hash", nil)
	}
	return body, nil
}
