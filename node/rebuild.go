package node

import (
	"context"
	"encoding/json"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect"
	"sayso/node/operator"
	"sayso/node/vault"
)

// decodedAgain reads a cloud event as it was read when it came, with the catalogue
// of this program.
func decodedAgain(cat *catalogue.Catalogue) vault.Decoder {
	return func(s *vault.Stored) ([]sayso.Reading, []sayso.Event, bool) {
		if s.Envelope.Data == nil {
			return nil, nil, false
		}
		m, err := dialect.Decode(cat, s.Envelope, dialect.Window{Now: s.KeptAt.Time(), Backfill: s.Backfill})
		return m.Readings, m.Events, err == nil
	}
}

// rebuilding is the verb that compares what is derived with the cloud events, or
// writes it again.
func rebuilding(v *vault.Vault, write bool) operator.Verb {
	return func(ctx context.Context, _ json.RawMessage, tell func(operator.Progress)) (any, error) {
		cat, err := catalogue.Load()
		if err != nil {
			return nil, err
		}
		return v.Rebuild(ctx, decodedAgain(cat), write, func(done, of uint64) { tell(operator.Progress{Done: done, Of: of}) })
	}
}

// whileItRuns are the verbs of a node that runs: what is derived is not written
// again under those who read it.
func whileItRuns(verbs map[string]operator.Verb) map[string]operator.Verb {
	verbs["rebuild"] = func(context.Context, json.RawMessage, func(operator.Progress)) (any, error) {
		return nil, sayso.Fail(sayso.Busy, "rebuild", "a node runs on this data folder: stop it first, or compare only, with --verify")
	}
	return verbs
}
