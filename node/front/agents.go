package front

import (
	"context"
	"net/http"
	"path/filepath"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/agent"
	"sayso/node/ask/mcp"
)

// agents adds the tools of MCP and, over the model that the operator has
// configured, the agents.
func (f *Front) agents(cat *catalogue.Catalogue) error {
	f.Handle(mcp.Path, mcp.Handler(mcp.Tools(cat, f, nil)))
	model, err := agent.LoadModel(filepath.Join(f.cfg.Keys, "agents.json"))
	if err != nil {
		return err
	}
	agent.Routes(f, agent.New(agent.Config{
		Model: model, Clock: f.cfg.Clock,
		Tools: func(bearer string) *sdk.Server {
			return mcp.Tools(cat, f, func(context.Context) (string, error) { return bearer, nil })
		},
		Caller: func(r *http.Request) (sayso.Address, error) { return f.caller(r, f.callers) },
	}))
	return nil
}
