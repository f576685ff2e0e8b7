package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sayso"
	"sayso/protocol/chain"
)

// task is what the generator is told.
type task struct {
	Address string        // host and port
	Path    string        //
	Lasts   time.Duration //
	Begin   time.Time     // time of the first event
	MQTT    bool          // over MQTT, not HTTP
	Signed  bool          // a signature in every event, made before the clock starts
	Most    int           // signed events per connection
	First   int           // number of the first event
	Patient bool          // to be turned away is no failure: the same is sent again, at once
	Conns   int           // connections, which the senders share evenly; 0: one each
	Senders []credentials
}

// credentials are what one device sends with.
type credentials struct {
	Subject, Producer sayso.DID
	Bearer            string
	Key               string // hexadecimal
}

// outcome is what the generator answers.
type outcome struct {
	Latencies []time.Duration
	Took      time.Duration
	Bytes     int
	Refused   int
}

// drive has the generator work on a task and makes a figure of the outcome.
func drive(ctx context.Context, t task) (figure, error) {
	self, err := os.Executable()
	if err != nil {
		return figure{}, err
	}
	in, err := json.Marshal(t)
	if err != nil {
		return figure{}, err
	}
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-generate")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &complaints
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return figure{}, err
	}
	theirs := cpu(syscall.RUSAGE_CHILDREN)
	if err := cmd.Start(); err != nil {
		return figure{}, err
	}
	out := bufio.NewReader(pipe)
	_, begun := out.ReadString('\n') // it has begun
	mine := cpu(syscall.RUSAGE_SELF)
	_, ended := out.Peek(1)
	mine = cpu(syscall.RUSAGE_SELF) - mine
	var o outcome
	if err := errors.Join(begun, ended, json.NewDecoder(out).Decode(&o), cmd.Wait()); err != nil {
		return figure{}, fmt.Errorf("the generator: %w: %s", err, complaints.String())
	}
	theirs = cpu(syscall.RUSAGE_CHILDREN) - theirs
	f := measured(o.Latencies, o.Took)
	f.spent(mine)
	f.Bytes, f.Refusals = o.Bytes, float64(o.Refused)/o.Took.Seconds()
	if !t.Signed { // making signatures beforehand is most of the generator's time
		f.LoadCPU = float64(theirs) / 1e3 / float64(max(1, f.Events))
	}
	return f, nil
}

// sender is one connection of the generator.
type sender struct {
	event     *event
	connect   []byte // the first packet of MQTT
	request   []byte
	body      int
	signed    [][]byte
	next      int // number of the next event
	patient   bool
	refused   int
	latencies []time.Duration
}

// generate is the generator: it reads a task and writes the outcome.
func generate(in io.Reader, out io.Writer) error {
	var t task
	if err := json.NewDecoder(in).Decode(&t); err != nil {
		return err
	}
	senders := make([]*sender, len(t.Senders))
	errs := make(chan error, 2*len(senders))
	each(len(senders), func(i int) {
		var err error
		prepare := t.prepare
		if t.MQTT {
			prepare = t.prepareMQTT
		}
		if senders[i], err = prepare(t.Senders[i]); err != nil {
			errs <- err
		}
	})
	if len(errs) > 0 {
		return <-errs
	}
	var stop atomic.Bool
	var wg, connecting sync.WaitGroup
	start := make(chan struct{})
	share := 1
	if t.Conns > 0 {
		share = len(senders) / t.Conns
	}
	for group := range slices.Chunk(senders, share) {
		ready := sync.OnceFunc(connecting.Done)
		connecting.Add(1)
		wg.Go(func() {
			defer ready()
			wait := func(conn net.Conn) error {
				ready()
				<-start
				if !t.Patient {
					return nil
				}
				return conn.SetReadDeadline(time.Now().Add(t.Lasts)) // refusals may be held for longer
			}
			if t.MQTT || t.Signed {
				ready()
			}
			send := func(address string, stop *atomic.Bool) error { return send(address, group, wait, stop) }
			if t.MQTT {
				send = group[0].sendMQTT
			}
			if err := send(t.Address, &stop); err != nil {
				stop.Store(true)
				errs <- err
			}
		})
	}
	connecting.Wait()
	fmt.Fprintln(out)
	began := time.Now()
	time.AfterFunc(t.Lasts, func() { stop.Store(true) })
	close(start)
	wg.Wait()
	took := time.Since(began)
	o := outcome{Took: took, Bytes: len(senders[0].event.body)}
	if len(errs) > 0 {
		return <-errs
	}
	for _, s := range senders {
		o.Latencies, o.Refused = append(o.Latencies, s.latencies...), o.Refused+s.refused
	}
	return json.NewEncoder(out).Encode(o)
}

// each calls f for 0 to n-1, as many at once as there are CPUs.
func each(n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// prepare writes a sender's request, and signs its events where they are to be.
func (t *task) prepare(c credentials) (*sender, error) {
	key, err := chain.ParseKey(c.Key)
	if err != nil {
		return nil, err
	}
	s := &sender{event: newEvent(c.Subject, c.Producer, sayso.Address(key.Address()), t.Signed, t.Begin), next: t.First, patient: t.Patient}
	s.request, s.body = request(t.Address, t.Path, c.Bearer, len(s.event.body))
	if t.Signed {
		for n := range t.Most {
			s.event.set(n)
			if err := s.event.sign(key); err != nil {
				return nil, err
			}
			s.signed = append(s.signed, bytes.Clone(s.event.body))
		}
	}
	return s, nil
}

// send sends one event after the other on one connection, each after the answer
// to the one before, of its senders in turn. Any answer but 200 ends it; of patient
// senders also those that ask to come again do not.
// The first event of a connection costs more than the later ones: it is sent before
// all begin, and does not count.
func send(address string, senders []*sender, begin func(net.Conn) error, stop *atomic.Bool) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 4096)
	for i := 0; !stop.Load(); i++ {
		s := senders[i%len(senders)]
		var body []byte
		if s.signed == nil {
			body = s.event.set(s.next)
		} else if s.next == len(s.signed) {
			stop.Store(true)
			return nil
		} else {
			body = s.signed[s.next]
		}
		copy(s.request[s.body:], body)
		at := time.Now()
		if _, err := conn.Write(s.request); err != nil {
			return err
		}
		err := acknowledged(in)
		if s.patient && (stop.Load() || errors.Is(err, os.ErrDeadlineExceeded)) {
			return nil
		}
		if s.patient && errors.Is(err, errBusy) {
			if s.refused++; i > 0 {
				continue
			}
			if err := begin(conn); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if s.next++; i == 0 && s.signed == nil {
			if err := begin(conn); err != nil {
				return err
			}
			continue
		}
		s.latencies = append(s.latencies, time.Since(at))
	}
	return nil
}

// errBusy is a refusal that says when to come again.
var errBusy = errors.New("busy")

// acknowledged reads an answer. One of status 200 without a body is read
// without parsing it all; of any other the text is the error.
func acknowledged(in *bufio.Reader) error {
	line, err := in.Peek(len("HTTP/1.1 200"))
	if err != nil {
		return err
	}
	if string(line) != "HTTP/1.1 200" {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(res.Body)
		if again := res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusTooManyRequests; again && res.Header.Get("Retry-After") != "" {
			return errBusy
		}
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	empty := false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		empty = empty || bytes.HasPrefix(line, []byte("Content-Length: 0"))
	}
	if !empty {
		return errors.New("the answer has a body, or does not say that it has none")
	}
	return nil
}
