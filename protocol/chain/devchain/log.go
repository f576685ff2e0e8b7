package devchain

import (
	"context"
	"log/slog"
	"strings"

	gethlog "github.com/ethereum/go-ethereum/log"
)

// warnings hides the concrete type of a go-ethereum logger: SetDefault would
// otherwise make it the default of log/slog, for the whole process.
type warnings struct{ gethlog.Logger }

// atLeastWarn passes records from warning level on.
type atLeastWarn struct{ next slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.next.Enabled(ctx, l)
}

func (h atLeastWarn) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn || expected(r.Message) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h atLeastWarn) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeastWarn{h.next.WithAttrs(a)}
}

func (h atLeastWarn) WithGroup(name string) slog.Handler { return atLeastWarn{h.next.WithGroup(name)} }

// expected names what go-ethereum warns of and is as it should be here: no network,
// a fresh database, the repair of a database after a kill (the journal brings its
// blocks back), and calls that a client got wrong and was told so.
func expected(message string) bool {
	switch message {
	case "P2P server will be useless, neither dialing nor listening",
		"Head block is not reachable",
		"Truncating freezer items after flushOffset",
		"Truncating dangling head",
		"Head state missing, repairing",
		"Switching from full-sync to snap-sync",
		"Unclean shutdown detected":
		return true
	}
	return strings.HasPrefix(message, "Served ")
}
