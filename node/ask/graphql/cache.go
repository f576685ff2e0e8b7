package graphql

import (
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
)

// The cache holds at most two generations of so many queries, none longer than
// so many bytes and all together not longer than so many.
const (
	generation      = 256
	cachedText      = 16 << 10
	generationBytes = 256 << 10
)

// cache remembers queries that were parsed and found valid. It keeps two
// generations: what is asked for moves to the young one, and when that is full
// the old one is dropped, so that what is in use stays.
type cache struct {
	mu         sync.Mutex
	young, old map[string]*ast.QueryDocument
	bytes      int // of the texts in young
}

func (c *cache) init() { c.young = map[string]*ast.QueryDocument{} }

func (c *cache) get(text string) *ast.QueryDocument {
	c.mu.Lock()
	defer c.mu.Unlock()
	if doc := c.young[text]; doc != nil {
		return doc
	}
	doc := c.old[text]
	if doc != nil {
		c.add(text, doc)
	}
	return doc
}

func (c *cache) put(text string, doc *ast.QueryDocument) {
	if len(text) > cachedText {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(text, doc)
}

func (c *cache) add(text string, doc *ast.QueryDocument) {
	if len(c.young) >= generation || c.bytes+len(text) > generationBytes {
		c.old, c.young, c.bytes = c.young, make(map[string]*ast.QueryDocument), 0
	}
	if c.young[text] == nil {
		c.bytes += len(text)
	}
	c.young[text] = doc
}
