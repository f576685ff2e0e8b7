package agent

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sayso"
	"sayso/internal/reply"
)

// Mux is what routes are added to; [http.ServeMux] is one.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// Routes adds the interface of the agents.
func Routes(mux Mux, s *Agents) {
	for pattern, h := range map[string]func(sayso.Address, http.ResponseWriter, *http.Request) (any, error){
		"POST /agents":              s.serveCreate,
		"DELETE /agents/{id}":       s.serveDelete,
		"POST /agents/{id}/message": s.serveMessage,
		"POST /agents/{id}/stream":  s.serveStream,
		"GET /agents/{id}/history":  s.serveHistory,
	} {
		mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who, err := s.cfg.Caller(r)
			if err == nil && who.IsZero() {
				err = sayso.Fail(sayso.Unauthorized, "agent", "a developer token is needed: Authorization: Bearer ...")
			}
			if err == nil && s.cfg.Model == nil {
				reply.Refuse(w, http.StatusNotImplemented,
					"agents are not configured on this node: its operator names a model endpoint in agents.json in the folder of the keys")
				return
			}
			var answer any
			if err == nil {
				answer, err = h(who, w, r)
			}
			switch {
			case err != nil:
				reply.Error(w, err)
			case answer != nil:
				reply.JSON(w, http.StatusOK, answer)
			}
		}))
	}
}

// read reads the body of a request. Unknown members are left alone: the
// published SDK sends secrets, which nothing here needs or keeps.
func read(r *http.Request, to any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 4*maxMessage)).Decode(to); err != nil {
		return sayso.Fail(sayso.Invalid, "agent", fmt.Sprintf("the body is not what is expected: %v", err))
	}
	return nil
}

func (s *Agents) serveCreate(who sayso.Address, _ http.ResponseWriter, r *http.Request) (any, error) {
	var body struct {
		Type        string `json:"type"`
		Personality string `json:"personality"`
	}
	if err := read(r, &body); err != nil {
		return nil, err
	}
	if len(body.Personality) > maxMessage {
		return nil, sayso.Fail(sayso.TooLarge, "agent", fmt.Sprintf("personality is longer than %d bytes", maxMessage))
	}
	a, err := s.create(who, body.Type, body.Personality)
	if err != nil {
		return nil, err
	}
	return map[string]any{"agentId": a.id, "type": a.kind, "personality": a.personality, "createdAt": a.created.Format(time.RFC3339)}, nil
}

func (s *Agents) serveDelete(who sayso.Address, _ http.ResponseWriter, r *http.Request) (any, error) {
	return map[string]any{"message": "agent deleted"}, s.delete(who, r.PathValue("id"))
}

func (s *Agents) serveHistory(who sayso.Address, _ http.ResponseWriter, r *http.Request) (any, error) {
	a, err := s.find(who, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit")) // 0, which is all, where it is no number
	list := s.past(a, limit)
	return map[string]any{"agentId": a.id, "messages": list, "total": len(list)}, nil
}

// asked is a message to an agent.
type asked struct {
	agent    *agent
	bearer   string
	Message  string   `json:"message"`
	Vehicles []uint64 `json:"vehicleIds"`
}

func (s *Agents) asked(who sayso.Address, r *http.Request) (*asked, error) {
	a, err := s.find(who, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	q := &asked{agent: a, bearer: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
	if err := read(r, q); err != nil {
		return nil, err
	}
	if q.Message == "" || len(q.Message) > maxMessage {
		return nil, sayso.Fail(sayso.Invalid, "agent", fmt.Sprintf("message must have 1 to %d bytes", maxMessage))
	}
	return q, nil
}

func (s *Agents) serveMessage(who sayso.Address, _ http.ResponseWriter, r *http.Request) (any, error) {
	q, err := s.asked(who, r)
	if err != nil {
		return nil, err
	}
	text, err := s.answer(r.Context(), q.agent, q.bearer, q.Message, q.Vehicles, func(string) {})
	if err != nil {
		return nil, err
	}
	return map[string]any{"agentId": q.agent.id, "message": q.Message, "response": text, "vehiclesQueried": q.Vehicles, "timestamp": s.cfg.Clock.Now().Format(time.RFC3339)}, nil
}

// serveStream answers as server-sent events: {content} for each piece, {done} or
// {error} in the end.
func (s *Agents) serveStream(who sayso.Address, w http.ResponseWriter, r *http.Request) (any, error) {
	q, err := s.asked(who, r)
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	event := func(v map[string]any) {
		line, err := json.Marshal(v)
		if err == nil {
			fmt.Fprintf(w, "data: %s\n\n", line)
			out.Flush()
		}
	}
	_, err = s.answer(r.Context(), q.agent, q.bearer, q.Message, q.Vehicles, func(piece string) { event(map[string]any{"content": piece}) })
	if err != nil {
		event(map[string]any{"error": sayso.MessageOf(err), "done": true})
		return nil, nil
	}
	event(map[string]any{"done": true, "agentId": q.agent.id, "vehiclesQueried": q.Vehicles, "timestamp": s.cfg.Clock.Now().Format(time.RFC3339)})
	return nil, nil
}
