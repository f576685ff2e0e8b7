package shelf

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/owner/document"
	"sayso/protocol/chain"
)

// Contract asks a contract account whether it approves a signature (ERC-1271).
// An error means that the chain could not be asked.
type Contract func(ctx context.Context, account common.Address, digest common.Hash, sig []byte) (bool, error)

// contractTime bounds the question to a contract account.
const contractTime = 5 * time.Second

// maxQuestions is how many contract accounts are asked at once.
const maxQuestions = 4

// signed says whether a document is signed by its grantor: over the data as they
// stand, as personal_sign does (EIP-191), by the grantor's key or else as the
// grantor's contract decides.
//
// It is asked once, when the document comes in. What a contract account once
// approved stays approved when its keys change: the grantor takes a grant back
// on chain, where the record that points to the document is.
func (s *Shelf) signed(ctx context.Context, d *document.Document) error {
	const op = "shelf.signed"
	digest := chain.PersonalDigest(d.Data)
	if n := len(d.Signature); n == 65 && d.Signature[n-1] >= 27 {
		if a, err := chain.Recover(digest, d.Signature); err == nil && sayso.Address(a) == d.Grantor {
			return nil
		}
	}
	if s.cfg.Contract != nil {
		ctx, cancel := context.WithTimeout(ctx, contractTime)
		defer cancel()
		ok, err := s.ask(ctx, common.Address(d.Grantor), digest, d.Signature)
		if err != nil {
			return &sayso.Error{Op: op, Fault: sayso.Busy, Message: "the chain cannot be asked whether the grantor's contract signed the document: try again later", Err: err}
		}
		if ok {
			return nil
		}
	}
	return sayso.Fail(sayso.Invalid, op, "the document is not signed by its grantor "+d.Grantor.String()+": the signature must be that of personal_sign over the bytes of data as they stand")
}

// ask asks a contract account when its turn has come.
func (s *Shelf) ask(ctx context.Context, account common.Address, digest common.Hash, sig []byte) (bool, error) {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
		return s.cfg.Contract(ctx, account, digest, sig)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
