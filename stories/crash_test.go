package stories

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sayso"
	"sayso/client"
	"sayso/client/device"
	"sayso/internal/clock"
)

// opLog is what the senders of a storm did: a line before and a line after
// every message, written to a file at once.
type opLog struct {
	mu    sync.Mutex
	file  *os.File
	base  time.Time        // message n of a sender is about base + n ms
	begun map[string][]int // by vehicle's DID
	acked map[string][]int
}

func (s *story) newLog(file *os.File) *opLog {
	return &opLog{file: file, base: s.began.Truncate(time.Second).Add(-24 * time.Hour), begun: map[string][]int{}, acked: map[string][]int{}}
}

func (l *opLog) note(what, vehicle string, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch what {
	case "begin":
		l.begun[vehicle] = append(l.begun[vehicle], n)
	case "ack":
		l.acked[vehicle] = append(l.acked[vehicle], n)
	}
	_, err := fmt.Fprintf(l.file, "%s %s %d\n", what, vehicle, n)
	return err
}

// sender is one device. Each of its messages has two readings of the same
// moment, which must be kept both or not at all.
type sender struct {
	story *story
	by    device.Identity
	door  *device.HTTPDoor
	next  int
}

// crash has devices send without pause while the node is killed and started
// again. Half of the messages whose fate a crash left open are sent again, as a
// device would; the other half stay open.
func (s *story) crash(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: crash TIMES DEVICE...")
	}
	times, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(s.dir, "oplog"))
	if err != nil {
		return err
	}
	defer file.Close()
	s.log = s.newLog(file)
	var senders []*sender
	for _, name := range args[1:] {
		one, err := s.sender(name)
		if err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
		senders = append(senders, one)
	}
	var starting time.Duration
	for round := range times + 1 {
		if round > 0 {
			if round%5 == 0 {
				if err := s.killStarting(ts); err != nil {
					return err
				}
			}
			took, err := s.start(ts, []string{"serve"})
			if err != nil {
				return fmt.Errorf("start after kill %d: %w", round, err)
			}
			starting += took
		}
		if err := s.storm(senders, round < times); err != nil {
			return err
		}
	}
	ts.Logf("counted: %d times kill -9 and %d more while it started, %s from start to ready on average", times, times/5, (starting / time.Duration(times)).Round(time.Millisecond))
	return nil
}

// killStarting kills a node that has not got ready yet, so that some starts
// find what a recovery left half done.
func (s *story) killStarting(ts *testscript.TestScript) error {
	if err := s.launch(ts, []string{"serve"}); err != nil {
		return err
	}
	time.Sleep(time.Duration(20+rand.IntN(300)) * time.Millisecond)
	return s.kill()
}

// storm lets the senders send for a moment, then kills the node under them,
// except the last time.
func (s *story) storm(senders []*sender, kill bool) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	failures := make(chan error, len(senders))
	for _, one := range senders {
		go func() { failures <- one.send(ctx) }()
	}
	time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
	var err error
	if kill {
		err = s.kill()
	}
	stop()
	for range senders {
		err = errors.Join(err, <-failures)
	}
	return err
}

// sender signs a device in.
func (s *story) sender(name string) (*sender, error) {
	key, err := s.keyOf(name)
	if err != nil {
		return nil, err
	}
	bearer, err := s.bearer(name)
	if err != nil {
		return nil, err
	}
	one := &sender{story: s}
	if one.by, err = s.identity(sayso.Address(key.Address())); err != nil {
		return nil, err
	}
	one.door = device.NewHTTPDoor("http://"+s.http, 1, clock.System{}, func(context.Context, int) (string, error) { return bearer, nil })
	return one, nil
}

// send sends until the node is gone or the context ends. Only a refusal is an
// error: nothing that these devices send is wrong.
func (d *sender) send(ctx context.Context) error {
	vehicle := d.by.Subject.String()
	for ctx.Err() == nil {
		n := d.next
		body, err := d.body(n)
		if err != nil {
			return err
		}
		if err := d.story.log.note("begin", vehicle, n); err != nil {
			return err
		}
		err = d.door.Send(context.WithoutCancel(ctx), 0, body)
		var later *device.Later
		switch {
		case errors.As(err, &later):
			if n%2 == 0 {
				d.next++
			}
			return nil
		case err != nil:
			return err
		}
		if err := d.story.log.note("ack", vehicle, n); err != nil {
			return err
		}
		d.next++
	}
	return nil
}

// body is message n.
func (d *sender) body(n int) ([]byte, error) {
	at := d.story.log.base.Add(time.Duration(n) * time.Millisecond)
	return device.Report{ID: fmt.Sprintf("%s-%d", d.by.Source, n), Time: at, Signals: []device.Signal{
		{Name: "powertrainTransmissionTravelledDistance", Time: at, Value: sayso.NumberValue(float64(n))},
		{Name: "powertrainCombustionEngineSpeed", Time: at, Value: sayso.NumberValue(float64(n % 5000))},
	}}.Body(d.by)
}

// audit reads everything back as the owner and compares. What was acknowledged
// must be there, whole and unchanged; what is there must have been sent.
func (s *story) audit(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: audit OWNER")
	}
	for vehicle, begun := range s.log.begun {
		id := vehicle[strings.LastIndex(vehicle, ":")+1:]
		if err := ts.Exec(s.sayso, "ask", "--vehicle", id, "--as", args[0], "--print-token"); err != nil {
			return err
		}
		found, err := s.readBack(vehicle, strings.TrimSpace(ts.ReadFile("stdout")), len(begun))
		if err != nil {
			return err
		}
		lost, invented := 0, 0
		for _, n := range s.log.acked[vehicle] {
			if !found[n] {
				lost++
			}
		}
		sent := map[int]bool{}
		for _, n := range begun {
			sent[n] = true
		}
		for n := range found {
			if !sent[n] {
				invented++
			}
		}
		ts.Logf("counted: vehicle %s: %d messages begun, %d acknowledged, %d readable; %d lost, %d invented",
			id, len(sent), len(s.log.acked[vehicle]), len(found), lost, invented)
		if lost+invented > 0 || len(s.log.acked[vehicle]) == 0 {
			return fmt.Errorf("vehicle %s: %d lost, %d invented, %d acknowledged", id, lost, invented, len(s.log.acked[vehicle]))
		}
	}
	return nil
}

// window is how much time one question of the audit covers.
const window = 20 * time.Second

// readBack gives the numbers of the messages that can be read. Half a message
// and a changed value are errors.
func (s *story) readBack(vehicle, bearer string, most int) (map[int]bool, error) {
	api := client.New("http://" + s.http)
	found := map[int]bool{}
	end := s.log.base.Add(time.Duration(most)*time.Millisecond + window)
	for from := s.log.base.Add(-window); from.Before(end); from = from.Add(window) {
		answer, err := api.Ask(context.Background(), "/query", bearer, `query($s: String!, $f: Time!, $t: Time!) {
			signals(subject: $s, interval: "1ms", from: $f, to: $t) { timestamp
				n: powertrainTransmissionTravelledDistance(agg: LAST) rest: powertrainCombustionEngineSpeed(agg: LAST) } }`,
			map[string]any{"s": vehicle, "f": from.Format(time.RFC3339Nano), "t": from.Add(window).Format(time.RFC3339Nano)})
		if err != nil {
			return nil, err
		}
		if len(answer.Errors) > 0 {
			return nil, errors.New(answer.Errors[0].Message)
		}
		var data struct {
			Signals []struct {
				Timestamp time.Time
				N, Rest   *float64
			}
		}
		if err := json.Unmarshal(answer.Data, &data); err != nil {
			return nil, err
		}
		for _, b := range data.Signals {
			n := int(b.Timestamp.Sub(s.log.base) / time.Millisecond)
			if b.N == nil || b.Rest == nil || int(*b.N) != n || int(*b.Rest) != n%5000 {
				return nil, fmt.Errorf("message %d of %s is half there or changed: %v, %v", n, vehicle, b.N, b.Rest)
			}
			found[n] = true
		}
	}
	return found, nil
}
