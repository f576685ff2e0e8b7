// Package client speaks a node's public interface as apps, owners and devices
// do: it signs in, trades tokens, asks questions. It knows nothing of a node
// but its address.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
	"sayso/protocol/chain"
)

// Client reaches one node.
type Client struct {
	Base string // such as http://localhost:8480
	HTTP *http.Client
}

// New makes a client for a node's address.
func New(base string) *Client {
	return &Client{Base: strings.TrimRight(base, "/"), HTTP: &http.Client{Timeout: 30 * time.Second}}
}

// Chain is what a node tells about the chain it follows.
type Chain struct {
	registry.ChainInfo
	URL   string `json:"rpc"`  // where wallets reach the chain
	Head  uint64 `json:"head"` // the last block in the node's registry
	Time  int64  `json:"time"` // of that block, Unix seconds
	Fresh bool   `json:"fresh"`
	Home  string `json:"home"` // the node's URL, the domain of people and devices that sign in
}

// Chain asks for the chain.
func (c *Client) Chain(ctx context.Context) (Chain, error) {
	var out Chain
	return out, c.do(ctx, http.MethodGet, "/v1/chain", "", nil, nil, &out)
}

// ahead is the longest that [Client.Await] waits for the clock to reach the
// time of a block.
const ahead = 2 * time.Second

// Part is one thing that must work for a node to be ready.
type Part struct {
	Ready bool   `json:"ready"`
	Why   string `json:"why,omitempty"`
}

// Ready is what a node says of itself.
type Ready struct {
	Ready bool            `json:"ready"`
	Parts map[string]Part `json:"parts"`
}

// Ready asks what works. That something does not is no error.
func (c *Client) Ready(ctx context.Context) (Ready, error) {
	var out Ready
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+"/ready", nil)
	if err != nil {
		return out, err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return out, c.unreachable(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&out); err != nil {
		return out, fmt.Errorf("%s/ready is not a node's: %w", c.Base, err)
	}
	return out, nil
}

func (c *Client) unreachable(err error) error {
	return &sayso.Error{Op: "client", Fault: sayso.Busy, Message: fmt.Sprintf("no node answers at %s: start one with `sayso run`, or name it with --node URL", c.Base), Err: err}
}

// Await returns when the node has seen a block and the clock has reached the
// block's time, which may lie a second ahead: a pairing or a purchase counts
// from then on, so that a reading of an earlier moment is not part of it.
func (c *Client) Await(ctx context.Context, block uint64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var now clock.System
	seen := time.Time{}
	for {
		at, err := c.Chain(ctx)
		if err != nil {
			return err
		}
		if at.Head >= block {
			if seen.IsZero() {
				seen = now.Now()
			}
			if now.Now().Unix() >= at.Time || now.Now().Sub(seen) > ahead {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the node has not seen block %d yet, it is at %d: %w", block, at.Head, ctx.Err())
		case <-tick.C:
		}
	}
}

// SignIn proves that a key controls an account and returns the developer token.
// Account is the key's own address, or the client id of a licence that has it
// as a signer; domain is a redirect URI of the licence, or the node's home.
func (c *Client) SignIn(ctx context.Context, clientID, domain string, account sayso.Address, key *chain.Key) (string, error) {
	var asked struct{ State, Challenge string }
	form := url.Values{
		"client_id": {clientID}, "domain": {domain}, "scope": {"openid email"},
		"response_type": {"code"}, "address": {account.String()},
	}
	if err := c.form(ctx, "/auth/web3/generate_challenge", form, &asked); err != nil {
		return "", err
	}
	sig, err := key.PersonalSign([]byte(asked.Challenge))
	if err != nil {
		return "", err
	}
	var got struct {
		Access string `json:"access_token"`
	}
	form = url.Values{
		"client_id": {clientID}, "domain": {domain}, "grant_type": {"authorization_code"},
		"state": {asked.State}, "signature": {fmt.Sprintf("0x%x", sig)},
	}
	err = c.form(ctx, "/auth/web3/submit_challenge", form, &got)
	return got.Access, err
}

// Exchange trades a developer token for a vehicle token.
func (c *Client) Exchange(ctx context.Context, developer string, vehicle sayso.DID, set sayso.Permissions) (string, error) {
	return c.ExchangeFor(ctx, developer, Wish{Vehicle: vehicle, Permissions: set})
}

// GraphQLError is one error of a GraphQL answer.
type GraphQLError struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

// Answer is a GraphQL answer. Errors may stand beside partial data.
type Answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []GraphQLError  `json:"errors,omitempty"`
}

// Ask sends a GraphQL query to a path such as /query or /identity/query. An
// empty token asks as nobody.
func (c *Client) Ask(ctx context.Context, path, token, query string, variables map[string]any) (Answer, error) {
	var out Answer
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return out, err
	}
	return out, c.do(ctx, http.MethodPost, path, token, map[string]string{"Content-Type": "application/json"}, body, &out)
}

func (c *Client) form(ctx context.Context, path string, form url.Values, out any) error {
	headers := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	return c.do(ctx, http.MethodPost, path, "", headers, []byte(form.Encode()), out)
}

// do sends a request and reads a JSON answer. An error names what the node said.
func (c *Client) do(ctx context.Context, method, path, token string, headers map[string]string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 256<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 && res.StatusCode != http.StatusUnprocessableEntity {
		return refused(res.StatusCode, text)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer of %s%s is no JSON: %w", c.Base, path, err)
	}
	return nil
}

// refused reads the error forms of a node.
func refused(status int, text []byte) error {
	var said struct {
		Message string
		Reason  string
		Ask     string
	}
	e := &sayso.Error{Op: "node", Subject: http.StatusText(status), Message: strings.TrimSpace(string(text)), Fault: faultOf(status)}
	if json.Unmarshal(text, &said) == nil && said.Message != "" {
		e.Message = said.Message
		if said.Reason != "" {
			e.Message += " (" + said.Reason + ")"
		}
		if said.Ask != "" {
			e.Message += "; the owner can share it with: " + said.Ask
		}
	}
	return e
}

func faultOf(status int) sayso.Fault {
	for f := sayso.Invalid; f <= sayso.Cancelled; f++ {
		if f.Status() == status {
			return f
		}
	}
	return sayso.Invalid
}

// Post sends a body of JSON and returns the answer as it is.
func (c *Client) Post(ctx context.Context, path, token string, headers map[string]string, body []byte) (json.RawMessage, error) {
	all := map[string]string{"Content-Type": "application/cloudevents+json"}
	for k, v := range headers {
		all[k] = v
	}
	var out json.RawMessage
	return out, c.do(ctx, http.MethodPost, path, token, all, body, &out)
}
