package main

import (
	"context"
	"fmt"

	"sayso/node"
)

type vaultCompactCmd struct{ store }

// Help shows an example.
func (vaultCompactCmd) Help() string {
	return "Example: sayso vault compact. A node that runs goes on answering; it needs as much free space as the rows take."
}

// Run compacts.
func (c *vaultCompactCmd) Run(ctx context.Context) error {
	var got node.Compacted
	if err := c.do(ctx, "compact", nil, "compacting", &got); err != nil {
		return err
	}
	return show(c.JSON, got, fmt.Sprintf("The rows took %s and take %s now.\n", size(got.Before), size(got.After)))
}
