package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"sayso"
	"sayso/internal/clock"
)

// endpoint is a model that asks for the tool "look" first and then answers with
// what it was told, in two pieces.
type endpoint struct {
	mu      sync.Mutex
	asked   []chatRequest
	bearers []string
	broken  string // answered instead, where it is not empty
	always  bool   // asks for tools for ever
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	json.NewDecoder(r.Body).Decode(&q)
	e.mu.Lock()
	e.asked = append(e.asked, q)
	e.bearers = append(e.bearers, r.Header.Get("Authorization"))
	broken, always := e.broken, e.always
	e.mu.Unlock()
	if broken != "" {
		io.WriteString(w, broken)
		return
	}
	last := q.Messages[len(q.Messages)-1]
	if last.Role != "tool" || always {
		io.WriteString(w, `data: {"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"call-1","type":"function","function":{"name":"look","arguments":"{\"tok"}}]}}]}`+"\n\n")
		io.WriteString(w, `data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"enId\": 7}"}}]}}]}`+"\n\ndata: [DONE]\n\n")
		return
	}
	for _, piece := range []string{"I saw ", last.Content} {
		raw, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]any{"content": piece}}}})
		fmt.Fprintf(w, "data: %s\n\n", raw)
	}
	io.WriteString(w, "data: [DONE]\n\n")
}

var app, other = sayso.Address{19: 1}, sayso.Address{19: 2}

// world serves agents over a model and one tool, which tells whose token it was
// called with.
func world(t *testing.T, configured bool) (*httptest.Server, *endpoint) {
	t.Helper()
	e := &endpoint{}
	model := httptest.NewServer(e)
	t.Cleanup(model.Close)
	path := filepath.Join(t.TempDir(), "agents.json")
	if configured {
		if err := os.WriteFile(path, []byte(fmt.Sprintf(`{"url": %q, "model": "m", "key": "k"}`, model.URL)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := LoadModel(path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{
		Model: m, Clock: clock.NewManual(time.Unix(1_800_000_000, 0)),
		Tools: func(bearer string) *sdk.Server {
			server := sdk.NewServer(&sdk.Implementation{Name: "test", Version: "1"}, nil)
			server.AddTool(&sdk.Tool{Name: "look", InputSchema: map[string]any{"type": "object"}}, func(_ context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
				return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "what " + bearer + " may see of " + string(r.Params.Arguments)}}}, nil
			})
			return server
		},
		Caller: func(r *http.Request) (sayso.Address, error) {
			return map[string]sayso.Address{"Bearer app": app, "Bearer other": other}[r.Header.Get("Authorization")], nil
		},
	})
	mux := http.NewServeMux()
	Routes(mux, s)
	node := httptest.NewServer(mux)
	t.Cleanup(node.Close)
	return node, e
}

func call(t *testing.T, node *httptest.Server, method, path, bearer, body string) (int, map[string]any, string) {
	t.Helper()
	r, err := http.NewRequest(method, node.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var out map[string]any
	json.Unmarshal(text, &out)
	return resp.StatusCode, out, string(text)
}

// TestAConversation: the model asks for a tool, the tool runs with the token of
// who asks, and the answer is kept in the history.
func TestAConversation(t *testing.T) {
	node, e := world(t, true)
	status, made, text := call(t, node, "POST", "/agents", "app", `{"type":"driver_agent_v1","personality":"kind","secrets":{"KEY":"hush"},"variables":{}}`)
	if status != 200 || made["type"] != "driver_agent_v1" || strings.Contains(text, "hush") {
		t.Fatal(status, text)
	}
	id := made["agentId"].(string)
	status, out, text := call(t, node, "POST", "/agents/"+id+"/message", "app", `{"message":"how fast?","vehicleIds":[7]}`)
	want := `I saw what app may see of {"tokenId":7}`
	if status != 200 || out["response"] != want {
		t.Fatal(status, text)
	}
	first := e.asked[0]
	if first.Model != "m" || e.bearers[0] != "Bearer k" || len(first.Tools) != 1 || first.Tools[0].Function.Name != "look" || !strings.Contains(first.Messages[0].Content, "[7]") || !strings.Contains(first.Messages[0].Content, "kind") {
		t.Errorf("the model is asked %+v", first)
	}
	for _, q := range e.asked {
		raw, _ := json.Marshal(q)
		if strings.Contains(string(raw), "hush") {
			t.Error("the model is told a secret of the app")
		}
	}
	status, _, text = call(t, node, "POST", "/agents/"+id+"/stream", "app", `{"message":"and now?"}`)
	var pieces string
	done := false
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var v struct {
			Content string
			Done    bool
		}
		if ok && json.Unmarshal([]byte(data), &v) == nil {
			pieces += v.Content
			done = v.Done
		}
	}
	if status != 200 || !done || pieces != want {
		t.Error(status, text)
	}
	status, out, text = call(t, node, "GET", "/agents/"+id+"/history?limit=3", "app", "")
	if status != 200 || len(out["messages"].([]any)) != 3 || !strings.Contains(text, "and now?") {
		t.Error(status, text)
	}
	if status, _, text = call(t, node, "DELETE", "/agents/"+id, "app", ""); status != 200 {
		t.Error(status, text)
	}
	if status, _, text = call(t, node, "GET", "/agents/"+id+"/history", "app", ""); status != 404 {
		t.Error(status, text)
	}
}

// TestAgentsAreTheirOwners: nobody reaches the agent of somebody else, and
// without a token there is nothing.
func TestAgentsAreTheirOwners(t *testing.T) {
	node, e := world(t, true)
	_, made, _ := call(t, node, "POST", "/agents", "app", `{}`)
	id := made["agentId"].(string)
	call(t, node, "POST", "/agents/"+id+"/message", "app", `{"message":"private"}`)
	e.asked = nil
	for _, path := range []string{"DELETE /agents/" + id, "POST /agents/" + id + "/message", "POST /agents/" + id + "/stream", "GET /agents/" + id + "/history"} {
		method, path, _ := strings.Cut(path, " ")
		for bearer, want := range map[string]int{"": 401, "other": 404} {
			if status, _, text := call(t, node, method, path, bearer, `{"message":"x"}`); status != want || strings.Contains(text, "private") {
				t.Errorf("%s %s as %q: %d %s", method, path, bearer, status, text)
			}
		}
	}
	if len(e.asked) > 0 {
		t.Error("the model was asked")
	}
	for range maxAgents {
		call(t, node, "POST", "/agents", "other", `{}`)
	}
	if status, _, text := call(t, node, "POST", "/agents", "other", `{}`); status != 400 {
		t.Error("agents without end:", status, text)
	}
}

// TestWithoutAModelNothingPretends: every route says that agents are not
// configured.
func TestWithoutAModelNothingPretends(t *testing.T) {
	node, _ := world(t, false)
	for _, path := range []string{"POST /agents", "DELETE /agents/x", "POST /agents/x/message", "POST /agents/x/stream", "GET /agents/x/history"} {
		method, path, _ := strings.Cut(path, " ")
		if status, out, text := call(t, node, method, path, "app", `{}`); status != http.StatusNotImplemented || out["code"] != 501.0 || !strings.Contains(text, "agents.json") {
			t.Errorf("%s %s: %d %s", method, path, status, text)
		}
	}
}

// TestAModelThatFails: what the endpoint does wrong is told, and leaves nothing
// in the history.
func TestAModelThatFails(t *testing.T) {
	node, e := world(t, true)
	_, made, _ := call(t, node, "POST", "/agents", "app", `{}`)
	id := made["agentId"].(string)
	for _, broken := range []string{
		"no events", "data: {\n\n", "data: {\"choices\":[]}\n\n", `data: {"choices":[{"delta":{"tool_calls":[{"index":99,"id":"x"}]}}]}` + "\n\n",
		`data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}` + "\n\ndata: [DONE]\n\n", "data: " + strings.Repeat("x", 2*maxAnswer) + "\n\n",
	} {
		e.mu.Lock()
		e.broken = broken
		e.mu.Unlock()
		if status, _, text := call(t, node, "POST", "/agents/"+id+"/message", "app", `{"message":"x"}`); status != 503 {
			t.Errorf("%.60q: %d %s", broken, status, text)
		}
	}
	e.mu.Lock()
	e.broken, e.always = "", true
	e.mu.Unlock()
	if status, _, text := call(t, node, "POST", "/agents/"+id+"/message", "app", `{"message":"x"}`); status != 503 {
		t.Error("a model that never answers:", status, text)
	}
	if _, out, _ := call(t, node, "GET", "/agents/"+id+"/history", "app", ""); len(out["messages"].([]any)) != 0 {
		t.Error(out)
	}
	for _, bad := range []string{`{}`, `{"url":"ftp://x","model":"m"}`, `{"url":"https://x","model":"m","else":1}`, `nothing`} {
		path := filepath.Join(t.TempDir(), "agents.json")
		os.WriteFile(path, []byte(bad), 0o600)
		if _, err := LoadModel(path); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
