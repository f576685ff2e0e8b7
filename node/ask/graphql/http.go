package graphql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"sayso"
	"sayso/internal/clock"
)

// Codes of errors before execution (spec api 2).
const (
	parseFailed      = "GRAPHQL_PARSE_FAILED"
	validationFailed = "GRAPHQL_VALIDATION_FAILED"
	tooComplex       = "COMPLEXITY_LIMIT_EXCEEDED"
)

// params are a request as any transport brings it.
type params struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    struct {
		PersistedQuery any `json:"persistedQuery"`
	} `json:"extensions"`
}

const (
	plainJSON   = "application/json"
	graphqlJSON = "application/graphql-response+json"
)

// ServeHTTP answers POST with a JSON body, GET with query parameters, and
// OPTIONS (spec api 2).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var p params
	switch r.Method {
	case http.MethodOptions:
		w.Header().Set("Allow", "OPTIONS, GET, POST")
		w.WriteHeader(http.StatusOK)
		return
	case http.MethodGet:
		if !s.readGet(w, r, &p) {
			return
		}
	case http.MethodPost:
		if !s.readPost(w, r, &p) {
			return
		}
	default:
		w.Header().Set("Allow", "OPTIONS, GET, POST")
		refuse(w, http.StatusMethodNotAllowed, "transport not supported")
		return
	}
	caller, err := s.cfg.Authorise(r)
	if err != nil {
		s.unauthorised(w, err)
		return
	}
	key := s.cfg.Key(r, caller)
	if !s.cfg.Gate.enter(key) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, "too many concurrent requests")
		return
	}
	defer s.cfg.Gate.leave(key)
	op, variables, errs := s.prepare(&p)
	contentType := accepted(r)
	w.Header().Set("Content-Type", contentType)
	if errs != nil {
		status := http.StatusUnprocessableEntity
		if contentType == graphqlJSON {
			status = http.StatusBadRequest
		}
		if errs[0].Extensions["code"] == tooComplex {
			status = http.StatusOK
		}
		w.WriteHeader(status)
		w.Write(failure(errs))
		return
	}
	s.execute(w, r, caller, key, op, variables)
}

func (s *Server) readGet(w http.ResponseWriter, r *http.Request, p *params) bool {
	if int64(len(r.URL.RawQuery)) > s.cfg.Limits.Body {
		refuse(w, http.StatusRequestEntityTooLarge, "the request is too large")
		return false
	}
	q := r.URL.Query()
	p.Query, p.OperationName = q.Get("query"), q.Get("operationName")
	if text := q.Get("variables"); text != "" {
		if err := decode([]byte(text), &p.Variables); err != nil {
			refuse(w, http.StatusBadRequest, "variables could not be decoded")
			return false
		}
	}
	return true
}

// readPost reads JSON under any content type but multipart: curl sends another
// one by itself, and nothing is decided by it. What proves a caller is a header
// that no page of another site can set.
func (s *Server) readPost(w http.ResponseWriter, r *http.Request, p *params) bool {
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); strings.HasPrefix(t, "multipart/") {
		refuse(w, http.StatusBadRequest, "transport not supported: send JSON as application/json")
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.Limits.Body))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			refuse(w, http.StatusRequestEntityTooLarge, "the request is too large")
		} else {
			refuse(w, http.StatusBadRequest, "could not read request body")
		}
		return false
	}
	if err := decode(body, p); err != nil {
		refuse(w, http.StatusBadRequest, "json request body could not be decoded: "+err.Error())
		return false
	}
	return true
}

func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind the request")
	}
	return nil
}

// execute answers a valid operation, once it is its turn.
func (s *Server) execute(w http.ResponseWriter, r *http.Request, caller any, key string, op *ast.OperationDefinition, variables map[string]any) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Limits.Deadline)
	defer cancel()
	c := &Call{Context: ctx, Caller: caller, server: s, key: key, variables: variables, buf: s.segment()}
	defer c.release()
	if s.estimates(r) {
		s.estimate(w, c, op)
		return
	}
	s.guarded(c, func() { s.answer(c, op) })
	errs := []byte(nil)
	if len(c.errors) > 0 {
		var err error
		if errs, err = json.Marshal(c.errors); err != nil {
			errs = []byte(`[{"message":"internal error"}]`)
		}
		errs = append(append([]byte(`{"errors":`), errs...), `,"data":`...)
	} else {
		errs = []byte(`{"data":`)
	}
	c.buf = append(c.buf, '}')
	w.Header().Set("Content-Length", strconv.Itoa(len(errs)+c.size()))
	if c.size() > long {
		defer bounded(w, s.cfg.Limits.Writing)()
	}
	w.Write(errs)
	for _, part := range append(c.full, c.buf) {
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

// bounded ends the writing of a long answer to a client that does not read it.
func bounded(w http.ResponseWriter, within time.Duration) (done func()) {
	control := http.NewResponseController(w)
	if control.SetWriteDeadline(clock.System{}.Now().Add(within)) != nil {
		return func() {}
	}
	return func() {
		if control.Flush() == nil {
			control.SetWriteDeadline(time.Time{})
		}
	}
}

// answer runs the operation if it does not cost too much.
func (s *Server) answer(c *Call, op *ast.OperationDefinition) {
	root := s.types["Query"]
	fields := c.collect(root, []ast.SelectionSet{op.SelectionSet})
	cost := c.weigh(root, fields) + int64(c.values)
	switch limit := s.cfg.Limits.Cost; {
	case c.values > s.cfg.Limits.Values:
		c.refuse("its arguments hold more values than %d", s.cfg.Limits.Values)
		return
	case cost > limit:
		c.refuse("operation costs %d, which exceeds the limit of %d: ask for fewer intervals, signals or entries, or for less time", cost, limit)
		return
	case cost > s.cfg.Limits.Light:
		done, err := s.cfg.Gate.turn(c.Context, c.key)
		if err != nil {
			c.Fail(err)
			c.buf = append(c.buf, "null"...)
			return
		}
		defer done()
	}
	c.run(root, fields)
}

// guarded runs a request; a panic becomes an internal error.
func (s *Server) guarded(c *Call, run func()) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("query panicked", "panic", p, "stack", string(debug.Stack()))
			c.errors = gqlerror.List{gqlerrorf(sayso.Internal.Code(), "internal system error")}
			c.rewind(mark{})
			c.buf = append(c.buf, "null"...)
		}
	}()
	run()
}

// unauthorised answers with the form of token-protected services (spec api 1.9).
func (s *Server) unauthorised(w http.ResponseWriter, err error) {
	fault := sayso.FaultOf(err)
	if fault == sayso.Internal {
		s.cfg.Log.Error("cannot tell who asks", "err", err)
	}
	w.Header().Set("Content-Type", plainJSON)
	w.WriteHeader(fault.Status())
	body := appendString([]byte(`{"message":`), sayso.MessageOf(err))
	w.Write(append(body, '}'))
}

// refuse answers before the query is known.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", plainJSON)
	w.WriteHeader(status)
	w.Write(failure(gqlerror.List{{Message: message}}))
}

func failure(errs gqlerror.List) []byte {
	out, err := json.Marshal(struct {
		Errors gqlerror.List `json:"errors"`
		Data   any           `json:"data"`
	}{Errors: errs})
	if err != nil {
		return []byte(`{"errors":[{"message":"internal error"}],"data":null}`)
	}
	return out
}

// accepted is the content type of the answer: plain JSON unless the newer type
// is asked for before it.
func accepted(r *http.Request) string {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		t, _, err := mime.ParseMediaType(strings.TrimSpace(part))
		switch {
		case err != nil:
		case t == graphqlJSON:
			return graphqlJSON
		case t == plainJSON, t == "*/*", t == "application/*":
			return plainJSON
		}
	}
	return plainJSON
}

// Remote names a client by its address; of IPv6, where one host has many, by the
// network.
func Remote(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := at.Addr().Unmap()
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(64)
		return network.String()
	}
	return addr.String()
}
