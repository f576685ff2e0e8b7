package vault

import (
	"errors"
	"io"
	"log/slog"
	"testing"

	"sayso"
)

// TestNobodyWaitsForAFailedEngine has the row engine end, panic, or wait for ever
// for a part of itself that has ended: whoever asked hears that the store has
// failed.
func TestNobodyWaitsForAFailedEngine(t *testing.T) {
	broken := errors.New("no space for the manifest")
	for name, engine := range map[string]func(v *Vault) error{
		"ends":             func(v *Vault) error { engineLog{v: v}.Fatalf("%v", broken); return nil },
		"panics":           func(*Vault) error { panic(broken) },
		"waits for itself": func(v *Vault) error { go engineLog{v: v}.Fatalf("%v", broken); select {} },
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan error, 1)
			v := &Vault{dead: make(chan struct{}), cfg: Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Fatal: func(err error) { told <- err }}}
			err := v.guarded(func() error { return engine(v) })
			if sayso.FaultOf(err) != sayso.Internal {
				t.Errorf("the caller hears %v", err)
			}
			if err := <-told; err == nil {
				t.Error("nobody is told why")
			}
		})
	}
}
