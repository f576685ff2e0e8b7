package vault

import "testing"

// What was read before a change must not replace what the change put.
func TestStaleOfferIsRefused(t *testing.T) {
	c := newLRU[string, int](2)
	_, generation, ok := c.get("a")
	if ok {
		t.Fatal("an empty cache answered")
	}
	c.put("a", 2)
	c.offer("a", 1, generation)
	if v, _, _ := c.get("a"); v != 2 {
		t.Errorf("a stale offer won: %d", v)
	}
	_, generation, _ = c.get("b")
	c.drop("b") // erased meanwhile
	c.offer("b", 1, generation)
	if _, _, ok := c.get("b"); ok {
		t.Error("what was erased came back")
	}
	_, generation, _ = c.get("b")
	c.offer("b", 3, generation)
	if v, _, ok := c.get("b"); !ok || v != 3 {
		t.Error("a fresh offer was refused")
	}
}

func TestTheLeastRecentLeaves(t *testing.T) {
	c := newLRU[int, int](3)
	for i := range 3 {
		c.put(i, i)
	}
	c.get(0)
	c.put(3, 3)
	for i, want := range []bool{true, false, true, true} {
		if _, _, ok := c.get(i); ok != want {
			t.Errorf("%d is there: %v", i, ok)
		}
	}
	if c.len() != 3 {
		t.Errorf("%d entries", c.len())
	}
}
