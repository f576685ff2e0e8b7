package vault

import (
	"context"
	"time"
)

// MaxScrubRate is the most bytes that a scrub reads in a second.
const MaxScrubRate = 10 << 20

// minScrubRate keeps the reading of a small store from taking all the time there
// is.
const minScrubRate = 256 << 10

// Scrub verifies the store again and again, each time within every, or as fast as
// [MaxScrubRate] lets it, until the context ends or the vault closes. What it finds
// is in [Vault.Damage] and in the log. The first time begins after pause.
func (v *Vault) Scrub(ctx context.Context, pause, every time.Duration) {
	for wait := pause; v.idle(ctx, wait); {
		s := v.Stats()
		size := s.DiskBytes + uint64(s.Segments)*uint64(v.cfg.SegmentBytes)
		rate := min(max(int64(float64(size)/(0.8*every.Seconds())), minScrubRate), MaxScrubRate)
		got, err := v.Verify(ctx, rate, nil)
		if err == nil {
			v.stats.scrubs.Add(1)
			v.cfg.Log.Info("everything that is kept was read", "bytes", got.Bytes, "faults", got.Faults)
		} else if ctx.Err() == nil {
			v.cfg.Log.Warn("reading everything that is kept was cut off", "error", err)
		}
		wait = max(every-time.Duration(float64(got.Bytes)/float64(rate)*float64(time.Second)), pause)
	}
}

// idle waits; false means that there is nothing more to do.
func (v *Vault) idle(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-v.leaving:
	case <-v.dead:
	}
	return false
}

// Scrubbed is how often all of the store was read since the start.
func (v *Vault) Scrubbed() uint64 { return v.stats.scrubs.Load() }
