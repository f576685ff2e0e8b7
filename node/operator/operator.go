// Package operator is the door of whoever runs a node, to the running node: a
// socket in the data folder, which only the account that the node runs under can
// reach. None of its verbs reads data.
package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"sayso"
)

// SocketName is the socket in the data folder.
const SocketName = "operator.sock"

// Progress is how far a verb has come. Of is zero where the end is not known.
type Progress struct {
	Done uint64 `json:"done"`
	Of   uint64 `json:"of,omitempty"`
}

// Verb does something with a node. Its arguments and its result are JSON.
type Verb func(ctx context.Context, args json.RawMessage, tell func(Progress)) (any, error)

// request is the one line that a caller sends.
type request struct {
	Verb string          `json:"verb"`
	Args json.RawMessage `json:"args,omitempty"`
}

// answer is one of the lines that come back: progress, and in the end a result
// or an error.
type answer struct {
	Progress *Progress       `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Fault    sayso.Fault     `json:"fault,omitempty"`
}

// maxPath is the longest name of a socket that every system takes.
const maxPath = 100

// socket names the socket of a data folder in a form that is short enough, and
// is good until done is called.
func socket(data string) (path string, done func(), err error) {
	path, done = filepath.Join(data, SocketName), func() {}
	if len(path) <= maxPath {
		return path, done, nil
	}
	dir, err := os.Open(data)
	if err != nil {
		return "", done, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), SocketName), func() { dir.Close() }, nil
}

// Server answers operators.
type Server struct {
	listener net.Listener
	verbs    map[string]Verb
	ctx      context.Context
	cancel   context.CancelFunc
	calls    sync.WaitGroup
}

// Serve listens in a data folder whose vault the caller has opened, so that a
// socket that is there already is one that a dead process left.
func Serve(data string, verbs map[string]Verb) (*Server, error) {
	path, done, err := socket(data)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("operator: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the name may be one of /proc
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("operator: %w", err), l.Close())
	}
	s := &Server{listener: l, verbs: verbs}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.calls.Go(s.accept)
	return s, nil
}

// Close ends what is under way and stops listening.
func (s *Server) Close() error {
	s.cancel()
	err := s.listener.Close()
	s.calls.Wait()
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.calls.Go(func() {
			defer c.Close()
			s.serve(c)
		})
	}
}

// patience is how long a caller may take to say what it wants.
const patience = 10 * time.Second

// maxRequest is the size of the longest request.
const maxRequest = 64 << 10

func (s *Server) serve(c net.Conn) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	waited := time.AfterFunc(patience, cancel)
	var r request
	in := json.NewDecoder(&limited{c, maxRequest})
	err := in.Decode(&r)
	if waited.Stop(); err != nil {
		return
	}
	go func() { // a caller that goes away ends its verb
		var b [1]byte
		c.Read(b[:])
		cancel()
	}()
	var mu sync.Mutex
	out := json.NewEncoder(c)
	tell := func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		out.Encode(answer{Progress: &p})
	}
	a := Do(ctx, s.verbs, r.Verb, r.Args, tell)
	mu.Lock()
	defer mu.Unlock()
	out.Encode(a)
}

// limited reads so many bytes and then ends in an error.
type limited struct {
	c    net.Conn
	left int
}

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("operator: the request is too long")
	}
	n, err := l.c.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// Do runs a verb and gives its answer.
func Do(ctx context.Context, verbs map[string]Verb, name string, args json.RawMessage, tell func(Progress)) answer {
	verb, ok := verbs[name]
	if !ok {
		return answer{Error: fmt.Sprintf("the node does not know the verb %q: is it an older program?", name), Fault: sayso.Invalid}
	}
	result, err := verb(ctx, args, tell)
	if err != nil {
		a := answer{Error: err.Error(), Fault: sayso.FaultOf(err)}
		if a.Fault != sayso.Internal {
			a.Error = sayso.MessageOf(err)
		}
		return a
	}
	body, err := json.Marshal(result)
	if err != nil {
		return answer{Error: err.Error(), Fault: sayso.Internal}
	}
	return answer{Result: body}
}

// Take puts the result of an answer into out, or gives its error.
func (a answer) Take(out any) error {
	if a.Error != "" {
		return sayso.Fail(a.Fault, "operator", a.Error)
	}
	return json.Unmarshal(a.Result, out)
}

// ErrNobody says that no node runs on a data folder.
var ErrNobody = errors.New("no node runs on this data folder")

// Call asks the node that runs on a data folder. The error is [ErrNobody] where
// none does.
func Call(ctx context.Context, data, verb string, args any, tell func(Progress), out any) error {
	path, done, err := socket(data)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNobody
	}
	if err != nil {
		return err
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	done()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return ErrNobody
	}
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(c).Encode(request{verb, body}); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	for in := json.NewDecoder(c); ; {
		var a answer
		if err := in.Decode(&a); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return sayso.Fail(sayso.Busy, "operator", "the node went away before it had answered")
		}
		if a.Progress != nil {
			tell(*a.Progress)
			continue
		}
		return a.Take(out)
	}
}
