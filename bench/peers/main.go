// Command peers measures the vault beside other engines that keep what vehicles
// say: VictoriaMetrics, DuckDB and PostgreSQL. Each loads the same data set
// (package bench/iot) and answers the same questions; answers that differ by
// more than rounding end the run with an error.
//
//	make bench                      # or: cd bench/peers && go run . [-size small|full] [-engines a,b] [-questions v1,f04] [-seconds N] [-dir DIR]
//
// One engine at a time runs, in a process of its own, with one client that asks
// one question after the other about one vehicle or fleet after another.
//
//   - sayso: the vault in this program, sealed and chained as in a node; a batch
//     of about 1,000 rows is one message, on stable storage when it is acknowledged.
//   - VictoriaMetrics: the single-node server, Influx lines over HTTP on the
//     loopback (not on stable storage when it answers), merged before it is asked;
//     MetricsQL, without the cache of earlier results, as the others have none.
//   - DuckDB: in this program, its appender, then a table sorted by vehicle and
//     time; nothing is on stable storage before the end.
//   - PostgreSQL: the server of the system, COPY, then a btree on vehicle and time
//     and a BRIN index on time, over a Unix socket; on stable storage with each
//     transaction, of which there is one for a table.
//
// CPU time is that of the engine: of a server all its processes, of an engine in
// this program the whole process without the time that making the data takes,
// which is measured alone. Memory is the resident set after the questions (of
// PostgreSQL its processes' proportional shares). Bytes are those of
// the data, without logs that are written over again and again.
//
// The table is printed, peers.svg is its picture, and results.jsonl gets a line of
// JSON per engine and question. An engine that cannot be started is left out by
// name, with the reason.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"sayso/bench/iot"
	"sayso/internal/cores"
	"sayso/internal/heap"
)

// sizes are the sizes of the data set by name.
var sizes = map[string]iot.Size{
	"tiny":  {Trucks: 20, Days: 1, Long: 2, LongDays: 4, Cars: 4},
	"small": {Trucks: 100, Days: 1, Long: 3, LongDays: 30, Cars: 10},
	"full":  {Trucks: 1010, Days: 2, Long: 10, LongDays: 30, Cars: 100},
}

const seed = 1

// settings are the command line.
type settings struct {
	size     string
	engines  string
	ask      string
	seconds  float64
	dir      string
	victoria string
	child    string
	profile  string
}

func main() {
	var s settings
	flag.StringVar(&s.size, "size", "small", "tiny, small or full")
	flag.StringVar(&s.engines, "engines", "sayso,VictoriaMetrics,DuckDB,PostgreSQL", "which engines, in this order")
	flag.StringVar(&s.ask, "questions", "", "which questions, separated by commas; all, if empty")
	flag.Float64Var(&s.seconds, "seconds", 1.5, "how long each question is asked again and again")
	flag.StringVar(&s.dir, "dir", filepath.Join("..", "out"), "folder on the disk to measure; results.jsonl and peers.svg go there too")
	flag.StringVar(&s.victoria, "victoria", filepath.Join("..", "..", "bin", "victoria-metrics"), "the program of VictoriaMetrics")
	flag.StringVar(&s.profile, "profile", "", "write CPU profiles of the vault, loading and questions, into this folder")
	flag.StringVar(&s.child, "child", "", "be the process of this engine (the program calls itself so)")
	flag.Parse()
	if _, ok := sizes[s.size]; !ok {
		fmt.Fprintf(os.Stderr, "peers: there is no size %q\n", s.size)
		os.Exit(2)
	}
	var err error
	if s.child != "" {
		heap.Tune() // as a node does
		cores.Spare()
		err = beEngine(context.Background(), s)
	} else {
		err = run(context.Background(), s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	size := sizes[s.size]
	d := iot.New(size, seed)
	rows, samples, cost := dryRun(d)
	fmt.Printf("%d CPUs, %s/%s, %s; disk of %s\n%s: %d lorries for %d days, the first %d of them for %d, %d cars: %d rows, %d samples, made in %.1f s of CPU\n\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), s.dir,
		s.size, size.Trucks, size.Days, size.Long, size.LongDays, size.Cars, rows, samples, cost.Seconds())
	r := &report{data: d, samples: samples}
	for _, name := range strings.Split(s.engines, ",") {
		o, err := engineProcess(ctx, s, name, cost)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if o.LeftOut != "" {
			fmt.Printf("%s is left out: %s\n\n", name, o.LeftOut)
			continue
		}
		fmt.Fprintf(os.Stderr, "  %-16s loaded %.2f M samples/s, %.2f bytes a sample\n", name, o.Load.rate(samples)/1e6, o.Load.Disk/float64(samples))
		r.engines = append(r.engines, o)
	}
	if len(r.engines) == 0 {
		return errors.New("no engine could be measured")
	}
	if err := r.compare(); err != nil {
		return err
	}
	r.print(os.Stdout)
	if err := r.append(filepath.Join(s.dir, "results.jsonl")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "peers.svg"), []byte(r.picture(s.size)), 0o644)
}

// dryRun makes the data set without keeping it: how much there is, and what
// making it costs.
func dryRun(d *iot.Data) (rows, samples int, cost time.Duration) {
	before := own().cpu
	for b := range d.Batches() {
		rows += b.Rows()
		samples += b.Samples()
	}
	return rows, samples, own().cpu - before
}

// engineProcess has an engine measured in a process of its own.
func engineProcess(ctx context.Context, s settings, name string, cost time.Duration) (o outcome, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	cmd := exec.CommandContext(ctx, self, "-child", name, "-size", s.size, "-seconds", fmt.Sprint(s.seconds), "-questions", s.ask, "-dir", s.dir, "-victoria", s.victoria, "-profile", s.profile)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(out, &o); err != nil {
		return o, fmt.Errorf("%w in %.200s", err, out)
	}
	if o.InProcess {
		o.Load.CPU -= cost.Seconds()
	}
	return o, nil
}

// errLeftOut is why an engine cannot be measured here.
type errLeftOut struct{ error }

// peer is an engine with what is measured of it.
type peer interface {
	iot.Engine
	version() string
	settle(context.Context) error // brings what was loaded into the form that is asked
	use() usage
	disk() float64 // bytes
	close() error
}

func openPeer(ctx context.Context, s settings, name, dir string) (p peer, inProcess bool, err error) {
	d := iot.New(sizes[s.size], seed)
	switch name {
	case "sayso":
		p, err = openVault(d, dir)
		return p, true, err
	case "VictoriaMetrics":
		p, err = openVictoria(ctx, d, dir, s.victoria)
	case "DuckDB":
		p, err = openDuckDB(ctx, d, dir)
		return p, true, err
	case "PostgreSQL":
		p, err = openPostgres(ctx, d, dir)
	default:
		err = errors.New("there is no such engine: sayso, VictoriaMetrics, DuckDB, PostgreSQL")
	}
	return p, false, err
}
