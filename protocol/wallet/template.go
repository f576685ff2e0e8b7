package wallet

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
)

// NewTemplate makes a permission template for vehicles, described by the
// document of that CID, and returns its decimal number.
func (w *Wallet) NewTemplate(ctx context.Context, set sayso.Permissions, cid string) (string, error) {
	receipt, err := w.do(ctx, w.contracts.Templates, w.at.Templates, "createTemplate", common.Address(w.at.Vehicle), set.Bits(), cid)
	if err != nil {
		return "", err
	}
	list, err := found(w.contracts.Templates, "TemplateCreated", receipt)
	if err != nil {
		return "", err
	}
	id, _ := list[0]["templateId"].(*big.Int)
	if id == nil {
		return "", fmt.Errorf("wallet: the template has no number")
	}
	return id.String(), nil
}

// EndTemplate ends a template: no new grant may follow it.
func (w *Wallet) EndTemplate(ctx context.Context, id string) error {
	n, ok := new(big.Int).SetString(id, 10)
	if !ok {
		return sayso.Fail(sayso.Invalid, "deactivateTemplate", fmt.Sprintf("%q is not the number of a template", id))
	}
	_, err := w.do(ctx, w.contracts.Templates, w.at.Templates, "deactivateTemplate", n)
	return err
}

// GrantUnder is [Wallet.Grant] for a grant that follows a template, whose
// permissions it must have exactly; an empty number is none.
func (w *Wallet) GrantUnder(ctx context.Context, vehicle uint64, grantee sayso.Address, set sayso.Permissions, until time.Time, template, source string) error {
	id, err := templateID(template)
	if err != nil {
		return err
	}
	_, err = w.do(ctx, w.contracts.Grants, w.at.Grants,
		"setPermissions(address,uint256,address,uint256,uint256,uint256,string)",
		common.Address(w.at.Vehicle), number(vehicle), common.Address(grantee), set.Bits(), expiration(until), id, source)
	return err
}

// GrantAccount sets what a grantee may do with every vehicle that the account has,
// as [Wallet.GrantUnder] does for one.
func (w *Wallet) GrantAccount(ctx context.Context, grantee sayso.Address, set sayso.Permissions, until time.Time, template, source string) error {
	id, err := templateID(template)
	if err != nil {
		return err
	}
	_, err = w.do(ctx, w.contracts.Grants, w.at.Grants, "setAccountPermissions", common.Address(grantee), set.Bits(), expiration(until), id, source)
	return err
}

// expiration is a time as the contract takes it: for ever is the largest number
// there is.
func expiration(until time.Time) *big.Int {
	if until.IsZero() {
		return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	}
	return new(big.Int).SetInt64(until.Unix())
}

func templateID(template string) (*big.Int, error) {
	id := new(big.Int)
	if template != "" {
		if _, ok := id.SetString(template, 10); !ok {
			return nil, sayso.Fail(sayso.Invalid, "setPermissions", fmt.Sprintf("%q is not the number of a template", template))
		}
	}
	return id, nil
}
