package device

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sayso"
	"sayso/internal/clock"
)

// Path is where the door takes device events, below the base address.
const Path = "/v1/devices/events"

// ContentType is that of one cloud event in JSON.
const ContentType = "application/cloudevents+json"

// Later is the answer of a door that is not able to take a report now. After
// is how long it asks to wait; 0 if it does not say.
type Later struct {
	After time.Duration
	Err   error
}

// Error says what the door answered.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap gives the cause.
func (l *Later) Unwrap() error { return l.Err }

// HTTPDoor sends reports to `POST {base}/v1/devices/events`. It is safe for
// concurrent use; connections are kept.
type HTTPDoor struct {
	url    string
	client *http.Client
	token  func(ctx context.Context, car int) (string, error)
	clock  clock.Clock
}

// NewHTTPDoor returns a door at a base address such as
// http://127.0.0.1:8480. Token gives the bearer token of a car's device; nil
// sends none, for reports that are signed. Conns is how many connections are
// kept open, at least 1.
func NewHTTPDoor(base string, conns int, c clock.Clock, token func(ctx context.Context, car int) (string, error)) *HTTPDoor {
	conns = max(1, conns)
	return &HTTPDoor{
		url:   strings.TrimRight(base, "/") + Path,
		token: token,
		clock: c,
		client: &http.Client{
			Timeout: 15 * time.Second,
			Transport: &http.Transport{
				MaxIdleConns:        conns,
				MaxIdleConnsPerHost: conns,
				MaxConnsPerHost:     conns,
				IdleConnTimeout:     90 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Send posts one body and returns nil only on a 2xx answer: the node has kept
// it. A node that cannot be reached, and the answers 429, 503, 507 and other 5xx, give a
// [*Later]; every other answer is a [*sayso.Error] with the fault of its status, and
// sending the same again does not help.
func (d *HTTPDoor) Send(ctx context.Context, car int, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return &sayso.Error{Op: "device.Send", Fault: sayso.Invalid, Message: "the door's address is wrong", Err: err}
	}
	req.Header.Set("Content-Type", ContentType)
	if d.token != nil {
		token, err := d.token(ctx, car)
		if err != nil {
			return &Later{Err: fmt.Errorf("device token: %w", err)}
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := d.client.Do(req)
	if err != nil {
		return &Later{Err: &sayso.Error{Op: "device.Send", Fault: sayso.Busy, Message: "the node cannot be reached", Err: err}}
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 2048))
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection can be used again
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	fail := &sayso.Error{Op: "device.Send", Fault: faultOf(res.StatusCode), Subject: strconv.Itoa(res.StatusCode), Message: strings.TrimSpace(string(text))}
	if fail.Fault == sayso.Busy || fail.Fault == sayso.Full || res.StatusCode >= 500 {
		return &Later{After: d.retryAfter(res.Header.Get("Retry-After")), Err: fail}
	}
	return fail
}

// Close drops the idle connections.
func (d *HTTPDoor) Close() { d.client.CloseIdleConnections() }

// retryAfter reads both forms of RFC 9110 section 10.2.3; it never asks for
// more than an hour.
func (d *HTTPDoor) retryAfter(h string) time.Duration {
	var wait time.Duration
	if n, err := strconv.ParseUint(strings.TrimSpace(h), 10, 31); err == nil {
		wait = time.Duration(n) * time.Second
	} else if t, err := http.ParseTime(h); err == nil {
		wait = t.Sub(d.clock.Now())
	}
	return min(max(0, wait), time.Hour)
}

func faultOf(status int) sayso.Fault {
	switch status {
	case http.StatusTooManyRequests:
		return sayso.Busy
	case http.StatusRequestTimeout:
		return sayso.Busy
	}
	for f := sayso.Internal; f <= sayso.Cancelled; f++ {
		if f.Status() == status {
			return f
		}
	}
	if status >= 500 {
		return sayso.Internal
	}
	return sayso.Invalid
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
