package stories

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// backup has devices send without pause, makes a backup meanwhile and kills the
// node a moment later. What was acknowledged before the backup began is what an
// audit wants to see from then on.
func (s *story) backup(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: backup FOLDER DEVICE...")
	}
	file, err := os.Create(filepath.Join(s.dir, "oplog"))
	if err != nil {
		return err
	}
	defer file.Close()
	s.log = s.newLog(file)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	failures := make(chan error, len(args))
	for _, name := range args[1:] {
		one, err := s.sender(name)
		if err != nil {
			return err
		}
		go func() { failures <- one.send(ctx) }()
	}
	time.Sleep(500 * time.Millisecond)
	s.log.mu.Lock()
	before := maps.Clone(s.log.acked)
	for v := range before {
		before[v] = slices.Clone(before[v])
	}
	s.log.mu.Unlock()
	err = ts.Exec(s.sayso, "vault", "backup", args[0])
	time.Sleep(200 * time.Millisecond)
	err = errors.Join(err, s.kill())
	stop()
	for range args[1:] {
		err = errors.Join(err, <-failures)
	}
	all, due := 0, 0
	for v := range s.log.acked {
		all, due = all+len(s.log.acked[v]), due+len(before[v])
	}
	ts.Logf("counted: %d messages acknowledged before the backup began, %d more until the kill", due, all-due)
	if all == due {
		return errors.New("nothing was acknowledged while the backup was made")
	}
	s.log.acked = before
	return err
}
