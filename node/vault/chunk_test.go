package vault

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"sayso"
)

// opened decodes a chunk as a reader does, from its parts.
func opened(t *testing.T, bucket uint32, parts []chunkPart) *table {
	t.Helper()
	plain := make(map[uint32][]byte)
	for _, p := range parts {
		plain[p.part] = p.plain
	}
	c := &chunk{place: place{bucket: bucket}, plain: plain[partHeadOf]}
	if err := c.parse(); err != nil {
		t.Fatal(err)
	}
	sameAsFormatOne(t, c)
	if c.timesPart == nil {
		c.timesPart = plain[partTimesOf]
	}
	for i := range c.cols {
		if c.cols[i].data == nil {
			c.cols[i].data = plain[partOf(c.cols[i].signal, c.cols[i].kind)]
		}
	}
	w := &walker{r: new(Reader)}
	out, err := w.table(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if c.first != sayso.Instant(out.times[0]) || c.last != sayso.Instant(out.times[len(out.times)-1]) ||
		int64(c.low) != slices.Min(out.seqs) || int64(c.high) != slices.Max(out.seqs) {
		t.Errorf("the head says %d to %d, %d to %d", c.first, c.last, c.low, c.high)
	}
	for i := range c.cols {
		checkRollups(t, out, &c.cols[i], &out.cols[i])
	}
	return out
}

// sameAsFormatOne writes a head as earlier programs did, and reads it.
func sameAsFormatOne(t *testing.T, c *chunk) {
	t.Helper()
	u := binary.AppendUvarint
	b := append(append([]byte{1, c.flags}, c.source[:]...), u(nil, uint64(c.n))...)
	b = u(u(b, uint64(c.first-startOfBucket(c.bucket))), uint64(c.last-c.first))
	b = u(u(u(b, c.low), c.high-c.low), uint64(len(c.timesPart)))
	b = u(b, uint64(len(c.cols)))
	bodies, signal := slices.Clone(c.timesPart), sayso.SignalID(0)
	for i := range c.cols {
		x := &c.cols[i]
		head := byte(x.kind)
		if x.gone {
			head |= 128
		}
		b = append(u(b, uint64(x.signal-signal)), head)
		signal = x.signal
		b = u(u(u(b, uint64(x.n)), uint64(x.first-c.first)), uint64(c.last-x.last))
		b = u(u(u(b, uint64(x.set)), uint64(len(x.data))), uint64(len(x.rolled)))
		bodies = append(append(bodies, x.data...), x.rolled...)
	}
	old := &chunk{place: c.place, plain: append(b, bodies...)}
	if err := old.parse(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(old.cols, c.cols) || !slices.Equal(old.timesPart, c.timesPart) || old.n != c.n || old.first != c.first || old.last != c.last || old.low != c.low || old.high != c.high {
		t.Fatalf("%+v in format 1 is %+v", c, old)
	}
}

// checkRollups compares the roll-ups of a column with its values.
func checkRollups(t *testing.T, tab *table, head *chunkColumn, col *tableColumn) {
	if head.rolled == nil {
		return
	}
	var hours [bucketHours]stat
	if err := rollups(head.rolled, &hours); err != nil {
		t.Fatal(err)
	}
	start := startOfBucket(bucketOf(sayso.Instant(tab.times[0])))
	for h := range hours {
		var in []float64
		for i, row := range col.rows {
			if at := sayso.Instant(tab.times[row]) - start; int(at/hour) == h {
				in = append(in, col.numbers[i])
			}
		}
		if len(in) == 0 {
			if hours[h].n != 0 {
				t.Errorf("an empty hour has %+v", hours[h])
			}
			continue
		}
		want, got := statOf(in), hours[h]
		if d := got.sum - want.sum; d > 1e-6*(1+want.max-want.min) || d < -1e-6*(1+want.max-want.min) {
			t.Errorf("the sum is %v, want %v", got.sum, want.sum)
		}
		if got.sum = want.sum; got != want {
			t.Errorf("an hour is %+v, want %+v", got, want)
		}
	}
}

// someRows makes rows of a source in a bucket from bytes.
func someRows(b []byte) (rows []Row) {
	start := startOfBucket(bucketOf(1_700_000_000_000_000))
	seen := make(map[[3]uint64]bool)
	for ; len(b) >= 6 && len(rows) < 400; b = b[6:] {
		at := start + sayso.Instant(binary.LittleEndian.Uint16(b))*bucketLen/(1<<16)
		seq, signal := uint64(b[2]%7)+1, sayso.SignalID(b[3]%5)
		key := [3]uint64{uint64(at), seq, uint64(signal)}
		if seen[key] {
			continue
		}
		seen[key] = true
		f := float64(int8(b[4])) / []float64{1, 10, 3}[b[5]%3]
		v := sayso.NumberValue(f)
		switch {
		case signal == 3:
			v = sayso.TextValue([]string{"", "on", "off"}[b[4]%3])
		case signal == 4 && b[5]&64 == 0:
			v = sayso.LocationValue(sayso.Location{Latitude: f, Longitude: 1, HDOP: float64(b[5])})
		}
		rows = append(rows, Row{Signal: signal, Time: at, Source: sayso.Address{7}, Seq: seq, Value: v})
	}
	return rows
}

// FuzzChunk packs rows of all kinds and reads them back, and reads any bytes as
// a head and as times without harm.
func FuzzChunk(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 6 {
		b := make([]byte, 6*(1+n*n*12))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &chunk{plain: b, place: place{bucket: 1 << 31}}
		read := c.parse() == nil
		if read {
			sameAsFormatOne(t, c)
		}
		if read && c.decodeTimes(b) == nil {
			for i := range c.cols {
				_, _ = c.set(&c.cols[i])
			}
			_, _ = c.sequences()
		}
		var hours [bucketHours]stat
		_ = rollups(b, &hours)
		rows := someRows(b)
		if len(rows) == 0 {
			return
		}
		bucket := bucketOf(rows[0].Time)
		want := tableOf(slices.Clone(rows))
		for _, sizes := range []ChunkSizes{{Inline: 1, Rollup: 1}, {Inline: 100, Rollup: 1}, {Inline: 1 << 20, Rollup: 4}} {
			if got := opened(t, bucket, want.encode(bucket, &sizes)); !reflect.DeepEqual(ordered(got), ordered(want)) {
				t.Fatalf("%+v became %+v", want, got)
			}
		}
		var pieces []*table
		pieces = append(pieces, want.split(1+len(rows)/3)...)
		rng := rand.New(rand.NewPCG(uint64(len(b)), 3))
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		if got := merged(pieces); !reflect.DeepEqual(ordered(got), ordered(want)) {
			t.Fatalf("%+v was cut and became %+v", want, got)
		}
	})
}

// ordered lists the rows of a table.
func ordered(t *table) []Row {
	rows := t.appendRows(nil)
	slices.SortFunc(rows, func(a, b Row) int {
		switch {
		case a.Time != b.Time:
			return int(a.Time - b.Time)
		case a.Seq != b.Seq:
			return int(a.Seq) - int(b.Seq)
		}
		return int(a.Signal) - int(b.Signal)
	})
	return rows
}

// TestSparseCarIsSmall keeps six hours of thirty signals, of which every message
// brings some at random, and counts the bytes, keys and seals included.
func TestSparseCarIsSmall(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5))
	start := startOfBucket(bucketOf(1_700_000_000_000_000))
	var rows []Row
	var state [30]float64
	for n := range 1080 { // every 20 s
		at := start + sayso.Instant(n)*20_000_000 + sayso.Instant(rng.IntN(900))*1000
		seq := uint64(n*50 + rng.IntN(50))
		for s := range state {
			if rng.IntN(30) > 4+s%5 {
				continue
			}
			state[s] += float64(rng.IntN(21) - 10)
			v := sayso.NumberValue(state[s] / 10)
			switch {
			case s%10 == 7:
				v = sayso.TextValue([]string{"OPEN", "CLOSED"}[rng.IntN(10)/9])
			case s == 9:
				v = sayso.LocationValue(sayso.Location{Latitude: (48e5 + state[s]) / 1e5, Longitude: (11e5 - state[s]) / 1e5, HDOP: 0.5})
			}
			rows = append(rows, Row{Signal: sayso.SignalID(s + 1), Time: at, Source: sayso.Address{1}, Seq: seq, Value: v})
		}
	}
	cfg, size := Config{}.withDefaults(), 0
	for _, p := range tableOf(slices.Clone(rows)).encode(bucketOf(start), &cfg.Chunk) {
		size += len(p.plain) + sealOverhead + 33
	}
	t.Logf("%d readings, %.2f bytes each", len(rows), float64(size)/float64(len(rows)))
	if size > 150*len(rows)/100 {
		t.Errorf("%d readings take %d bytes", len(rows), size)
	}
}
