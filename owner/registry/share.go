package registry

import (
	"cmp"
	"slices"

	"sayso"
)

func sharesOf(asset sayso.Address, token string) mark {
	return mark{sharesOfAsset, string(asset[:]) + token}
}

func shareKey(asset sayso.Address, token string, grantee sayso.Address) string {
	return asset.Lower() + "/" + token + "/" + grantee.Lower()
}

// PutShare writes a grant of something else than a vehicle.
func (tx *Tx) PutShare(g Grant) { change(tx, shares, shareKey(g.Asset, g.Token, g.Grantee), &g) }

// DeleteShare removes such a grant. The token of an account is empty.
func (tx *Tx) DeleteShare(asset sayso.Address, token string, grantee sayso.Address) {
	tx.drop(shares, shareKey(asset, token, grantee))
}

// DeleteShares removes every grant of an asset that is not a vehicle.
func (tx *Tx) DeleteShares(asset sayso.Address, token string) {
	tx.dropAll(shares, sharesOf(asset, token), func(row any) bool {
		g, ok := row.(*Grant)
		return ok && g.Asset == asset && g.Token == token
	})
}

// AccountGrant finds what an account granted to a grantee on everything that it
// has, as it stands at the head, expired ones too, with what the grantee has in
// the final state.
func (r *Registry) AccountGrant(grantor, grantee sayso.Address) (Grant, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	key := shareKey(grantor, "", grantee)
	g, ok := row[Grant](r.state, shares, key)
	if ok {
		g.Before, g.SourceBefore = Right{}, ""
		if last, there := finalRow[Grant](r, fact{shares, key}); there && r.final(last.Block, r.head) {
			g.Before, g.SourceBefore = last.Right, last.Source
		}
	}
	return g, ok
}

// Shares lists the grants of an asset that is not a vehicle, newest first, then
// by grantee. The token of an account is empty.
func (r *Registry) Shares(asset sayso.Address, token string) []Grant {
	out := rowsUnder[Grant](r, shares, sharesOf(asset, token), same)
	slices.SortFunc(out, newestFirst)
	return out
}

func newestFirst(a, b Grant) int {
	return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), compareAddresses(a.Grantee, b.Grantee))
}
