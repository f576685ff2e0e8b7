package vault

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Who has the log altered hears of the sequences and of the vehicles whose they
// are: from the rows, where these have the commits, or from what is whole of the
// log; and how many nothing tells.
func TestALossNamesTheVehicles(t *testing.T) {
	for _, c := range []struct {
		name             string
		closed           bool // all is in the rows
		damage           func(t *testing.T, fs vfs.FS, file string, frames []int)
		vehicles         []uint64
		from, to, unsaid uint64
	}{
		{"one commit, in the rows", true, flip(2), []uint64{13}, 3, 3, 0},
		{"one commit, only in the log", false, flip(2), nil, 3, 3, 1},
		{"one commit, the end of its group", false, flipAt(-80, 2), []uint64{12}, 2, 2, 0},
		{"the end of the log, in the rows", true, cut(3), []uint64{14, 15}, 4, 5, 0},
		{"the end of the log, nowhere else", false, cut(3), nil, 4, 5, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig(t, vfs.NewCrashableMem())
			v := testOpen(t, cfg)
			for vehicle := range uint64(5) {
				fill(t, v, 11+vehicle, 1)
			}
			if err := v.see(t.Context(), "test", v.Seq()); err != nil {
				t.Fatal(err)
			}
			var fs *vfs.MemFS
			until(t, "the checkpoint", func() bool {
				fs = cfg.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
				c, err := openCheckpoint(fs, fs.PathJoin(cfg.Dir, "checkpoint"))
				return err == nil && c.last.end.seq == 5 && c.file.Close() == nil
			})
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			if c.closed {
				fs = cfg.FS.(*vfs.MemFS)
			}
			cfg.FS = fs
			file := fs.PathJoin(cfg.Dir, "log", segmentName(1))
			c.damage(t, fs, file, deposits(t, fs, file))
			_, err := Open(cfg)
			var loss *Loss
			if !errors.As(err, &loss) {
				t.Fatalf("opened with %v", err)
			}
			if !slices.Equal(loss.Vehicles, c.vehicles) || loss.From != c.from || loss.To != c.to && loss.To != 0 || loss.Unnamed != c.unsaid {
				t.Fatalf("%+v\n%v", loss, err)
			}
			if named := strings.Contains(err.Error(), fmt.Sprintf("vehicles %v", c.vehicles)); named != (len(c.vehicles) > 0) {
				t.Fatal(err)
			}
		})
	}
}

// deposits tells where the frames of deposits begin.
func deposits(t *testing.T, fs vfs.FS, file string) (at []int) {
	t.Helper()
	f, err := fs.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := readAll(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := segmentHead; ; {
		frame, size, ok := parseFrame(b[i:])
		if !ok {
			return at
		}
		if frame.kind == frameNumbered {
			at = append(at, i)
		}
		i += size
	}
}

// flip alters a byte of the payload of a deposit.
func flip(n int) func(*testing.T, vfs.FS, string, []int) { return flipAt(frameHead+9, n) }

// flipAt alters a byte at a distance from the start of a deposit: before it, the
// frame that ends the group of the one before.
func flipAt(distance, n int) func(*testing.T, vfs.FS, string, []int) {
	return func(t *testing.T, fs vfs.FS, file string, frames []int) {
		at := int64(frames[n] + distance)
		var b [1]byte
		change(t, fs, file, func(f vfs.File) error {
			if _, err := f.ReadAt(b[:], at); err != nil {
				return err
			}
			b[0] ^= 1
			_, err := f.WriteAt(b[:], at)
			return err
		})
	}
}

// cut takes everything away from a deposit on.
func cut(n int) func(*testing.T, vfs.FS, string, []int) {
	return func(t *testing.T, fs vfs.FS, file string, frames []int) {
		change(t, fs, file, func(f vfs.File) error {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, info.Size()-int64(frames[n])), int64(frames[n]))
			return err
		})
	}
}

func change(t *testing.T, fs vfs.FS, file string, f func(vfs.File) error) {
	t.Helper()
	open, err := fs.OpenReadWrite(file, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f(open), open.Close()); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}
