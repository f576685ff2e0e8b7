package watch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// inward are addresses that no stranger may have the node reach.
var inward = []string{
	"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.9.9", "192.168.1.1",
	"169.254.169.254", "169.254.0.1", "100.64.0.1", "100.127.255.254", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1",
	"198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
	"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]",
	"[fe80::1]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
	"[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001::1]", "[2001:db8::1]", "[100::1]", "[3fff::1]", "[5f00::1]",
}

// spellings are other ways to write the loopback address and that of cloud
// metadata, which some resolvers understand.
var spellings = []string{
	"2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0177.1", "127.1", "127.0.1", "017700000001", "127.0.0.1.", "0x7f.0x0.0x0.0x1",
	"2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "localhost", "localhost.", "LOCALHOST", "ⓛocalhost", "127。0。0。1", "①②⑦.0.0.1",
	"ip6-localhost", "localhost.localdomain", "[::1%25lo]", "[fe80::1%25eth0]", "0", "00", "127.000.000.001",
}

// hostile are targets that must be refused before or at the connection.
func hostile() (list []string) {
	for _, host := range append(inward, spellings...) {
		list = append(list, "https://"+host+"/hook", "https://"+host+":8443/hook")
	}
	for _, port := range []string{"0", "1", "22", "25", "53", "80", "110", "389", "2375", "3306", "5432", "6379", "8080", "8480", "9200", "11211", "27017", "65536", "-1", "a"} {
		list = append(list, "https://example.com:"+port+"/")
	}
	for _, scheme := range []string{"http", "ftp", "file", "gopher", "dict", "ldap", "javascript", "data", "ws", "HTTP", "unix", ""} {
		list = append(list, scheme+"://example.com/hook", scheme+"://127.0.0.1/")
	}
	return append(list, "", "https://", "https:///hook", "https:example.com", "//example.com/", "example.com", "https://user@example.com/",
		"https://user:pass@example.com/", "https://127.0.0.1@example.com/", "https://example.com@127.0.0.1/", "https://exa mple.com/",
		"https://example.com\\@127.0.0.1/", "https://[::1", "https://%31%32%37.0.0.1/", "https://example.com:443:22/", "\thttps://example.com/x\n",
		"https://[example.com]/", "https://\x00example.com/")
}

// watchedReach is a way out that connects to nothing and notes what it would
// have connected to. Names resolve by the table.
func watchedReach(t *testing.T, hosts []string, names map[string][]string) (*Reach, func() []netip.AddrPort) {
	t.Helper()
	r, err := NewReach(hosts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	var mu sync.Mutex
	var asked []netip.AddrPort
	r.connect = func(to netip.AddrPort) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, to)
		return errors.New("no connection in a test")
	}
	r.resolver = fakeDNS(t, names)
	return r, func() []netip.AddrPort {
		mu.Lock()
		defer mu.Unlock()
		list := asked
		asked = nil
		return list
	}
}

// TestNoTargetLiesInward has strangers name every form of address that is none
// of the internet: none is connected to.
func TestNoTargetLiesInward(t *testing.T) {
	r, asked := watchedReach(t, []string{"allowed.test:3000"}, nil)
	targets := hostile()
	for _, target := range targets {
		if _, err := r.Post(t.Context(), target, nil, nil); err == nil {
			t.Errorf("%q was reached", target)
		}
		for _, to := range asked() {
			if !public(to.Addr()) {
				t.Errorf("%q connected to %s", target, to)
			}
		}
	}
	if len(targets) < 150 {
		t.Errorf("only %d targets", len(targets))
	}
	t.Logf("%d targets, none inside reached", len(targets))
}

// TestWhatANameResolvesToIsChecked resolves names to addresses inside, and one
// to another address each time: what counts is the address of the connection.
func TestWhatANameResolvesToIsChecked(t *testing.T) {
	names := map[string][]string{"good.test.": {"93.184.215.14"}, "rebind.test.": {"93.184.215.14", "127.0.0.1"}, "meta.test.": {"169.254.169.254"}, "six.test.": {"::1"}}
	r, asked := watchedReach(t, nil, names)
	if _, err := r.Post(t.Context(), "https://good.test/hook", nil, nil); err == nil || len(asked()) == 0 {
		t.Error("a public target is not tried:", err)
	}
	for range 8 {
		for name := range names {
			r.Post(t.Context(), "https://"+strings.TrimSuffix(name, ".")+"/hook", nil, nil)
			for _, to := range asked() {
				if to.Addr() != netip.MustParseAddr("93.184.215.14") {
					t.Errorf("%s led to %s", name, to)
				}
			}
		}
	}
}

// fakeDNS answers names by a table, one address after the other.
func fakeDNS(t *testing.T, names map[string][]string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf, turn := make([]byte, 1500), 0
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.RCode, m.Additionals = true, dnsmessage.RCodeNameError, nil
			if list := names[strings.ToLower(q.Name.String())]; list != nil {
				m.RCode = dnsmessage.RCodeSuccess
				turn++
				addr := netip.MustParseAddr(list[turn/2%len(list)])
				h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, Type: q.Type}
				switch {
				case addr.Is4() && q.Type == dnsmessage.TypeA:
					m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: addr.As4()}}}
				case addr.Is6() && q.Type == dnsmessage.TypeAAAA:
					m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}}
				}
			}
			if out, err := m.Pack(); err == nil {
				conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// TestListedHosts: the operator's hosts are reached, in clear too, and no others
// beside them; redirects are not followed; long answers end.
func TestListedHosts(t *testing.T) {
	var visited []string
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { visited = append(visited, r.URL.Path) }))
	defer inner.Close()
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, inner.URL+"/secret", http.StatusTemporaryRedirect)
		case "/long":
			fmt.Fprint(w, strings.Repeat("x", answerBytes+1))
		default:
			fmt.Fprint(w, "ok")
		}
	}))
	defer outer.Close()
	u, _ := url.Parse(outer.URL)
	r, err := NewReach([]string{u.Host})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if a, err := r.Post(t.Context(), outer.URL+"/hook", nil, nil); err != nil || a.Status != 200 || string(a.Body) != "ok" {
		t.Error("a listed host:", a, err)
	}
	if a, err := r.Post(t.Context(), outer.URL+"/redirect", nil, nil); err != nil || a.Status != 307 {
		t.Error("a redirect:", a, err)
	}
	if _, err := r.Post(t.Context(), outer.URL+"/long", nil, nil); err == nil {
		t.Error("an answer without end was read")
	}
	if _, err := r.Post(t.Context(), inner.URL+"/secret", nil, nil); err == nil {
		t.Error("another port of a listed host was reached")
	}
	if len(visited) > 0 {
		t.Error("reached", visited)
	}
	for _, bad := range []string{"localhost", ":80", "a:b:c", ""} {
		if _, err := NewReach([]string{bad}); err == nil {
			t.Errorf("%q is taken for host:port", bad)
		}
	}
}

// FuzzTarget: whatever passes the check names HTTPS, a host, and one of the
// ports; and an address that is written out is public.
func FuzzTarget(f *testing.F) {
	for _, target := range hostile() {
		f.Add(target)
	}
	f.Add("https://example.com/hook?x=1#y")
	f.Add("https://[2606:2800:220:1:248:1893:25c8:1946]:8443/")
	r, err := NewReach(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if r.Check(target) != nil {
			return
		}
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			t.Fatalf("%q passes", target)
		}
		if p := u.Port(); p != "" && p != "443" && p != "8443" {
			t.Fatalf("%q passes with port %s", target, p)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && (a.IsLoopback() || a.IsPrivate() || a.Unmap().IsLoopback() || a.Unmap().IsPrivate() || a.IsUnspecified()) {
			t.Fatalf("%q passes", target)
		}
	})
}
