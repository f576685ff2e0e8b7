package client

import (
	"context"
	"fmt"
	"net/http"
)

// Erase has erased for ever what the node keeps of a vehicle in the caller's
// ownerships, or (unless 0) in one of them. It returns the node's certificates.
func (c *Client) Erase(ctx context.Context, developer string, vehicle uint64, ownership uint32) ([]string, error) {
	path := fmt.Sprintf("/v1/vehicles/%d/data", vehicle)
	if ownership > 0 {
		path += fmt.Sprintf("?ownership=%d", ownership)
	}
	return c.certificates(ctx, http.MethodDelete, path, developer)
}

// Erasures gives the certificates of a vehicle that are made out to the caller.
func (c *Client) Erasures(ctx context.Context, developer string, vehicle uint64) ([]string, error) {
	return c.certificates(ctx, http.MethodGet, fmt.Sprintf("/v1/vehicles/%d/erasures", vehicle), developer)
}

func (c *Client) certificates(ctx context.Context, method, path, developer string) ([]string, error) {
	var got struct{ Certificates []string }
	return got.Certificates, c.do(ctx, method, path, developer, nil, nil, &got)
}
