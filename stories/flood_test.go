package stories

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sayso/internal/clock"
)

// tally is what a flood was answered.
type tally struct {
	mu       sync.Mutex
	statuses map[int]int
	silent   int // refused without Retry-After
	broken   int // no answer
	odd      []string
	kept     []time.Duration // how long each answer 200 took
}

// padding makes a message too large to be one of the small ones.
var padding = bytes.Repeat([]byte(" "), 600<<10)

// flood has connections send without pause and without minding when they are
// told to come again. Every second of ten sends large messages that are signed
// instead of coming with a token. What they were answered becomes the output, as
// JSON.
func (s *story) flood(ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: flood TIME CONNECTIONS DEVICE...")
	}
	lasts, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	conns, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(s.dir, "oplog"))
	if err != nil {
		return err
	}
	defer file.Close()
	s.log = s.newLog(file)
	s.log.base = clock.System{}.Now().Truncate(time.Second).Add(time.Second) // a signature alone counts from the pairing on
	var crowd []*flooder
	for _, name := range args[2:] {
		f := &flooder{name: name}
		if f.sender, err = s.sender(name); err != nil {
			return err
		}
		if f.bearer, err = s.bearer(name); err != nil {
			return err
		}
		crowd = append(crowd, f)
	}
	t := &tally{statuses: map[int]int{}}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: conns}}
	defer client.CloseIdleConnections()
	ctx, stop := context.WithTimeout(context.Background(), lasts)
	defer stop()
	failures := make(chan error, conns)
	for i := range conns {
		go func() { failures <- crowd[i%len(crowd)].pour(ctx, client, t, i%10 == 9) }()
	}
	for range conns {
		err = errors.Join(err, <-failures)
	}
	if err != nil {
		return err
	}
	return s.tell(ts, t, lasts)
}

// tell makes the tally the output.
func (s *story) tell(ts *testscript.TestScript, t *tally, lasts time.Duration) error {
	peak, err := s.peak()
	if err != nil {
		return err
	}
	slices.Sort(t.kept)
	slowest := time.Duration(0)
	if len(t.kept) > 0 {
		slowest = t.kept[len(t.kept)*99/100]
	}
	all, told := 0, map[string]int{"silent": t.silent, "broken": t.broken, "peakMiB": peak, "other": 0}
	for status, n := range t.statuses {
		all += n
		switch status {
		case http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable:
			told[fmt.Sprint("status", status)] = n
		default:
			told["other"] += n
		}
	}
	ts.Logf("counted: in %s %d answers: %v; 200 within %s (p99); the node took at most %d MiB; %v", lasts, all, t.statuses, slowest.Round(time.Millisecond), peak, t.odd)
	body, err := json.Marshal(told)
	s.said, s.head = string(body), "flooded\n"
	return err
}

// flooder is a device that many connections send for.
type flooder struct {
	*sender
	name, bearer string
	mu           sync.Mutex
}

// number is the next message's.
func (f *flooder) number() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	return f.next
}

// pour sends one message after the other, each until it is kept.
func (f *flooder) pour(ctx context.Context, client *http.Client, t *tally, large bool) error {
	by, vehicle := f.by, f.by.Subject.String()
	if large {
		key, err := f.story.keyOf(f.name)
		if err != nil {
			return err
		}
		by.Sign = func(digest [32]byte) ([]byte, error) { return key.Sign(digest) }
	}
	one := &sender{story: f.story, by: by}
	for ctx.Err() == nil {
		n := f.number()
		body, err := one.body(n)
		if err != nil {
			return err
		}
		if err := f.story.log.note("begin", vehicle, n); err != nil {
			return err
		}
		for kept := false; !kept && ctx.Err() == nil; {
			if kept = t.send(client, f.story.http, f.bearer, body, large); !kept {
				continue
			}
			if err := f.story.log.note("ack", vehicle, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// send sends a message once and notes the answer.
func (t *tally) send(client *http.Client, host, bearer string, body []byte, large bool) (kept bool) {
	var in io.Reader = bytes.NewReader(body)
	size := int64(len(body))
	if large {
		bearer = ""
		in, size = io.MultiReader(in, bytes.NewReader(padding)), size+int64(len(padding))
	}
	began := clock.System{}.Now()
	res, said, err := post(client, "http://"+host+"/v1/devices/events", in, size, bearer)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.broken++
		t.remember(err.Error())
		return false
	}
	t.statuses[res.StatusCode]++
	switch res.StatusCode {
	case http.StatusOK:
		t.kept = append(t.kept, clock.System{}.Now().Sub(began))
		return true
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if wait, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || wait < 1 {
			t.silent++
		}
	default:
		t.remember(fmt.Sprint(res.StatusCode, " ", string(said)))
	}
	return false
}

// post sends a body of a size and reads the answer; no bearer is none.
func post(client *http.Client, url string, body io.Reader, size int64, bearer string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, url, body)
	if err != nil {
		return nil, nil, err
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/cloudevents+json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(res.Body)
	return res, said, err
}

// remember keeps a few answers that should not be.
func (t *tally) remember(what string) {
	if len(t.odd) < 5 {
		t.odd = append(t.odd, what)
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory, in MiB, that the running node has had; 0 where the
// system does not tell.
func (s *story) peak() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.running.cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	m := highWater.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("no VmHWM in %s", text)
	}
	kb, err := strconv.Atoi(string(m[1]))
	return kb >> 10, err
}
