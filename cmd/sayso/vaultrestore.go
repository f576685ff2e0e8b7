package main

import (
	"context"
	"fmt"

	"sayso/node/backup"
	"sayso/node/operator"
)

type vaultRestoreCmd struct {
	From  string `arg:"" help:"Folder of the backup." type:"path"`
	Data  string `help:"Data folder to make; it must not be there yet, or be empty." default:"./sayso-data" type:"path"`
	Check bool   `help:"Only compare the backup with its manifest."`
	JSON  bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (vaultRestoreCmd) Help() string {
	return "Example: sayso vault restore /backups/monday --data ./sayso-data. Then start the node with the keys that it had: sayso serve --data ./sayso-data --keys ./sayso-keys"
}

// Run puts a backup in place.
func (c *vaultRestoreCmd) Run(ctx context.Context) error {
	m, err := backup.Read(c.From)
	if err != nil {
		return err
	}
	bar, done := newMeter("restoring", "B"), uint64(0)
	defer bar.end()
	tell := func(n int64) {
		done += uint64(n)
		bar.tell(operator.Progress{Done: done, Of: uint64(m.Bytes())})
	}
	if c.Check {
		if _, err := backup.Check(ctx, c.From, tell); err != nil {
			return err
		}
		return show(c.JSON, m, fmt.Sprintf("The backup of %s is whole: %d files, %s, up to sequence %d.\n", m.Taken.Format("2006-01-02 15:04:05"), len(m.Files), size(uint64(m.Bytes())), m.Sequence))
	}
	if m, err = backup.Restore(ctx, c.From, c.Data, tell); err != nil {
		return err
	}
	return show(c.JSON, m, fmt.Sprintf("Restored into %s what was kept on %s up to sequence %d: %d files, %s, every one as the manifest says.\nNext, with the keys that the node had: %s serve --data %s --keys FOLDER\n",
		c.Data, m.Taken.Format("2006-01-02 15:04:05"), m.Sequence, len(m.Files), size(uint64(m.Bytes())), program(), c.Data))
}
