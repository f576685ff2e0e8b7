package graphql

import "sayso"

// An answer is written into segments, so that a long one is not copied while it
// grows. A segment is about so many bytes.
const segment = 64 << 10

// segment is an empty one.
func (s *Server) segment() []byte { return (*s.buffers.Get().(*[]byte))[:0] }

// mark is a place in the answer to which it can be taken back.
type mark struct{ full, at int }

func (c *Call) mark() mark { return mark{len(c.full), len(c.buf)} }

// rewind takes back what was written after a mark.
func (c *Call) rewind(m mark) {
	if m.full == len(c.full) {
		c.buf = c.buf[:m.at]
		return
	}
	for _, part := range c.full[m.full:] {
		c.written -= len(part)
	}
	c.buf = c.full[m.full][:m.at]
	c.full = c.full[:m.full]
}

// turnPage begins a new segment where the last one is nearly full; false means
// that there is no room for so long an answer now.
func (c *Call) turnPage() bool {
	if len(c.buf) <= segment*3/4 {
		return true
	}
	c.written += len(c.buf)
	c.full = append(c.full, c.buf)
	c.buf = c.server.segment()
	if int64(c.written) <= c.reserved+long {
		return true
	}
	if !c.server.cfg.Gate.reserve(c.key, long) {
		return c.stop(sayso.Busy, "the node is still writing long answers; try again in a second")
	}
	c.reserved += long
	return true
}

// long is what an answer may have without asking for room.
const long = 1 << 20

func (c *Call) size() int { return c.written + len(c.buf) }

// release gives the segments and the room back.
func (c *Call) release() {
	if c.reserved > 0 {
		c.server.cfg.Gate.reserve(c.key, -c.reserved)
	}
	for _, part := range append(c.full, c.buf) {
		if cap(part) <= 2*segment {
			c.server.buffers.Put(&part)
		}
	}
}
