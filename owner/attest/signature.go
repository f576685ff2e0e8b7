// Package attest is about signed facts of a vehicle: who signed a cloud event,
// which one takes another back, and the credentials that the node itself signs.
package attest

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/protocol/chain"
)

// Contract asks a contract account whether it approves a signature (ERC-1271).
// An error means that the chain could not be asked.
type Contract func(ctx context.Context, account common.Address, digest common.Hash, sig []byte) (bool, error)

// contractTime bounds the question to a contract account.
const contractTime = 5 * time.Second

// maxQuestions is how many contract accounts are asked at once.
const maxQuestions = 4

// maxSignature is the longest signature that a contract account is asked about.
const maxSignature = 8192

// Checker finds out whether an account signed something.
type Checker struct {
	contract Contract
	asking   chan struct{} // one for each question under way
}

// NewChecker makes one. Without contract only keys sign.
func NewChecker(contract Contract) *Checker {
	return &Checker{contract, make(chan struct{}, maxQuestions)}
}

// Signed says whether an account signed a payload as personal_sign does
// (EIP-191): by its own key, with v 27 or 28, or else as its contract decides
// (ERC-1271). The error is [sayso.Invalid] where it did not, and [sayso.Busy]
// where the chain cannot be asked.
func (c *Checker) Signed(ctx context.Context, by sayso.Address, payload, sig []byte) error {
	const op = "attest.Signed"
	digest := chain.PersonalDigest(payload)
	if n := len(sig); n == 65 && sig[n-1] >= 27 {
		if a, err := chain.Recover(digest, sig); err == nil && sayso.Address(a) == by {
			return nil
		}
	}
	if c.contract != nil && len(sig) > 0 && len(sig) <= maxSignature {
		ctx, cancel := context.WithTimeout(ctx, contractTime)
		defer cancel()
		ok, err := c.ask(ctx, common.Address(by), digest, sig)
		if err != nil {
			return &sayso.Error{Op: op, Fault: sayso.Busy, Message: "the chain cannot be asked whether the contract of " + by.String() + " approves the signature: try again later", Err: err}
		}
		if ok {
			return nil
		}
	}
	return sayso.Fail(sayso.Invalid, op, "the signature is not one of "+by.String()+": it must be that of personal_sign over the bytes of data as they stand")
}

// ask asks a contract account when its turn has come.
func (c *Checker) ask(ctx context.Context, account common.Address, digest common.Hash, sig []byte) (bool, error) {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
		return c.contract(ctx, account, digest, sig)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Event says whether the source of a cloud event signed it, as [Checker.Signed]
// does.
func (c *Checker) Event(ctx context.Context, ce *sayso.CloudEvent) error {
	text, ok := strings.CutPrefix(ce.Signature, "0x")
	sig, err := hex.DecodeString(text)
	if !ok || err != nil || len(sig) == 0 {
		return sayso.Fail(sayso.Invalid, "attest.Event", "the member signature must be the signature of the source over data, in hex with 0x")
	}
	return c.Signed(ctx, ce.Source, Payload(ce), sig)
}

// Payload is what the source of an attestation signs: the bytes of data as they
// stand, or the text of data_base64 (spec ingest 1.6).
func Payload(ce *sayso.CloudEvent) []byte {
	if ce.Base64 {
		return base64.StdEncoding.AppendEncode(nil, ce.Data)
	}
	return ce.Data
}
