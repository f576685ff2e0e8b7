package sayso

import (
	"errors"
	"net/http"
	"strings"
)

// Fault is the kind of an error: what a caller can do about it.
type Fault uint8

// The kinds. Internal is the zero value: an error without a kind never shows
// its text to a caller.
const (
	Internal     Fault = iota
	Invalid            // the request is wrong; sending it again does not help
	Unauthorized       // who asks is not proven
	Denied             // who asks is known and may not
	NotFound           // there is none, or the caller has no right to know
	Conflict           // same key, other content
	TooLarge           // over a size limit
	Busy               // later it will work
	Full               // no space to keep it
	Cancelled          // the caller went away or the deadline passed
)

// faults is the one table from kind to every form an error takes.
var faults = [...]struct {
	name, code string
	status     int
	exit       int
	rpc        uint32
}{
	Internal:     {"internal", "INTERNAL_SERVER_ERROR", http.StatusInternalServerError, 1, 13},
	Invalid:      {"invalid", "BAD_REQUEST", http.StatusBadRequest, 2, 3},
	Unauthorized: {"unauthorized", "UNAUTHORIZED", http.StatusUnauthorized, 3, 16},
	Denied:       {"denied", "FORBIDDEN", http.StatusForbidden, 4, 7},
	NotFound:     {"not_found", "NOT_FOUND", http.StatusNotFound, 5, 5},
	Conflict:     {"conflict", "CONFLICT", http.StatusConflict, 6, 6},
	TooLarge:     {"too_large", "TOO_LARGE", http.StatusRequestEntityTooLarge, 7, 8},
	Busy:         {"busy", "SERVICE_UNAVAILABLE", http.StatusServiceUnavailable, 8, 14},
	Full:         {"full", "INSUFFICIENT_STORAGE", http.StatusInsufficientStorage, 9, 8},
	Cancelled:    {"cancelled", "REQUEST_CANCELED", 499, 10, 1},
}

// String is the metric label, such as not_found.
func (f Fault) String() string { return faults[f].name }

// Status is the HTTP status.
func (f Fault) Status() int { return faults[f].status }

// Code is the GraphQL extensions code.
func (f Fault) Code() string { return faults[f].code }

// RPC is the status code of gRPC.
func (f Fault) RPC() uint32 { return faults[f].rpc }

// Exit is the exit code of a command that ends with it.
func (f Fault) Exit() int { return faults[f].exit }

// Error says which operation failed, of what kind, on what, and why. Message
// is for the caller; Err is the cause and may hold what the caller must not see.
type Error struct {
	Op      string // such as "vault.Commit"
	Fault   Fault
	Subject string // such as a DID or a file name; may be empty
	Message string
	Err     error
}

// Error joins the parts.
func (e *Error) Error() string {
	var parts []string
	for _, s := range []string{e.Op, e.Subject, e.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail builds an error whose message reaches the caller.
func Fail(f Fault, op, message string) *Error { return &Error{Op: op, Fault: f, Message: message} }

// FaultOf finds the kind of an error; Internal if it has none.
func FaultOf(err error) Fault {
	var e *Error
	if errors.As(err, &e) {
		return e.Fault
	}
	return Internal
}

// MessageOf is what a caller may be told: the message of the error, or
// "internal error" where the kind is Internal.
func MessageOf(err error) string {
	var e *Error
	if !errors.As(err, &e) || e.Fault == Internal {
		return "internal error"
	}
	if e.Message != "" {
		return e.Message
	}
	if e.Err != nil {
		return MessageOf(e.Err)
	}
	return e.Fault.String()
}
