package express

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

const path = "/v1/devices/events"

// said is what a handler was told of a request, and whether by the lane.
func said(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, fast := w.(*answer)
	w.Header().Set("Express", fmt.Sprint(fast))
	if r.Header.Get("Accept") == "application/json" {
		w.WriteHeader(http.StatusAccepted)
	}
	fmt.Fprintf(w, "%s %s %s %s %d %s", r.Method, r.URL, r.Host, r.Header.Get("Authorization"), r.ContentLength, body)
}

// serve answers on a lane and a server behind it.
func serve(t *testing.T, h http.HandlerFunc) (*Lane, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lane := New(l, path, h, slog.New(slog.DiscardHandler))
	server := httptest.NewUnstartedServer(h)
	server.Listener.Close()
	server.Listener = lane
	server.Start()
	t.Cleanup(server.Close)
	return lane, l.Addr().String()
}

func dial(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func answered(t *testing.T, in *bufio.Reader) (status int, fast, body string) {
	t.Helper()
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("Date") == "" {
		t.Fatal(err, res.Header)
	}
	return res.StatusCode, res.Header.Get("Express"), string(text)
}

const post = "POST " + path + " HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer x\r\n"

// Many requests on one connection, whole, in pieces and several at once, are
// answered in turn; one of another form has the server answer from there on.
func TestOneConnection(t *testing.T) {
	_, address := serve(t, said)
	out, in := dial(t, address)
	want := "POST /v1/devices/events node Bearer x 3 abc"
	one := post + "Content-Length: 3\r\n\r\nabc"
	for i := range 3 {
		fmt.Fprint(out, one)
		if status, fast, body := answered(t, in); status != 200 || fast != "true" || body != want {
			t.Fatal(i, status, fast, body)
		}
	}
	fmt.Fprint(out, one+one+one[:30])
	for i := range 2 {
		if _, fast, body := answered(t, in); fast != "true" || body != want {
			t.Fatal(i, fast, body)
		}
	}
	for _, c := range one[30:] {
		fmt.Fprintf(out, "%c", c)
	}
	if _, fast, body := answered(t, in); fast != "true" || body != want {
		t.Fatal(fast, body)
	}
	fmt.Fprint(out, post+"Accept: application/json\r\nContent-Length: 5000\r\n\r\n"+strings.Repeat("x", 5000))
	if status, fast, body := answered(t, in); status != http.StatusAccepted || fast != "true" || len(body) != len(want)+3+4997 {
		t.Fatal(status, fast, len(body))
	}
	fmt.Fprint(out, one+"GET /other HTTP/1.1\r\nHost: node\r\n\r\n"+one)
	for i, want := range []string{"true" + want, "falseGET /other node  0 ", "false" + want} {
		if _, fast, body := answered(t, in); fast+body != want {
			t.Fatal(i, fast, body)
		}
	}
}

// What is not plain goes to the server, which alone decides what it is.
func TestWhatIsNotPlain(t *testing.T) {
	_, address := serve(t, said)
	for _, rest := range []string{
		"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		"Content-Length: 3, 3\r\n\r\nabc",
		"Content-Length: +3\r\n\r\nabc",
		"Content-Length : 3\r\n\r\nabc",
		"Content-Length: 3\nX: y\r\n\r\nabc",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"Host: other\r\nContent-Length: 3\r\n\r\nabc",
		"Connection: close\r\nContent-Length: 3\r\n\r\nabc",
		"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		"X: folded\r\n line\r\nContent-Length: 3\r\n\r\nabc",
		"X: \x01\r\nContent-Length: 3\r\n\r\nabc",
		"\r\n",
		"X: " + strings.Repeat("y", maxHead) + "\r\nContent-Length: 3\r\n\r\nabc",
		"Content-Length: 70000\r\n\r\n" + strings.Repeat("z", 70000),
	} {
		out, in := dial(t, address)
		go fmt.Fprint(out, post+rest)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%.40q: %v", rest, err)
		}
		if res.StatusCode == http.StatusContinue {
			res, err = http.ReadResponse(in, nil)
		}
		if err != nil || res.Header.Get("Express") == "true" {
			t.Errorf("%.40q: %v, express %q", rest, err, res.Header.Get("Express"))
		}
	}
}

// A handler that does not read the body costs no later request; one that panics
// costs its connection.
func TestHandlers(t *testing.T) {
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Do") {
		case "panic":
			panic("as told")
		case "close":
			w.Header().Set("Connection", "close")
		}
		w.Header().Set("X", "a\r\nb: c")
		w.WriteHeader(http.StatusServiceUnavailable)
		w.WriteHeader(http.StatusOK)
	})
	out, in := dial(t, address)
	for range 3 {
		fmt.Fprint(out, post+"Content-Length: 60000\r\n\r\n"+strings.Repeat("z", 60000))
		if status, _, body := answered(t, in); status != http.StatusServiceUnavailable || body != "" {
			t.Fatal(status, body)
		}
	}
	for _, do := range []string{"panic", "close"} {
		out, in := dial(t, address)
		fmt.Fprint(out, post+"Do: "+do+"\r\nContent-Length: 0\r\n\r\n")
		if do == "close" {
			answered(t, in)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("%s: %v", do, err)
		}
	}
}

// Draining ends what is idle, waits for what is under way, and cuts off what
// does not end.
func TestDrain(t *testing.T) {
	release, entered := make(chan struct{}), make(chan struct{})
	lane, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Wait") != "" {
			entered <- struct{}{}
			<-release
		}
	})
	idle, idleIn := dial(t, address)
	fmt.Fprint(idle, post+"Content-Length: 0\r\n\r\n")
	answered(t, idleIn)
	busy, busyIn := dial(t, address)
	fmt.Fprint(busy, post+"Wait: yes\r\nContent-Length: 0\r\n\r\n")
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := lane.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := idleIn.ReadByte(); err != io.EOF {
		t.Error("an idle connection was not ended:", err)
	}
	close(release)
	if status, _, _ := answered(t, busyIn); status != http.StatusOK {
		t.Error(status)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("it still accepts")
	}
	if err := lane.Drain(context.WithoutCancel(ctx)); err != nil {
		t.Error(err)
	}
}

func TestDrainCutsOff(t *testing.T) {
	entered := make(chan struct{})
	lane, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		_, _ = io.ReadAll(r.Body) // which never comes
	})
	out, _ := dial(t, address)
	fmt.Fprint(out, post+"Content-Length: 5\r\n\r\n")
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lane.Drain(ctx); err == nil {
		t.Error("nothing was cut off")
	}
}

// What the lane takes, net/http reads in the same way, to the last byte.
func FuzzHead(f *testing.F) {
	f.Add([]byte(post + "Content-Length: 3\r\n\r\nabcPOST"))
	f.Add([]byte(post + "Content-Type: application/json\r\naccept:  a \r\nAccept: b\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte(post + "X:\r\nConnection: Keep-Alive\r\nContent-Length: 00002\r\n\r\nab"))
	f.Add([]byte("POST " + path + " HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h head
		if len(text) > maxHead {
			text = text[:maxHead]
		}
		length, s := h.parse(text, path)
		if s != whole {
			return
		}
		in := bufio.NewReader(bytes.NewReader(text))
		want, err := http.ReadRequest(in)
		if err != nil {
			t.Fatalf("taken: %q; net/http: %v", text, err)
		}
		var got http.Request
		h.request(want.URL, &got)
		if want.URL.String() != path || got.Method != want.Method || got.Host != want.Host || got.Proto != want.Proto || want.Close || want.TransferEncoding != nil ||
			got.ContentLength != want.ContentLength || got.RequestURI != want.RequestURI || !reflect.DeepEqual(got.Header, want.Header) {
			t.Fatalf("%q: %v, net/http %v", text, &got, want)
		}
		body, _ := io.ReadAll(want.Body)
		rest := text[h.size:]
		if !bytes.Equal(body, rest[:min(length, len(rest))]) {
			t.Fatalf("%q: body %q", text, body)
		}
		if again, s := h.parse(text, path); s != whole || again != length {
			t.Fatal("the same head is read in two ways")
		}
	})
}
