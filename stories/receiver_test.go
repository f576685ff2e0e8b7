package stories

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// ear is a target of webhooks.
type ear struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	told   []json.RawMessage
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil || !json.Valid(body):
		w.WriteHeader(http.StatusBadRequest)
	case strings.Contains(string(body), `"verification"`):
		io.WriteString(w, "secret\n")
	default:
		e.told = append(e.told, body)
		w.WriteHeader(e.status)
	}
}

// take gives what was told since the last time, once it is so many.
func (e *ear) take(n int) ([]json.RawMessage, error) {
	for range 2000 {
		e.mu.Lock()
		if len(e.told) >= n {
			list := e.told
			e.told = nil
			e.mu.Unlock()
			return list, nil
		}
		e.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	return nil, fmt.Errorf("was not told %d times", n)
}

// receiver is the command of that name.
func (s *story) receiver(ts *testscript.TestScript, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "start":
		s.ear = &ear{status: http.StatusOK}
		s.ear.Server = httptest.NewServer(s.ear)
		ts.Setenv("RECEIVER", s.ear.URL)
		ts.Setenv("SAYSO_WEBHOOK_HOSTS", strings.TrimPrefix(s.ear.URL, "http://"))
	case len(args) == 2 && args[0] == "answer":
		status, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		s.ear.mu.Lock()
		defer s.ear.mu.Unlock()
		s.ear.status = status
	case len(args) == 3 && args[0] == "told":
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		list, err := s.ear.take(n)
		if err != nil {
			return err
		}
		if list == nil {
			list = []json.RawMessage{}
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		return os.WriteFile(ts.MkAbs(args[2]), text, 0o600)
	default:
		ts.Fatalf("usage: receiver start | answer STATUS | told N FILE")
	}
	return nil
}
