package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"sayso"
	"sayso/internal/reply"
)

// maxBody is the size limit of a token request.
const maxBody = 1 << 20

// Routes adds the sign-in, the exchange and both issuers' discovery to a mux.
// The hosts auth.* and auth-roles-rights.* are answered at their root; on the
// node's own host each issuer lives under the path of its URL.
func Routes(mux Mux, s *SignIn, x *Exchange, paths [2]string) {
	mux.Handle("POST /auth/web3/generate_challenge", http.HandlerFunc(s.serveChallenge))
	mux.Handle("POST /auth/web3/submit_challenge", http.HandlerFunc(s.serveSubmit))
	mux.Handle("POST /v1/tokens/exchange", http.HandlerFunc(x.serve))
	for i, issuer := range []*Issuer{s.Issuer, x.Issuer} {
		mux.Handle("GET "+paths[i]+"/.well-known/openid-configuration", http.HandlerFunc(issuer.ServeDiscovery))
		mux.Handle("GET "+paths[i]+"/keys", http.HandlerFunc(issuer.ServeKeys))
	}
}

// Mux is what routes are added to; [http.ServeMux] is one.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// cacheControl lets others keep keys for [cacheFor].
var cacheControl = fmt.Sprintf("max-age=%d, must-revalidate", int(cacheFor.Seconds()))

// ServeDiscovery answers the OpenID Connect discovery document.
func (i *Issuer) ServeDiscovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", cacheControl)
	reply.JSON(w, http.StatusOK, map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/keys",
		"authorization_endpoint": i.URL + "/auth/web3/generate_challenge", "token_endpoint": i.URL + "/auth/web3/submit_challenge",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "scopes_supported": []string{"openid", "email"},
		"grant_types_supported": []string{"authorization_code"},
		"claims_supported":      []string{"iss", "sub", "aud", "exp", "iat", "ethereum_address"},
	})
}

// ServeKeys answers the JWK Set.
func (i *Issuer) ServeKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", cacheControl)
	reply.JSON(w, http.StatusOK, i.KeySet())
}

func (s *SignIn) serveChallenge(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	state, text, err := s.Challenge(Request{r.FormValue("client_id"), r.FormValue("domain"), r.FormValue("scope"), r.FormValue("address")})
	if err != nil {
		fail(w, err)
		return
	}
	reply.JSON(w, http.StatusOK, map[string]string{"state": state, "challenge": text})
}

func (s *SignIn) serveSubmit(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if grant := r.FormValue("grant_type"); grant != "authorization_code" {
		fail(w, sayso.Fail(sayso.Invalid, "token.Submit", "grant_type must be authorization_code"))
		return
	}
	t, err := s.Submit(r.Context(), r.FormValue("client_id"), r.FormValue("domain"), r.FormValue("state"), r.FormValue("signature"))
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	reply.JSON(w, http.StatusOK, map[string]any{
		"access_token": t.Access, "token_type": "bearer", "expires_in": int(t.Expires.Seconds()) - 1, "id_token": t.ID,
	})
}

func (x *Exchange) serve(w http.ResponseWriter, r *http.Request) {
	raw, err := Bearer(r.Header.Get("Authorization"))
	if err != nil || raw == "" {
		fail(w, sayso.Fail(sayso.Invalid, "token.Exchange", "Missing or malformed JWT"))
		return
	}
	if _, err := x.Callers.Verify(raw, "", x.Clock.Now()); err != nil {
		fail(w, sayso.Fail(sayso.Unauthorized, "token.Exchange", "Invalid or expired JWT"))
		return
	}
	var body Body
	in, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || json.Unmarshal(in, &body) != nil {
		fail(w, sayso.Fail(sayso.Invalid, "token.Exchange", "Couldn't parse request body."))
		return
	}
	t, err := x.Trade(r.Context(), raw, body)
	if err != nil {
		fail(w, err)
		return
	}
	reply.JSON(w, http.StatusOK, map[string]string{"token": t})
}

// fail answers an error in every shape that clients read: code and message,
// status, and the OAuth pair; a refusal adds what is missing and how to ask.
func fail(w http.ResponseWriter, err error) {
	f := sayso.FaultOf(err)
	message := sayso.MessageOf(err)
	body := map[string]any{
		"code": f.Status(), "status": f.Status(), "message": message,
		"error": oauth(f), "error_description": message,
	}
	var r *Refusal
	if errors.As(err, &r) {
		body["missing"], body["reason"], body["ask"] = r.Missing, r.Reason, r.Ask
		if len(r.Events) > 0 {
			body["missingEvents"] = r.Events
		}
	}
	if f == sayso.Busy {
		w.Header().Set("Retry-After", strconv.Itoa(60))
	}
	reply.JSON(w, f.Status(), body)
}

func oauth(f sayso.Fault) string {
	switch f {
	case sayso.Unauthorized:
		return "invalid_client"
	case sayso.Denied:
		return "access_denied"
	case sayso.Busy:
		return "temporarily_unavailable"
	case sayso.Internal:
		return "server_error"
	}
	return "invalid_request"
}
