package vouch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sayso"
	"sayso/internal/reply"
	"sayso/node/ask/fetch"
	"sayso/owner/consent"
	"sayso/owner/token"
)

// Mux is what routes are added to.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// maxBody is the longest request.
const maxBody = 64 << 10

// An account may have so many credentials made about one vehicle in an hour.
const perHour = 60

// endpoints serves the API of attestations (spec api 6.1).
type endpoints struct {
	*Service
	caller func(*http.Request) (*fetch.Caller, error)
	home   string

	mu   sync.Mutex
	hour time.Time
	made map[string]int
}

// vinPath is where the credential about the identification number is made.
const vinPath = "/v2/attestation/vin"

// kind is one of the credentials that can be asked for.
type kind struct {
	path  string
	needs []sayso.Permission
	make  func(ctx context.Context, a About, r request) error
}

// request is what the body of a request may hold.
type request struct {
	Timestamp *time.Time `json:"timestamp"`
	Start     *time.Time `json:"startTime"`
	End       *time.Time `json:"endTime"`
}

// Routes adds the API of attestations to a mux, and where the node's key is
// published. Caller reads the vehicle token of a request; its error says that it
// is not valid. Home is the URL of the node.
func Routes(mux Mux, s *Service, home string, caller func(*http.Request) (*fetch.Caller, error)) error {
	document, err := s.Issuer.Document(home)
	if err != nil {
		return err
	}
	mux.Handle("GET /.well-known/did.json", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		reply.JSON(w, http.StatusOK, document)
	}))
	e := &endpoints{Service: s, caller: caller, home: home, made: map[string]int{}}
	for _, k := range []kind{
		{vinPath, []sayso.Permission{sayso.VINCredential}, func(ctx context.Context, a About, _ request) error { return s.VIN(ctx, a) }},
		{"/v2/attestation/odometer-statement", []sayso.Permission{sayso.NonLocationHistory}, func(ctx context.Context, a About, r request) error {
			return s.Odometer(ctx, a, r.Timestamp)
		}},
		{"/v2/attestation/vehicle-health", []sayso.Permission{sayso.NonLocationHistory, sayso.LocationHistory}, func(ctx context.Context, a About, r request) error {
			if r.Start == nil || r.End == nil {
				return sayso.Fail(sayso.Invalid, "vouch", "startTime and endTime are needed, in RFC 3339")
			}
			return s.Health(ctx, a, *r.Start, *r.End)
		}},
		{"/v2/attestation/vehicle-position", []sayso.Permission{sayso.LocationHistory}, func(ctx context.Context, a About, r request) error {
			if r.Timestamp == nil {
				return sayso.Fail(sayso.Invalid, "vouch", "timestamp is needed, in RFC 3339")
			}
			return s.Position(ctx, a, *r.Timestamp)
		}},
		{"/v1/vc/pom", []sayso.Permission{sayso.LocationHistory}, func(ctx context.Context, a About, _ request) error { return s.Movement(ctx, a) }},
	} {
		mux.Handle("POST "+k.path+"/{tokenId}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.serve(w, r, k) }))
	}
	mux.Handle("POST /v1/vc/vin/{tokenId}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, vinPath+"/"+r.PathValue("tokenId"), http.StatusTemporaryRedirect)
	}))
	return nil
}

func (e *endpoints) serve(w http.ResponseWriter, r *http.Request, k kind) {
	if raw, err := token.Bearer(r.Header.Get("Authorization")); err != nil || raw == "" {
		reply.Refuse(w, http.StatusBadRequest, "Missing or malformed JWT")
		return
	}
	c, err := e.caller(r)
	if err != nil || c == nil {
		reply.Refuse(w, http.StatusUnauthorized, "Invalid or expired JWT")
		return
	}
	a, err := e.about(c, r.PathValue("tokenId"), k)
	if err != nil {
		fail(w, err)
		return
	}
	var in request
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		fail(w, sayso.Fail(sayso.Invalid, "vouch", "the body must be JSON with times in RFC 3339"))
		return
	}
	if !e.take(c.Who, a.Vehicle) {
		w.Header().Set("Retry-After", "3600")
		reply.Refuse(w, http.StatusTooManyRequests, fmt.Sprintf("at most %d credentials about a vehicle in an hour", perHour))
		return
	}
	if err := k.make(r.Context(), a, in); err != nil {
		fail(w, err)
		return
	}
	answer := map[string]string{"message": "VC generated successfully, retrieve using the provided telemetry-api."}
	if k.path == vinPath {
		answer = map[string]string{
			"vcUrl": e.home + "/telemetry/query", "vcQuery": fmt.Sprintf("query {vinVCLatest(tokenId: %d) {rawVC}}", a.Vehicle),
			"message": "VC generated successfully. Retrieve using the provided GQL URL and query parameter.",
		}
	}
	reply.JSON(w, http.StatusOK, answer)
}

// about decides of which ownerships the caller may have a credential made. The
// errors are those of spec api 1.9.
func (e *endpoints) about(c *fetch.Caller, tokenID string, k kind) (About, error) {
	deny := func(message string) (About, error) { return About{}, &denied{message: message} }
	chain := e.Registry.Chain()
	id, err := strconv.ParseUint(tokenID, 10, 64)
	if err != nil {
		return About{}, sayso.Fail(sayso.Invalid, "vouch", fmt.Sprintf("%q is not a token id", tokenID))
	}
	if c.Asset != nil {
		mine, ok := c.Asset.Is(chain.ID, chain.Vehicle)
		if !ok {
			return deny("Provided token is for the wrong contract: " + c.Asset.Address.String())
		}
		if mine != id {
			return deny("Unauthorized! mismatch token Id provided")
		}
	}
	v := c.Decide(id)
	a := About{id, v.All(k.needs...)}
	switch {
	case len(a.Epochs) > 0:
		return a, nil
	case v.Reason == consent.ChainStale:
		return a, sayso.Fail(sayso.Busy, "vouch", string(v.Reason))
	}
	missing := sayso.PermissionSet(k.needs...).Without(v.Permissions())
	out := &denied{message: "Unauthorized! Token does not contain required privileges", reason: string(v.Reason)}
	for _, p := range missing.List() {
		out.missing = append(out.missing, p.String())
	}
	return a, out
}

// denied is a refusal in the form of the service.
type denied struct {
	message, reason string
	missing         []string
}

func (d *denied) Error() string { return d.message }

// take counts a credential.
func (e *endpoints) take(who sayso.Address, vehicle uint64) bool {
	now := e.Clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.hour) >= time.Hour {
		e.hour = now
		clear(e.made)
	}
	key := fmt.Sprint(who, vehicle)
	if e.made[key] >= perHour {
		return false
	}
	e.made[key]++
	return true
}

func fail(w http.ResponseWriter, err error) {
	var d *denied
	if errors.As(err, &d) {
		body := map[string]any{"code": http.StatusUnauthorized, "message": d.message}
		if d.reason != "" {
			body["reason"] = d.reason
		}
		if d.missing != nil {
			body["missing"] = d.missing
		}
		reply.JSON(w, http.StatusUnauthorized, body)
		return
	}
	if sayso.FaultOf(err) == sayso.Busy {
		w.Header().Set("Retry-After", "60")
	}
	reply.Error(w, err)
}
