package mqtt

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"sayso"
	"sayso/car/door"
)

const op = "mqtt.Connect"

// prove reads who connects. The code is what MQTT 5 answers with an error.
func (s *Server) prove(pk *packets.Packet) (se *session, code packets.Code, err error) {
	name := string(pk.Connect.Username)
	if name == "" {
		name = pk.Connect.ClientIdentifier
	}
	device, err := sayso.ParseAddress(name)
	if err != nil {
		return nil, packets.ErrBadUsernameOrPassword, sayso.Fail(sayso.Unauthorized, op, "the user name must be the address of the device")
	}
	if id := pk.Connect.ClientIdentifier; id != "" {
		if a, err := sayso.ParseAddress(id); err != nil || a != device {
			return nil, packets.ErrClientIdentifierNotValid, sayso.Fail(sayso.Unauthorized, op, "the client identifier must be the address of the device, or empty")
		}
	}
	if pk.Properties.AuthenticationMethod != "" {
		return nil, packets.ErrBadAuthenticationMethod, sayso.Fail(sayso.Unauthorized, op, "there is no extended authentication: give a token or a signature as the password")
	}
	if err := s.cfg.Door.Paired(device); err != nil {
		return nil, packets.ErrNotAuthorized, err
	}
	until, err := s.password(device, string(pk.Connect.Password))
	if err != nil {
		code = packets.ErrBadUsernameOrPassword
		if sayso.FaultOf(err) == sayso.Busy {
			code = packets.ErrServerBusy
		}
		return nil, code, err
	}
	return &session{device: device, prefix: topicRoot + device.String() + "/", until: until, room: make(chan struct{}, 1)}, packets.CodeSuccess, nil
}

// password checks a token or a signature, and tells until when it is good.
func (s *Server) password(device sayso.Address, text string) (until time.Time, err error) {
	if p, ok, err := ParsePassword(text); err != nil {
		return until, err
	} else if ok {
		return s.signature(device, p)
	}
	who, until, err := s.cfg.Token(text)
	if err == nil && who != device {
		err = sayso.Fail(sayso.Unauthorized, op, "the token is of another device")
	}
	return until, err
}

// How far the time in a signature may be from the node's.
const signatureWindow = 5 * time.Minute

func (s *Server) signature(device sayso.Address, p Password) (until time.Time, err error) {
	now := s.cfg.Door.Clock.Now()
	if d := now.Sub(time.Unix(p.Time, 0)); d > signatureWindow || d < -signatureWindow {
		return until, sayso.Fail(sayso.Unauthorized, op, fmt.Sprintf("the time of the signature is more than %d minutes from the node's, which is %d", signatureWindow/time.Minute, now.Unix()))
	}
	signer, err := door.Signer(personal(SignInText(s.cfg.Home, device, p.Time, p.Nonce)), p.Signature)
	if err != nil {
		return until, sayso.Fail(sayso.Unauthorized, op, err.Error())
	}
	if signer != device {
		return until, sayso.Fail(sayso.Unauthorized, op, "the signature is not by the device")
	}
	return now.Add(signedTerm), s.nonces.use(device, p, now)
}

// Password is a password that is a signature.
type Password struct {
	Time      int64 // Unix seconds
	Nonce     string
	Signature string // hexadecimal
}

// scheme begins a password that is a signature. No token begins so: tokens
// begin with the base64 of a brace.
const scheme = "sayso1"

// ParsePassword reads `sayso1.<time>.<nonce>.<signature>`. It answers false for
// what does not begin so, and fails on what does but is not of that form.
func ParsePassword(text string) (p Password, ok bool, err error) {
	rest, ok := strings.CutPrefix(text, scheme+".")
	if !ok {
		return p, false, nil
	}
	bad := func(why string) (Password, bool, error) {
		return Password{}, false, sayso.Fail(sayso.Unauthorized, op, "the password must be a token, or "+scheme+".<time>.<nonce>.<signature>: "+why)
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 3 {
		return bad("there are not three parts after " + scheme)
	}
	p = Password{Nonce: parts[1], Signature: parts[2]}
	if p.Time, err = strconv.ParseInt(parts[0], 10, 64); err != nil || strconv.FormatInt(p.Time, 10) != parts[0] || p.Time < 0 {
		return bad("the time is not in seconds since 1970")
	}
	if len(p.Nonce) < 8 || len(p.Nonce) > 64 || strings.Trim(p.Nonce, nonceChars) != "" {
		return bad("the nonce is not of 8 to 64 letters, digits, - and _")
	}
	return p, true, nil
}

const nonceChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// String writes the password.
func (p Password) String() string {
	return scheme + "." + strconv.FormatInt(p.Time, 10) + "." + p.Nonce + "." + p.Signature
}

// SignInText is what a device signs to connect (EIP-191, personal message).
func SignInText(node string, device sayso.Address, unix int64, nonce string) string {
	return "Sayso device sign-in\nnode: " + node + "\nclient: " + device.String() +
		"\ntime: " + strconv.FormatInt(unix, 10) + "\nnonce: " + nonce
}

// personal is the hash that is signed of a text (EIP-191, version 0x45).
func personal(text string) [32]byte {
	return sayso.Keccak256([]byte("\x19Ethereum Signed Message:\n" + strconv.Itoa(len(text)) + text))
}

// nonces are those that were used within the window.
type nonces struct {
	mu   sync.Mutex
	used map[string]int64 // Unix seconds until which to remember it
	next int              // size at which to throw old ones away
}

const maxNonces = 100_000

// use takes a nonce of a device whose signature is right.
func (n *nonces) use(device sayso.Address, p Password, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.used == nil {
		n.used, n.next = map[string]int64{}, 1024
	}
	if len(n.used) >= n.next {
		for k, until := range n.used {
			if until < now.Unix() {
				delete(n.used, k)
			}
		}
		n.next = max(1024, 2*len(n.used))
	}
	key := string(device[:]) + p.Nonce
	if _, again := n.used[key]; again {
		return sayso.Fail(sayso.Unauthorized, op, "the signature was used before: sign again with another nonce")
	}
	if len(n.used) >= maxNonces {
		return sayso.Fail(sayso.Busy, op, "too many devices signed in within the last minutes: try again later")
	}
	n.used[key] = p.Time + 2*int64(signatureWindow/time.Second)
	return nil
}
