package operator

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sayso"
)

var verbs = map[string]Verb{
	"echo": func(_ context.Context, args json.RawMessage, tell func(Progress)) (any, error) {
		tell(Progress{1, 2})
		tell(Progress{2, 2})
		return args, nil
	},
	"refuse": func(context.Context, json.RawMessage, func(Progress)) (any, error) {
		return nil, sayso.Fail(sayso.Conflict, "x", "because")
	},
	"wait": func(ctx context.Context, _ json.RawMessage, _ func(Progress)) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	},
}

func serve(t *testing.T, data string) *Server {
	t.Helper()
	s, err := Serve(data, verbs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestCalls has verbs done, also in a folder whose name is longer than that of a
// socket may be.
func TestCalls(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{t.TempDir(), long} {
		if err := Call(t.Context(), data, "echo", 1, nil, nil); !errors.Is(err, ErrNobody) {
			t.Errorf("where nobody is: %v", err)
		}
		s := serve(t, data)
		told, out := []Progress{}, ""
		if err := Call(t.Context(), data, "echo", "hello", func(p Progress) { told = append(told, p) }, &out); err != nil || out != "hello" || len(told) != 2 {
			t.Errorf("%q, %v, %v", out, told, err)
		}
		if err := Call(t.Context(), data, "refuse", nil, nil, nil); sayso.FaultOf(err) != sayso.Conflict || sayso.MessageOf(err) != "because" {
			t.Errorf("a refusal: %v", err)
		}
		if err := Call(t.Context(), data, "read", nil, nil, nil); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("a verb that is not there: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := Call(ctx, data, "wait", nil, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that goes away: %v", err)
		}
		cancel()
		s.Close()
		if err := Call(t.Context(), data, "echo", 1, nil, nil); !errors.Is(err, ErrNobody) {
			t.Errorf("after the end: %v", err)
		}
	}
}

// TestOnlyTheOwnerOfTheFolder may write to the socket.
func TestOnlyTheOwnerOfTheFolder(t *testing.T) {
	data := t.TempDir()
	serve(t, data)
	info, err := os.Stat(filepath.Join(data, SocketName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestNonsense is closed without an answer, and the next caller is served.
func TestNonsense(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data)
	for _, text := range []string{"\x00\x01", "{", "[1,2]", strings.Repeat(`"`, maxRequest+10)} {
		c, err := net.Dial("unix", filepath.Join(data, SocketName))
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(text))
		c.(*net.UnixConn).CloseWrite()
		c.Close()
	}
	out := 0
	if err := Call(t.Context(), data, "echo", 7, func(Progress) {}, &out); err != nil || out != 7 {
		t.Errorf("%d, %v", out, err)
	}
	s.Close()
	// A process that was killed leaves its socket; the next start takes it over.
	serve(t, data)
	if err := Call(t.Context(), data, "echo", 8, func(Progress) {}, &out); err != nil || out != 8 {
		t.Errorf("%d, %v", out, err)
	}
}
