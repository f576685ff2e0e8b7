package fetch

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/reply"
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/token"
)

// PayloadPath is where payloads are that are too long for an answer.
const PayloadPath = "/fetch/payloads/"

// LinkTerm is how long a link lives.
const LinkTerm = 15 * time.Minute

// Links makes links to payloads and serves what is behind them. A link names one
// event and says with which claims it was asked for; whoever holds it needs no
// token. It opens nothing by itself: what the grantee may see is decided again
// at each fetch.
//
// The key under which links are authenticated is made at each start. It is never
// written, so that no copy of a folder makes links; links end with the process,
// and a reader asks for another.
type Links struct {
	Reader *Reader
	Clock  clock.Clock
	Base   string // URL of the node, without a trailing slash
	// Caller is who a token speaks for at this moment.
	Caller func(*token.Vehicle) (*Caller, error)
	// Turn waits until a costly request of a caller may run.
	Turn func(ctx context.Context, caller string) (done func(), err error)

	key [32]byte
}

// NewLinks makes the key.
func NewLinks(l Links) *Links {
	rand.Read(l.key[:])
	return &l
}

// Place names an event as the vault keeps it.
type Place struct {
	Vehicle uint64    `json:"vehicle"`
	Epoch   uint32    `json:"epoch"`
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Deleted bool      `json:"deleted,omitempty"` // asked for also if taken back
}

// ticket is what a link carries.
type ticket struct {
	Place
	Expires int64          `json:"expires"` // Unix seconds
	Token   *token.Vehicle `json:"token"`
}

// Link is a link to the payload of an event for a caller; empty for one without
// a token.
func (l *Links) Link(c *Caller, at Place) string {
	if c.Token == nil {
		return ""
	}
	claims := *c.Token
	claims.Claims = jwt.Claims{Subject: claims.Subject} // the rest has been checked and counts no more
	body, err := json.Marshal(ticket{at, l.Clock.Now().Add(LinkTerm).Unix(), &claims})
	if err != nil {
		return ""
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	return l.Base + PayloadPath + text + "." + l.mac(text)
}

func (l *Links) mac(text string) string {
	h := hmac.New(sha256.New, l.key[:])
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// read gives back what a link carries. One that this process did not make is as
// one that leads nowhere.
func (l *Links) read(link string) (t ticket, err error) {
	nowhere := sayso.Fail(sayso.NotFound, "fetch.Links", "there is no such payload: ask for the cloud event again, its dataUrl is new then")
	text, mac, _ := strings.Cut(link, ".")
	if !hmac.Equal([]byte(mac), []byte(l.mac(text))) {
		return t, nowhere
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(body, &t) != nil || t.Token == nil {
		return t, nowhere
	}
	return t, nil
}

// ServeHTTP answers the payload that a link leads to.
func (l *Links) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	t, err := l.read(r.PathValue("link"))
	if err == nil && l.Clock.Now().Unix() >= t.Expires {
		reply.Refuse(w, http.StatusGone, "the link has expired: ask for the cloud event again, its dataUrl is new then")
		return
	}
	var s *vault.Stored
	if err == nil {
		s, err = l.open(r.Context(), &t)
	}
	if err != nil {
		status := sayso.FaultOf(err).Status()
		message, _ := Explain(err)
		reply.Refuse(w, status, message)
		return
	}
	w.Header().Set("Content-Type", contentType(&s.Envelope))
	w.Header().Set("Content-Length", strconv.Itoa(len(s.Envelope.Data)))
	w.Write(s.Envelope.Data)
}

// open decides and reads.
func (l *Links) open(ctx context.Context, t *ticket) (*vault.Stored, error) {
	caller, err := l.Caller(t.Token)
	if err != nil {
		return nil, err
	}
	done, err := l.Turn(ctx, caller.Who.String())
	if err != nil {
		return nil, err
	}
	defer done()
	verdict, err := l.Reader.Open(caller, Subject{Vehicle: t.Vehicle})
	if err != nil {
		return nil, err
	}
	return l.Reader.at(ctx, verdict, t.Place)
}

// at reads the event of a place if the verdict opens it.
func (r *Reader) at(ctx context.Context, v consent.Verdict, p Place) (found *vault.Stored, err error) {
	q := Query{
		Subject: Subject{Vehicle: p.Vehicle}, Deleted: p.Deleted, Tombstones: true,
		After: p.Time.Add(-time.Nanosecond), Before: p.Time.Add(time.Nanosecond),
	}
	err = r.each(ctx, v, q, func(s *vault.Stored) (bool, error) {
		if s.Seq == p.Seq && s.Epoch == p.Epoch {
			found = s
		}
		return found == nil, nil
	})
	if err == nil && found == nil {
		err = sayso.Fail(sayso.NotFound, "fetch.Links", "the payload is not to be had: it was taken back or erased, or is no longer shared")
	}
	return found, err
}

// protect keeps what strangers wrote from acting in the name of this node in a
// browser, and the link from whom it is not for.
func protect(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Disposition", "attachment")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Referrer-Policy", "no-referrer")
}

// contentType is that of a payload: as its sender says, if it can stand in a
// header.
func contentType(e *sayso.CloudEvent) string {
	if kind, parameters, err := mime.ParseMediaType(e.DataContentType); err == nil {
		if text := mime.FormatMediaType(kind, parameters); text != "" && strings.Contains(kind, "/") {
			return text
		}
	}
	if e.Base64 {
		return "application/octet-stream"
	}
	return "application/json"
}
