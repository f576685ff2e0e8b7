package vault

import "testing"

// A sweep reads every row that is not packed, so it is made only where it may
// find something: after the start, when a bucket has ended, when readings came
// that are late or that are not counted, and when something could not be packed.
func TestASweepIsMadeWhereItMayFindSomething(t *testing.T) {
	const now = 1 << 31
	h := newHotSet(1000, 2)
	wants := func(what string, ended uint32, want bool) {
		t.Helper()
		if got := h.swept(ended); got != want {
			t.Errorf("%s: %v", what, got)
		}
		if h.swept(ended) {
			t.Errorf("%s: once more", what)
		}
	}
	wants("after the start", now, true)
	h.note(owner{1, 1}, 10, now+1)
	h.note(owner{2, 1}, 10, now+3)
	h.note(owner{1, 1}, 10, now+4)
	wants("counted readings of an open bucket", now, false)
	h.note(owner{2, 1}, 10, now)
	wants("a late reading", now, true)
	h.note(owner{3, 1}, 10, now+1)
	wants("of a vehicle for which there is no room", now, true)
	h.note(owner{1, 1}, 980, now+5)
	h.note(owner{2, 1}, 900, now+5)
	wants("a bucket has ended", now+6, true)
	if own, ok := h.take(); !ok || own != (owner{1, 1}) {
		t.Errorf("%v had enough before, %v", own, ok)
	}
	h.note(owner{2, 1}, 900, now+7)
	if own, ok := h.take(); ok {
		t.Errorf("%v has enough only with what the sweep has packed", own)
	}
	h.again()
	wants("something was left", now+6, true)

	h.note(owner{1, 1}, 1000, now+7)
	if own, ok := h.take(); !ok || own != (owner{1, 1}) {
		t.Errorf("%v has enough, %v", own, ok)
	}
	if own, ok := h.take(); ok {
		t.Errorf("%v has not enough", own)
	}
	h.note(owner{3, 1}, 10, now+8)
	wants("there is room again", now+6, false)
}
