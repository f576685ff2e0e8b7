package shelf

import (
	"context"
	"time"

	"sayso"
	"sayso/owner/document"
)

// patience is how long a document that could not be fetched is not asked for
// again.
const patience = 30 * time.Second

// maxTries bounds how many fetches and failures are remembered.
const maxTries = 1024

// Fetch gets what the records of a vehicle or of an account for a grantee point
// to, and the templates that they follow, where they are not here and there is a
// gateway. It returns when they are here or cannot be had for now; which of both,
// a decision shows.
func (s *Shelf) Fetch(ctx context.Context, asset sayso.DID, grantee sayso.Address) {
	if s.gateway == nil {
		return
	}
	grantor := asset.Address
	if asset.Token != nil {
		if g, ok := s.cfg.Registry.Grant(asset.Token.Uint64(), grantee); ok {
			s.fetchOf(ctx, g.Source)
		}
		v, _ := s.cfg.Registry.Vehicle(asset.Token.Uint64())
		grantor = v.Owner()
	}
	if g, ok := s.cfg.Registry.AccountGrant(grantor, grantee); ok {
		s.fetchOf(ctx, g.Source)
	}
}

// fetchOf gets a document and the template that it follows.
func (s *Shelf) fetchOf(ctx context.Context, source string) {
	d, ok := s.bring(ctx, source)
	if !ok || d.Template == "" {
		return
	}
	if t, ok := s.cfg.Registry.Template(d.Template); ok {
		s.bring(ctx, t.Source())
	}
}

// bring finds a document here or fetches it. Those who want the same one at the
// same time share one fetch.
func (s *Shelf) bring(ctx context.Context, source string) (*document.Document, bool) {
	c, ok := document.ParseSource(source)
	if !ok {
		return nil, false
	}
	if d, ok := s.Document(source); ok {
		return d, true
	}
	now := s.cfg.Clock.Now()
	s.mu.Lock()
	t, trying := s.tried[c]
	if trying && !t.failed.IsZero() && now.Sub(t.failed) > patience {
		trying = false
	}
	if !trying {
		s.sweep(now)
		if len(s.tried) >= maxTries {
			s.mu.Unlock()
			return nil, false
		}
		t = &try{done: make(chan struct{})}
		s.tried[c] = t
		s.fetches.Go(func() { s.fetch(c, t) })
	}
	s.mu.Unlock()
	select {
	case <-t.done:
	case <-ctx.Done():
	}
	return s.Document(source)
}

// sweep drops failures that are long enough ago; s.mu is held.
func (s *Shelf) sweep(now time.Time) {
	for c, t := range s.tried {
		if !t.failed.IsZero() && now.Sub(t.failed) > patience {
			delete(s.tried, c)
		}
	}
}

// fetch gets a document and keeps it if it is signed. It goes on when the one
// who asked goes away: others may wait, and the next one will ask.
func (s *Shelf) fetch(c document.CID, t *try) {
	ctx, cancel := context.WithTimeout(s.open, gatewayTime)
	defer cancel()
	err := s.take(ctx, c)
	if err != nil {
		s.cfg.Log.Warn("a document behind a grant cannot be had", "cid", c, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.tried, c)
	} else {
		t.failed = s.cfg.Clock.Now()
	}
	close(t.done)
}

func (s *Shelf) take(ctx context.Context, c document.CID) error {
	body, err := s.gateway.fetch(ctx, c)
	if err != nil {
		return err
	}
	d, err := document.Parse(body)
	if err != nil {
		return err
	}
	if err := s.signed(ctx, d); err != nil {
		return err
	}
	return s.keep(ctx, body, d, s.about(d))
}
