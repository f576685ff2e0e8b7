package graphql

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Clients that do not read their long answers hold no more memory than there is
// for them, others still get theirs, and in the end they are cut off.
func TestClientsThatDoNotRead(t *testing.T) {
	s := server(t, func(c *Config) {
		c.Gate = NewGate(GateConfig{Bytes: 16 << 20})
		c.Key = func(_ *http.Request, caller any) string { return caller.(string) }
		c.Limits.Objects = 1 << 20
		c.Limits.Writing = 2 * time.Second
		c.Types["Leaf"]["maybe"] = Of(func(leaf) any { return &numbers{n: 120_000} }) // 3.6 MiB
	})
	pipes := make(chan net.Conn)
	web := &http.Server{Handler: s}
	go web.Serve(listener(pipes))
	defer web.Close()
	const body = `{"query":"{leaf{maybe{n id}}}"}`
	for range 8 {
		conn, far := net.Pipe() // without a buffer: what is not read is not written
		defer conn.Close()
		pipes <- far
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: greedy\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		// the first line tells that the answer is being written
		if line, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q %v", line, err)
		}
	}
	g := s.cfg.Gate
	g.mu.Lock()
	if held := g.answers["greedy"]; held == 0 || held > 8<<20 {
		t.Errorf("unread answers of one caller hold %d MiB of 16", held>>20)
	}
	g.mu.Unlock()
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Authorization", "modest")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Body.Len() < 3<<20 {
		t.Errorf("another caller got %.200s", w.Body)
	}
	for end := time.Now().Add(20 * time.Second); g.holds("greedy") > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests go on", g.holds("greedy"))
		}
	}
	if len(g.answers) > 0 || g.bytes != 0 {
		t.Errorf("room that nobody needs: %v", g.answers)
	}
	if w := httptest.NewRecorder(); true {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Authorization", "greedy")
		s.ServeHTTP(w, r)
		if w.Body.Len() < 3<<20 {
			t.Errorf("afterwards %.200s", w.Body)
		}
	}
}

// listener gives the connections that are sent to it.
type listener chan net.Conn

func (l listener) Accept() (net.Conn, error) {
	if c, open := <-l; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l listener) Close() error   { close(l); return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }
