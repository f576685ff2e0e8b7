package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"sayso"
	"sayso/client"
	"sayso/protocol/wallet"
)

type vehicleCmd struct {
	Mint     mintCmd     `cmd:"" help:"Give a car an identity."`
	List     listCmd     `cmd:"" help:"List vehicles."`
	Transfer transferCmd `cmd:"" help:"Give a vehicle to another owner; every grant on it ends."`
	Erase    eraseCmd    `cmd:"" help:"Erase for ever what was kept of a vehicle while it was yours."`
}

type mintCmd struct {
	remote
	Make       string `help:"Manufacturer." required:""`
	Model      string `help:"Model." required:""`
	Year       int    `help:"Model year." required:""`
	Definition string `help:"Device definition id [<make>_<model>_<year>]."`
	As         string `help:"Name of the owner's key; made if it is not there." default:"owner"`
}

// Help shows an example.
func (mintCmd) Help() string {
	return "Example: sayso vehicle mint --make Toyota --model RAV4 --year 2018 --as alice"
}

// Run mints a vehicle.
func (c *mintCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	w, _, err := d.wallet(ctx, c.As, true)
	if err != nil {
		return err
	}
	maker, err := d.manufacturer(ctx, c.Make)
	if err != nil {
		return err
	}
	if c.Definition == "" {
		c.Definition = strings.ToLower(strings.ReplaceAll(c.Make+"_"+c.Model+"_"+strconv.Itoa(c.Year), " ", "-"))
	}
	id, err := w.MintVehicle(ctx, wallet.Car{Manufacturer: maker, Owner: w.Address(), Definition: c.Definition, Make: c.Make, Model: c.Model, Year: c.Year})
	if err != nil {
		return err
	}
	if err := d.api.Await(ctx, w.Block()); err != nil {
		return err
	}
	out := map[string]any{"vehicle": id, "did": d.did(id).String(), "owner": w.Address().String()}
	return show(c.JSON, out, fmt.Sprintf("Vehicle %d is born: %s %s %d, owned by %s (%s).\n  %s\nNext: %s device new --vehicle %d --as %s\n",
		id, c.Make, c.Model, c.Year, c.As, w.Address(), d.did(id), program(), id, c.As))
}

// manufacturer finds a manufacturer by name; where this machine has the
// operator's key, an unknown one is registered.
func (d *desk) manufacturer(ctx context.Context, name string) (uint64, error) {
	answer, err := d.api.Ask(ctx, "/identity/query", "", `query($n: String!) { manufacturer(by: {name: $n}) { tokenId } }`, map[string]any{"n": name})
	if err != nil {
		return 0, err
	}
	var data struct{ Manufacturer *struct{ TokenID uint64 } }
	if err := unmarshal(answer, &data); err != nil {
		return 0, err
	}
	if data.Manufacturer != nil {
		return data.Manufacturer.TokenID, nil
	}
	w, _, err := d.wallet(ctx, "operator", false)
	if err != nil {
		return 0, sayso.Fail(sayso.NotFound, "manufacturer", fmt.Sprintf("the manufacturer %q is not registered, and only the network's operator can register it", name))
	}
	ids, err := w.MintManufacturers(ctx, w.Address(), []string{name})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// unmarshal reads the data of a GraphQL answer. That something is not there is
// no error.
func unmarshal(a client.Answer, out any) error {
	for _, e := range a.Errors {
		if e.Extensions["code"] != sayso.NotFound.Code() {
			return sayso.Fail(sayso.Invalid, "query", e.Message)
		}
	}
	if len(a.Data) == 0 {
		return nil
	}
	return json.Unmarshal(a.Data, out)
}

type listCmd struct {
	remote
	Owner string `help:"Only of this owner: an address or the name of a key."`
	First int    `help:"How many at most." default:"50"`
}

// Help shows an example.
func (listCmd) Help() string { return "Example: sayso vehicle list --owner alice" }

// Run lists vehicles, newest first.
func (c *listCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	filter := map[string]any{}
	if c.Owner != "" {
		owner, err := d.person(c.Owner)
		if err != nil {
			return err
		}
		filter["owner"] = owner.String()
	}
	answer, err := d.api.Ask(ctx, "/identity/query", "", `query($n: Int, $f: VehiclesFilter) { vehicles(first: $n, filterBy: $f) { totalCount nodes {
		tokenId tokenDID owner definition { make model year } aftermarketDevice { tokenId address } } } }`, map[string]any{"n": c.First, "f": filter})
	if err != nil {
		return err
	}
	var data struct {
		Vehicles struct {
			TotalCount int `json:"totalCount"`
			Nodes      []struct {
				TokenID    uint64 `json:"tokenId"`
				DID        string `json:"tokenDID"`
				Owner      string `json:"owner"`
				Definition struct {
					Make  string `json:"make"`
					Model string `json:"model"`
					Year  int    `json:"year"`
				} `json:"definition"`
				AftermarketDevice *struct {
					TokenID uint64 `json:"tokenId"`
					Address string `json:"address"`
				} `json:"aftermarketDevice"`
			} `json:"nodes"`
		}
	}
	if err := unmarshal(answer, &data); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(data.Vehicles)
	}
	rows := [][]string{{"VEHICLE", "CAR", "OWNER", "DEVICE"}}
	for _, v := range data.Vehicles.Nodes {
		device := "none"
		if v.AftermarketDevice != nil {
			device = fmt.Sprintf("%d %s", v.AftermarketDevice.TokenID, v.AftermarketDevice.Address)
		}
		car := fmt.Sprintf("%s %s %d", v.Definition.Make, v.Definition.Model, v.Definition.Year)
		rows = append(rows, []string{fmt.Sprint(v.TokenID), car, v.Owner, device})
	}
	printTable(rows)
	if more := data.Vehicles.TotalCount - len(data.Vehicles.Nodes); more > 0 {
		fmt.Printf("%d more: --first %d\n", more, min(100, data.Vehicles.TotalCount))
	}
	return nil
}

type transferCmd struct {
	remote
	Vehicle uint64 `help:"Vehicle." required:""`
	To      string `help:"New owner: an address or the name of a key." required:""`
	As      string `help:"Name of the present owner's key." default:"owner"`
}

// Help shows an example.
func (transferCmd) Help() string {
	return "Example: sayso vehicle transfer --vehicle 3 --to bob --as alice"
}

// Run transfers a vehicle.
func (c *transferCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	to, err := d.person(c.To)
	if err != nil {
		return err
	}
	w, _, err := d.wallet(ctx, c.As, false)
	if err != nil {
		return err
	}
	if err := w.TransferVehicle(ctx, c.Vehicle, to); err != nil {
		return err
	}
	if err := d.api.Await(ctx, w.Block()); err != nil {
		return err
	}
	return show(c.JSON, map[string]any{"vehicle": c.Vehicle, "owner": to.String()},
		fmt.Sprintf("Vehicle %d belongs to %s now. Every grant on it has ended.\n", c.Vehicle, to))
}
