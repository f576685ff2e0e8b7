package ask

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask/graphql"
	"sayso/owner/consent"
)

// NewREST builds the handlers of what is answered about a vehicle without
// GraphQL, by their patterns (spec api 10.2 and 10.3).
func NewREST(cfg Config) (map[string]http.Handler, error) {
	a, _, err := build(cfg, catalogue.Telemetry)
	if err != nil {
		return nil, err
	}
	priced := &access{all: []sayso.Permission{sayso.NonLocationHistory}}
	out := map[string]http.Handler{
		"GET /v1/vehicle/{tokenId}/trips":           a.rest(a.roots["segments"], a.trips),
		"GET /v2/vehicles/{tokenId}/valuations":     a.rest(priced, valuations),
		"GET /v2/vehicles/{tokenId}/offers":         a.rest(priced, offers),
		"GET /v2/vehicles/{tokenId}/instant-offer":  a.rest(priced, offers),
		"POST /v2/vehicles/{tokenId}/instant-offer": a.rest(priced, offers),
	}
	return out, nil
}

// patience is how long an answer may take.
const patience = 10 * time.Second

// rest checks the token of a request and what the caller may see of the vehicle
// that the path names, and writes what answer gives as JSON. It takes a turn of
// the gate, as costly queries do.
func (a *answers) rest(need *access, answer func(*http.Request, *reader) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), patience)
		defer cancel()
		req = req.WithContext(ctx)
		r, err := a.admit(req, need)
		var out any
		if err == nil && a.Gate != nil {
			var done func()
			if done, err = a.Gate.Costly(ctx, r.session.Who.String()); err == nil {
				defer done()
			}
		}
		if err == nil {
			out, err = answer(req, r)
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			a.sorry(w, err)
			return
		}
		json.NewEncoder(w).Encode(out)
	})
}

// admit reads the token and the path, and decides. The messages are those that
// clients of such services know (spec api 1.9).
func (a *answers) admit(req *http.Request, need *access) (*reader, error) {
	fail := func(fault sayso.Fault, message string) (*reader, error) {
		return nil, sayso.Fail(fault, "ask", message)
	}
	session, err := a.Config.Authorise(req)
	if err != nil {
		return nil, err
	}
	if session == nil {
		return fail(sayso.Invalid, "Missing or malformed JWT")
	}
	vehicle, err := strconv.ParseUint(req.PathValue("tokenId"), 10, 64)
	if err != nil {
		return fail(sayso.Invalid, "the token id of the vehicle must be a whole number")
	}
	if session.Asset != nil {
		if session.Asset.Address != a.Chain.Vehicle || session.Asset.Chain != a.Chain.ID {
			return fail(sayso.Unauthorized, "Provided token is for the wrong contract: "+session.Asset.Address.String())
		}
		if id, ok := session.Asset.Is(a.Chain.ID, a.Chain.Vehicle); !ok || id != vehicle {
			return fail(sayso.Unauthorized, "Unauthorized! mismatch token Id provided")
		}
	}
	r := &reader{a: a, session: session, vehicle: vehicle, granted: session.Decide(vehicle)}
	r.verdict = r.granted.Limit(session.Claims)
	if r.granted.Reason == consent.ChainStale {
		return fail(sayso.Busy, string(consent.ChainStale))
	}
	sight, epochs := r.see(need)
	if r.epochs = epochs; sight == consent.Refuse {
		return nil, r.refuse(need)
	}
	return r, nil
}

// sorry writes an error as these services do. What the caller may not see is
// said with 401, as there.
func (a *answers) sorry(w http.ResponseWriter, err error) {
	fault := sayso.FaultOf(err)
	message, extensions := a.explain(err)
	status := fault.Status()
	body := map[string]any{"message": message}
	switch fault {
	case sayso.Denied:
		status, body["message"] = http.StatusUnauthorized, "Unauthorized! Token does not contain required privileges"
		for _, key := range []string{"missing", "reason", "ask"} {
			if v, ok := extensions[key]; ok {
				body[key] = v
			}
		}
	case sayso.Internal:
		if a.Log != nil {
			a.Log.Error("answer failed", "err", err)
		}
	}
	body["code"] = status
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// pageOf reads the number of a page; 1 without one.
func pageOf(req *http.Request) (int, error) {
	text := req.URL.Query().Get("page")
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, sayso.Fail(sayso.Invalid, "ask", "page must be a number from 1 on")
	}
	return n, nil
}

// call is what searches need of a query.
func call(req *http.Request) *graphql.Call { return &graphql.Call{Context: req.Context()} }
