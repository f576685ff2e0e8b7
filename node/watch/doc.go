// Package watch fires webhooks: it reads what the vault keeps, commit after
// commit, evaluates the conditions of apps on it, and tells their targets. An
// app is told only of what the owner lets it see at the moment of telling. The
// vault's commit sequence is the outbox: after a restart the engine goes on
// where it was.
package watch
