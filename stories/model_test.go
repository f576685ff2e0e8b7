package stories

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// model is an endpoint in the chat completions form: it asks for one tool and
// then answers with what the tool said, in two pieces.
type model struct {
	key, tool, arguments string
}

// chat is what it needs of a request.
type chat struct {
	Messages []struct{ Role, Content string }
	Tools    []struct{ Function struct{ Name string } }
}

// offers tells whether a request offers a tool.
func (c *chat) offers(name string) bool {
	for _, t := range c.Tools {
		if t.Function.Name == name {
			return true
		}
	}
	return false
}

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c chat
	err := json.NewDecoder(r.Body).Decode(&c)
	if err != nil || len(c.Messages) == 0 || r.Header.Get("Authorization") != "Bearer "+m.key || !c.offers(m.tool) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	piece := func(delta map[string]any) {
		line, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": delta}}})
		fmt.Fprintf(w, "data: %s\n\n", line)
	}
	if last := c.Messages[len(c.Messages)-1]; last.Role == "tool" {
		piece(map[string]any{"content": "The tool says: "})
		piece(map[string]any{"content": last.Content})
	} else {
		piece(map[string]any{"tool_calls": []any{map[string]any{
			"index": 0, "id": "call-1", "type": "function", "function": map[string]any{"name": m.tool, "arguments": m.arguments},
		}}})
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// model is the command of that name.
func (s *story) model(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: model TOOL ARGUMENTS")
	}
	m := &model{"of-the-operator", args[0], expand(ts, args[1])}
	server := httptest.NewServer(m)
	ts.Defer(server.Close)
	text, err := json.Marshal(map[string]string{"url": server.URL, "model": "parrot", "key": m.key})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "sayso-keys", "agents.json"), text, 0o600)
}
