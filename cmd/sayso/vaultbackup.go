package main

import (
	"context"
	"fmt"

	"sayso/node/backup"
)

type vaultBackupCmd struct {
	store
	To string `arg:"" help:"Folder of the backup, which is made." type:"path"`
}

// Help shows an example.
func (vaultBackupCmd) Help() string {
	return "Example: sayso vault backup /backups/monday. Everything in it stays sealed; the keys that open it are not in it: keep a copy of the folder of the keys elsewhere."
}

// Run makes a backup.
func (c *vaultBackupCmd) Run(ctx context.Context) error {
	var m backup.Manifest
	if err := c.do(ctx, "backup", c.To, "copying", &m); err != nil {
		return err
	}
	return show(c.JSON, m, fmt.Sprintf(`Backup in %s
  up to sequence  %d
  files           %d, %s
  digest          %s
The secret keys are not in it: without a copy of %s nobody can read it.
To have it back: %s vault restore %s --data NEW-FOLDER
`, c.To, m.Sequence, len(m.Files), size(uint64(m.Bytes())), m.Digest, c.Keys, program(), c.To))
}
