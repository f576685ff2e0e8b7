package devchain

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	gethlog "github.com/ethereum/go-ethereum/log"
)

// routeLogs sends go-ethereum's warnings to the chain's log. Its logger is one per
// process, so the chain opened last decides. It returns the logger for its report
// of the end.
func routeLogs(cfg *Config) *logger {
	h := atLeastWarn{cfg.Log.With("from", "go-ethereum").Handler()}
	l := &logger{Logger: gethlog.NewLogger(h), note: filepath.Join(cfg.Dir, noteName)}
	gethlog.SetDefault(l)
	return l
}

// noteName is the file that says go-ethereum gave its database up. The next start
// builds the database anew.
const noteName = "rebuild"

// logger is go-ethereum's logger. SetDefault makes go-ethereum's own type the
// default of log/slog for the whole process; not this one.
type logger struct {
	gethlog.Logger
	note    string
	opening atomic.Bool
}

// gaveUp is the panic that takes the place of the end of the process while a chain is
// being opened, where the database can be built anew at once.
type gaveUp string

// Write passes a record on. go-ethereum ends the process after a critical one, which
// means that its database is inconsistent or cannot be written.
func (l *logger) Write(level slog.Level, message string, attrs ...any) {
	l.Logger.Write(level, message, attrs...)
	if level < gethlog.LevelCrit {
		return
	}
	// Best effort: without the note the next start fails like this one.
	_ = os.WriteFile(l.note, []byte(message+"\n"), 0o600)
	if l.opening.Load() {
		panic(gaveUp(message))
	}
}

// Crit is what go-ethereum calls on a logger it holds.
func (l *logger) Crit(message string, attrs ...any) {
	l.Write(gethlog.LevelCrit, message, attrs...)
	os.Exit(1)
}

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
		"Truncating freezer table",
		"Truncating dangling head",
		"Truncated extra histories",
		"Head state missing, repairing",
		"Switching from full-sync to snap-sync",
		"Unclean shutdown detected":
		return true
	}
	return strings.HasPrefix(message, "Served ")
}
