package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"sayso"
	"sayso/client"
	"sayso/internal/clock"
	"sayso/owner/token"
)

type askCmd struct {
	remote
	Query       string        `arg:"" optional:"" help:"GraphQL text; its answer is printed as JSON. Without one: the latest values."`
	Vehicle     uint64        `help:"Vehicle." required:""`
	As          string        `help:"Who asks: an app's name or the name of a key." default:"owner"`
	Signals     []string      `help:"Signals, separated by commas; without --every all that may be seen."`
	Every       time.Duration `help:"Ask for averages over intervals of this length instead of the latest values."`
	Last        time.Duration `help:"With --every: how far back." default:"1h"`
	Permissions []string      `help:"What the token asks for [all that the owner granted]."`
	Event       []eventFilter `help:"Cloud events that the token asks for as well: a type, a type and a source, or a JSON object with eventType, source, ids and tags." placeholder:"TYPE[,SOURCE]" sep:"none"`
	PrintToken  bool          `help:"Print the vehicle token, good for ten minutes, and nothing else."`
}

// Help shows an example.
func (askCmd) Help() string {
	return "Example: sayso ask --vehicle 3 --as demo --signals speed --every 1m --last 10m\n" +
		"With a query, the vehicle's DID stands where the text has $subject: sayso ask --vehicle 3 '{ signalsLatest(subject: \"$subject\") { speed { value } } }'"
}

// Run asks the node.
func (c *askCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	vehicleToken, err := c.token(ctx, d)
	if err != nil {
		return err
	}
	did := d.did(c.Vehicle).String()
	switch {
	case c.PrintToken:
		fmt.Println(vehicleToken)
		return nil
	case c.Query != "":
		answer, err := d.api.Ask(ctx, "/query", vehicleToken, strings.ReplaceAll(c.Query, "$subject", did), nil)
		if err != nil {
			return err
		}
		return finish(answer, printJSON(answer))
	case c.Every > 0:
		return c.averages(ctx, d, vehicleToken, did)
	}
	return c.latest(ctx, d, vehicleToken, did)
}

// finish turns the errors of an answer into the error of the command.
func finish(a client.Answer, err error) error {
	if err != nil || len(a.Errors) == 0 {
		return err
	}
	var lines []string
	for _, e := range a.Errors {
		line := e.Message
		if ask, ok := e.Extensions["ask"].(string); ok {
			line += "; the owner can share it with: " + ask
		}
		lines = append(lines, line)
	}
	return sayso.Fail(sayso.Denied, "ask", strings.Join(lines, "\n       "))
}

// token signs in and exchanges for what is asked, or for what the caller has.
func (c *askCmd) token(ctx context.Context, d *desk) (string, error) {
	developer, err := d.signIn(ctx, c.As)
	if err != nil {
		return "", err
	}
	var events []client.EventFilter
	for _, f := range c.Event {
		events = append(events, client.EventFilter(f))
	}
	if len(c.Permissions) > 0 {
		set, err := token.ParseSet(c.Permissions)
		if err != nil {
			return "", sayso.Fail(sayso.Invalid, "ask", err.Error())
		}
		return d.api.ExchangeFor(ctx, developer, client.Wish{Vehicle: d.did(c.Vehicle), Permissions: set, Events: events})
	}
	who, err := d.account(ctx, c.As)
	if err != nil {
		return "", err
	}
	set, err := d.granted(ctx, c.Vehicle, who)
	if err != nil {
		return "", err
	}
	return d.api.ExchangeFor(ctx, developer, client.Wish{Vehicle: d.did(c.Vehicle), Permissions: set, Events: events})
}

// granted is what the chain shows for a grantee. To an app without a grant the
// node says what is missing, so it asks for as much as `sayso grant` gives unless
// told otherwise. For anybody else it is every permission: owners, former ones
// too, have them all.
func (d *desk) granted(ctx context.Context, vehicle uint64, who sayso.Address) (sayso.Permissions, error) {
	all := sayso.PermissionSet(sayso.NonLocationHistory, sayso.ExecuteCommands, sayso.CurrentLocation, sayso.LocationHistory,
		sayso.VINCredential, sayso.LiveData, sayso.RawData, sayso.ApproximateLocation)
	answer, err := d.api.Ask(ctx, "/identity/query", "", `query($v: Int, $g: Address!) {
		vehicle(tokenId: $v) { owner sacd(grantee: $g) { permissions } } developerLicense(by: {clientId: $g}) { tokenId } }`,
		map[string]any{"v": vehicle, "g": who.String()})
	if err != nil {
		return all, err
	}
	var data struct {
		Vehicle *struct {
			Owner sayso.Address
			SACD  *struct{ Permissions string }
		}
		DeveloperLicense *struct{ TokenID uint64 }
	}
	if err := unmarshal(answer, &data); err != nil {
		return all, err
	}
	switch {
	case data.Vehicle == nil:
		return all, sayso.Fail(sayso.NotFound, "ask", fmt.Sprintf("there is no vehicle %d: sayso vehicle list", vehicle))
	case data.Vehicle.Owner != who && data.Vehicle.SACD != nil:
		return token.ParseBits(data.Vehicle.SACD.Permissions)
	case data.Vehicle.Owner != who && data.DeveloperLicense != nil:
		return sayso.PermissionSet(sayso.NonLocationHistory, sayso.LocationHistory), nil
	}
	return all, nil
}

// latest prints the latest value of each signal that the caller may see.
func (c *askCmd) latest(ctx context.Context, d *desk, vehicleToken, did string) error {
	answer, err := d.api.Ask(ctx, "/query", vehicleToken,
		`query($s: String!) { signalsSnapshot(subject: $s) { lastSeen signals { name timestamp valueNumber valueString valueLocation { latitude longitude hdop } } } }`,
		map[string]any{"s": did})
	if err != nil {
		return err
	}
	var data struct {
		SignalsSnapshot *struct {
			LastSeen string
			Signals  []struct {
				Name, Timestamp string
				ValueNumber     *float64
				ValueString     *string
				ValueLocation   *struct{ Latitude, Longitude, HDOP float64 }
			}
		}
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil || data.SignalsSnapshot == nil {
		return finish(answer, err)
	}
	if c.JSON {
		return finish(answer, printJSON(answer))
	}
	wanted := map[string]bool{}
	for _, s := range c.Signals {
		wanted[s] = true
	}
	rows := [][]string{{"SIGNAL", "VALUE", "TIME"}}
	for _, s := range data.SignalsSnapshot.Signals {
		if len(wanted) > 0 && !wanted[s.Name] {
			continue
		}
		value := ""
		switch {
		case s.ValueNumber != nil:
			value = fmt.Sprintf("%.6g", *s.ValueNumber)
		case s.ValueString != nil:
			value = *s.ValueString
		case s.ValueLocation != nil:
			value = fmt.Sprintf("%.6f, %.6f", s.ValueLocation.Latitude, s.ValueLocation.Longitude)
		}
		rows = append(rows, []string{s.Name, value, s.Timestamp})
	}
	printTable(rows)
	if len(rows) == 1 {
		fmt.Fprintln(os.Stderr, "There is nothing yet that the caller may see.")
	}
	return finish(answer, nil)
}

// averages prints averages over intervals.
func (c *askCmd) averages(ctx context.Context, d *desk, vehicleToken, did string) error {
	if len(c.Signals) == 0 {
		return sayso.Fail(sayso.Invalid, "ask", "--every needs --signals, such as --signals speed,powertrainFuelSystemRelativeLevel")
	}
	var fields strings.Builder
	for _, s := range c.Signals {
		fmt.Fprintf(&fields, " %s(agg: AVG)", s)
	}
	now := clock.System{}.Now()
	answer, err := d.api.Ask(ctx, "/query", vehicleToken,
		`query($s: String!, $i: String!, $f: Time!, $t: Time!) { signals(subject: $s, interval: $i, from: $f, to: $t) { timestamp`+fields.String()+` } }`,
		map[string]any{"s": did, "i": c.Every.String(), "f": now.Add(-c.Last).Format(time.RFC3339), "t": now.Format(time.RFC3339)})
	if err != nil {
		return err
	}
	if c.JSON {
		return finish(answer, printJSON(answer))
	}
	var data struct{ Signals []map[string]any }
	if err := json.Unmarshal(answer.Data, &data); err != nil {
		return finish(answer, err)
	}
	sort.Strings(c.Signals)
	rows := [][]string{append([]string{"TIME"}, c.Signals...)}
	for _, b := range data.Signals {
		row := []string{fmt.Sprint(b["timestamp"])}
		for _, s := range c.Signals {
			cell := ""
			if v, ok := b[s].(float64); ok {
				cell = fmt.Sprintf("%.6g", v)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	printTable(rows)
	return finish(answer, nil)
}
