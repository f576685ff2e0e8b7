package shelf

import (
	"context"

	"sayso"
	"sayso/owner/document"
)

// signed says whether a document is signed by its grantor: over the data as they
// stand, as personal_sign does (EIP-191), by the grantor's key or else as the
// grantor's contract decides.
//
// It is asked once, when the document comes in. What a contract account once
// approved stays approved when its keys change: the grantor takes a grant back
// on chain, where the record that points to the document is.
func (s *Shelf) signed(ctx context.Context, d *document.Document) error {
	const op = "shelf.signed"
	switch err := s.checker.Signed(ctx, d.Grantor, d.Data, d.Signature); {
	case err == nil:
		return nil
	case sayso.FaultOf(err) == sayso.Busy:
		return err
	}
	return sayso.Fail(sayso.Invalid, op, "the document is not signed by its grantor "+d.Grantor.String()+": the signature must be that of personal_sign over the bytes of data as they stand")
}
