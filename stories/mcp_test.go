package stories

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rogpeppe/go-internal/testscript"
)

// bearing puts a token on requests.
type bearing string

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r = r.Clone(r.Context()); b != "" {
		r.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// mcp calls a tool as agents do, with the official client: over HTTP, or of
// `sayso mcp` on its standard input and output.
func (s *story) mcp(ts *testscript.TestScript, args []string) error {
	way, args, ok := s.reach(ts, args)
	if !ok || len(args) == 0 || args[0] == "call" && len(args) != 3 || args[0] != "call" && (args[0] != "list" || len(args) != 1) {
		return fmt.Errorf("usage: mcp [-token T | -as NAME] list | call NAME JSON")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := sdk.NewClient(&sdk.Implementation{Name: "story", Version: "1"}, nil).Connect(ctx, way, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	if args[0] == "list" {
		list, err := c.ListTools(ctx, nil)
		if err != nil {
			return err
		}
		for _, t := range list.Tools {
			s.said += t.Name + "\n"
		}
		s.head = "OK\n"
		return nil
	}
	call := &sdk.CallToolParams{Name: args[1], Arguments: json.RawMessage(expand(ts, args[2]))}
	answer, err := c.CallTool(ctx, call)
	if err != nil {
		return err
	}
	return s.answered(answer)
}

// answered notes what a tool answered. A tool that failed, and an answer with
// errors in it, are refusals.
func (s *story) answered(answer *sdk.CallToolResult) error {
	for _, part := range answer.Content {
		if text, ok := part.(*sdk.TextContent); ok {
			s.said += text.Text
		}
	}
	s.head = "OK\n"
	if err := s.note(s.said); err != nil {
		return err
	}
	var body struct{ Errors []any }
	if _, after, ok := strings.Cut(s.said, "\n\n"); ok && json.Unmarshal([]byte(after), &body) != nil {
		return fmt.Errorf("the answer is no JSON: %s", after)
	}
	if malformed.MatchString(s.said) {
		return fmt.Errorf("the question is wrong: %s", s.said)
	}
	if answer.IsError || len(body.Errors) > 0 {
		return refusal{fmt.Errorf("%s", s.said)}
	}
	return nil
}

// reach is the way to the tools that the flags name.
func (s *story) reach(ts *testscript.TestScript, args []string) (way sdk.Transport, rest []string, ok bool) {
	if len(args) > 1 && args[0] == "-as" {
		c := exec.Command(s.sayso, "mcp", "--as", args[1])
		c.Dir, c.Env = s.dir, append(os.Environ(), "SAYSO_NODE="+ts.Getenv("SAYSO_NODE"))
		return &sdk.CommandTransport{Command: c}, args[2:], true
	}
	o, rest, err := parse(args)
	return &sdk.StreamableClientTransport{
		Endpoint: "http://" + s.http + "/mcp", HTTPClient: &http.Client{Transport: bearing(o.token)}, DisableStandaloneSSE: true,
	}, rest, err == nil
}
