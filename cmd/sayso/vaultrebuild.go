package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sayso/node/vault"
)

type vaultRebuildCmd struct {
	store
	Verify bool `help:"Derive everything again and compare it with what is served; nothing is changed." required:""`
}

// Help shows an example.
func (vaultRebuildCmd) Help() string {
	return "Example: sayso vault rebuild --verify. It derives latest values, summaries and hourly figures from the readings that are kept; the exit code is 1 if something else is served."
}

// Run derives and compares.
func (c *vaultRebuildCmd) Run(ctx context.Context) error {
	var got vault.Derived
	if err := c.do(ctx, "rebuild", nil, "deriving", &got); err != nil {
		return err
	}
	text := fmt.Sprintf("Derived again from %d readings of %d vehicles: latest values, summaries, and %d hours of signals.\n", got.Rows, got.Vehicles, got.Hours)
	if got.Faults == 0 {
		text += "All of it is what is served.\n"
	}
	if err := show(c.JSON, got, text); err != nil || got.Faults == 0 {
		return err
	}
	for i := range got.Findings {
		fmt.Fprintf(os.Stderr, "%s\n", got.Findings[i].String())
	}
	return errors.New(fmt.Sprint(got.Faults, " differences between what is served and what is kept"))
}
