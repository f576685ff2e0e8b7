package main

import (
	"context"
	"net/http/httputil"
	"net/url"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask/mcp"
)

type mcpCmd struct {
	remote
	As string `help:"Who asks: an app's name or the name of a key; without it only what is public is answered."`
}

// Help shows an example.
func (mcpCmd) Help() string {
	return `Example: sayso mcp --as demo, which an agent starts: {"mcpServers": {"sayso": {"command": "sayso", "args": ["mcp", "--as", "demo"]}}}. Over HTTP the same tools are at <node>/mcp.`
}

// Run offers the tools on standard input and output.
func (c *mcpCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	base, err := url.Parse(d.api.Base)
	if err != nil {
		return sayso.Fail(sayso.Invalid, "mcp", err.Error())
	}
	cat, err := catalogue.Load()
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(base) }}
	var token func(context.Context) (string, error)
	if c.As != "" {
		token = func(ctx context.Context) (string, error) { return d.signIn(ctx, c.As) }
	}
	return mcp.Tools(cat, proxy, token).Run(ctx, &sdk.StdioTransport{})
}
