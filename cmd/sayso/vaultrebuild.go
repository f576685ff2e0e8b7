package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"sayso/node/vault"
)

type vaultRebuildCmd struct {
	store
	Verify bool `help:"Compare only; nothing is changed. Works while the node runs."`
}

// Help shows an example.
func (vaultRebuildCmd) Help() string {
	return "Example: sayso vault rebuild --verify. Every cloud event that is kept is read again as on arrival; readings, events, latest values, roll-ups and summaries are compared with it. Without --verify, on a node that does not run, what is missing or differs is written again. The exit code is 1 if something differs that could not be, or was not to be, written."
}

// Run derives, and compares or writes.
func (c *vaultRebuildCmd) Run(ctx context.Context) error {
	verb, doing := "rebuild", "rebuilding"
	if c.Verify {
		verb, doing = "compare", "deriving"
	}
	var got vault.Rebuilt
	if err := c.doCounting(ctx, verb, nil, doing, "commits", &got); err != nil {
		return err
	}
	if err := show(c.JSON, got, rebuiltText(&got)); err != nil || got.Faults == 0 {
		return err
	}
	for i := range got.Findings {
		fmt.Fprintf(os.Stderr, "%s\n", got.Findings[i].String())
	}
	return errors.New(fmt.Sprint(got.Faults, " differences between what is kept and what is derived from it"))
}

// rebuiltText says it in words; what there is none of is left out.
func rebuiltText(r *vault.Rebuilt) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Of %d commits, %d cloud events were read again and gave what is kept.\n", r.Commits, r.Decoded)
	for _, line := range []struct {
		n    uint64
		text string
	}{
		{r.Plain, "brought no values."},
		{r.Gone, "have gone with time or are erased, and are not judged."},
		{r.Silent, "are kept without a payload that can be read, so their values are not judged."},
		{r.Otherwise, "are read otherwise by this program than when they came; what is kept of them stays."},
		{r.Lost, "hours of readings, and events, of single commits are missing."},
		{r.Restored, "of these were derived again and written."},
		{r.Rewritten, "rows of latest values and packed readings were written again."},
	} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%d %s\n", line.n, line.text)
		}
	}
	fmt.Fprintf(&b, "Derived again from %d readings of %d vehicles: latest values, summaries, and %d hours of signals.\n", r.Rows, r.Vehicles, r.Hours)
	if r.Faults == 0 {
		b.WriteString("All of it is what is served.\n")
	}
	return b.String()
}
