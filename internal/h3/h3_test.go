package h3

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	accept    = flag.Bool("accept", false, "write testdata/vectors.txt with the answers of h3-js")
	reference = flag.Int("points", 100_000, "how many points to compare with h3-js")
)

const vectors = "testdata/vectors.txt"

type point struct{ lat, lng float64 }

// answer is what h3-js says about a point.
type answer struct {
	cell     uint64
	lat, lng float64
}

// somePoints spreads n points over the sphere, and half of them where the grid
// is difficult: around the pentagons, the poles and the antimeridian, and on the
// edges and middles of faces.
func somePoints(n int) []point {
	rnd := rand.New(rand.NewPCG(6, 12))
	anywhere := func() vector {
		for {
			v := vector{rnd.Float64()*2 - 1, rnd.Float64()*2 - 1, rnd.Float64()*2 - 1}
			if d := v.dot(v); d > 1e-4 && d <= 1 {
				return v.times(1 / math.Sqrt(d))
			}
		}
	}
	around := func(v vector) point {
		spread := math.Pow(10, -5*rnd.Float64())
		return pointOf(v.plus(anywhere().times(spread)))
	}
	var pentagons []vector
	for _, b := range baseCells {
		if b.pentagon {
			i, j := float64(b.at.i-b.at.k), float64(b.at.j-b.at.k)
			pentagons = append(pentagons, frames[b.face].point((i-j/2)*unit, j*sin60*unit))
		}
	}
	list := make([]point, 0, n)
	for len(list) < n {
		var p point
		switch rnd.IntN(12) {
		case 0, 1:
			p = around(pentagons[rnd.IntN(len(pentagons))])
		case 2:
			p = around(vector{0, 0, float64(rnd.IntN(2)*2 - 1)})
		case 3:
			p = point{rnd.Float64()*180 - 90, 180 - rnd.ExpFloat64()/100}
			if rnd.IntN(2) == 0 {
				p.lng = -p.lng
			}
		case 4, 5:
			// On the great circle that two faces share.
			a, b := frames[rnd.IntN(faces)].center, frames[rnd.IntN(faces)].center
			across := a.plus(b.times(-1))
			v := anywhere()
			if d := across.dot(across); d > 0 && d < 1 {
				v = a.plus(b).plus(anywhere().times(0.4))
				v = v.plus(across.times(-v.dot(across) / d))
			}
			p = around(v)
		case 6:
			p = around(frames[rnd.IntN(faces)].center)
		default:
			p = pointOf(anywhere())
		}
		list = append(list, p)
	}
	return list
}

func pointOf(v vector) point {
	lat, lng := v.degrees()
	return point{lat, lng}
}

// ask gets the answers of h3-js, or skips the test where node is absent or the
// package cannot be had.
func ask(t *testing.T, points []point) []answer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed; only the committed vectors are compared")
	}
	const version = "h3-js@4.5.0"
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no cache folder: %v", err)
	}
	folder := filepath.Join(cache, "sayso-test", version)
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "h3-js", "package.json")); err != nil {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		npm := exec.Command("npm", "install", "--prefix", folder, "--no-audit", "--no-fund", version)
		if out, err := npm.CombinedOutput(); err != nil {
			t.Skipf("%s cannot be installed: %v\n%s", version, err, out)
		}
	}
	in, out := filepath.Join(t.TempDir(), "points"), filepath.Join(t.TempDir(), "answers")
	var b bytes.Buffer
	for _, p := range points {
		b.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(p.lat)))
		b.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(p.lng)))
	}
	if err := os.WriteFile(in, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/compare.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(node, script, folder, in, out).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != 24*len(points) {
		t.Fatalf("%d bytes for %d points", len(data), len(points))
	}
	list := make([]answer, len(points))
	for i := range list {
		at := func(n int) uint64 { return binary.LittleEndian.Uint64(data[24*i+8*n:]) }
		list[i] = answer{at(0), math.Float64frombits(at(1)), math.Float64frombits(at(2))}
	}
	return list
}

// compare demands the same cell and, to 1e-9 degrees, the same centre.
func compare(t *testing.T, points []point, answers []answer) {
	t.Helper()
	wrong, pentagons, worst := 0, map[uint64]bool{}, 0.0
	for i, p := range points {
		want := answers[i]
		cell := Cell(p.lat, p.lng)
		lat, lng := CellCentre(p.lat, p.lng)
		off := max(math.Abs(lat-want.lat), math.Abs(math.Remainder(lng-want.lng, 360)))
		if !(off <= worst) {
			worst = off
		}
		if cell != want.cell || !(off <= 1e-9) {
			if wrong++; wrong <= 10 {
				t.Errorf("(%v, %v): cell %x, centre (%v, %v), want %x (%v, %v)", p.lat, p.lng, cell, lat, lng, want.cell, want.lat, want.lng)
			}
		}
		if baseCells[want.cell>>45&127].pentagon {
			pentagons[want.cell>>45&127] = true
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d points are wrong", wrong, len(points))
	}
	if len(pentagons) != 12 {
		t.Errorf("the points touch %d of the 12 pentagons", len(pentagons))
	}
	t.Logf("%d points, centres at most %.2g degrees apart", len(points), worst)
}

func TestAgainstTheReference(t *testing.T) {
	points := somePoints(*reference)
	compare(t, points, ask(t, points))
}

func TestVectors(t *testing.T) {
	if *accept {
		points := somePoints(2000)
		var b bytes.Buffer
		for i, a := range ask(t, points) {
			fmt.Fprintf(&b, "%v %v %x %v %v\n", points[i].lat, points[i].lng, a.cell, a.lat, a.lng)
		}
		if err := os.WriteFile(vectors, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(vectors)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var points []point
	var answers []answer
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var p point
		var a answer
		if _, err := fmt.Sscanf(lines.Text(), "%g %g %x %g %g", &p.lat, &p.lng, &a.cell, &a.lat, &a.lng); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		points, answers = append(points, p), append(answers, a)
	}
	if len(points) != 2000 {
		t.Fatalf("%d vectors", len(points))
	}
	compare(t, points, answers)
}

// TestEveryCell walks all cells under some cells of resolution 0: the centre of
// a cell lies in that cell.
func TestEveryCell(t *testing.T) {
	seen := 0
	for base := range baseCells {
		if base%10 != 0 && !baseCells[base].pentagon {
			continue
		}
		for n := 0; n < 117649; n += 20 {
			var d digits
			for r, m := resolution, n; r > 0; r, m = r-1, m/7 {
				d[r] = uint8(m % 7)
			}
			cell := d.index(base)
			lat, lng := Centre(cell)
			if baseCells[base].pentagon && d.leading() == dirK {
				if !math.IsNaN(lat) {
					t.Fatalf("%x exists", cell)
				}
				continue
			}
			seen++
			if got := Cell(lat, lng); got != cell {
				t.Fatalf("the centre of %x, (%v, %v), is in %x", cell, lat, lng, got)
			}
		}
	}
	if seen < 100_000 {
		t.Errorf("only %d cells", seen)
	}
}

func TestOddInput(t *testing.T) {
	for _, p := range []point{{math.NaN(), 0}, {0, math.Inf(1)}, {math.Inf(-1), math.Inf(1)}} {
		if Cell(p.lat, p.lng) != 0 {
			t.Errorf("%v has a cell", p)
		}
		if lat, lng := CellCentre(p.lat, p.lng); !math.IsNaN(lat) || !math.IsNaN(lng) {
			t.Errorf("%v has a centre", p)
		}
	}
	for _, cell := range []uint64{0, math.MaxUint64, 0x8009fffffffffff, 0x86fffffffffffff, Cell(48, 11) | 1<<63} {
		if lat, _ := Centre(cell); !math.IsNaN(lat) {
			t.Errorf("%x has a centre", cell)
		}
	}
	// Longitudes wrap around, poles have one cell.
	if Cell(10, 190) != Cell(10, -170) || Cell(90, 0) != Cell(90, 123) {
		t.Error("the same point has two cells")
	}
}

func BenchmarkCellCentre(b *testing.B) {
	points := somePoints(1024)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := points[i&1023]
		CellCentre(p.lat, p.lng)
	}
}
