package front

import (
	"net/http"
	"strings"

	"sayso/internal/reply"
	"sayso/owner/token"
)

// zones are the domains under which published SDKs look for their services.
var zones = []string{".dimo.zone", ".dev.dimo.zone"}

// services maps a host label to the path prefix that it answers /query under;
// the other paths of the services do not collide (spec api 0.1).
var services = map[string]string{
	"auth": "", "auth-roles-rights": "", "token-exchange-api": "", "identity-api": "/identity", "telemetry-api": "/telemetry",
	"fetch-api": "/fetch", "attestation-api": "", "device-definitions-api": "", "devices-api": "", "trips-api": "",
	"valuations-api": "", "vehicle-triggers-api": "", "agents": "",
}

// hosts routes by the host that a request names: a service's own, or that of
// an absolute-form request, as an SDK sends it that was pointed here by
// HTTPS_PROXY. Such a request is answered here or refused, never forwarded.
type hosts struct {
	next                 http.Handler
	developers, vehicles *token.Issuer
}

func (h *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		reply.Refuse(w, http.StatusMethodNotAllowed, "this node answers as a proxy only for requests in clear absolute form, and forwards nothing: set HTTPS_PROXY to an http:// address for a client that does not tunnel")
		return
	}
	label := serviceLabel(r.Host)
	if r.URL.Host != "" {
		if label = serviceLabel(r.URL.Host); label == "" {
			reply.Refuse(w, http.StatusForbidden, "this node forwards nothing: "+r.URL.Host+" is none of the services it answers for")
			return
		}
		r.URL.Scheme, r.URL.Host = "", ""
	}
	if label != "" {
		if r.URL.Path == "/query" {
			r.URL.Path = services[label] + r.URL.Path
		}
		if issuer := h.issuer(label); issuer != nil && r.Method == http.MethodGet {
			switch r.URL.Path {
			case "/keys":
				issuer.ServeKeys(w, r)
				return
			case "/.well-known/openid-configuration":
				issuer.ServeDiscovery(w, r)
				return
			}
		}
	}
	h.next.ServeHTTP(w, r)
}

func (h *hosts) issuer(label string) *token.Issuer {
	switch label {
	case "auth":
		return h.developers
	case "auth-roles-rights":
		return h.vehicles
	}
	return nil
}

// serviceLabel is the service that a host names, or empty.
func serviceLabel(host string) string {
	host, _, _ = strings.Cut(strings.ToLower(host), ":")
	for _, zone := range zones {
		if label, ok := strings.CutSuffix(host, zone); ok {
			if _, known := services[label]; known {
				return label
			}
		}
	}
	return ""
}
