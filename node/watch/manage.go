package watch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"slices"

	"sayso"
	"sayso/car/catalogue"
)

// What one licence may have.
const (
	maxHooks         = 100
	maxSubscriptions = 100_000 // of all its webhooks together
	maxName          = 1000    // bytes of a display name or description
)

// Change is what somebody wants of a webhook; nil members stay as they are.
type Change struct {
	Service      *string `json:"service"`
	Metric       *string `json:"metricName"`
	Condition    *string `json:"condition"`
	Target       *string `json:"targetURL"`
	CoolDown     *int64  `json:"coolDownPeriod"`
	Status       *string `json:"status"`
	Description  *string `json:"description"`
	Name         *string `json:"displayName"`
	Verification *string `json:"verificationToken"`
}

func sameToken(answer []byte, token string) bool {
	return subtle.ConstantTimeCompare(bytes.TrimSpace(answer), []byte(token)) == 1
}

func invalid(format string, a ...any) error {
	return sayso.Fail(sayso.Invalid, "watch", fmt.Sprintf(format, a...))
}

var errNoHook = sayso.Fail(sayso.NotFound, "watch", "there is no such webhook")

// Create makes a webhook of a licence, after its target has proven itself.
func (e *Engine) Create(ctx context.Context, by Caller, c Change) (Hook, error) {
	now := e.cfg.Clock.Now()
	id := rand.Text()
	h := Hook{Caller: by, ID: id, Status: Enabled, Name: id, Created: now, Updated: now}
	for _, need := range []struct {
		name  string
		given *string
	}{{"service", c.Service}, {"metricName", c.Metric}, {"condition", c.Condition}, {"targetURL", c.Target}, {"verificationToken", c.Verification}} {
		if need.given == nil || *need.given == "" {
			return Hook{}, invalid("%s is missing", need.name)
		}
	}
	h.Service, h.Metric, h.Verification = service(*c.Service), *c.Metric, *c.Verification
	var err error
	if h.Metric, _, err = metric(e.cfg.Catalogue, h.Service, h.Metric); err != nil {
		return Hook{}, err
	}
	if err := h.change(c); err != nil {
		return Hook{}, err
	}
	w := &watched{subs: map[uint64]*Subscription{}}
	if w.compiled, w.signal, err = h.condition(e.cfg.Catalogue); err != nil {
		return Hook{}, err
	}
	if err := e.room(&h); err != nil { // before a stranger is asked
		return Hook{}, err
	}
	if err := e.verify(ctx, h.Target, h.Verification); err != nil {
		return Hook{}, err
	}
	e.admin.Lock()
	defer e.admin.Unlock()
	if err := e.room(&h); err != nil {
		return Hook{}, err
	}
	w.Hook, w.done = h, mark{e.cfg.Vault.Seq(), ^uint32(0)}
	if err := e.store.put(&w.Hook, w.done); err != nil {
		return Hook{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.employ(w)
	return h, nil
}

// room refuses a webhook that there is no room for, or whose name is taken.
func (e *Engine) room(h *Hook) error {
	mine := e.Hooks(h.Licence)
	if len(mine) >= maxHooks && !slices.ContainsFunc(mine, func(o Hook) bool { return o.ID == h.ID }) {
		return invalid("a licence may have %d webhooks", maxHooks)
	}
	for _, other := range mine {
		if other.ID != h.ID && other.Name == h.Name {
			return invalid("displayName must be unique: %q is taken", h.Name)
		}
	}
	return nil
}

// change sets what may be changed later too.
func (h *Hook) change(c Change) error {
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&h.Condition, c.Condition)
	set(&h.Target, c.Target)
	set(&h.Description, c.Description)
	set(&h.Verification, c.Verification)
	if c.Name != nil && *c.Name != "" {
		h.Name = *c.Name
	}
	if len(h.Name) > maxName || len(h.Description) > maxName || len(h.Verification) > maxName || len(h.Target) > 2*maxName {
		return invalid("a text of the webhook is longer than %d bytes", maxName)
	}
	if c.CoolDown != nil {
		if h.CoolDown = *c.CoolDown; h.CoolDown < 0 || h.CoolDown > 366*24*3600 {
			return invalid("coolDownPeriod must be between 0 and the seconds of a year")
		}
	}
	if c.Status != nil && *c.Status != "" {
		if *c.Status != Enabled && *c.Status != Disabled {
			return invalid("invalid status %s: enabled or disabled", *c.Status)
		}
		h.Status = *c.Status
	}
	return nil
}

// Update changes a webhook of a licence and begins to count its failures anew.
func (e *Engine) Update(ctx context.Context, by Caller, id string, c Change) (Hook, error) {
	h, err := e.Hook(by.Licence, id)
	if err != nil {
		return Hook{}, err
	}
	target := h.Target
	if h.Status == Failed {
		h.Status = Enabled
	}
	if err := h.change(c); err != nil {
		return Hook{}, err
	}
	compiled, _, err := h.condition(e.cfg.Catalogue)
	if err != nil {
		return Hook{}, err
	}
	if err := e.room(&h); err != nil {
		return Hook{}, err
	}
	if h.Target != target {
		if err := e.verify(ctx, h.Target, h.Verification); err != nil {
			return Hook{}, err
		}
	}
	h.Caller, h.Failures, h.Updated = by, 0, e.cfg.Clock.Now()
	e.admin.Lock()
	defer e.admin.Unlock()
	e.mu.Lock()
	w := e.hooks[id]
	e.mu.Unlock()
	if w == nil {
		return Hook{}, errNoHook
	}
	if err := e.store.put(&h, w.done); err != nil {
		return Hook{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w.Hook, w.compiled = h, compiled
	e.reindex()
	if len(w.waiting) > 0 {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return h, nil
}

// Delete ends a webhook of a licence, with what waits for its target.
func (e *Engine) Delete(licence sayso.Address, id string) error {
	e.admin.Lock()
	defer e.admin.Unlock()
	if _, err := e.Hook(licence, id); err != nil {
		return err
	}
	if err := e.store.drop(id); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hooks[id].stop()
	delete(e.hooks, id)
	e.reindex()
	return nil
}

// Hook finds a webhook of a licence.
func (e *Engine) Hook(licence sayso.Address, id string) (Hook, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.hooks[id]
	if w == nil || w.Licence != licence {
		return Hook{}, errNoHook
	}
	return w.Hook, nil
}

// Hooks lists the webhooks of a licence, the oldest first.
func (e *Engine) Hooks(licence sayso.Address) []Hook {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Hook
	for _, w := range e.hooks {
		if w.Licence == licence {
			list = append(list, w.Hook)
		}
	}
	slices.SortFunc(list, func(a, b Hook) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Subscribed lists the subscriptions of a licence's webhooks that match, by
// vehicle and webhook.
func (e *Engine) Subscribed(licence sayso.Address, match func(*Subscription) bool) []Subscription {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Subscription
	for _, w := range e.hooks {
		if w.Licence != licence {
			continue
		}
		for _, sub := range w.subs {
			if match(sub) {
				list = append(list, *sub)
			}
		}
	}
	slices.SortFunc(list, func(a, b Subscription) int {
		return cmp.Or(cmp.Compare(a.Vehicle, b.Vehicle), cmp.Compare(a.Hook, b.Hook))
	})
	return list
}

// alreadySubscribed is why a vehicle is not subscribed to once more.
const alreadySubscribed = "Already subscribed"

// Refused says why vehicles cannot be subscribed to.
type Refused map[uint64]string

// Subscribe has a webhook listen to vehicles, to all or to none of them.
func (e *Engine) Subscribe(by Caller, id string, vehicles []uint64) (Refused, error) {
	e.admin.Lock()
	defer e.admin.Unlock()
	e.mu.Lock()
	w := e.hooks[id]
	if w == nil || w.Licence != by.Licence {
		e.mu.Unlock()
		return nil, errNoHook
	}
	refused, subs := Refused{}, make([]*Subscription, 0, len(vehicles))
	for _, v := range vehicles {
		switch {
		case w.subs[v] != nil:
			refused[v] = alreadySubscribed
		case len(rights(e.cfg.Decide(by, v), w.signal)) == 0:
			refused[v] = "Insufficient permissions for asset " + e.asset(v)
		}
		subs = append(subs, &Subscription{Hook: id, Vehicle: v, Created: e.cfg.Clock.Now()})
	}
	e.mu.Unlock()
	if len(refused) > 0 || len(subs) == 0 {
		return refused, nil
	}
	if have := len(e.Subscribed(by.Licence, func(*Subscription) bool { return true })); have+len(subs) > maxSubscriptions {
		return nil, invalid("a licence may have %d subscriptions, and has %d", maxSubscriptions, have)
	}
	if err := e.store.subscribe(subs); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, sub := range subs {
		w.subs[sub.Vehicle] = sub
	}
	e.reindex()
	return nil, nil
}

// Unsubscribe ends subscriptions, nil for all of them; it answers how many.
func (e *Engine) Unsubscribe(licence sayso.Address, id string, vehicles []uint64) (int, error) {
	e.admin.Lock()
	defer e.admin.Unlock()
	e.mu.Lock()
	w := e.hooks[id]
	if w == nil || w.Licence != licence {
		e.mu.Unlock()
		return 0, errNoHook
	}
	var end []uint64
	for v := range w.subs {
		if vehicles == nil || slices.Contains(vehicles, v) {
			end = append(end, v)
		}
	}
	e.mu.Unlock()
	if err := e.store.unsubscribe(id, end); err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, v := range end {
		delete(w.subs, v)
	}
	e.reindex()
	return len(end), nil
}

// shared are the vehicles that are shared with a licence and that a webhook can
// be subscribed to and is not yet.
func (e *Engine) shared(by Caller, id string) ([]uint64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.hooks[id]
	if w == nil || w.Licence != by.Licence {
		return nil, errNoHook
	}
	var list []uint64
	for v := range e.cfg.Shared(by.Licence) {
		if w.subs[v] == nil && len(rights(e.cfg.Decide(by, v), w.signal)) > 0 {
			list = append(list, v)
		}
	}
	return list, nil
}

func (e *Engine) asset(vehicle uint64) string {
	return sayso.NFT(e.cfg.Chain.ID, e.cfg.Chain.Vehicle, vehicle).String()
}

// listens lists the signals that a webhook can listen to.
func listens(cat *catalogue.Catalogue) []*catalogue.Signal {
	return slices.DeleteFunc(slices.Clone(cat.Signals()), func(s *catalogue.Signal) bool { return s.Computed() })
}
