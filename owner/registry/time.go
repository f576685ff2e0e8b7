package registry

import (
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"sayso/internal/clock"
)

// markEvery is how far the clock moves before its mark is written again: after
// a restart the clock may stand at most this far behind what it told.
const markEvery = 5 * time.Second

// Clock tells the time that decisions are taken at: the largest of the wall
// time, the time of the head block and the highest time told before. So an
// expired grant or token does not come back to life when the wall clock is set
// back.
//
// Every message and every read asks it, so it takes no lock.
type Clock struct {
	r     *Registry
	wall  clock.Clock
	high  highest // the highest time told
	walls highest // highest wall time, at the start the mark
	saved time.Time
}

// highest is the highest of some times, in microseconds since 1970.
type highest struct{ micros atomic.Int64 }

// raise takes one more time in.
func (l *highest) raise(micros int64) int64 {
	for {
		old := l.micros.Load()
		if micros <= old {
			return old
		}
		if l.micros.CompareAndSwap(old, micros) {
			return micros
		}
	}
}

// Clock returns the decision clock over a wall clock.
func (r *Registry) Clock(wall clock.Clock) (*Clock, error) {
	c := &Clock{r: r, wall: wall}
	c.high.micros.Store(math.MinInt64)
	c.walls.micros.Store(math.MinInt64)
	text, ok, err := r.meta("clock")
	if !ok {
		return c, err
	}
	micros, err := strconv.ParseInt(text, 10, 64)
	c.saved = time.UnixMicro(micros).UTC()
	c.high.raise(micros)
	c.walls.raise(micros)
	return c, err
}

// Now returns the decision time in UTC.
func (c *Clock) Now() time.Time {
	now := c.wall.Now().UnixMicro()
	c.walls.raise(now)
	return time.UnixMicro(c.high.raise(max(now, c.r.headMicros.Load()))).UTC()
}

// Wall is the highest wall time seen, whatever the time of the head block: what
// a new block's time is judged by.
func (c *Clock) Wall() time.Time {
	return time.UnixMicro(c.walls.raise(c.wall.Now().UnixMicro())).UTC()
}

// Mark writes the highest time told, if it has moved since the last mark. The
// follower calls it at every look at the chain.
func (c *Clock) Mark() error {
	now := c.Now()
	if now.Sub(c.saved) < markEvery {
		return nil
	}
	c.saved = now
	_, err := c.r.db.Exec(putMeta, "clock", strconv.FormatInt(now.UnixMicro(), 10))
	return err
}
