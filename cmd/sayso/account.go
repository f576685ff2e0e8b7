package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sayso"
	"sayso/client"
	"sayso/owner/token"
	"sayso/protocol/chain"
	"sayso/protocol/wallet"
)

// remote is what every verb that talks to a running node takes.
type remote struct {
	Node string `help:"URL of the node." default:"http://localhost:8480"`
	Keys string `help:"Folder of the secret keys." default:"./sayso-keys" type:"path"`
	JSON bool   `help:"Print JSON." name:"json"`
}

// desk is a node with what is needed to act on its chain.
type desk struct {
	remote
	api   *client.Client
	at    client.Chain
	chain *chain.Client
}

// open reaches the node and its chain.
func (r remote) open(ctx context.Context) (*desk, error) {
	d := &desk{remote: r, api: client.New(r.Node)}
	var err error
	if d.at, err = d.api.Chain(ctx); err != nil {
		return nil, err
	}
	d.chain, err = chain.Dial(ctx, d.at.URL)
	return d, err
}

func (d *desk) did(vehicle uint64) sayso.DID { return sayso.NFT(d.at.ID, d.at.Vehicle, vehicle) }

var plainName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$`)

// keyFile is where the key of a name is.
func (r remote) keyFile(name string) (string, error) {
	if !plainName.MatchString(name) {
		return "", sayso.Fail(sayso.Invalid, "key", fmt.Sprintf("%q is not a name for a key: use letters, digits, dash, dot and underscore", name))
	}
	return filepath.Join(r.Keys, name+".key"), nil
}

// key loads the key of a name.
func (r remote) key(name string) (*chain.Key, error) {
	path, err := r.keyFile(name)
	if err != nil {
		return nil, err
	}
	k, err := chain.LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sayso.Fail(sayso.NotFound, "key", fmt.Sprintf("there is no key %s in %s: %s", name, r.Keys, r.known()))
	}
	return k, err
}

// known lists the names of the keys that are there.
func (r remote) known() string {
	files, _ := filepath.Glob(filepath.Join(r.Keys, "*.key"))
	var names []string
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".key"); name != "root" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "no key is there; is --keys right?"
	}
	return "there are " + strings.Join(names, ", ")
}

// wallet opens the account of a name, making its key where create says so, and
// gives it gas on the node's own chain.
func (d *desk) wallet(ctx context.Context, name string, create bool) (*wallet.Wallet, *chain.Key, error) {
	path, err := d.keyFile(name)
	if err != nil {
		return nil, nil, err
	}
	load := d.key
	if create {
		load = func(string) (*chain.Key, error) { return chain.LoadOrCreateKey(path) }
	}
	key, err := load(name)
	if err != nil {
		return nil, nil, err
	}
	w, err := wallet.Open(d.chain, key, d.at.ChainInfo)
	if err != nil {
		return nil, nil, err
	}
	return w, key, d.fuel(ctx, key)
}

// fuel gives an account without ether some of the operator's, where this
// machine has the operator's key.
func (d *desk) fuel(ctx context.Context, key *chain.Key) error {
	balance, err := d.chain.Balance(ctx, key.Address())
	if err != nil || balance.Sign() > 0 {
		return err
	}
	if _, err := os.Stat(filepath.Join(d.Keys, "operator.key")); err != nil {
		return sayso.Fail(sayso.Denied, "gas", fmt.Sprintf("%s has no ether for gas on %s: send it some", key, d.at.URL))
	}
	operator, err := d.key("operator")
	if err != nil {
		return err
	}
	w, err := wallet.Open(d.chain, operator, d.at.ChainInfo)
	if err != nil {
		return err
	}
	ten := new(big.Int).Mul(big.NewInt(10), big.NewInt(1e18))
	return w.Fund(ctx, sayso.Address(key.Address()), ten)
}

// person resolves an address or the name of a key in the folder.
func (d *desk) person(who string) (sayso.Address, error) {
	if a, err := sayso.ParseAddress(who); err == nil {
		return a, nil
	}
	key, err := d.key(who)
	if err != nil {
		return sayso.Address{}, err
	}
	return sayso.Address(key.Address()), nil
}

// account resolves an address, an app's alias on chain, or the name of a key in
// the folder.
func (d *desk) account(ctx context.Context, who string) (sayso.Address, error) {
	if a, err := sayso.ParseAddress(who); err == nil {
		return a, nil
	}
	if client, ok, err := d.app(ctx, who); ok || err != nil {
		return client, err
	}
	if key, err := d.key(who); err == nil {
		return sayso.Address(key.Address()), nil
	}
	return sayso.Address{}, sayso.Fail(sayso.NotFound, "account", fmt.Sprintf("%q is no address, no app on chain and no key in %s: %s", who, d.Keys, d.known()))
}

// app finds the client id of an app by its alias.
func (d *desk) app(ctx context.Context, alias string) (sayso.Address, bool, error) {
	answer, err := d.api.Ask(ctx, "/identity/query", "", `query($a: String) { developerLicense(by: {alias: $a}) { clientId } }`, map[string]any{"a": alias})
	if err != nil {
		return sayso.Address{}, false, err
	}
	var data struct {
		DeveloperLicense *struct{ ClientID sayso.Address }
	}
	if err := unmarshal(answer, &data); err != nil || data.DeveloperLicense == nil {
		return sayso.Address{}, false, err
	}
	return data.DeveloperLicense.ClientID, true, nil
}

// signIn gets the developer token of a name: of an app where the name is an
// app's alias, else of the account itself.
func (d *desk) signIn(ctx context.Context, name string) (string, error) {
	key, err := d.key(name)
	if err != nil {
		return "", err
	}
	clientID, ok, err := d.app(ctx, name)
	if err != nil {
		return "", err
	}
	if ok {
		return d.api.SignIn(ctx, clientID.String(), d.at.Home, clientID, key)
	}
	return d.api.SignIn(ctx, token.DriverClient, d.at.Home, sayso.Address(key.Address()), key)
}
