package mqtt

import (
	"fmt"
	"sync"
	"testing"
)

// Closing while devices come and go ends, and the judgement of connections does
// not stop: mochi's own list of the clients of a listener locks up then.
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
