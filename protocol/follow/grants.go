package follow

import (
	"fmt"
	"slices"

	"sayso"
	"sayso/owner/registry"
)

// Events of our contracts alone: every grant of a token, or of an account, ends
// at once.
const (
	allRevoked        = "AllPermissionsRevoked(address indexed asset, uint256 indexed tokenId, uint256 version)"
	allAccountRevoked = "AllAccountPermissionsRevoked(address indexed grantor, uint256 version)"
)

// grantTable returns the rows of permissions: the grants of vehicles, of other
// tokens and of whole accounts, and the form before them, which lives in the
// vehicles' contract.
func grantTable(chain registry.ChainInfo) []event {
	return []event{
		{onGrants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, uint256 templateId, string source)", granted(chain, permissionsSet)},
		{onGrants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, string source)", granted(chain, permissionsSet)},
		{onGrants, "PermissionsRenounced(address indexed asset, uint256 indexed tokenId, address indexed grantee)", granted(chain, permissionsRenounced)},
		{onGrants, allRevoked, granted(chain, allPermissionsRevoked)},
		{onGrants, allAccountRevoked, func(tx *registry.Tx, a args) error {
			tx.DeleteShares(a.address("grantor"), "")
			return nil
		}},
		{onVehicle, "PrivilegeSet(uint256 indexed tokenId, uint256 version, uint256 indexed privId, address indexed user, uint256 expires)", privilegeSet},
	}
}

// granted finds what a grant is about: a vehicle, a token of another contract of
// the network, or the account itself that the event calls its asset.
func granted(chain registry.ChainInfo, fold func(*registry.Tx, registry.Grant, args) error) func(*registry.Tx, args) error {
	tokens := []sayso.Address{chain.Manufacturer, chain.AftermarketDevice, chain.SyntheticDevice, chain.Connections, chain.StorageNodes,
		chain.DevLicense, chain.Templates, chain.Staking, chain.Names}
	return func(tx *registry.Tx, a args) error {
		g := registry.Grant{Asset: a.address("asset"), Grantee: a.address("grantee")}
		switch {
		case g.Asset.IsZero():
			return errSkip("a grant of nothing")
		case g.Asset == chain.Vehicle:
			id, err := a.id("tokenId")
			if err != nil {
				return err
			}
			g.Vehicle, g.Asset = id, sayso.Address{}
		case slices.Contains(tokens, g.Asset):
			g.Token = a.decimal("tokenId")
		case a.number("tokenId").Sign() != 0:
			return errSkip("a grant on a token of a contract that is none of the network's")
		}
		return fold(tx, g, a)
	}
}

// permissionsSet replaces the grant of a grantee; none at all removes it.
func permissionsSet(tx *registry.Tx, g registry.Grant, a args) error {
	permissions := a.number("permissions")
	if permissions.Sign() == 0 {
		return permissionsRenounced(tx, g, a)
	}
	g.Right = registry.Right{Permissions: fmt.Sprintf("0x%x", permissions), Expires: a.seconds("expiration")}
	g.Source, g.CreatedAt, g.Block = a.text("source"), tx.Block.Time, tx.Block.Number
	if template := a.number("templateId"); template.Sign() != 0 {
		g.Template = template.String()
	}
	if !g.Asset.IsZero() {
		tx.PutShare(g)
		return nil
	}
	if err := vehicle(tx, a, "tokenId", func(*registry.Vehicle) {}); err != nil {
		return err
	}
	tx.PutGrant(g)
	return nil
}

func permissionsRenounced(tx *registry.Tx, g registry.Grant, _ args) error {
	if g.Asset.IsZero() {
		tx.DeleteGrant(g.Vehicle, g.Grantee)
	} else {
		tx.DeleteShare(g.Asset, g.Token, g.Grantee)
	}
	return nil
}

func allPermissionsRevoked(tx *registry.Tx, g registry.Grant, _ args) error {
	if g.Asset.IsZero() {
		tx.DeleteGrants(g.Vehicle)
	} else if g.Token != "" { // an account says it by another event
		tx.DeleteShares(g.Asset, g.Token)
	}
	return nil
}

// privilegeSet keeps a right of the form before grants, which is shown and opens
// nothing.
func privilegeSet(tx *registry.Tx, a args) error {
	id, err := a.id("tokenId")
	if err != nil {
		return err
	}
	number, err := a.id("privId")
	if err != nil {
		return err
	}
	if err := vehicle(tx, a, "tokenId", func(*registry.Vehicle) {}); err != nil {
		return err
	}
	p, _ := tx.Privileges(id, a.address("user"))
	p.Vehicle, p.User = id, a.address("user")
	p.Rights = with(p.Rights, number, registry.Privilege{SetAt: tx.Block.Time, Expires: a.seconds("expires")})
	tx.PutPrivileges(p)
	return nil
}
