package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// logSize is the size of the bare log's file, which is written over and over.
const logSize = 64 << 20

// preallocated is a file of zeros on the disk.
func preallocated(path string) (*os.File, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for range logSize / len(zeros) {
		if _, err := f.Write(zeros); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, f.Sync()
}

// syncs measures how long the disk takes for 4 KiB.
func syncs(dir string, d time.Duration) (f figure, err error) {
	file, err := preallocated(filepath.Join(dir, "sync"))
	if err != nil {
		return f, err
	}
	defer file.Close()
	block := make([]byte, 4096)
	n := int64(0)
	return commits(1, d, func() error {
		binary.BigEndian.PutUint64(block, uint64(n))
		if _, err := file.WriteAt(block, n*4096%logSize); err != nil {
			return err
		}
		n++
		return fdatasync(file)
	})
}

func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// commits has some writers commit without pause.
func commits(writers int, d time.Duration, commit func() error) (figure, error) {
	lists := make([][]time.Duration, writers)
	errs := make(chan error, writers)
	var stop atomic.Bool
	var wg sync.WaitGroup
	used, began := cpu(syscall.RUSAGE_SELF), time.Now()
	time.AfterFunc(d, func() { stop.Store(true) })
	for i := range writers {
		wg.Go(func() {
			for !stop.Load() {
				at := time.Now()
				if err := commit(); err != nil {
					errs <- err
					return
				}
				lists[i] = append(lists[i], time.Since(at))
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	used = cpu(syscall.RUSAGE_SELF) - used
	if len(errs) > 0 {
		return figure{}, <-errs
	}
	var all []time.Duration
	for _, l := range lists {
		all = append(all, l...)
	}
	f := measured(all, took)
	f.spent(used)
	return f, nil
}

// groupLog is the plainest durable log: records with length and checksum behind
// each other in a preallocated file. Whoever comes first while nobody syncs
// writes and syncs for all who wait.
type groupLog struct {
	file   *os.File
	mu     sync.Mutex
	next   *group
	spare  []byte // of the group before, to be filled again
	busy   bool
	offset int64
}

type group struct {
	buf  []byte
	done chan struct{}
	err  error
}

func (l *groupLog) append(record []byte) error {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(record)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(record, castagnoli))
	l.mu.Lock()
	if l.next == nil {
		l.next = &group{buf: l.spare[:0], done: make(chan struct{})}
		l.spare = nil
	}
	g := l.next
	g.buf = append(append(g.buf, head[:]...), record...)
	if l.busy {
		l.mu.Unlock()
		<-g.done
		return g.err
	}
	l.busy = true
	for l.next != nil { // the leader goes on until nobody waits
		l.mu.Unlock()
		runtime.Gosched() // whoever is ready to write comes in first
		l.mu.Lock()
		now := l.next
		l.next = nil
		l.mu.Unlock()
		now.err = l.write(now.buf)
		close(now.done)
		l.mu.Lock()
		l.spare = now.buf
	}
	l.busy = false
	l.mu.Unlock()
	return g.err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (l *groupLog) write(b []byte) error {
	if l.offset+int64(len(b)) > logSize {
		l.offset = 0
	}
	if _, err := l.file.WriteAt(b, l.offset); err != nil {
		return err
	}
	l.offset += int64(len(b))
	return fdatasync(l.file)
}

// bares measures the bare log and bare Pebble in turns, so that both meet the
// same other load, and keeps the better of three of each.
type bares struct {
	dir  string
	best map[int][2]figure // by writers: log, Pebble
}

func (b *bares) log(_ context.Context, writers int, d time.Duration) (figure, error) {
	err := b.measure(writers, d)
	return b.best[writers][0], err
}

func (b *bares) pebble(_ context.Context, writers int, d time.Duration) (figure, error) {
	err := b.measure(writers, d)
	return b.best[writers][1], err
}

func (b *bares) measure(writers int, d time.Duration) error {
	if _, done := b.best[writers]; done {
		return nil
	}
	const rounds = 3
	var best [2]figure
	for i := range rounds {
		log, err := bareLog(filepath.Join(b.dir, "log"), writers, d/rounds)
		if err != nil {
			return err
		}
		rows, err := barePebble(filepath.Join(b.dir, fmt.Sprintf("pebble%d-%d", writers, i)), writers, d/rounds)
		if err != nil {
			return err
		}
		for k, f := range [...]figure{log, rows} {
			if f.Rate > best[k].Rate {
				best[k] = f
				best[k].Note = "best of 3 in turns"
			}
		}
	}
	b.best[writers] = best
	return nil
}

// sample is one event's bytes, made different by n.
func sample() []byte {
	e := newEvent(vehicle(1), sayso.NFT(benchChain.ID, benchChain.AftermarketDevice, 1), sayso.Address{1}, false, time.Now())
	return e.set(1)
}

// bareLog measures commits of the events' bytes to the plain log.
func bareLog(path string, writers int, d time.Duration) (figure, error) {
	file, err := preallocated(path)
	if err != nil {
		return figure{}, err
	}
	defer file.Close()
	l := &groupLog{file: file}
	record := sample()
	f, err := commits(writers, d, func() error { return l.append(record) })
	f.Bytes = len(record)
	return f, err
}

// quiet keeps Pebble's information out of the output.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) }
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf("FATAL: "+format, a...)) }

// barePebble measures synced batches of the events' bytes.
func barePebble(dir string, writers int, d time.Duration) (f figure, err error) {
	db, err := pebble.Open(dir, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, MemTableSize: 16 << 20, Logger: quiet{}})
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	record := sample()
	var n atomic.Uint64
	f, err = commits(writers, d, func() error {
		key := binary.BigEndian.AppendUint64(nil, n.Add(1))
		b := db.NewBatch()
		defer b.Close()
		if err := b.Set(key, record, nil); err != nil {
			return err
		}
		return b.Commit(pebble.Sync)
	})
	f.Bytes = len(record)
	return f, err
}
