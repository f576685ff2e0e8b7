package node

import (
	"context"
	"encoding/json"
	"path/filepath"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/backup"
	"sayso/node/operator"
	"sayso/node/vault"
)

// VaultDir is where the vault of a node is.
func (c Config) VaultDir() string { return filepath.Join(c.Data, "vault") }

// OperatorVerbs are what an operator may have done with the vault of a data
// folder. They count, copy, check and tidy; none of them reads what is kept.
func OperatorVerbs(data string, v *vault.Vault) map[string]operator.Verb {
	return map[string]operator.Verb{
		"stat": func(ctx context.Context, _ json.RawMessage, tell func(operator.Progress)) (any, error) {
			return v.Stat(ctx, func(n uint64) { tell(operator.Progress{Done: n}) })
		},
		"verify": func(ctx context.Context, _ json.RawMessage, tell func(operator.Progress)) (any, error) {
			all := v.Stats().DiskBytes
			return v.Verify(ctx, 0, func(n uint64) { tell(operator.Progress{Done: n, Of: max(n, all)}) })
		},
		"compare": rebuilding(v, false),
		"rebuild": rebuilding(v, true),
		"compact": func(ctx context.Context, _ json.RawMessage, _ func(operator.Progress)) (any, error) {
			before, after, err := v.Compact(ctx)
			return Compacted{before, after}, err
		},
		"backup": func(ctx context.Context, args json.RawMessage, tell func(operator.Progress)) (any, error) {
			var to string
			if err := json.Unmarshal(args, &to); err != nil || !filepath.IsAbs(to) {
				return nil, sayso.Fail(sayso.Invalid, "backup", "name the folder of the backup by its whole path")
			}
			all, done := v.Stats().DiskBytes, uint64(0)
			return backup.Take(ctx, data, v, to, clock.System{}.Now(), func(n int64) {
				if done += uint64(n); done>>24 != (done-uint64(n))>>24 {
					tell(operator.Progress{Done: done, Of: max(done, all)})
				}
			})
		},
	}
}

// Compacted is how many bytes the rows took before and take now.
type Compacted struct {
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// openOperator opens the door of the operator. A node without one still serves.
func (n *Node) openOperator(context.Context) error {
	s, err := operator.Serve(n.Config.Data, whileItRuns(OperatorVerbs(n.Config.Data, n.Vault)))
	if err != nil {
		n.Log.Warn("the verbs of `sayso vault` cannot reach this node while it runs", "error", err)
		return nil
	}
	n.closers = append(n.closers, s.Close)
	return nil
}
