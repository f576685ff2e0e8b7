package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/document"
	"sayso/owner/token"
)

type grantCmd struct {
	remote
	Vehicle     uint64        `help:"Vehicle." xor:"what" required:""`
	Account     bool          `help:"Every vehicle that the account has, for as long as it has it." xor:"what" required:""`
	To          string        `help:"Who may see: an app's name, an address, or the name of a key." required:""`
	Permissions []string      `help:"Names or numbers, separated by commas." default:"GetNonLocationHistory,GetLocationHistory"`
	For         time.Duration `help:"How long the grant lasts; 0 is for ever." default:"24h"`
	Source      string        `help:"Document behind the grant, such as ipfs://<CID>." xor:"paper"`
	Document    bool          `help:"Write a document about the grant, sign it with the owner's key and let the node keep it." xor:"paper"`
	Event       []eventFilter `help:"With --document: cloud events that may be seen as well: a type, a type and a source, or a JSON object with eventType, source, ids and tags." placeholder:"TYPE[,SOURCE]" sep:"none"`
	Template    string        `help:"With --document: number of the permission template that the grant follows."`
	As          string        `help:"Name of the owner's key." default:"owner"`
}

// Help shows an example.
func (grantCmd) Help() string {
	return "Example: sayso grant --vehicle 3 --to demo --permissions GetNonLocationHistory,GetApproximateLocation --for 1h"
}

// Run grants.
func (c *grantCmd) Run(ctx context.Context) error {
	set, err := token.ParseSet(c.Permissions)
	if err != nil {
		return sayso.Fail(sayso.Invalid, "grant", err.Error())
	}
	if set.Empty() || c.For < 0 {
		return sayso.Fail(sayso.Invalid, "grant", "a grant needs permissions and a time that is not negative; to end one: sayso revoke")
	}
	var until time.Time
	if c.For > 0 {
		until = clock.System{}.Now().Add(c.For)
	}
	if !c.Account && c.Vehicle == 0 {
		return noVehicle("grant")
	}
	if c.Document && c.Account {
		return sayso.Fail(sayso.Invalid, "grant", "a document is about one vehicle: give --vehicle in place of --account")
	}
	if !c.Document && (len(c.Event) > 0 || c.Template != "") {
		return sayso.Fail(sayso.Invalid, "grant", "--event and --template are part of a document: add --document")
	}
	if c.Document {
		if c.Source, err = c.write(ctx, set, until); err != nil {
			return err
		}
	}
	who, err := c.set(ctx, c.As, c.Vehicle, c.To, set, until, c.Template, c.Source)
	if err != nil {
		return err
	}
	var names []string
	for _, p := range set.List() {
		names = append(names, strings.TrimPrefix(p.String(), "privilege:"))
	}
	end := "for ever"
	if !until.IsZero() {
		end = "until " + until.Format(time.RFC3339)
	}
	out := map[string]any{"vehicle": c.Vehicle, "grantee": who.String(), "permissions": names, "until": until, "source": c.Source}
	what, flag := about(c.Vehicle)
	return show(c.JSON, out, fmt.Sprintf("%s may use %s of %s %s.\nTo end it: %s revoke %s --from %s --as %s\n",
		c.To, strings.Join(names, ", "), what, end, program(), flag, c.To, c.As))
}

// noVehicle keeps a vehicle without a number from standing for the whole account.
func noVehicle(op string) error {
	return sayso.Fail(sayso.Invalid, op, "vehicles are counted from 1; for every vehicle of the account: --account")
}

// about words what a grant is about: a vehicle, or with number 0 all of an account.
func about(vehicle uint64) (words, flag string) {
	if vehicle == 0 {
		return "every vehicle of the account", "--account"
	}
	return fmt.Sprintf("vehicle %d", vehicle), fmt.Sprintf("--vehicle %d", vehicle)
}

// write makes the document of a grant, signs it and gives it to the node.
func (c *grantCmd) write(ctx context.Context, set sayso.Permissions, until time.Time) (source string, err error) {
	d, err := c.open(ctx)
	if err != nil {
		return "", err
	}
	who, err := d.account(ctx, c.To)
	if err != nil {
		return "", err
	}
	key, err := d.key(c.As)
	if err != nil {
		return "", err
	}
	draft := document.Draft{
		Grantor: sayso.Address(key.Address()), Grantee: who, Asset: d.did(c.Vehicle), Permissions: set, Template: c.Template,
		Window: document.Window{Until: until},
	}
	for _, f := range c.Event {
		draft.Events = append(draft.Events, document.Filter(f))
	}
	data, err := draft.Data()
	if err != nil {
		return "", err
	}
	return d.keep(ctx, document.TypeGrant, data, key)
}

// set writes a grant of a vehicle, or with number 0 of all that the account has,
// and returns when the node has seen it.
func (r remote) set(ctx context.Context, as string, vehicle uint64, to string, set sayso.Permissions, until time.Time, template, source string) (sayso.Address, error) {
	d, err := r.open(ctx)
	if err != nil {
		return sayso.Address{}, err
	}
	who, err := d.account(ctx, to)
	if err != nil {
		return who, err
	}
	w, _, err := d.wallet(ctx, as, false)
	if err != nil {
		return who, err
	}
	if vehicle == 0 {
		err = w.GrantAccount(ctx, who, set, until, template, source)
	} else {
		err = w.GrantUnder(ctx, vehicle, who, set, until, template, source)
	}
	if err != nil {
		return who, err
	}
	return who, d.api.Await(ctx, w.Block())
}

type revokeCmd struct {
	remote
	Vehicle uint64 `help:"Vehicle." xor:"what" required:""`
	Account bool   `help:"What was granted on every vehicle that the account has." xor:"what" required:""`
	From    string `help:"Whose grant ends: an app's name, an address, or the name of a key." required:""`
	As      string `help:"Name of the owner's key." default:"owner"`
}

// Help shows an example.
func (revokeCmd) Help() string { return "Example: sayso revoke --vehicle 3 --from demo" }

// Run revokes.
func (c *revokeCmd) Run(ctx context.Context) error {
	if !c.Account && c.Vehicle == 0 {
		return noVehicle("revoke")
	}
	who, err := c.set(ctx, c.As, c.Vehicle, c.From, sayso.Permissions{}, time.Unix(0, 0), "", "")
	if err != nil {
		return err
	}
	what, _ := about(c.Vehicle)
	return show(c.JSON, map[string]any{"vehicle": c.Vehicle, "grantee": who.String()},
		fmt.Sprintf("%s sees nothing of %s any more by this grant.\n", c.From, what))
}
