package vault

import (
	"encoding/binary"
	"math"

	"sayso"
	"sayso/node/vault/column"
)

// stat sums up numbers that follow each other in time.
type stat struct {
	n                          int64
	sum, min, max, first, last float64
}

// rollupRaw is the form of roll-ups of numbers that are no decimals.
const rollupRaw = 15

// appendRollups writes a bit for each hour that has numbers, the form, and per
// hour: count, and the smallest, and how much more the greatest, the first, the
// last and the sum are, as whole numbers in units of 10^-form; or all as they
// are. packed is the column as encoded.
func appendRollups(b []byte, t *table, c *tableColumn, packed []byte) []byte {
	start := t.times[0] - int64(sayso.Instant(t.times[0])-startOfBucket(bucketOf(sayso.Instant(t.times[0]))))
	head := len(b)
	b = append(b, 0, rollupRaw)
	room := wholePool.Get().(*whole)
	defer wholePool.Put(room)
	ms := room.of(len(c.numbers))
	scale, _, decimal, err := column.Scaled(ms, packed)
	if decimal = decimal && err == nil; decimal {
		b[head+1] = byte(math.Round(math.Log10(scale)))
	}
	for i := 0; i < len(c.rows); {
		h := (t.times[c.rows[i]] - start) / int64(hour)
		j := i + 1
		for j < len(c.rows) && (t.times[c.rows[j]]-start)/int64(hour) == h {
			j++
		}
		b[head] |= 1 << h
		if decimal {
			b = appendWhole(b, ms[i:j])
		} else {
			b = appendRaw(b, c.numbers[i:j])
		}
		i = j
	}
	return b
}

func appendWhole(b []byte, ms []int64) []byte {
	low, high, sum := ms[0], ms[0], int64(0)
	for _, m := range ms {
		low, high, sum = min(low, m), max(high, m), sum+m
	}
	n := int64(len(ms))
	b = binary.AppendUvarint(b, uint64(n))
	b = putVarint(b, low)
	for _, x := range [...]int64{high - low, ms[0] - low, ms[n-1] - low, sum - n*low} {
		b = binary.AppendUvarint(b, uint64(x))
	}
	return b
}

func appendRaw(b []byte, v []float64) []byte {
	s := statOf(v)
	b = binary.AppendUvarint(b, uint64(s.n))
	for _, f := range [...]float64{s.min, s.max, s.first, s.last, s.sum} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return b
}

// statOf sums up at least one number.
func statOf(v []float64) stat {
	s := stat{n: int64(len(v)), min: v[0], max: v[0], first: v[0], last: v[len(v)-1]}
	for _, f := range v {
		s.sum += f
		if f < s.min {
			s.min = f
		}
		if f > s.max {
			s.max = f
		}
	}
	return s
}

// rollups reads what appendRollups wrote: hours[h] with n 0 is an hour without.
func rollups(b []byte, hours *[bucketHours]stat) error {
	if len(b) < 2 || b[0]>>bucketHours != 0 || b[1] > maxDecimals && b[1] != rollupRaw {
		return errShort
	}
	r := reader{b: b[2:]}
	for h := range hours {
		s := &hours[h]
		if *s = (stat{}); b[0]>>h&1 == 0 {
			continue
		}
		s.n = int64(r.uvarint())
		if b[1] == rollupRaw {
			for _, p := range [...]*float64{&s.min, &s.max, &s.first, &s.last, &s.sum} {
				*p = math.Float64frombits(r.u64())
			}
			continue
		}
		p := pow10[b[1]]
		low := r.varint()
		s.min = float64(low) / p
		s.max = float64(low+int64(r.uvarint())) / p
		s.first = float64(low+int64(r.uvarint())) / p
		s.last = float64(low+int64(r.uvarint())) / p
		s.sum = float64(s.n*low+int64(r.uvarint())) / p
	}
	if r.bad || len(r.b) != 0 {
		return errShort
	}
	return nil
}
