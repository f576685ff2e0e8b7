package vault

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"sayso"
)

// someReadings are readings of a deposit of a few signals, hours and epochs, in
// any order, with repetitions.
func someReadings(rng *rand.Rand, n int) (list []sayso.Reading) {
	for range n {
		s := sayso.SignalID(1 + rng.IntN(6))
		r := sayso.Reading{Signal: s, Epoch: uint32(1 + rng.IntN(40)/39), Time: benchStart + sayso.Instant(rng.IntN(2*n))*7_000_000}
		switch {
		case s == 2:
			r.Value = sayso.TextValue([]string{"a", "", "ü"}[rng.IntN(3)])
		case s == 3:
			r.Value = sayso.LocationValue(sayso.Location{Latitude: float64(rng.IntN(3)), Longitude: float64(rng.IntN(2)), HDOP: 0.5})
		default:
			r.Value = sayso.NumberValue(float64(rng.IntN(1000)) / []float64{1, 10, 7}[rng.IntN(3)])
		}
		list = append(list, r)
	}
	return list
}

// blocksOf encodes the readings of a deposit and gives what is under each epoch
// and hour, and what goes into the latest values.
func blocksOf(t *testing.T, list []sayso.Reading, many int) (rows map[place][]Row, now latestRows, format byte) {
	t.Helper()
	p := &pending{owner: owner{1, 1}}
	p.buf = new([]byte)
	b := p.encodeReadings(nil, &Deposit{Vehicle: 1, Envelope: sayso.CloudEvent{Source: sayso.Address{7}}, Readings: list}, many)
	rows = map[place][]Row{}
	for _, x := range p.parts {
		plain := b[x.head+partHead+sealHead : x.end-sealTail]
		format = plain[0]
		got, err := decodeBlock(nil, plain, x.hour, 5, nil, minInstant, maxInstant)
		if err != nil {
			t.Fatal(err)
		}
		tab, err := tableOfAny(plain, &x.place)
		if err != nil {
			t.Fatal(err)
		}
		byTime(got)
		other := byTime(tab.appendRows(nil))
		if !reflect.DeepEqual(got, other) {
			t.Fatalf("the block has\n%v\nthe table made of it\n%v", got, other)
		}
		rows[x.place] = got
		now.raise(sayso.Address{7}, 5, x.rows)
	}
	return rows, now, format
}

// tableOfAny makes a table of a block of either form, of the sequence 5.
func tableOfAny(plain []byte, at *place) (*table, error) {
	x := pile{}
	where := *at
	where.seq = 5
	if err := x.add(plain, &where); err != nil {
		return nil, err
	}
	return x.done(), nil
}

func byTime(rows []Row) []Row {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Value.Kind, b.Value.Kind))
	})
	return rows
}

// A deposit says the same by column and by row.
func TestColumnsSayWhatRowsSay(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	for n := range 300 {
		list := someReadings(rng, 1+rng.IntN(20+n*4))
		if n%3 == 0 {
			slices.SortStableFunc(list, func(a, b sayso.Reading) int { return cmp.Compare(a.Time, b.Time) })
		}
		want, latest, format := blocksOf(t, list, len(list)+1)
		if format != blockFormat {
			t.Fatal("readings that are not many are not by row")
		}
		got, now, format := blocksOf(t, list, 1)
		if format != columnsFormat {
			t.Fatal("readings that are many are not by column")
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d readings by column\n%v\nby row\n%v", len(list), got, want)
		}
		if !reflect.DeepEqual(now, latest) {
			t.Fatalf("the latest by column\n%v\nby row\n%v", now, latest)
		}
	}
}

// A signal with values of two kinds, and readings of many hours, are kept by row.
func TestWhatColumnsDoNotServe(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 34))
	mixed := append(someReadings(rng, 100), sayso.Reading{Signal: 2, Epoch: 1, Time: benchStart, Value: sayso.NumberValue(1)})
	scattered := someReadings(rng, 200)
	for i := range scattered {
		scattered[i].Time = benchStart + sayso.Instant(i)*hour
	}
	few := someReadings(rng, 200)
	for i := range few {
		few[i].Signal = sayso.SignalID(100 + i)
	}
	for name, list := range map[string][]sayso.Reading{"two kinds": mixed, "many hours": scattered} {
		if _, _, format := blocksOf(t, list, 1); format != blockFormat {
			t.Errorf("%s: kept by column", name)
		}
	}
	if _, _, format := blocksOf(t, few, 100); format != blockFormat {
		t.Error("a value of each signal: kept by column")
	}
}

// Tables whose rows are between each other become the one that their rows make.
func TestTablesBetweenEachOtherBecomeOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(35, 36))
	for n := range 200 {
		var tables []*table
		var all []Row
		for seq := range 1 + rng.IntN(5) {
			var rows []Row
			for _, r := range sortReadings(someReadings(rng, 1+rng.IntN(60))) {
				if r.Epoch == 1 && r.Time < startOfBucket(bucketOf(benchStart)+1) {
					rows = append(rows, Row{Signal: r.Signal, Time: r.Time, Source: sayso.Address{7}, Seq: uint64(seq + 1), Value: r.Value})
				}
			}
			if len(rows) > 0 {
				all = append(all, rows...)
				tables = append(tables, tableOf(slices.Clone(rows)))
			}
		}
		if len(tables) == 0 {
			continue
		}
		want := tableOf(slices.Clone(all))
		got := merged(tables)
		if !reflect.DeepEqual(got.times, want.times) || !reflect.DeepEqual(got.seqs, want.seqs) {
			t.Fatalf("round %d: other rows", n)
		}
		if a, b := byTime(got.appendRows(nil)), byTime(all); !reflect.DeepEqual(a, b) {
			t.Fatalf("round %d: %v instead of %v", n, a, b)
		}
		for i := range got.cols {
			if !slices.IsSorted(got.cols[i].rows) {
				t.Fatalf("round %d: the rows of a column do not ascend", n)
			}
		}
	}
}

// FuzzColumnsBlock reads any bytes as a block by column; what can be read as rows
// can be read as a table, and they say the same.
func FuzzColumnsBlock(f *testing.F) {
	s := sheetsOf(someReadings(rand.New(rand.NewPCG(37, 38)), 60), 1)
	for i := range s.list[:s.used] {
		f.Add(s.appendSheet(nil, sayso.Address{7}, &s.list[i]))
	}
	// a group with a column, and one without, whose times are none
	f.Add([]byte("\x0200000000000000000000\x02\x010\x02\x000\x010\x01\x04A\x00\x92000\x0200\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := hourOf(benchStart)
		source, ok := blockSource(b)
		if !ok || b[0] != columnsFormat {
			return
		}
		rows, err := decodeBlock(nil, b, h, 5, nil, minInstant, maxInstant)
		tab, terr := tableOfColumns(source, b[1+len(source):], h, 5)
		if err != nil || terr != nil {
			if err == nil && len(rows) > 0 {
				t.Fatalf("%d rows, but no table: %v", len(rows), terr)
			}
			return
		}
		if other := tab.appendRows(nil); len(other) != len(rows) {
			t.Fatalf("%d rows, %d in the table", len(rows), len(other))
		}
		for i := range rows {
			if rows[i].Time < startOf(h) || rows[i].Time >= startOf(h)+hour {
				t.Fatalf("a time outside the hour: %v", rows[i])
			}
		}
	})
}
