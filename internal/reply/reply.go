// Package reply writes the JSON answers of the node's HTTP interfaces.
package reply

import (
	"encoding/json"
	"net/http"

	"sayso"
)

// JSON answers with a status and a body. Answers depend on who asks, so that no
// cache may keep them unless the caller has set Cache-Control.
func JSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.Encode(body)
}

// Error answers {"code", "message"} with the status of the error's fault. A busy
// node asks to try again after some seconds, unless the caller has said when.
func Error(w http.ResponseWriter, err error) {
	f := sayso.FaultOf(err)
	if f == sayso.Busy && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "2")
	}
	Refuse(w, f.Status(), sayso.MessageOf(err))
}

// Refuse answers {"code", "message"}.
func Refuse(w http.ResponseWriter, status int, message string) {
	JSON(w, status, map[string]any{"code": status, "message": message})
}
