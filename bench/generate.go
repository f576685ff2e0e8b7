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
	Senders []credentials // one connection each
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
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-generate")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &complaints
	mine, theirs := cpu(syscall.RUSAGE_SELF), cpu(syscall.RUSAGE_CHILDREN)
	if err := cmd.Run(); err != nil {
		return figure{}, fmt.Errorf("the generator: %w: %s", err, complaints.String())
	}
	mine, theirs = cpu(syscall.RUSAGE_SELF)-mine, cpu(syscall.RUSAGE_CHILDREN)-theirs
	var o outcome
	if err := json.Unmarshal(out.Bytes(), &o); err != nil {
		return figure{}, err
	}
	f := measured(o.Latencies, o.Took)
	f.spent(mine)
	f.Bytes = o.Bytes
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
	began := time.Now()
	time.AfterFunc(t.Lasts, func() { stop.Store(true) })
	var wg sync.WaitGroup
	for _, s := range senders {
		wg.Go(func() {
			send := s.send
			if t.MQTT {
				send = s.sendMQTT
			}
			if err := send(t.Address, &stop); err != nil {
				stop.Store(true)
				errs <- err
			}
		})
	}
	wg.Wait()
	o := outcome{Took: time.Since(began), Bytes: len(senders[0].event.body)}
	if len(errs) > 0 {
		return <-errs
	}
	for _, s := range senders {
		o.Latencies = append(o.Latencies, s.latencies...)
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
	s := &sender{event: newEvent(c.Subject, c.Producer, sayso.Address(key.Address()), t.Signed, t.Begin)}
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
// to the one before. Any answer but 200 ends it.
func (s *sender) send(address string, stop *atomic.Bool) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 4096)
	for n := 0; !stop.Load(); n++ {
		var body []byte
		if s.signed == nil {
			body = s.event.set(n)
		} else if n == len(s.signed) {
			stop.Store(true)
			return nil
		} else {
			body = s.signed[n]
		}
		copy(s.request[s.body:], body)
		at := time.Now()
		if _, err := conn.Write(s.request); err != nil {
			return err
		}
		if err := acknowledged(in); err != nil {
			return err
		}
		s.latencies = append(s.latencies, time.Since(at))
	}
	return nil
}

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
