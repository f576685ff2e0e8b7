package reply

import (
	"net/http/httptest"
	"strings"
	"testing"

	"sayso"
)

func TestReplies(t *testing.T) {
	w := httptest.NewRecorder()
	Error(w, sayso.Fail(sayso.Busy, "op", "come back later"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != `{"code":503,"message":"come back later"}`+"\n" {
		t.Errorf("busy: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a cache may keep who was refused: %v", w.Header())
	}

	w = httptest.NewRecorder()
	w.Header().Set("Cache-Control", "max-age=60")
	JSON(w, 200, map[string]string{"url": "https://node/?a=1&b=2"})
	if h := w.Header(); h.Get("Cache-Control") != "max-age=60" || h.Get("Content-Type") != "application/json" {
		t.Errorf("headers: %v", h)
	}
	if !strings.Contains(w.Body.String(), "a=1&b=2") {
		t.Errorf("the address is not as it was: %s", w.Body)
	}
}
