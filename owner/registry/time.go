package registry

import (
	"strconv"
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
type Clock struct {
	r     *Registry
	wall  clock.Clock
	high  time.Time // the highest time told
	walls time.Time // highest wall time, at the start the mark
	saved time.Time
}

// Clock returns the decision clock over a wall clock.
func (r *Registry) Clock(wall clock.Clock) (*Clock, error) {
	c := &Clock{r: r, wall: wall}
	text, ok, err := r.meta("clock")
	if !ok {
		return c, err
	}
	micros, err := strconv.ParseInt(text, 10, 64)
	c.high = time.UnixMicro(micros).UTC()
	c.saved, c.walls = c.high, c.high
	return c, err
}

// Now returns the decision time in UTC.
func (c *Clock) Now() time.Time {
	now := c.wall.Now().UTC()
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if now.After(c.walls) {
		c.walls = now
	}
	if c.r.begun {
		if head := time.Unix(c.r.head.Time, 0).UTC(); head.After(now) {
			now = head
		}
	}
	if now.After(c.high) {
		c.high = now
	}
	return c.high
}

// Wall is the highest wall time seen, whatever the time of the head block: what
// a new block's time is judged by.
func (c *Clock) Wall() time.Time {
	c.Now()
	c.r.mu.RLock()
	defer c.r.mu.RUnlock()
	return c.walls
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
