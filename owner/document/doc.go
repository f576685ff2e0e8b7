// Package document reads and writes grant documents: signed statements in which
// an owner says, in words that people can read, what somebody may do with a
// vehicle (DIMO's SACD documents, spec contracts 4, api 1.8). It knows the bytes
// alone. Whether a document counts is decided by owner/consent; who keeps and
// fetches documents is owner/document/shelf.
package document

import (
	"time"

	"sayso"
)

// The types of envelope that are documents.
const (
	TypeGrant    = "dimo.sacd"
	TypeTemplate = "dimo.sacd.template"
)

// MaxBytes is the size of the largest document.
const MaxBytes = 64 << 10

// The kinds of agreement that grant something. Others, such as payment, are
// kept and grant nothing.
const (
	KindPermission = "permission"
	KindCloudEvent = "cloudevent"
)

// Any is the value that stands for every type, source, id or tag.
const Any = "*"

// Document is what an envelope of one of the two types says. It is shared
// between readers and must not be changed.
type Document struct {
	Type      string
	Data      []byte // exactly as stored: what the signature is over
	Signature []byte // 65 bytes of a key, or whatever a contract account takes

	Grantor sayso.Address // of a template its owner
	Grantee sayso.Address // of a template zero
	Window
	Asset      string // the DID that the whole is about, or empty
	Template   string // decimal number of the template that it follows, or empty
	Agreements []Agreement
}

// Agreement is one thing that a document grants.
type Agreement struct {
	Kind        string
	Asset       string   // DID
	Permissions []string // of the kind permission: names such as privilege:GetRawData
	Filter               // of the kind cloudevent
	Window
}

// Filter picks cloud events. Each member is [Any], or lists what is picked; no
// id or no tag at all picks nothing.
type Filter struct {
	EventType string
	Source    string
	IDs       []string
	Tags      []string
}

// Window is from when until when something counts. The zero time is no bound.
type Window struct{ From, Until time.Time }

// Holds says whether a moment lies in the window: not before From, before Until.
func (w Window) Holds(now time.Time) bool {
	return (w.From.IsZero() || !now.Before(w.From)) && (w.Until.IsZero() || now.Before(w.Until))
}
