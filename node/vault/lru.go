package vault

import "sync"

// lru holds the most recently used values, up to a weight, which is one for each
// where nothing else is said. It is safe for concurrent use.
type lru[K comparable, V any] struct {
	mu    sync.Mutex
	max   int
	held  int         // weight of what is held
	heavy func(V) int // weight of a value; nil: one
	items map[K]*lruNode[K, V]
	head  lruNode[K, V] // ring: head.next is the most recent
	// generation moves when a value is put by the owner of the truth, so that a
	// value read before that cannot be offered after it.
	generation uint64
}

type lruNode[K comparable, V any] struct {
	key        K
	value      V
	prev, next *lruNode[K, V]
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	c := &lru[K, V]{max: max, items: make(map[K]*lruNode[K, V])}
	c.head.prev, c.head.next = &c.head, &c.head
	return c
}

func (n *lruNode[K, V]) unlink() { n.prev.next, n.next.prev = n.next, n.prev }

func (c *lru[K, V]) front(n *lruNode[K, V]) {
	n.prev, n.next = &c.head, c.head.next
	n.prev.next, n.next.prev = n, n
}

// get answers a value, or else the generation for a later offer.
func (c *lru[K, V]) get(k K) (v V, generation uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.items[k]
	if !ok {
		return v, c.generation, false
	}
	if c.head.next != n {
		n.unlink()
		c.front(n)
	}
	return n.value, c.generation, true
}

// put stores what is true from now on.
func (c *lru[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.set(k, v)
}

// offer stores what was read after get had answered the generation, unless
// something was put since.
func (c *lru[K, V]) offer(k K, v V, generation uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation {
		c.set(k, v)
	}
}

func (c *lru[K, V]) set(k K, v V) {
	n, ok := c.items[k]
	if ok {
		c.held -= c.weight(n.value)
		n.value = v
		n.unlink()
	} else {
		n = &lruNode[K, V]{key: k, value: v}
		c.items[k] = n
	}
	c.front(n)
	for c.held += c.weight(v); c.held > c.max && len(c.items) > 1; {
		c.remove(c.head.prev)
	}
}

func (c *lru[K, V]) weight(v V) int {
	if c.heavy == nil {
		return 1
	}
	return c.heavy(v)
}

func (c *lru[K, V]) remove(n *lruNode[K, V]) {
	n.unlink()
	delete(c.items, n.key)
	c.held -= c.weight(n.value)
}

func (c *lru[K, V]) drop(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	if n, ok := c.items[k]; ok {
		c.remove(n)
	}
}

func (c *lru[K, V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.items)
}
