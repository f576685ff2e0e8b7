package fetch

import (
	"context"
	"errors"
	"fmt"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// question is a field of GraphQL that is being answered.
type question struct {
	Query
	r       *Reader
	c       *graphql.Call
	caller  *Caller
	verdict consent.Verdict
}

// latest is the newest event, or nil.
func (q *question) latest() (any, error) {
	q.Limit = 1
	list, err := q.read()
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

func (q *question) list() (any, error) { return q.read() }

func (q *question) read() (graphql.Slice[*event], error) {
	found, err := q.r.List(q.c.Context, q.verdict, q.Query)
	if err != nil {
		return nil, q.cause(err)
	}
	out := make(graphql.Slice[*event], len(found))
	for i := range found {
		out[i] = &event{Stored: found[i], link: q.link(&found[i])}
	}
	return out, nil
}

func (q *question) types() (any, error) {
	list, err := q.r.Types(q.c.Context, q.verdict, q.Query)
	if err != nil {
		return nil, q.cause(err)
	}
	return graphql.Slice[Counted](list), nil
}

// cause is the error of a read; where the request has ended, that it has.
func (q *question) cause(err error) error {
	if ended := q.c.Context.Err(); ended != nil {
		return ended
	}
	return err
}

// link is where the payload of an event is, if it is too long for an answer.
func (q *question) link(s *vault.Stored) string {
	if q.r.Link == nil || len(s.Envelope.Data) <= MaxInline {
		return ""
	}
	return q.r.Link(q.caller, Place{q.Vehicle, s.Epoch, s.Seq, s.Envelope.Time, q.Deleted})
}

// Refusal says what is missing.
type Refusal struct {
	fault      sayso.Fault
	message    string
	extensions map[string]any
}

func refuse(fault sayso.Fault, message, reason string) *Refusal {
	return &Refusal{fault, message, map[string]any{"code": fault.Code(), "reason": reason}}
}

func (r *Refusal) Error() string { return r.message }

// Unwrap gives the refusal a kind.
func (r *Refusal) Unwrap() error { return sayso.Fail(r.fault, "fetch", r.message) }

// Reason says why.
func (r *Refusal) Reason() string { return fmt.Sprint(r.extensions["reason"]) }

// Extensions are those of the error in GraphQL.
func (r *Refusal) Extensions() map[string]any { return r.extensions }

// Explain gives errors the form of spec api 2 and 5.2.
func Explain(err error) (string, map[string]any) {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return r.message, r.extensions
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return graphql.Explain(err)
	case sayso.FaultOf(err) == sayso.Internal:
		return "failed to query db", map[string]any{"code": sayso.Internal.Code()}
	}
	return graphql.Explain(err)
}
