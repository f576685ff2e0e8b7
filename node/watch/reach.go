package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"sayso"
)

// The bounds of a request to a target.
const (
	reachTime   = 10 * time.Second
	answerBytes = 64 << 10
	headBytes   = 64 << 10
)

// ports are those that a public target may listen on: the ones of HTTPS.
var ports = []string{"443", "8443"}

// ErrForbidden says that a target lies where the node does not go.
var ErrForbidden = errors.New("the address is not public: a webhook must be reachable from the internet, or its host and port be among those of --webhook-hosts")

// Reach sends requests to targets that strangers name. It goes to public
// addresses by HTTPS, and to the hosts that the operator lists. What is checked
// is the very address that is connected to, so a name that resolves otherwise
// the second time gains nothing; redirects are not followed.
type Reach struct {
	hosts  map[string]bool // "host:port" that may be private and in clear
	client *http.Client

	resolver *net.Resolver                 // nil is that of the system
	connect  func(to netip.AddrPort) error // is asked before each connection
}

// NewReach opens the way to public targets, and to the given "host:port".
func NewReach(hosts []string) (*Reach, error) {
	r := &Reach{hosts: map[string]bool{}, connect: func(netip.AddrPort) error { return nil }}
	for _, h := range hosts {
		if err := r.Allow(h); err != nil {
			return nil, err
		}
	}
	transport := &http.Transport{
		DialContext:            r.dial,
		TLSHandshakeTimeout:    reachTime,
		ResponseHeaderTimeout:  reachTime,
		MaxResponseHeaderBytes: headBytes,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        8,
		ForceAttemptHTTP2:      true,
	}
	r.client = &http.Client{
		Transport: transport, Timeout: reachTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r, nil
}

// Allow lets a "host:port" be reached that is not public. It is for the time
// before the first request.
func (r *Reach) Allow(hostPort string) error {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("%q is not host:port, such as localhost:3000", hostPort)
	}
	r.hosts[strings.ToLower(hostPort)] = true
	return nil
}

// dial connects to what may be connected to.
func (r *Reach) dial(ctx context.Context, network, address string) (net.Conn, error) {
	listed := r.hosts[strings.ToLower(address)]
	d := net.Dialer{Timeout: reachTime, Resolver: r.resolver, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !listed && !public(to.Addr()) {
			return fmt.Errorf("%s: %w", to.Addr(), ErrForbidden)
		}
		return r.connect(to)
	}}
	return d.DialContext(ctx, network, address)
}

// Check says why a target cannot be one.
func (r *Reach) Check(target string) error {
	bad := func(text string) error { return sayso.Fail(sayso.Invalid, "watch.target", text) }
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return bad("Invalid webhook URL")
	}
	if r.hosts[strings.ToLower(hostPort(u))] && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil {
		return nil
	}
	switch {
	case u.Scheme != "https":
		return bad("Webhook URL must be HTTPS")
	case u.User != nil:
		return bad("Invalid webhook URL: it must not hold a user name or password")
	case !slices.Contains(ports, portOf(u)):
		return bad("Invalid webhook URL: the port must be " + strings.Join(ports, " or "))
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !public(a) {
		return bad("Invalid webhook URL: " + ErrForbidden.Error())
	}
	return nil
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

func hostPort(u *url.URL) string { return net.JoinHostPort(u.Hostname(), portOf(u)) }

// reserved are the ranges that are no addresses of the public internet, beyond
// what [netip.Addr] tells itself (IANA special-purpose address registries).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("::/96"),           // IPv4-compatible
	netip.MustParsePrefix("64:ff9b::/96"),    // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),  // NAT64, local
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("5f00::/16"),       // segment routing
	netip.MustParsePrefix("fec0::/10"),       // site-local
}

// public says whether an address is one of the internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	return !slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Answer is what a target said.
type Answer struct {
	Status int
	Body   []byte // at most 64 KiB
}

// Post sends a JSON body with the given headers.
func (r *Reach) Post(ctx context.Context, target string, header map[string]string, body []byte) (Answer, error) {
	if err := r.Check(target); err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(string(body)))
	if err != nil {
		return Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes+1))
	if err != nil {
		return Answer{}, err
	}
	if len(text) > answerBytes {
		return Answer{}, fmt.Errorf("the answer is longer than %d bytes", answerBytes)
	}
	return Answer{resp.StatusCode, text}, nil
}

// Close lets go of connections kept open.
func (r *Reach) Close() { r.client.CloseIdleConnections() }
