package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sayso/node/vault"
)

type vaultStatCmd struct{ store }

// Help shows an example.
func (vaultStatCmd) Help() string {
	return "Example: sayso vault stat --data ./sayso-data. It counts without reading what is kept, so it needs time with the number of rows."
}

// Run prints figures.
func (c *vaultStatCmd) Run(ctx context.Context) error {
	var f vault.Figures
	if err := c.do(ctx, "stat", nil, "counting", &f); err != nil {
		return err
	}
	return show(c.JSON, f, figuresText(&f))
}

func figuresText(f *vault.Figures) string {
	var b strings.Builder
	line := func(name, format string, a ...any) { fmt.Fprintf(&b, "%-16s %s\n", name, fmt.Sprintf(format, a...)) }
	line("vehicles", "%d, in %d ownerships", f.Vehicles, f.Ownerships)
	line("commits", "%d, up to sequence %d", f.Rows["commits"], f.Sequence)
	if !f.First.IsZero() {
		line("messages", "from %s to %s", f.First.Format(time.RFC3339), f.Last.Format(time.RFC3339))
	}
	for _, kind := range slices.Sorted(maps.Keys(f.Rows)) {
		line("rows", "%-16s %12d", kind, f.Rows[kind])
	}
	for _, part := range slices.Sorted(maps.Keys(f.Bytes)) {
		line("on disk", "%-16s %12s", part, size(f.Bytes[part]))
	}
	line("keys", "%d in use, %d destroyed, %d openings", f.Keys.Live, f.Keys.Erased, f.Keys.Openings)
	line("log", "%d segments, from number %d", f.LogSegments, f.Checkpoint.FirstLog)
	line("checkpoint", "number %d: rows up to sequence %d, log up to %d, %d key slots", f.Checkpoint.Generation, f.Checkpoint.Durable, f.Checkpoint.LogEnd, f.Checkpoint.KeySlots)
	for i := range f.Damage {
		line("DAMAGED", "%s", f.Damage[i].String())
	}
	return b.String()
}
