package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sayso"
)

type appCmd struct {
	New   newAppCmd   `cmd:"" help:"Make an app and print a program that uses it."`
	Token appTokenCmd `cmd:"" help:"Sign in as an app, or under the name of a key, and print the developer token."`
}

type appTokenCmd struct {
	remote
	Name string `arg:"" help:"Name of the app, or of a key."`
}

// Help shows an example.
func (appTokenCmd) Help() string {
	return `Example: curl -H "Authorization: Bearer $(sayso app token demo)" http://localhost:8480/v1/webhooks`
}

// Run prints what the interfaces for apps take as a bearer, good for 14 days.
func (c *appTokenCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	token, err := d.signIn(ctx, c.Name)
	if err != nil {
		return err
	}
	return show(c.JSON, map[string]any{"name": c.Name, "token": token}, token+"\n")
}

type newAppCmd struct {
	remote
	Name     string `arg:"" help:"Name of the app: its alias on chain and the name of its key."`
	Redirect string `help:"Redirect URI of the licence [the node's own URL]."`
	Vehicle  uint64 `help:"Vehicle that the printed program asks about." default:"1"`
	Out      string `help:"Write the program to this file as well." type:"path" placeholder:"FILE.mjs"`
}

// Help shows an example.
func (newAppCmd) Help() string { return "Example: sayso app new demo --vehicle 3 --out demo.mjs" }

// Run issues a licence.
func (c *newAppCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	if _, taken, err := d.app(ctx, c.Name); err != nil || taken {
		if err == nil {
			err = sayso.Fail(sayso.Conflict, "app", fmt.Sprintf("there is an app %q already: choose another name", c.Name))
		}
		return err
	}
	w, _, err := d.wallet(ctx, c.Name, true)
	if err != nil {
		return err
	}
	if c.Redirect == "" {
		c.Redirect = d.at.Home
	}
	_, clientID, err := w.NewApp(ctx, c.Name, w.Address(), c.Redirect)
	if err != nil {
		return err
	}
	if err := d.api.Await(ctx, w.Block()); err != nil {
		return err
	}
	path, err := c.keyFile(c.Name)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	key := strings.TrimPrefix(strings.TrimSpace(string(file)), "0x")
	code := exampleProgram(d.at.Home, d.at.Vehicle, clientID, key, c.Redirect, c.Vehicle)
	if c.Out != "" {
		if err := os.WriteFile(c.Out, []byte(code), 0o600); err != nil {
			return err
		}
	}
	out := map[string]any{"name": c.Name, "clientId": clientID.String(), "key": key, "keyFile": path, "redirect": c.Redirect, "program": code}
	return show(c.JSON, out, c.text(clientID, key, path, code))
}

func (c *newAppCmd) text(clientID sayso.Address, key, path, code string) string {
	return fmt.Sprintf(`App %s
  client id  %s
  key        %s   (kept in %s)
  redirect   %s

The owner of vehicle %d lets it in with:
  %s grant --vehicle %d --to %s

%s`, c.Name, clientID, key, path, c.Redirect, c.Vehicle, program(), c.Vehicle, c.Name, c.howToRun(code))
}

// howToRun tells what to do with the program, and shows it unless it was
// written to a file.
func (c *newAppCmd) howToRun(code string) string {
	const install = `npm init -y && npm pkg set overrides.fs="npm:isarray@2.0.5" && npm install @dimo-network/data-sdk@1.6.0`
	if c.Out != "" {
		return fmt.Sprintf("A program that asks with DIMO's published SDK, the key in it, is in %s. In its folder:\n  %s\n  node %s\n", c.Out, install, filepath.Base(c.Out))
	}
	return fmt.Sprintf("This program asks with DIMO's published SDK. Save it as %s.mjs in a folder of its own, then:\n  %s\n  node %s.mjs\n\n%s", c.Name, install, c.Name, code)
}

// exampleProgram is a complete program for the published SDK in an environment
// of its own.
func exampleProgram(node string, contract, clientID sayso.Address, key, redirect string, vehicle uint64) string {
	return fmt.Sprintf(`import { DIMO, DimoEnvironment, DimoConstants } from '@dimo-network/data-sdk';

const node = '%s';
DimoEnvironment.Local = {
  Agents: node, Attestation: node, Auth: node, DeviceDefinitions: node, Devices: node,
  Fetch: node + '/fetch/query', Identity: node + '/identity/query', Telemetry: node + '/telemetry/query',
  TokenExchange: node, Trips: node, Valuations: node, VehicleSignalDecoding: node, VehicleTriggers: node,
};
DimoConstants.Local = { NFT_address: '%s', RPC_provider: '' };

const dimo = new DIMO('Local');
const developer = await dimo.auth.getDeveloperJwt({
  client_id: '%s', domain: '%s', private_key: '%s',
});
const tokenId = %d;
const vehicle = await dimo.tokenexchange.getVehicleJwt({ ...developer, tokenId });
const answer = await dimo.telemetry.query({
  ...vehicle,
  query: `+"`{ signalsLatest(tokenId: ${tokenId}) { lastSeen speed { timestamp value } powertrainTransmissionTravelledDistance { value } } }`"+`,
});
console.log(JSON.stringify(answer, null, 2));
`, node, contract, clientID, redirect, key, vehicle)
}
