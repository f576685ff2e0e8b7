package node

import (
	"fmt"
	"net/http"

	"sayso/client"
	"sayso/internal/reply"
	"sayso/owner/registry"
)

// status says what is ready and, of what is not, why.
func (n *Node) status() (ready bool, parts map[string]client.Part) {
	parts = map[string]client.Part{"http": {Ready: true}, "vault": {Ready: true}, "chain": {Ready: true}}
	if err := n.Vault.Err(); err != nil {
		parts["vault"] = client.Part{Why: err.Error()}
	}
	if err := n.Vault.Damaged(); err != nil {
		parts["data"] = client.Part{Why: err.Error() + ": what can be read is served, the rest is refused; sayso vault verify names it all"}
	}
	if !n.Registry.Fresh(n.Clock.Now()) {
		why := fmt.Sprintf("no successful look at %s for %s: reads of data are refused, devices already known may go on sending", n.Client.Name(), registry.Horizon)
		if trouble := n.follower.Trouble(); trouble != "" {
			why += "; the last look failed: " + trouble
		}
		parts["chain"] = client.Part{Why: why}
	}
	if n.devices.mqtt != nil {
		parts["mqtt"] = n.mqttPart()
	}
	ready = true
	for _, p := range parts {
		ready = ready && p.Ready
	}
	return ready, parts
}

// serveReady answers 200 when everything works and 503 otherwise.
func (n *Node) serveReady(w http.ResponseWriter, _ *http.Request) {
	ready, parts := n.status()
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	reply.JSON(w, code, client.Ready{Ready: ready, Parts: parts})
}

// serveChain tells which chain the node follows and how far it has come.
func (n *Node) serveChain(w http.ResponseWriter, _ *http.Request) {
	head, _ := n.Registry.Head()
	reply.JSON(w, http.StatusOK, client.Chain{
		ChainInfo: n.Registry.Chain(), URL: n.ChainURL(), Head: head.Number, Time: head.Time,
		Fresh: n.Registry.Fresh(n.Clock.Now()), Home: n.Config.BaseURL(),
	})
}

// serveRest answers the front page, and for other paths what there is.
func (n *Node) serveRest(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" && r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, "This is a Sayso node.\n\n", paths)
		return
	}
	reply.Refuse(w, http.StatusNotFound, "there is no "+r.Method+" "+r.URL.Path+" here; GET / lists what there is")
}

const paths = `POST /v1/devices/events            devices send cloud events
POST /identity/query               who is who (GraphQL, no token)
POST /query                        a vehicle's data by DID (GraphQL, vehicle token)
POST /telemetry/query              the same by token id
POST /fetch/query                  cloud events as they were received (GraphQL, vehicle token)
POST /grpc.FetchService/           the same in gRPC, clear HTTP/2
GET  /v1/vehicle/{tokenId}/trips   the drives of a vehicle, a hundred to a page (vehicle token)
GET  /v2/vehicles/{tokenId}/       valuations, offers, instant-offer
POST /v2/attestation/              have the node attest what it knows (vehicle token)
GET  /.well-known/did.json         the key that it attests with
POST /auth/web3/generate_challenge sign in: ask for a challenge
POST /auth/web3/submit_challenge   sign in: hand back the signature
POST /v1/tokens/exchange           a developer token for a vehicle token
POST /v1/documents                 keep a signed document behind a grant
GET  /v1/documents/{cid}           read one, as one of the two whom it names
DELETE /v1/vehicles/{id}/data      an owner has what was kept erased, and gets a certificate
GET  /v1/vehicles/{id}/erasures    the owner's certificates
GET  /certificates/keys            the keys that they are signed with
POST /v1/relay                     what a person's account signed, at the operator's cost
GET  /v1/chain                     the chain and its contracts
GET  /ready                        what works
GET  /metrics                      figures for Prometheus
`
