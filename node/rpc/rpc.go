// Package rpc answers in gRPC what DIMO's services do (spec api 1.8 and 5.3): the
// FetchService of cloud events, and the AccessCheck of the TokenExchangeService.
// It is served in clear HTTP/2 on the node's own port. The messages are read and
// written by hand, field by field; docs/fetch.proto has their form.
//
// What may be seen is decided as everywhere: a vehicle token in the metadata
// authorization says who asks, and every event is decided alone.
package rpc

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"sayso"
	"sayso/node/ask/fetch"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// Config is what [Routes] needs.
type Config struct {
	Reader  *fetch.Reader
	Chain   registry.ChainInfo
	Aliases []sayso.Address // contracts that stand for the vehicle contract
	// Caller reads the vehicle token of a request: nil without one, an error where
	// it is not valid.
	Caller func(*http.Request) (*fetch.Caller, error)
	// Account reads a developer token: the zero address without one.
	Account func(*http.Request) (sayso.Address, error)
	// Decide is [consent.Decide] at this moment, and Owner who owns a vehicle.
	Decide func(who sayso.Address, vehicle uint64) consent.Verdict
	Owner  func(vehicle uint64) sayso.Address
	// Turn waits until a costly request of a caller may run.
	Turn func(ctx context.Context, caller string) (done func(), err error)
}

// Mux is what routes are added to.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// Bounds of one call.
const (
	maxRequest = 1 << 20
	maxReply   = 50 << 20
	deadline   = 30 * time.Second
)

// Services are the names under which methods are found.
const (
	FetchService  = "/grpc.FetchService/"
	TokenExchange = "/grpc.TokenExchangeService/"
)

// Routes adds the methods to a mux.
func Routes(mux Mux, cfg Config) {
	s := &service{cfg}
	method(mux, FetchService+"GetLatestIndex", s.latestIndex)
	method(mux, FetchService+"ListIndexes", s.listIndexes)
	method(mux, FetchService+"GetLatestCloudEvent", s.latestEvent)
	method(mux, FetchService+"ListCloudEvents", s.listEvents)
	method(mux, FetchService+"ListCloudEventsFromIndex", s.listFromIndex)
	method(mux, TokenExchange+"AccessCheck", s.accessCheck)
}

type service struct{ Config }

// readable and writable are messages of this package.
type (
	readable interface{ unmarshal([]byte) error }
	writable interface{ marshal() []byte }
)

// method adds one method. Only gRPC and its form for browsers are spoken; the
// messages have no form in JSON.
func method[Req, Res any](mux Mux, procedure string, answer func(context.Context, *http.Request, *Req) (*Res, error)) {
	h := connect.NewUnaryHandler(procedure, func(ctx context.Context, r *connect.Request[Req]) (*connect.Response[Res], error) {
		ctx, cancel := context.WithTimeout(ctx, deadline)
		defer cancel()
		res, err := answer(ctx, &http.Request{Header: r.Header()}, r.Msg)
		if err != nil {
			return nil, wire(err)
		}
		return connect.NewResponse(res), nil
	}, connect.WithCodec(codec{"proto"}), connect.WithCodec(codec{"json"}), connect.WithCodec(codec{"json; charset=utf-8"}),
		connect.WithReadMaxBytes(maxRequest), connect.WithSendMaxBytes(maxReply))
	mux.Handle("POST "+procedure, h)
}

// codec is the form of messages on the wire.
type codec struct{ name string }

func (c codec) Name() string { return c.name }

func (c codec) Marshal(m any) ([]byte, error) {
	if w, ok := m.(writable); ok && c.name == "proto" {
		return w.marshal(), nil
	}
	return nil, errWire
}

func (c codec) Unmarshal(b []byte, m any) error {
	if r, ok := m.(readable); ok && c.name == "proto" {
		return r.unmarshal(b)
	}
	return errWire
}

// wire gives an error the code of its kind. What is internal stays here.
func wire(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, errors.New("the time is over"))
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("the caller went away"))
	}
	fault := sayso.FaultOf(err)
	message := sayso.MessageOf(err)
	var r *fetch.Refusal
	if errors.As(err, &r) {
		message = r.Error() + ": " + r.Reason()
	}
	return connect.NewError(connect.Code(fault.RPC()), errors.New(message))
}
