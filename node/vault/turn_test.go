package vault

import "testing"

// Flushes and compactions get more of the processors the further they are behind.
func TestTurnsGrowWithWhatPilesUp(t *testing.T) {
	for _, c := range []struct {
		buffers uint64
		layers  int32
		turn    int32
	}{{0, 0, 1}, {2, 8, 1}, {1, 9, 1}, {3, 0, 2}, {4, 12, 4}, {2, 14, 8}, {16, 39, 256}} {
		if got := turnOf(c.buffers, c.layers); got != c.turn {
			t.Errorf("%d buffers, %d layers: %d blocks, not %d", c.buffers, c.layers, got, c.turn)
		}
	}
}
