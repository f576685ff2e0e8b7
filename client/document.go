package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"sayso"
)

// EventFilter asks for cloud events; what is left out stands for everything.
type EventFilter struct {
	EventType string   `json:"eventType,omitempty"`
	Source    string   `json:"source,omitempty"`
	IDs       []string `json:"ids,omitempty"`
	Tags      []string `json:"tags,omitempty"`
}

// Wish is what a vehicle token shall be good for.
type Wish struct {
	Vehicle     sayso.DID
	Permissions sayso.Permissions
	Events      []EventFilter
}

// ExchangeFor trades a developer token for a vehicle token.
func (c *Client) ExchangeFor(ctx context.Context, developer string, w Wish) (string, error) {
	names := []string{}
	for _, p := range w.Permissions.List() {
		names = append(names, p.String())
	}
	ask := map[string]any{"asset": w.Vehicle.String(), "permissions": names}
	if len(w.Events) > 0 {
		ask["cloudEvents"] = map[string]any{"events": w.Events}
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return "", err
	}
	var got struct{ Token string }
	err = c.do(ctx, http.MethodPost, "/v1/tokens/exchange", developer, map[string]string{"Content-Type": "application/json"}, body, &got)
	return got.Token, err
}

// KeepDocument gives a signed grant document to the node and returns the source
// by which a grant on chain names it.
func (c *Client) KeepDocument(ctx context.Context, document []byte) (source string, err error) {
	var got struct{ Source string }
	err = c.do(ctx, http.MethodPost, "/v1/documents", "", map[string]string{"Content-Type": "application/json"}, document, &got)
	return got.Source, err
}

// Document reads a grant document that the node keeps, for the account of a
// developer token.
func (c *Client) Document(ctx context.Context, developer, cid string) (json.RawMessage, error) {
	var body json.RawMessage
	err := c.do(ctx, http.MethodGet, "/v1/documents/"+url.PathEscape(cid), developer, nil, nil, &body)
	return body, err
}
