package relay

import (
	"encoding/json"
	"errors"
	"net/http"

	"sayso"
)

// maxBody bounds a request: an account's calls are a few kilobytes.
const maxBody = 64 << 10

// request is what POST /v1/relay takes: one of the two.
type request struct {
	Create  *Signers `json:"create,omitempty"`
	Execute *Execute `json:"execute,omitempty"`
}

// ServeHTTP answers POST with {"create": Signers} or {"execute": Execute}, as JSON
// with 0x-numbers, by the transaction it made (Done). It needs no session: the
// signature inside says who asks, and the account checks it.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	done, err := r.serve(w, req)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		if sayso.FaultOf(err) == sayso.Busy {
			w.Header().Set("Retry-After", "3600")
		}
		w.WriteHeader(sayso.FaultOf(err).Status())
		_ = json.NewEncoder(w).Encode(map[string]string{"error": sayso.MessageOf(err)})
		return
	}
	_ = json.NewEncoder(w).Encode(done)
}

func (r *Relay) serve(w http.ResponseWriter, req *http.Request) (Done, error) {
	var body request
	dec := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return Done{}, sayso.Fail(sayso.TooLarge, "relay", "the request is larger than 64 KiB")
		}
		return Done{}, sayso.Fail(sayso.Invalid, "relay", "the request is not JSON as this takes it: "+err.Error())
	}
	switch {
	case body.Create != nil && body.Execute == nil:
		return r.Create(req.Context(), *body.Create)
	case body.Execute != nil && body.Create == nil:
		return r.Execute(req.Context(), *body.Execute)
	}
	return Done{}, sayso.Fail(sayso.Invalid, "relay", `send either "create" or "execute"`)
}
