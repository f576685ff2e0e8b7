package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"sayso/internal/clock"
	"sayso/node/vault"
)

type vaultVerifyCmd struct{ store }

// Help shows an example.
func (vaultVerifyCmd) Help() string {
	return "Example: sayso vault verify --data ./sayso-data. The exit code is 1 if anything is missing or altered; what it is, and whose, is printed."
}

// Run verifies and prints figures.
func (c *vaultVerifyCmd) Run(ctx context.Context) error {
	var got vault.Verified
	began := clock.System{}.Now()
	if err := c.do(ctx, "verify", nil, "verifying", &got); err != nil {
		return err
	}
	if err := show(c.JSON, got, verifiedText(&got, clock.System{}.Now().Sub(began))); err != nil {
		return err
	}
	if got.Faults == 0 {
		return nil
	}
	for i := range got.Findings {
		fmt.Fprintf(os.Stderr, "%s\n", got.Findings[i].String())
	}
	return errors.New(fmt.Sprint(got.Faults, " faults: data is missing or altered. Keep this folder, and put a backup in place: ", program(), " vault restore BACKUP --data NEW-FOLDER"))
}

func verifiedText(v *vault.Verified, took time.Duration) string {
	var rows []string
	for _, kind := range slices.Sorted(maps.Keys(v.Rows)) {
		rows = append(rows, fmt.Sprintf("%d %s", v.Rows[kind], kind))
	}
	rate := float64(v.Bytes) / (1 << 20) / max(took.Seconds(), 0.001)
	text := fmt.Sprintf("Read up to sequence %d: %d segments of the log with %d groups and %d records, %d key slots, and the rows: %s.\n%s in %s, %.1f MiB/s.\n",
		v.Sequence, v.Segments, v.Groups, v.Records, v.Keys, strings.Join(rows, ", "), size(v.Bytes), took.Round(time.Millisecond), rate)
	if v.Erased > 0 {
		text += fmt.Sprintf("%d rows are erased and wait to be removed.\n", v.Erased)
	}
	if v.Faults == 0 {
		text += "Everything is there and unaltered.\n"
	}
	return text
}
