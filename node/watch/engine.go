package watch

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/clock"
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

const (
	// every is how often the engine looks for what was kept.
	every = 20 * time.Millisecond
	// noteEvery is how often it writes how far it is.
	noteEvery = time.Second
	// back is how far the value before the first one seen is looked for.
	back = sayso.Instant(24 * time.Hour / time.Microsecond)
	// maxWaiting is how many deliveries may wait for one target.
	maxWaiting = 1000
)

// Vault is what the engine reads; [vault.Vault] is one.
type Vault interface {
	Seq() uint64
	Follow(ctx context.Context, after uint64, yield func(vault.Entry) bool) error
	Scan(ctx context.Context, v vault.View, signals []sayso.SignalID, from, to sayso.Instant, yield func(vault.Row) bool) error
}

// Config is what [Open] needs.
type Config struct {
	Path      string // the SQLite file
	RootKey   RootKey
	Catalogue *catalogue.Catalogue
	Vault     Vault
	Chain     registry.ChainInfo
	Clock     clock.Clock
	Log       *slog.Logger
	Reach     *Reach
	// Decide tells what a licence may see of a vehicle now, if the key still
	// speaks for it.
	Decide func(c Caller, vehicle uint64) consent.Verdict
	// Shared lists the vehicles that their owners share with a licence.
	Shared func(licence sayso.Address) iter.Seq[uint64]
	// Count, where given, notes what became of a firing.
	Count func(outcome string)
}

// Engine holds the webhooks and fires them. It is safe for concurrent use.
type Engine struct {
	cfg   Config
	store *store

	admin sync.Mutex // held while webhooks and subscriptions are changed
	mu    sync.Mutex // guards what follows
	hooks map[string]*watched
	index map[key][]*watched
	seen  map[key]before
	at    uint64 // up to here everything was looked at

	workers sync.WaitGroup
	ctx     context.Context // of the workers
	cancel  context.CancelFunc
}

// before is the value or event that came before.
type before struct {
	epoch uint32
	*Seen
}

// watched is a webhook with what it needs at work.
type watched struct {
	Hook
	compiled *Condition
	signal   *catalogue.Signal // nil for events
	subs     map[uint64]*Subscription
	done     mark // what was delivered last
	waiting  []*firing
	wake     chan struct{}
	stop     context.CancelFunc
}

// Open reads the webhooks. An engine that is new begins with what is kept from
// now on.
func Open(cfg Config) (*Engine, error) {
	s, err := openStore(cfg.Path, cfg.RootKey)
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, store: s, hooks: map[string]*watched{}, seen: map[key]before{}}
	list, seq, fresh, err := s.load()
	if err == nil && fresh {
		seq = cfg.Vault.Seq()
		err = s.reached(seq)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	e.at = seq
	e.ctx, e.cancel = context.WithCancel(context.Background())
	for _, w := range list {
		if w.compiled, w.signal, err = w.condition(cfg.Catalogue); err != nil {
			cfg.Log.Error("a webhook cannot be read any more and rests", "webhook", w.ID, "error", err)
			w.Status = Disabled
		}
		e.employ(w)
	}
	e.reindex()
	return e, nil
}

// employ gives a webhook its worker.
func (e *Engine) employ(w *watched) {
	ctx, stop := context.WithCancel(e.ctx)
	w.wake, w.stop = make(chan struct{}, 1), stop
	e.hooks[w.ID] = w
	e.workers.Go(func() { e.deliverAll(ctx, w) })
}

// reindex is called with the lock held, after every change.
func (e *Engine) reindex() {
	e.index = map[key][]*watched{}
	for _, w := range e.hooks {
		if w.Status != Enabled || w.compiled == nil {
			continue
		}
		for vehicle := range w.subs {
			k := key{vehicle, w.Metric}
			e.index[k] = append(e.index[k], w)
		}
	}
	for k := range e.seen {
		if e.index[k] == nil {
			delete(e.seen, k)
		}
	}
}

// Run looks at what is kept until the context ends.
func (e *Engine) Run(ctx context.Context) error {
	look, note := time.NewTicker(every), time.NewTicker(noteEvery)
	defer look.Stop()
	defer note.Stop()
	noted := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			look.Reset(every)
			if err := e.look(ctx); err != nil && ctx.Err() == nil {
				e.cfg.Log.Error("webhooks: what was kept cannot be read; trying again", "error", err)
				look.Reset(noteEvery)
				continue
			}
		case <-note.C:
			if seq := e.Reached(); seq != noted {
				if err := e.store.reached(seq); err != nil {
					return err
				}
				noted = seq
			}
		}
	}
}

// Close ends the workers. What waits for its target is fired after the next
// start.
func (e *Engine) Close() error {
	e.cancel()
	e.workers.Wait()
	seq := e.Reached()
	err := e.store.reached(seq)
	e.cfg.Reach.Close()
	if closing := e.store.close(); err == nil {
		err = closing
	}
	return err
}

// Reached is up to which commit everything was looked at and delivered.
func (e *Engine) Reached() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	seq := e.at
	for _, w := range e.hooks {
		if len(w.waiting) > 0 {
			seq = min(seq, w.waiting[0].mark.seq-1)
		}
	}
	return seq
}

// look goes through what was kept since the last look.
func (e *Engine) look(ctx context.Context) error {
	to := e.cfg.Vault.Seq()
	e.mu.Lock()
	from, idle := e.at, len(e.index) == 0
	if idle {
		e.at = max(e.at, to)
	}
	e.mu.Unlock()
	if idle || to <= from {
		return nil
	}
	err := e.cfg.Vault.Follow(ctx, from, func(entry vault.Entry) bool {
		e.evaluate(ctx, &entry)
		return ctx.Err() == nil
	})
	if err == nil && ctx.Err() == nil {
		e.mu.Lock()
		e.at = max(e.at, to) // erased commits are not told of
		e.mu.Unlock()
	}
	return err
}

// evaluate asks the conditions about one commit.
func (e *Engine) evaluate(ctx context.Context, entry *vault.Entry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !entry.Backfill {
		envelope := &entry.Envelope
		for i := range entry.Readings {
			r := &entry.Readings[i]
			s := e.cfg.Catalogue.ByID(r.Signal)
			if s == nil {
				continue
			}
			o := occurrence{mark: mark{entry.Seq, uint32(i)}, vehicle: entry.Vehicle, epoch: r.Epoch, time: r.Time, signal: s}
			o.Seen, o.producer = Seen{Value: r.Value, Source: envelope.Source}, envelope.Producer
			e.meet(ctx, &o, metricPrefix+s.Name)
		}
		for i := range entry.Events {
			v := &entry.Events[i]
			o := occurrence{mark: mark{entry.Seq, uint32(len(entry.Readings) + i)}, vehicle: entry.Vehicle, epoch: v.Epoch, time: v.Time}
			o.Seen = Seen{Source: envelope.Source, Name: v.Name, Duration: v.DurationNS, Metadata: v.Metadata}
			o.producer = envelope.Producer
			e.meet(ctx, &o, v.Name)
		}
	}
	e.at = max(e.at, entry.Seq)
}

// occurrence is a value or an event that came.
type occurrence struct {
	Seen
	mark     mark
	vehicle  uint64
	epoch    uint32
	time     sayso.Instant
	signal   *catalogue.Signal // nil for events
	producer sayso.DID
}

// meet asks the webhooks that listen to a metric of a vehicle.
func (e *Engine) meet(ctx context.Context, o *occurrence, metric string) {
	k := key{o.vehicle, metric}
	listeners := e.index[k]
	if listeners == nil {
		return
	}
	last, known := e.seen[k]
	if !known && o.signal != nil {
		last = e.earlier(ctx, o)
	}
	if last.epoch != o.epoch {
		last.Seen = nil // of another owner
	}
	for _, w := range listeners {
		if (w.signal == nil) == (o.signal == nil) && w.done.before(o.mark) {
			e.ask(w, o, last.Seen)
		}
	}
	now := o.Seen
	e.seen[k] = before{o.epoch, &now}
}

// earlier looks in the vault for the value before.
func (e *Engine) earlier(ctx context.Context, o *occurrence) before {
	b := before{epoch: o.epoch}
	view := vault.View{Vehicle: o.vehicle, Epochs: []uint32{o.epoch}}
	err := e.cfg.Vault.Scan(ctx, view, []sayso.SignalID{o.signal.ID}, o.time-back, o.time, func(r vault.Row) bool {
		if r.Seq < o.mark.seq {
			b.Seen = &Seen{Value: r.Value, Source: r.Source}
		}
		return true
	})
	if err != nil && ctx.Err() == nil {
		e.cfg.Log.Error("webhooks: the value before cannot be read", "vehicle", o.vehicle, "signal", o.signal.Name, "error", err)
	}
	return b
}

// ask fires one webhook if its licence may see, it is not cooling down, and its
// condition holds.
func (e *Engine) ask(w *watched, o *occurrence, last *Seen) {
	sub := w.subs[o.vehicle]
	now := e.cfg.Clock.Now()
	if !sub.Fired.IsZero() && now.Before(sub.Fired.Add(time.Duration(w.CoolDown)*time.Second)) {
		e.count("cooling")
		return
	}
	if !e.allowed(w.Caller, o) {
		e.count("denied")
		return
	}
	held, err := w.compiled.Holds(o.Seen, last)
	if err != nil {
		e.cfg.Log.Warn("a condition of a webhook cannot be evaluated", "webhook", w.ID, "error", err)
		e.count("unanswered")
		return
	}
	if !held {
		return
	}
	sub.Fired = now
	if len(w.waiting) >= maxWaiting {
		e.cfg.Log.Warn("a webhook is not told: too much waits for its target", "webhook", w.ID, "waiting", len(w.waiting))
		e.count("dropped")
		return
	}
	w.waiting = append(w.waiting, &firing{occurrence: *o, fired: now, id: firingID(w.ID, o.mark)})
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// allowed says whether a licence may be told, at this moment. Of events nobody
// knows what they give away, so they need both rights (spec api 9.5).
func (e *Engine) allowed(c Caller, o *occurrence) bool {
	return slices.Contains(rights(e.cfg.Decide(c, o.vehicle), o.signal), o.epoch)
}

// rights are the ownerships of which a verdict lets a signal (nil: events) be
// seen.
func rights(v consent.Verdict, s *catalogue.Signal) []uint32 {
	if s == nil {
		return v.All(sayso.NonLocationHistory, sayso.LocationHistory)
	}
	if sight, epochs := v.Field(s); sight == consent.Allow {
		return epochs
	}
	return nil
}

func (e *Engine) count(outcome string) {
	if e.cfg.Count != nil {
		e.cfg.Count(outcome)
	}
}

func firingID(hook string, m mark) string {
	sum := sayso.Keccak256([]byte(fmt.Sprintf("%s %d %d", hook, m.seq, m.index)))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
