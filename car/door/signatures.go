package door

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
)

// SignatureMode is what the signature of an event is for whose sender signed
// in. Who did not sign in always needs a valid one.
type SignatureMode uint8

// The modes.
const (
	Ignore  SignatureMode = iota // the session is the proof
	Record                       // checked after the acknowledgement; a wrong one leaves a record for the owner
	Require                      // checked before; an event without a valid one is refused
)

// ParseSignatureMode reads off, record or require.
func ParseSignatureMode(s string) (SignatureMode, error) {
	for mode, name := range [...]string{"off", "record", "require"} {
		if s == name {
			return SignatureMode(mode), nil
		}
	}
	return 0, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("%q is no use of signatures: want off, record or require", s))
}

// proveSignature checks the device's own signature: secp256k1 over the Keccak
// hash of the payload bytes as received (of data_base64: the base64 text), r, s
// and v of 27 or 28 (spec ingest 1.6). A signature with a high s is refused,
// since anybody can make it from the one with the low s.
func proveSignature(ce *sayso.CloudEvent, by sayso.Address) error {
	refuse := func(why string) error {
		return sayso.Fail(sayso.Unauthorized, op, why+": sign the bytes of data with the device's key, or sign in and send the token as a bearer")
	}
	if ce.Signature == "" {
		return refuse("neither a token nor a signature")
	}
	signer, err := Signer(signedHash(ce), ce.Signature)
	if err != nil {
		return refuse(err.Error())
	}
	if signer != by {
		return refuse("the signature is not by " + by.String())
	}
	return nil
}

func signedHash(ce *sayso.CloudEvent) [32]byte {
	if !ce.Base64 {
		return sayso.Keccak256(ce.Data)
	}
	return sayso.Keccak256(base64.StdEncoding.AppendEncode(nil, ce.Data))
}

// Signer is the account whose key made a signature over a hash. The signature
// is hexadecimal, with or without 0x: 65 bytes r, s, v, with a low s and v of 27
// or 28. It fails on any other form.
func Signer(hash [32]byte, signature string) (sayso.Address, error) {
	text := strings.TrimPrefix(signature, "0x")
	var sig [65]byte
	if len(text) != 2*len(sig) {
		return sayso.Address{}, fmt.Errorf("the signature is not of 65 bytes r, s, v")
	}
	if _, err := hex.Decode(sig[:], []byte(text)); err != nil || (sig[64] != 27 && sig[64] != 28) {
		return sayso.Address{}, fmt.Errorf("the signature is not of 65 bytes r, s, v with v of 27 or 28")
	}
	sig[64] -= 27
	if highS(sig[32:64]) {
		return sayso.Address{}, fmt.Errorf("the signature has a high s")
	}
	key, err := crypto.SigToPub(hash[:], sig[:])
	if err != nil {
		return sayso.Address{}, fmt.Errorf("the signature is by no key")
	}
	return sayso.Address(crypto.PubkeyToAddress(*key)), nil
}

// halfOrder is half the order of secp256k1.
var halfOrder = [32]byte{
	0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
}

func highS(s []byte) bool { return string(s) > string(halfOrder[:]) }

// The bounds of the backlog of [Checks].
const (
	maxChecks     = 32768
	maxCheckBytes = 32 << 20
)

// Checks checks signatures after the acknowledgement, in a backlog of bounded
// size. A wrong one leaves a record for the owner, see [Door.Remark]; a right
// one leaves nothing, since the signature is kept with the event and can be
// checked again at any time.
type Checks struct {
	// Keep is the door's.
	Keep func(context.Context, *Parcel) (duplicate bool, err error)
	// Count notes an outcome: valid, missing, wrong, unchecked where the
	// backlog was full, unmarked where the record could not be kept.
	Count func(outcome string)

	mu    sync.Mutex
	queue []check
	bytes int
	wake  chan struct{}
}

type check struct {
	parcel *Parcel
	by     sayso.Address // who should have signed
	size   int
}

// add puts an event in line. It never waits.
func (c *Checks) add(p *Parcel, by sayso.Address) {
	if p.Envelope.Signature == "" {
		c.Count("missing")
		return
	}
	size := len(p.Envelope.Data) + len(p.Envelope.Signature)
	c.mu.Lock()
	full := len(c.queue) >= maxChecks || (c.bytes+size > maxCheckBytes && len(c.queue) > 0)
	if !full {
		c.queue = append(c.queue, check{p, by, size})
		c.bytes += size
	}
	wake := c.signal()
	c.mu.Unlock()
	if full {
		c.Count("unchecked")
		return
	}
	select {
	case wake <- struct{}{}:
	default:
	}
}

// signal makes the channel at its first use, under the lock.
func (c *Checks) signal() chan struct{} {
	if c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
	return c.wake
}

// Run checks until the context ends; what is then in line stays unchecked and
// is counted so.
func (c *Checks) Run(ctx context.Context) {
	for {
		c.mu.Lock()
		list, wake := c.queue, c.signal()
		c.queue, c.bytes = nil, 0
		c.mu.Unlock()
		for i := range list {
			if ctx.Err() != nil {
				for range list[i:] {
					c.Count("unchecked")
				}
				return
			}
			c.one(ctx, list[i])
			list[i] = check{}
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
	}
}

func (c *Checks) one(ctx context.Context, k check) {
	p := k.parcel
	err := proveSignature(&p.Envelope, k.by)
	if err == nil {
		c.Count("valid")
		return
	}
	c.Count("wrong")
	if _, err := c.Keep(ctx, remark(p, "signature", sayso.MessageOf(err))); err != nil && sayso.FaultOf(err) != sayso.Conflict {
		c.Count("unmarked")
	}
}

// remark is a record for the owner about a message: its envelope under an id of
// its own, without readings and events, with what there is to say.
func remark(p *Parcel, name, reason string) *Parcel {
	r := *p
	r.Envelope.ID += "/" + name
	r.Readings, r.Events = nil, nil
	r.Rejected = []sayso.Rejection{{Name: name, Reason: reason}}
	return &r
}
