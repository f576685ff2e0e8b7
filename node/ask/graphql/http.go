package graphql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"sayso"
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
	s.execute(w, r, caller, op, variables)
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
	return d.Decode(into)
}

// prepare parses, checks and validates.
func (s *Server) prepare(p *params) (*ast.OperationDefinition, map[string]any, gqlerror.List) {
	refused := func(message, code string) (*ast.OperationDefinition, map[string]any, gqlerror.List) {
		return nil, nil, gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}
	}
	if p.Query == "" && p.Extensions.PersistedQuery != nil {
		return refused("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED")
	}
	doc := s.cache.get(p.Query)
	if doc == nil {
		var errs gqlerror.List
		if doc, errs = s.parse(p.Query); errs != nil {
			return nil, nil, errs
		}
		s.cache.put(p.Query, doc)
	}
	op := doc.Operations.ForName(p.OperationName)
	switch {
	case op == nil && p.OperationName == "":
		return refused("name the operation to run: the query has several", validationFailed)
	case op == nil:
		return refused("operation "+p.OperationName+" not found", validationFailed)
	case op.Operation != ast.Query:
		return refused("only queries are served", validationFailed)
	}
	variables, err := validator.VariableValues(s.schema, op, p.Variables)
	if err != nil {
		return nil, nil, coded(err, validationFailed)
	}
	if limit := s.cfg.Limits.Complexity; limit > 0 {
		if n := complexity(op.SelectionSet); n > limit {
			return nil, nil, gqlerror.List{gqlerrorf(tooComplex, "operation has complexity %d, which exceeds the limit of %d", n, limit)}
		}
	}
	return op, variables, nil
}

func (s *Server) parse(text string) (*ast.QueryDocument, gqlerror.List) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, s.cfg.Limits.Tokens)
	if err != nil {
		return nil, coded(err, parseFailed)
	}
	if len(doc.Operations) == 0 {
		return nil, gqlerror.List{gqlerrorf(validationFailed, "no operation provided")}
	}
	if err := s.cfg.Limits.check(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	if errs := validator.ValidateWithRules(s.schema, doc, nil); len(errs) > 0 {
		for _, e := range errs {
			setCode(e, validationFailed)
		}
		return nil, errs
	}
	return doc, nil
}

func gqlerrorf(code, format string, args ...any) *gqlerror.Error {
	e := gqlerror.Errorf(format, args...)
	setCode(e, code)
	return e
}

func coded(err error, code string) gqlerror.List {
	var e *gqlerror.Error
	if !errors.As(err, &e) {
		e = gqlerror.Wrap(err)
	}
	setCode(e, code)
	return gqlerror.List{e}
}

func setCode(e *gqlerror.Error, code string) {
	if e.Extensions == nil {
		e.Extensions = map[string]any{}
	}
	e.Extensions["code"] = code
}

// execute answers a valid operation.
func (s *Server) execute(w http.ResponseWriter, r *http.Request, caller any, op *ast.OperationDefinition, variables map[string]any) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Limits.Deadline)
	defer cancel()
	buf := s.buffers.Get().(*[]byte)
	c := &Call{Context: ctx, Caller: caller, server: s, variables: variables, buf: (*buf)[:0]}
	s.guarded(c, op)
	if len(c.errors) > 0 {
		errs, err := json.Marshal(c.errors)
		if err != nil {
			errs = []byte(`[{"message":"internal error"}]`)
		}
		w.Write(append(append([]byte(`{"errors":`), errs...), `,"data":`...))
	} else {
		io.WriteString(w, `{"data":`)
	}
	c.buf = append(c.buf, '}')
	w.Write(c.buf)
	if cap(c.buf) <= 1<<20 {
		*buf = c.buf
		s.buffers.Put(buf)
	}
}

// guarded runs the operation; a panic becomes an internal error.
func (s *Server) guarded(c *Call, op *ast.OperationDefinition) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("query panicked", "panic", p, "stack", string(debug.Stack()))
			c.errors = gqlerror.List{gqlerrorf(sayso.Internal.Code(), "internal system error")}
			c.buf = append(c.buf[:0], "null"...)
		}
	}()
	c.run(op)
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
