package fetch

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"sayso"
	"sayso/car/dialect"
	"sayso/internal/reply"
	"sayso/node/vault"
)

// RefusedPath is where owners and senders see which values were refused.
const RefusedPath = "GET /v1/vehicles/{tokenId}/refused"

// maxRefused bounds the payloads of one answer.
const maxRefused = 8 << 20

// Owns says whose of the data of a vehicle somebody may see as its owner, and
// Sends whether somebody is a device that is or was paired with it. An error
// means that nobody can tell.
type Owns func(who sayso.Address, vehicle uint64) (own, all []uint32, sends bool, err error)

// A refusedEvent is a message of which something was refused, or all.
type refusedEvent struct {
	KeptAt   time.Time         `json:"keptAt"`
	Rejected []sayso.Rejection `json:"rejected"`
	Event    json.RawMessage   `json:"event"`
}

// Refused answers what was refused of a vehicle and why, the newest first, with
// the messages as they were received. Owners see what is of their time, and
// devices what they sent themselves.
func (r *Reader) Refused(caller func(*http.Request) (sayso.Address, error), owns Owns) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		list, err := r.refusedOf(req, caller, owns)
		if err != nil {
			reply.Error(w, err)
			return
		}
		reply.JSON(w, http.StatusOK, map[string]any{"refused": list})
	})
}

func (r *Reader) refusedOf(req *http.Request, caller func(*http.Request) (sayso.Address, error), owns Owns) ([]refusedEvent, error) {
	const op = "fetch.Refused"
	who, err := caller(req)
	if err != nil {
		return nil, err
	}
	if who.IsZero() {
		return nil, sayso.Fail(sayso.Unauthorized, op, "sign in, and send the token as a bearer")
	}
	id, err := strconv.ParseUint(req.PathValue("tokenId"), 10, 64)
	if err != nil {
		return nil, sayso.Fail(sayso.Invalid, op, "the vehicle must be a token id")
	}
	own, all, sends, err := owns(who, id)
	if err != nil {
		return nil, err
	}
	view := vault.View{Vehicle: id, Epochs: own}
	if sends {
		view = vault.View{Vehicle: id, Epochs: all, Source: &who}
	}
	if len(view.Epochs) == 0 {
		return nil, sayso.Fail(sayso.Denied, op, "what was refused is shown to the owner of its time and to the device that sent it")
	}
	limit, before, err := page(req)
	if err != nil {
		return nil, err
	}
	return r.rejected(req.Context(), view, limit, before)
}

// page reads the query parameters limit and before.
func page(req *http.Request) (limit int, before time.Time, err error) {
	limit = 100
	q := req.URL.Query()
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, before, sayso.Fail(sayso.Invalid, "fetch.Refused", "limit must be a number from 1 to 1000")
		}
		limit = Clamp(int64(n))
	}
	if text := q.Get("before"); text != "" {
		if before, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return 0, before, sayso.Fail(sayso.Invalid, "fetch.Refused", "before must be a time in RFC 3339")
		}
	}
	return limit, before, nil
}

func (r *Reader) rejected(ctx context.Context, view vault.View, limit int, before time.Time) ([]refusedEvent, error) {
	out, size, looked := []refusedEvent{}, 0, 0
	to := forever
	if !before.IsZero() {
		to = sayso.At(before)
	}
	err := r.Vault.CloudEventsOf(ctx, view, vault.AnyClass, never, to, func(s vault.Stored) bool {
		if looked++; len(s.Rejected) == 0 {
			return looked < maxLook
		}
		e := refusedEvent{s.KeptAt.Time(), s.Rejected, dialect.Encode(s.Envelope)}
		size += len(e.Event)
		out = append(out, e)
		return len(out) < limit && size < maxRefused && looked < maxLook
	})
	return out, err
}
