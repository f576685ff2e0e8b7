package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"sayso"
)

// Model is an endpoint that speaks the chat completions form, with tools and
// streamed answers.
type Model struct {
	URL  string `json:"url"`   // such as https://models.example/v1/chat/completions
	Key  string `json:"key"`   // the bearer, empty for none
	Name string `json:"model"` // what the endpoint calls it

	client *http.Client
}

// patience is how long the model may take for one answer.
const patience = 3 * time.Minute

// LoadModel reads what the operator has configured; nil where the file is not
// there.
func LoadModel(path string) (*Model, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &Model{client: &http.Client{Timeout: patience}}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%s: %w: want a JSON object with url, model and key", path, err)
	}
	if u, err := url.Parse(m.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || m.Name == "" {
		return nil, fmt.Errorf("%s: url must be that of a chat completions endpoint, and model what it calls the model", path)
	}
	return m, nil
}

// The chat completions form, as far as it is used.
type (
	chatMessage struct {
		Role    string     `json:"role"`
		Content string     `json:"content"`
		Calls   []chatCall `json:"tool_calls,omitempty"`
		CallID  string     `json:"tool_call_id,omitempty"`
	}
	chatCall struct {
		Index    int    `json:"index"`
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	}
	chatTool struct {
		Type     string       `json:"type"`
		Function chatFunction `json:"function"`
	}
	chatFunction struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Parameters  any    `json:"parameters"`
	}
	chatRequest struct {
		Model    string        `json:"model"`
		Messages []chatMessage `json:"messages"`
		Tools    []chatTool    `json:"tools,omitempty"`
		Stream   bool          `json:"stream"`
	}
	chatChunk struct {
		Choices []struct {
			Delta chatMessage `json:"delta"`
		} `json:"choices"`
	}
)

// What a model may say, in bytes and in calls of tools at once.
const (
	maxAnswer = 1 << 20
	maxCalls  = 16
)

func failed(format string, a ...any) error {
	return sayso.Fail(sayso.Busy, "agent.model", fmt.Sprintf("the model endpoint of this node "+format, a...))
}

// complete asks the model to go on with a conversation.
func (m *Model) complete(ctx context.Context, talk []chatMessage, tools []chatTool, emit func(string)) (chatMessage, error) {
	body, err := json.Marshal(chatRequest{m.Name, talk, tools, true})
	if err != nil {
		return chatMessage{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(body))
	if err != nil {
		return chatMessage{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	if m.Key != "" {
		r.Header.Set("Authorization", "Bearer "+m.Key)
	}
	resp, err := m.client.Do(r)
	if err != nil {
		return chatMessage{}, failed("cannot be reached")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return chatMessage{}, failed("answers with status %d", resp.StatusCode)
	}
	lines := bufio.NewScanner(http.MaxBytesReader(nil, resp.Body, 8*maxAnswer))
	lines.Buffer(nil, maxAnswer)
	out := chatMessage{Role: "assistant"}
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if data = strings.TrimSpace(data); !ok || data == "" {
			continue
		}
		if data == "[DONE]" {
			return out, out.check()
		}
		var c chatChunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return chatMessage{}, failed("does not answer in the chat completions form")
		}
		for _, choice := range c.Choices {
			if err := out.add(choice.Delta, emit); err != nil {
				return chatMessage{}, err
			}
		}
	}
	return chatMessage{}, failed("ended before its answer was whole")
}

// add puts a piece of an answer to what came before.
func (m *chatMessage) add(piece chatMessage, emit func(string)) error {
	if piece.Content != "" {
		if m.Content += piece.Content; len(m.Content) > maxAnswer {
			return failed("does not come to an end")
		}
		emit(piece.Content)
	}
	for _, c := range piece.Calls {
		if c.Index < 0 || c.Index >= maxCalls {
			return failed("asks for more than %d tools at once", maxCalls)
		}
		for len(m.Calls) <= c.Index {
			m.Calls = append(m.Calls, chatCall{Index: len(m.Calls), Type: "function"})
		}
		to := &m.Calls[c.Index]
		to.ID += c.ID
		to.Function.Name += c.Function.Name
		if to.Function.Arguments += c.Function.Arguments; len(to.Function.Arguments) > maxAnswer {
			return failed("does not come to an end")
		}
	}
	return nil
}

// check says whether an answer is whole.
func (m *chatMessage) check() error {
	for _, c := range m.Calls {
		if c.ID == "" || c.Function.Name == "" {
			return failed("does not answer in the chat completions form")
		}
	}
	return nil
}
