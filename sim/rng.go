package sim

// rng is SplitMix64 (Steele, Lea, Flood 2014): its sequence never changes
// with the Go version, which math/rand does not promise.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// float returns a number in [0, 1).
func (r *rng) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// between returns a number in [lo, hi).
func (r *rng) between(lo, hi float64) float64 { return lo + (hi-lo)*r.float() }

// below returns an integer in [0, n).
func (r *rng) below(n int) int { return int(r.next() % uint64(n)) }

// mix is the finaliser of SplitMix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// hash makes one number of several, for what depends on a time or an index
// and not on what came before.
func hash(parts ...int64) uint64 {
	h := uint64(0x51a9500d)
	for _, p := range parts {
		h = mix(h ^ uint64(p)*0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d)
	}
	return h
}

// wobble is a smooth function of the time in seconds with values -1 to 1: it
// blends random values that are period seconds apart.
func wobble(t int64, period, seed int64) float64 {
	k := floorDiv(t, period)
	x := float64(t-k*period) / float64(period)
	x = x * x * (3 - 2*x)
	at := func(k int64) float64 { return float64(hash(seed, k)>>11)/(1<<52) - 1 }
	return at(k)*(1-x) + at(k+1)*x
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
