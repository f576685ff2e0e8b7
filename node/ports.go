package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"sayso/internal/clock"
	"sayso/internal/pki"
)

// port is a listener beside the one for HTTP, off unless a setting gives it an
// address.
type port struct {
	setting  string
	address  *string // in the configuration
	example  string
	listener net.Listener
	server   *http.Server
}

// on says whether a setting gives an address.
func on(setting string) bool { return setting != "" && setting != "off" }

// listenPorts takes the ports of connections and attestations, so that a taken
// one is told before anything is written.
func (n *Node) listenPorts(context.Context) error {
	n.ports = []*port{
		{setting: "--connections", address: &n.Config.Connections, example: "127.0.0.1:9444"},
		{setting: "--attestations", address: &n.Config.Attestations, example: "127.0.0.1:9445"},
	}
	for _, p := range n.ports {
		if !on(*p.address) {
			continue
		}
		l, err := net.Listen("tcp", *p.address)
		if err != nil {
			return fmt.Errorf("cannot listen on %s: %w: another program has the port, or it is none of this machine; choose another with %s %s, or do without: %s off", *p.address, err, p.setting, p.example, p.setting)
		}
		p.listener = l
		n.closers = append(n.closers, func() error { return ignore(l.Close(), net.ErrClosed) })
		if strings.HasSuffix(*p.address, ":0") {
			*p.address = l.Addr().String()
		}
	}
	return nil
}

// openPorts builds what answers there.
func (n *Node) openPorts(context.Context) error {
	connections, attestations := n.ports[0], n.ports[1]
	if connections.listener != nil {
		cfg, err := pki.Server(n.Config.ConnectionsDir(), n.hosts(), clock.System{}.Now())
		if err != nil {
			return fmt.Errorf("--connections: %s: %w", n.Config.ConnectionsDir(), err)
		}
		connections.listener = tls.NewListener(connections.listener, cfg)
		n.openPort(connections, n.devices.door.Connections())
	}
	if attestations.listener != nil {
		n.openPort(attestations, n.devices.door.Attestations())
	}
	return nil
}

func (n *Node) openPort(p *port, h http.Handler) {
	p.server = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(n.Log.Handler(), slog.LevelDebug),
	}
	n.closers = append(n.closers, p.server.Close)
}

// ConnectionsDir has the certificates of the door of connections.
func (c Config) ConnectionsDir() string { return filepath.Join(c.Keys, "connections") }

// hosts are the names under which connections reach the node.
func (n *Node) hosts() []string {
	list := []string{"localhost", "127.0.0.1", "::1"}
	if u, err := url.Parse(n.Config.BaseURL()); err == nil && u.Hostname() != "" && u.Hostname() != "localhost" {
		list = append(list, u.Hostname())
	}
	if host, _, err := net.SplitHostPort(n.Config.Connections); err == nil && host != "" {
		if ip := net.ParseIP(host); ip != nil && !ip.IsLoopback() && !ip.IsUnspecified() {
			list = append(list, host)
		}
	}
	return list
}

// servePorts answers until the node ends; what ends otherwise is told to done.
func (n *Node) servePorts(done chan<- error) {
	for _, p := range n.ports {
		if p.server != nil {
			go func() {
				if err := ignore(p.server.Serve(p.listener), http.ErrServerClosed); err != nil {
					done <- fmt.Errorf("%s: %w", p.setting, err)
				}
			}()
		}
	}
}

// endPorts lets requests finish.
func (n *Node) endPorts(ctx context.Context) (err error) {
	for _, p := range n.ports {
		if p.server != nil {
			err = errors.Join(err, p.server.Shutdown(ctx))
		}
	}
	return err
}
