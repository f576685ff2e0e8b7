package vault

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
)

func testKey(t testing.TB) *rootkey.Key {
	t.Helper()
	k, err := rootkey.New([32]byte{42})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testConfig(t testing.TB, fs vfs.FS) Config {
	return Config{
		FS: fs, Dir: "data/vault", RootKey: testKey(t), SegmentBytes: 64 << 10, MemTableBytes: 256 << 10, CacheBytes: 1 << 20,
		Clock:         clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		CommitTimeout: 20 * time.Second, MinFreeBytes: 1,
		Fatal: func(err error) { panic(fmt.Sprintf("fatal: %v", err)) },
	}
}

func testOpen(t testing.TB, cfg Config) *Vault {
	t.Helper()
	v, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func deposit(vehicle uint64, id string, at sayso.Instant, rows ...sayso.Reading) *Deposit {
	return &Deposit{
		Vehicle: vehicle, Epoch: 1, Body: [32]byte{1},
		Envelope: sayso.CloudEvent{
			Type: sayso.TypeStatus, Source: sayso.Address{1}, Subject: sayso.NFT(137, sayso.Address{9}, vehicle),
			ID: id, Time: at.Time(), Data: []byte(`{"n":1}`),
		},
		Readings: rows,
	}
}

// rowsFrom turns bytes into readings of one hour: the fuzzer's way to make
// blocks.
func rowsFrom(data []byte, h uint32) []sayso.Reading {
	r := reader{b: data}
	var rows []sayso.Reading
	at := startOf(h)
	for len(r.b) > 0 && len(rows) < 200 {
		at += sayso.Instant(r.uvarint() % 600_000_000)
		row := sayso.Reading{Signal: sayso.SignalID(r.uvarint()), Epoch: 1, Time: at}
		if hourOf(at) != h {
			break
		}
		switch r.byte() % 4 {
		case 0:
			row.Value = sayso.TextValue(r.string())
		case 1:
			row.Value = sayso.LocationValue(sayso.Location{
				Latitude: finite(r.u64()), Longitude: finite(r.u64()), HDOP: float64(r.byte()) / 10, Heading: float64(r.byte()),
			})
		case 2:
			row.Value = sayso.NumberValue(float64(int64(r.u64())) / 1000)
		default:
			row.Value = sayso.NumberValue(finite(r.u64()))
		}
		rows = append(rows, row)
	}
	return sortReadings(rows)
}

// finite makes any bits a number that may be kept.
func finite(bits uint64) float64 {
	if f := math.Float64frombits(bits); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return f
	}
	return math.Float64frombits(bits &^ (1 << 62))
}

// FuzzBlock proves that a block gives back every bit of what it was made of,
// that no part of it passes for the whole, and that no bytes at all make the
// decoder answer rows of another hour or more rows than bytes.
func FuzzBlock(f *testing.F) {
	f.Add([]byte("\x01\x05\x03\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x06\x00\x01a"), uint32(1<<31+472_222))
	f.Add([]byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, h uint32) {
		lowest, highest := hourOf(minInstant), hourOf(maxInstant-1)
		h = lowest + h%(highest-lowest+1)
		source := sayso.Address{1, 2, 3}
		rows := rowsFrom(data, h)
		block := appendBlock(nil, source, h, rows)
		got, err := decodeBlock(nil, block, h, 7, nil, minInstant, maxInstant)
		if err != nil || len(got) != len(rows) {
			t.Fatalf("%d rows became %d, %v", len(rows), len(got), err)
		}
		for i, r := range rows {
			want := Row{Signal: r.Signal, Time: r.Time, Source: source, Seq: 7, Value: r.Value}
			if got[i] != want || math.Signbit(got[i].Value.Number) != math.Signbit(r.Value.Number) {
				t.Fatalf("row %d became %+v, was %+v", i, got[i], want)
			}
		}
		if len(rows) > 0 {
			if _, err := decodeBlock(nil, block[:len(block)-1], h, 7, nil, minInstant, maxInstant); err == nil {
				t.Fatal("a block without its last byte was read")
			}
		}
		got, err = decodeBlock(nil, append([]byte{blockFormat, 19: 0, 20: 0}, data...), h, 1, nil, minInstant, maxInstant)
		if err == nil && len(got)*3 > len(data) {
			t.Fatalf("%d bytes gave %d rows", len(data), len(got))
		}
		for i := range got {
			if hourOf(got[i].Time) != h {
				t.Fatalf("a block of hour %d gave a row of hour %d", h, hourOf(got[i].Time))
			}
		}
	})
}

// FuzzFrame proves that groups come back as they were written; that a prefix
// gives only whole groups; and that a changed byte never gives another record.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("one two three"), uint16(5), byte(1))
	f.Add([]byte{}, uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, mask byte) {
		var log []byte
		var ends []int
		var want []string
		pos := position{group: 3, seq: 10}
		for i := 0; i < 3; i++ {
			var records []byte
			count := 1 + i
			for n := range count {
				kind := byte(frameDeposit)
				if n == 2 {
					kind = frameErase
				}
				payload := data[min(len(data), n*len(data)/count):]
				frame := append(beginFrame(nil, kind, [16]byte{byte(n)}), payload...)
				records = append(records, endFrame(frame, pos.group+1, pos.seq+uint64(n)+1)...)
				want = append(want, fmt.Sprint(kind, pos.seq+uint64(n)+1, n, payload))
			}
			next := position{group: pos.group + 1, seq: pos.seq + uint64(count)}
			next.link = chainOf(pos.link, next.group, records)
			log = append(log, appendEnd(records, next.group, next.seq, count, next.link)...)
			ends, pos = append(ends, len(log)), next
		}
		read := func(b []byte) (got []string, end int) {
			pos := position{group: 3, seq: 10}
			for {
				g, ok := parseGroup(b[end:], pos.group+1, pos.seq, pos.link)
				if !ok {
					return got, end
				}
				for _, r := range g.records {
					got = append(got, fmt.Sprint(r.kind, r.seq, r.key[0], r.payload))
				}
				pos, end = position{g.number, g.lastSeq, g.link}, end+g.size
			}
		}
		if got, end := read(append(slices.Clone(log), make([]byte, 100)...)); !slices.Equal(got, want) || end != len(log) {
			t.Fatalf("wrote %v, read %v", want, got)
		}
		cut := int(at) % (len(log) + 1)
		got, end := read(log[:cut])
		whole := 0
		for _, e := range ends {
			if e <= cut {
				whole = e
			}
		}
		if end != whole || !slices.Equal(got, want[:len(got)]) {
			t.Fatalf("a prefix of %d bytes gave groups up to %d, want %d", cut, end, whole)
		}
		if mask == 0 || cut == len(log) {
			return
		}
		bad := slices.Clone(log)
		bad[cut] ^= mask
		got, end = read(bad)
		if end > cut || !slices.Equal(got, want[:len(got)]) {
			t.Fatalf("byte %d changed: read up to %d: %v", cut, end, got)
		}
		var rec record
		if fr, _, ok := parseFrame(bad); ok {
			_ = rec.parse(&fr)
		}
	})
}

// FuzzRecord proves that the parser of payloads takes nothing but whole parts, of
// every type of frame.
func FuzzRecord(f *testing.F) {
	p := &pending{kind: frameNumbered, owner: owner{7, 1}}
	p.encode(deposit(7, "x", 1_700_000_000_000_000, sayso.Reading{Signal: 1, Epoch: 1, Time: 1_700_000_000_000_000, Value: sayso.NumberValue(1)}), 512)
	numbered := (*p.buf)[frameHead:]
	f.Add(numbered, byte(frameNumbered))
	f.Add(slices.Concat(numbered[:numberAt], numbered[numberAt+8:]), byte(frameDeposit))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0}, byte(frameErase))
	f.Fuzz(func(t *testing.T, payload []byte, kind byte) {
		var rec record
		if rec.parse(&frame{kind: kind, seq: 5, payload: payload}) != nil {
			return
		}
		size := 12 + 4*len(rec.slots)
		if kind != frameErase {
			size = depositHead
			for i := range rec.parts {
				size += partHead + len(rec.parts[i].sealed)
			}
		}
		if kind == frameDeposit { // has no number
			size -= 8
		}
		if size != len(payload) {
			t.Fatalf("%d bytes of %d were read", size, len(payload))
		}
	})
}

func TestEnvelopeGivesBackWhatItTook(t *testing.T) {
	long := strings.Repeat("a long payload ", 500)
	for _, data := range []string{"", "x", long} {
		d := deposit(7, "id", 1_700_000_000_000_000)
		e := &d.Envelope
		e.Time = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
		e.Data, e.Tags, e.Extras = []byte(data), []string{"", "ü"}, map[string][]byte{"": []byte("1"), "b": []byte("{}")}
		e.Producer = sayso.Account(1, sayso.Address{3})
		e.Subject.Token = new(big.Int).Lsh(big.NewInt(1), 255)
		d.Rejected, d.Backfill = []sayso.Rejection{{Name: "n", Reason: "r"}}, true
		var scratch []byte
		b := appendEnvelope(nil, d, &scratch)
		if len(data) > 1000 && len(b) > len(data)/4 {
			t.Errorf("%d bytes packed into %d", len(data), len(b))
		}
		s, err := getEnvelope(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(s.Envelope, *e) || !reflect.DeepEqual(s.Rejected, d.Rejected) || !s.Backfill {
			t.Errorf("%+v became %+v", d, s)
		}
		for cut := range len(b) {
			if _, err := getEnvelope(b[:cut]); err == nil && cut > 0 {
				t.Fatalf("an envelope of %d bytes was read from %d", len(b), cut)
			}
		}
	}
}

func TestLatestGivesBackWhatItTook(t *testing.T) {
	rows := latestRows{}
	for i := range 60 {
		rows.raise(sayso.Address{byte(i % 3)}, uint64(i), []sayso.Reading{
			{Signal: sayso.SignalID(i * i % 37), Time: sayso.Instant(i*1000 - 20_000), Value: sayso.NumberValue(float64(i) / 7)},
			{Signal: 5, Time: sayso.Instant(i), Value: sayso.TextValue("x")},
		})
	}
	if !slices.IsSortedFunc(rows, func(a, b Row) int { return orderLatest(&a, &b) }) {
		t.Fatal("not sorted")
	}
	h := head{number: 1 << 40, link: [16]byte{1, 15: 2}}
	b := appendLatest(nil, lately{rows, h})
	got, err := decodeLatest(b, nil)
	if err != nil || !slices.Equal(got.rows, rows) || got.head != h {
		t.Fatalf("%v: %v became %v", err, rows, got)
	}
	for cut := range len(b) {
		if _, err := decodeLatest(b[:cut], nil); err == nil {
			t.Fatalf("read from %d of %d bytes", cut, len(b))
		}
	}
}

func TestKeysSortAsTheirTimes(t *testing.T) {
	times := []sayso.Instant{minInstant, -hour - 1, -hour, -1, 0, 1, hour - 1, hour, maxInstant - 1}
	for i, a := range times {
		if h := hourOf(a); a < startOf(h) || a >= startOf(h)+hour {
			t.Errorf("%d is not within its hour", a)
		}
		for _, b := range times[i+1:] {
			ka := (&place{kind: kindEvent, vehicle: 1, epoch: 2, time: a, seq: 9, index: 9}).append(nil)
			kb := (&place{kind: kindEvent, vehicle: 1, epoch: 2, time: b}).append(nil)
			if bytes.Compare(ka, kb) >= 0 || hourOf(a) > hourOf(b) {
				t.Errorf("%d does not sort before %d", a, b)
			}
		}
	}
	for _, p := range []place{
		{kind: kindReadings, vehicle: 1 << 60, epoch: 7, hour: 5, tag: 6, seq: 8},
		{kind: kindCloudEvent, vehicle: 1, epoch: 7, time: -5, seq: 8},
		{kind: kindStatement, vehicle: 1, epoch: 7, time: 5, seq: 8},
		{kind: kindTombstone, vehicle: 1, epoch: 7, time: 5, seq: 8},
		{kind: kindEvent, vehicle: 1, epoch: 7, time: 5, seq: 8, index: 3},
		{kind: kindLatest, vehicle: 1, epoch: 7},
		{kind: kindWent, vehicle: 1, epoch: 7},
	} {
		if got, ok := parsePlace(p.append(nil)); !ok || got != p {
			t.Errorf("%+v became %+v", p, got)
		}
	}
}

// A part opens only in its own place, and not once a bit of it has changed.
func TestSealedPartsStayInTheirPlace(t *testing.T) {
	v := testOpen(t, testConfig(t, vfs.NewMem()))
	defer v.Close()
	k, err := v.keys.ensure(owner{1, 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.keys.flush(); err != nil {
		t.Fatal(err)
	}
	at := place{kind: kindReadings, vehicle: 1, epoch: 1, hour: 5, tag: 6, seq: 7}
	part := append(append(make([]byte, sealHead), "secret"...), make([]byte, sealTail)...)
	if err := v.keys.seal(k, part, at.append(nil)); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(part, []byte("secret")) {
		t.Fatal("not sealed")
	}
	if plain, err := v.keys.open(nil, part, at.append(nil), owner{1, 1}); err != nil || string(plain) != "secret" {
		t.Fatalf("opened to %q, %v", plain, err)
	}
	moved := at
	moved.seq++
	if _, err := v.keys.open(nil, part, moved.append(nil), owner{1, 1}); err == nil {
		t.Error("opened in another place")
	}
	if _, err := v.keys.open(nil, part, at.append(nil), owner{2, 1}); err == nil {
		t.Error("opened for another vehicle")
	}
	for i := range part {
		bad := slices.Clone(part)
		bad[i] ^= 1
		if _, err := v.keys.open(nil, bad, at.append(nil), owner{1, 1}); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
	}
}
