package mqtt

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Mochi's list of the clients of a listener takes a lock for reading twice, which
// locks up when a client goes in between. It happens too seldom for a test, so
// the code is asked not to use it, nor what uses it.
func TestTheListThatLocksUpIsNotUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"GetByListener(", "ends(listenerID)"} {
			if !strings.HasSuffix(f, "_test.go") && strings.Contains(string(text), call) {
				t.Errorf("%s calls %s", f, call)
			}
		}
	}
}

// Closing while devices come and go ends, and the judgement of connections does
// not stop.
func TestClosingWhileDevicesComeAndGo(t *testing.T) {
	for round := range 20 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			w := newWorld(t, nil).listen()
			var hellos [][]byte
			for i := range 8 {
				hellos = append(hellos, w.add(uint64(i+1)).greeting(t))
			}
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for _, hello := range hellos {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						conn, err := w.dial()
						if err != nil {
							return
						}
						_, _ = conn.Write(hello)
						_, _ = conn.Read(make([]byte, 4))
						conn.Close()
					}
				})
			}
			eventually(t, "devices come and go", func() bool { return w.server.Figures().Accepted > 50 })
			w.mu.Lock()
			w.block++
			w.mu.Unlock()
			if err := w.server.Close(); err != nil {
				t.Error(err)
			}
			close(stop)
			wg.Wait()
		})
	}
}
