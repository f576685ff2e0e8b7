package erasure

import (
	"net/http"
	"strconv"

	"sayso"
	"sayso/internal/reply"
)

// Mux is what routes are added to; [http.ServeMux] is one.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// Answer is what both routes about a vehicle answer.
type Answer struct {
	Certificates []string `json:"certificates"`
}

// Routes adds the ways to have data erased and to get the certificates. The caller
// of a request is the account that its developer token names; the zero address is
// nobody.
//
//   - DELETE /v1/vehicles/{tokenId}/data: erases what was kept in the caller's
//     ownerships, or in the one of ?ownership=N.
//   - GET /v1/vehicles/{tokenId}/erasures: the caller's certificates.
//   - GET /certificates/keys: the keys that they are signed with, as a JWK Set.
func Routes(mux Mux, l *Ledger, keys http.Handler, caller func(*http.Request) (sayso.Address, error)) {
	mux.Handle("DELETE /v1/vehicles/{tokenId}/data", handler(caller, func(r *http.Request, who sayso.Address, vehicle uint64) ([]string, error) {
		ownership := uint64(0)
		if text := r.URL.Query().Get("ownership"); text != "" {
			var err error
			if ownership, err = strconv.ParseUint(text, 10, 32); err != nil || ownership == 0 {
				return nil, sayso.Fail(sayso.Invalid, "erasure", "ownership is a number from 1 on: 1 is the first owner's")
			}
		}
		return l.Erase(r.Context(), who, vehicle, uint32(ownership))
	}))
	mux.Handle("GET /v1/vehicles/{tokenId}/erasures", handler(caller, func(r *http.Request, who sayso.Address, vehicle uint64) ([]string, error) {
		if who.IsZero() {
			return nil, sayso.Fail(sayso.Unauthorized, "erasure", "sign in first: certificates are shown to whom they are made out")
		}
		return l.Certificates(r.Context(), who, vehicle)
	}))
	mux.Handle("GET /certificates/keys", keys)
}

// handler answers certificates, or the error.
func handler(caller func(*http.Request) (sayso.Address, error), do func(*http.Request, sayso.Address, uint64) ([]string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list, err := func() ([]string, error) {
			who, err := caller(r)
			if err != nil {
				return nil, err
			}
			vehicle, err := strconv.ParseUint(r.PathValue("tokenId"), 10, 64)
			if err != nil {
				return nil, sayso.Fail(sayso.Invalid, "erasure", "the token id of a vehicle is a number")
			}
			return do(r, who, vehicle)
		}()
		if err != nil {
			reply.Error(w, err)
			return
		}
		reply.JSON(w, http.StatusOK, Answer{list})
	})
}
