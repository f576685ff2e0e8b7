package stories

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sayso/internal/clock"
)

// startWithin is the longest that a start may take before a story gives up.
const startWithin = 60 * time.Second

// process is a sayso in the background.
type process struct {
	cmd      *exec.Cmd
	out, err string // files
	began    time.Time
	ended    chan struct{}
	failed   error // valid once ended
}

// freePort finds a port that nobody has. The kernel hands out others first, so
// that it stays free until the node takes it.
func freePort(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(host, port), err
}

// world starts and ends the binary in the background.
func (s *story) world(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: world start [arg...] | world stop | world kill")
	}
	switch args[0] {
	case "start":
		took, err := s.start(ts, args[1:])
		if err == nil {
			ts.Logf("ready after %s", took.Round(time.Millisecond))
			ts.Setenv("START_MS", fmt.Sprint(took.Milliseconds()))
		}
		return err
	case "stop":
		return s.stop()
	case "kill":
		return s.kill()
	}
	return fmt.Errorf("world %s: not known", args[0])
}

// node is world for a node without a street.
func (s *story) node(ts *testscript.TestScript, args []string) error {
	if len(args) > 0 && args[0] == "start" {
		args = append([]string{"start", "serve"}, args[1:]...)
	}
	return s.world(ts, args)
}

// start runs the binary and waits until it is ready.
func (s *story) start(ts *testscript.TestScript, args []string) (time.Duration, error) {
	if err := s.launch(ts, args); err != nil {
		return 0, err
	}
	return s.awaitReady()
}

// launch runs the binary.
func (s *story) launch(ts *testscript.TestScript, args []string) error {
	if s.running != nil {
		return errors.New("it runs already")
	}
	n := len(s.starts) + 1
	p := &process{
		cmd: exec.Command(s.sayso, args...), ended: make(chan struct{}),
		out: filepath.Join(s.dir, fmt.Sprintf("world-%d.out", n)), err: filepath.Join(s.dir, fmt.Sprintf("world-%d.err", n)),
	}
	p.cmd.Dir = s.dir
	p.cmd.Env = append(os.Environ(), "SAYSO_HTTP="+s.http, "SAYSO_CHAIN_LISTEN="+s.chain, "SAYSO_MQTT="+s.mqtt, "SAYSO_PASSPHRASE="+ts.Getenv("SAYSO_PASSPHRASE"),
		"SAYSO_WEBHOOK_HOSTS="+ts.Getenv("SAYSO_WEBHOOK_HOSTS"))
	for file, to := range map[string]func(*os.File){p.out: func(f *os.File) { p.cmd.Stdout = f }, p.err: func(f *os.File) { p.cmd.Stderr = f }} {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		to(f)
	}
	p.began = clock.System{}.Now()
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() { p.failed = p.cmd.Wait(); close(p.ended) }()
	s.running, s.starts = p, append(s.starts, p)
	ts.Setenv("SCREEN", p.out)
	return nil
}

// awaitReady polls /ready. A node that ends instead is a failure with what it
// said.
func (s *story) awaitReady() (time.Duration, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	for {
		res, err := client.Get("http://" + s.http + "/ready")
		if err == nil {
			res.Body.Close()
		}
		took := clock.System{}.Now().Sub(s.running.began)
		if err == nil && res.StatusCode == http.StatusOK && said(s.running.out, "is ready") {
			return took, nil
		}
		if took > startWithin {
			return took, fmt.Errorf("not ready within %s: %s", startWithin, s.running.last())
		}
		select {
		case <-s.running.ended:
			p := s.running
			s.running = nil
			return took, fmt.Errorf("it ended: %w: %s", p.failed, p.last())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func said(file, what string) bool {
	text, err := os.ReadFile(file)
	return err == nil && strings.Contains(string(text), what)
}

// last is the end of what a process said on stderr.
func (p *process) last() string {
	text, err := os.ReadFile(p.err)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// stop interrupts the process, as Ctrl-C does. It must end with exit code 0.
func (s *story) stop() error {
	p := s.running
	if p == nil {
		return errors.New("nothing runs")
	}
	s.running = nil
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
		return errors.New("it did not end within 20 s of the interrupt")
	}
	if p.failed != nil {
		return fmt.Errorf("it did not end well: %w: %s", p.failed, p.last())
	}
	return nil
}

// kill ends the process with kill -9.
func (s *story) kill() error {
	p := s.running
	if p == nil {
		return errors.New("nothing runs")
	}
	s.running = nil
	err := p.cmd.Process.Kill()
	<-p.ended
	return err
}

// close ends what a story left running and notes what its nodes complained of.
func (s *story) close() {
	if s.running != nil {
		s.kill()
	}
	if s.disk != nil {
		if err := s.disk.unmount(); err != nil {
			s.t.Log(err)
		}
	}
	if s.ear != nil {
		s.ear.Close()
	}
	if s.chainRuns != nil {
		s.chainRuns.cmd.Process.Kill()
		<-s.chainRuns.ended
	}
	for i, p := range s.starts {
		if text := p.last(); strings.TrimSpace(text) != "" {
			s.t.Log(fmt.Sprintf("what start %d said on stderr: ...%s", i+1, text))
		}
	}
}
