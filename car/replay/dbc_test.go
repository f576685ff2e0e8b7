package replay

import (
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSampleTables(t *testing.T) {
	for name, want := range map[string]struct {
		messages, signals int
		best              string
		rules             int
	}{
		"toyota_2017_ref_pt.dbc":   {141, 1334, "toyota_2017_ref_pt.csv", 16},
		"tesla_model3_vehicle.dbc": {13, 211, "tesla_model3_vehicle.csv", 11},
	} {
		text, err := os.ReadFile(sample(t, name))
		if err != nil {
			t.Fatal(err)
		}
		table, problems := ParseDBC(name, string(text))
		signals := 0
		for _, m := range table.Messages {
			signals += len(m.Signals)
		}
		bo, sg := strings.Count("\n"+string(text), "\nBO_ "), strings.Count(string(text), "\n SG_ ")
		if len(problems) != 0 || len(table.Messages) != bo || signals != sg {
			t.Errorf("%s: %d of %d messages, %d of %d signals, problems %v", name, len(table.Messages), bo, signals, sg, problems)
		}
		m, best := DefaultMap(table, cat(t))
		if best != want.best || m.Rules != want.rules {
			t.Errorf("%s: map %q with %d rules", name, best, m.Rules)
		}
		again, problems := ParseDBC("again", table.String())
		if len(problems) != 0 || !reflect.DeepEqual(table, again) {
			t.Errorf("%s: printed and read again it differs: %v", name, problems)
		}
	}
}

func TestParseDBC(t *testing.T) {
	text := `VERSION "1"
NS_ :
	CM_
	SG_MUL_VAL_
	SIG_VALTYPE_
BU_: A B
BO_ 2566844926 EXT: 8 A
 SG_ Speed : 8 | 16 @ 1 + ( 0.00390625 , 0 ) [ 0 | 250.996 ] "km/h"  B
 SG_ Mode M : 0|4@1+ (1,0) [0|0] "" B
 SG_ Sub m1M : 4|4@1+ (1,0) [0|0] "" B
 SG_ Deep m2 : 24|8@1- (1E-1,-4.0e1) [-128|127] "a \"b\" \\" B
 SG_ Broken : 4|0@1+ (1,0) [0|0] "" B
 SG_ Zero : 4|1@1+ (0,0) [0|0] "" B
 SG_ Speed : 4|1@1+ (1,0) [0|0] "" B
BO_ 5 BROKEN x
 SG_ Lost : 4|1@1+ (1,0) [0|0] "" B
BO_ 200 F: 8 A
 SG_ F32 : 7|32@0- (1,0) [0|0] "" B
 SG_ Orphan m3 : 0|4@1+ (1,0) [0|0] "" B
BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 Vector__XXX
CM_ SG_ 200 F32 "a comment; BO_ 7
BO_ 7 INSIDE: 8 A
 with \" quotes";
BA_DEF_ BO_ "X" INT 0 1;
SG_MUL_VAL_ 2566844926 Deep Sub 2-3, 7-7;
SIG_VALTYPE_ 200 F32 : 1;
`
	table, problems := ParseDBC("t.dbc", text)
	var got []string
	for _, p := range problems {
		got = append(got, p.Error())
	}
	want := []string{
		"t.dbc:12: SG_: signal Broken: want : start|length with a start of 0 to 511 and 1 to 64 bits",
		"t.dbc:13: SG_: signal Zero: the scale is 0",
		"t.dbc:14: SG_: signal Speed is there twice",
		"t.dbc:15: BO_: want a name and a colon after the number",
		"t.dbc: signal Orphan of message F has no multiplexer",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("problems:\n%s", strings.Join(got, "\n"))
	}
	if len(table.Messages) != 3 || table.Message("INSIDE") != nil || table.Message("F").Signal("Lost") != nil {
		t.Fatalf("messages %v", table.Messages)
	}
	m := table.Message("EXT")
	if id, extended, page, ok := m.Address(); id != 0x18fef1fe || !extended || page != -1 || !ok {
		t.Errorf("address %x %v %d %v", id, extended, page, ok)
	}
	if _, _, _, ok := table.Message("VECTOR__INDEPENDENT_SIG_MSG").Address(); ok {
		t.Error("the message that is none has frames")
	}
	deep := m.Signal("Deep")
	if deep.Unit != `a "b" \` || deep.Scale != 0.1 || deep.Offset != -40 || deep.Selector != "Sub" || !reflect.DeepEqual(deep.Selected, []Choice{{2, 3}, {7, 7}}) {
		t.Errorf("%+v", deep)
	}
	if !table.Message("F").Signal("F32").Float {
		t.Error("F32 is no float")
	}
	// Mode selects Sub with 1; Sub selects Deep with 2, 3 and 7.
	for first, present := range map[byte]bool{0x21: true, 0x31: true, 0x71: true, 0x41: false, 0x20: false} {
		if got := m.Present(deep, []byte{first, 0, 0, 5}); got != present {
			t.Errorf("with %02x Deep is present: %v", first, got)
		}
	}
}

func TestValue(t *testing.T) {
	data := []byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0}
	for _, c := range []struct {
		name string
		s    Signal
		want float64
		ok   bool
	}{
		{"Intel byte", Signal{Start: 8, Length: 8, Little: true, Scale: 1}, 0x34, true},
		{"Intel word", Signal{Start: 8, Length: 16, Little: true, Scale: 1}, 0x5634, true},
		{"Intel across", Signal{Start: 4, Length: 12, Little: true, Scale: 1}, 0x341, true},
		{"Intel all", Signal{Start: 0, Length: 64, Little: true, Scale: 1}, 0xf0debc9a78563412, true},
		{"Motorola word", Signal{Start: 15, Length: 16, Scale: 1}, 0x3456, true},
		{"Motorola across", Signal{Start: 3, Length: 12, Scale: 1}, 0x234, true},
		{"Motorola all", Signal{Start: 7, Length: 64, Scale: 1}, 0x123456789abcdef0, true},
		{"signed", Signal{Start: 39, Length: 16, Signed: true, Scale: 0.5, Offset: 1}, 0.5*(0x9abc-0x10000) + 1, true},
		{"one bit, signed", Signal{Start: 39, Length: 1, Signed: true, Scale: 1}, -1, true},
		{"too short", Signal{Start: 60, Length: 5, Little: true, Scale: 1}, 0, false},
		{"too short, Motorola", Signal{Start: 56, Length: 2, Scale: 1}, 0, false},
		{"in range", Signal{Start: 0, Length: 8, Little: true, Scale: 1, Min: 0, Max: 18}, 0x12, true},
		{"out of range", Signal{Start: 0, Length: 8, Little: true, Scale: 1, Min: 0, Max: 17}, 0, false},
		{"no range", Signal{Start: 0, Length: 8, Little: true, Scale: 1, Min: 0, Max: 0}, 0x12, true},
		{"float", Signal{Start: 7, Length: 32, Float: true, Scale: 2}, 2 * float64(math.Float32frombits(0x12345678)), true},
	} {
		if got, ok := c.s.Value(data); got != c.want || ok != c.ok {
			t.Errorf("%s: %v, %v, want %v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
	nan := Signal{Start: 0, Length: 32, Little: true, Float: true, Scale: 1}
	if v, ok := nan.Value([]byte{0, 0, 0xc0, 0x7f}); ok {
		t.Errorf("NaN became %v", v)
	}
}

// naive reads a signal bit by bit, by the definition of the two bit orders.
func naive(s *Signal, data []byte) (raw uint64, ok bool) {
	bit := s.Start
	for i := range s.Length {
		if bit/8 >= len(data) {
			return 0, false
		}
		b := uint64(data[bit/8]>>(bit%8)) & 1
		if s.Little {
			raw |= b << i
			bit++
			continue
		}
		raw = raw<<1 | b
		if bit%8 == 0 {
			bit += 15 // the top of the next byte
		} else {
			bit--
		}
	}
	return raw, true
}

func FuzzRaw(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 7, 16, false)
	f.Add([]byte{0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0, 0xff}, 3, 64, true)
	f.Fuzz(func(t *testing.T, data []byte, start, length int, little bool) {
		if len(data) > 64 || start < 0 || start > 511 || length < 1 || length > 64 {
			return
		}
		s := &Signal{Start: start, Length: length, Little: little}
		got, ok := s.Raw(data)
		want, wantOK := naive(s, data)
		if got != want || ok != wantOK {
			t.Errorf("%+v of % x: %x %v, want %x %v", s, data, got, ok, want, wantOK)
		}
	})
}

func TestRawAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "data")
		s := &Signal{
			Start:  rapid.IntRange(0, 511).Draw(t, "start"),
			Length: rapid.IntRange(1, 64).Draw(t, "length"),
			Little: rapid.Bool().Draw(t, "little"),
		}
		got, ok := s.Raw(data)
		want, wantOK := naive(s, data)
		if got != want || ok != wantOK {
			t.Fatalf("%x %v, want %x %v", got, ok, want, wantOK)
		}
	})
}

// FuzzParseDBC: whatever is read prints to a table that reads back the same,
// without problems, and decoding with it does not panic.
func FuzzParseDBC(f *testing.F) {
	f.Add("BO_ 100 M: 8 X\n SG_ A M : 0|8@1+ (1,0) [0|0] \"\" X\n SG_ B m1 : 8|8@0- (0.1,-4) [0|3] \"\\\"\" X\n")
	f.Add("BO_ 1 M: 8 X\n SG_ A m1M : 0|8@1+ (1,0) [0|0] \"\" X\n SG_ B M : 8|8@0- (1,0) [0|0] \"\" X\nSG_MUL_VAL_ 1 A B 1-2, 3-4;\n")
	f.Add("CM_ \"\nBO_ 1 M: 8 X\n")
	f.Add("BO_ 1 F: 8 X\n SG_ A : 0|64@1+ (1,0) [0|0] \"\" X\nSIG_VALTYPE_ 1 A : 2;")
	f.Fuzz(func(t *testing.T, text string) {
		table, _ := ParseDBC("fuzz", text)
		again, problems := ParseDBC("again", table.String())
		if len(problems) != 0 || !reflect.DeepEqual(table, again) {
			t.Fatalf("%v\n%s\nbecame\n%s", problems, table, again)
		}
		data := make([]byte, 8)
		for _, m := range table.Messages {
			m.Address()
			for _, s := range m.Signals {
				m.Present(s, data)
				s.Value(data)
			}
		}
	})
}

// FuzzParseFrame: a line that is read prints to one that reads back the same.
func FuzzParseFrame(f *testing.F) {
	for _, line := range []string{"(1533226488.228954) can0 260#08FFFB0000001884", "(1.5) a 18FEF100##1AA", "(0.000001) b 123#R4", "(9) c 20000001#00 T"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		a, err := ParseFrame(line)
		if err != nil {
			return
		}
		if len(a.Data) > 64 || len(a.Data) > 8 && !a.FD || a.ID > idMask || a.Remote && len(a.Data) > 0 {
			t.Fatalf("%q gave %+v", line, a)
		}
		a.Time = a.Time.Truncate(1000) // as printed
		b, err := ParseFrame(a.String())
		if err != nil || a.String() != b.String() || !a.Time.Equal(b.Time) || a.ID != b.ID || a.Extended != b.Extended || a.Error != b.Error || a.Remote != b.Remote || a.FD != b.FD {
			t.Fatalf("%q: %+v became %+v, %v", line, a, b, err)
		}
	})
}
