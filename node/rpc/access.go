package rpc

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/document"
)

// maxPairs bounds the ids of the filters of one question.
const maxPairs = 1000

// accessCheck says whether somebody may see something of a vehicle. Who is asked
// about must be the caller, or the vehicle the caller's: what is granted by a
// document is nobody else's business.
func (s *service) accessCheck(_ context.Context, r *http.Request, in *accessRequest) (*accessReply, error) {
	who, err := s.Account(r)
	if err != nil {
		return nil, err
	}
	if who.IsZero() {
		return nil, sayso.Fail(sayso.Unauthorized, "rpc", "a developer token is needed in the metadata authorization")
	}
	grantee, vehicle, err := s.parties(in)
	if err != nil {
		return invalid(err), nil
	}
	if grantee != who && s.Owner(vehicle) != who {
		return nil, sayso.Fail(sayso.Denied, "rpc", "only the grantee and the owner of the vehicle may ask")
	}
	wanted, filters, err := in.wanted()
	if err != nil {
		return invalid(err), nil
	}
	v := s.Decide(grantee, vehicle)
	if v.Reason == consent.ChainStale {
		return nil, sayso.Fail(sayso.Busy, "rpc", string(v.Reason))
	}
	missing := wanted.Without(v.Permissions())
	lacks := !missing.Empty() || slices.ContainsFunc(filters, func(f document.Filter) bool { return !v.Covers(f) })
	if !lacks {
		return &accessReply{has: true}, nil
	}
	reason := string(v.Reason)
	if reason == "" {
		reason = "the owner's grant does not include it"
	}
	return &accessReply{reason: fmt.Sprintf("Address %s lacks permissions %v for asset %s: %s", grantee, missing.List(), in.asset, reason)}, nil
}

// invalid is the reply to a question that makes no sense.
func invalid(err error) *accessReply {
	return &accessReply{reason: sayso.MessageOf(err), code: http.StatusBadRequest, external: sayso.MessageOf(err)}
}

func (s *service) parties(in *accessRequest) (grantee sayso.Address, vehicle uint64, err error) {
	if grantee, err = sayso.ParseAddress(in.grantee); err != nil {
		return grantee, 0, sayso.Fail(sayso.Invalid, "rpc", fmt.Sprintf("Invalid grantee %q.", in.grantee))
	}
	did, err := sayso.ParseDID(in.asset)
	if err == nil && did.Method == sayso.MethodERC721 && slices.Contains(s.Aliases, did.Address) && did.Token.IsUint64() {
		return grantee, did.Token.Uint64(), nil
	}
	vehicle, ok := did.Is(s.Chain.ID, s.Chain.Vehicle)
	if err != nil || !ok {
		return grantee, 0, sayso.Fail(sayso.Invalid, "rpc", fmt.Sprintf("Invalid asset DID %q: not a vehicle of this node", in.asset))
	}
	return grantee, vehicle, nil
}

// wanted reads what is asked for.
func (r *accessRequest) wanted() (set sayso.Permissions, filters []document.Filter, err error) {
	for _, name := range r.privileges {
		p, ok := sayso.ParsePermission(name)
		if !ok {
			return set, nil, sayso.Fail(sayso.Invalid, "rpc", fmt.Sprintf("unknown privileges [%s]", strings.ToValidUTF8(name, "?")))
		}
		set = set.With(p)
	}
	ids := 0
	for _, e := range r.events {
		f := document.Filter{EventType: e.kind, Source: e.source, IDs: e.ids}.Whole()
		if ids += len(f.IDs); ids > maxPairs {
			return set, nil, sayso.Fail(sayso.Invalid, "rpc", "over 1000 ids of cloud events")
		}
		filters = append(filters, f)
	}
	if set.Empty() && len(filters) == 0 {
		return set, nil, sayso.Fail(sayso.Invalid, "rpc", "Please provide at least one privilege or cloudevent")
	}
	return set, filters, nil
}
