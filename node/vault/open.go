package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	iofs "io/fs"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso/internal/cores"
)

// Open opens the vault in a directory, or makes a new one. It reads the log
// behind what the engine holds and applies it as a running vault would. It
// refuses with a [*Loss] where something is missing that must be there.
func Open(cfg Config) (*Vault, error) {
	cfg = cfg.withDefaults()
	if cfg.RootKey == nil || cfg.Dir == "" {
		return nil, errors.New("vault: a directory and a root key are needed")
	}
	v := &Vault{
		cfg: cfg, latest: newLRU[owner, lately](cfg.LatestEntries), shelf: newShelf(cfg.ShelfBytes/3*2, latestSlack),
		wake: make(chan struct{}, 1), groups: make(chan groupOut, groupsAhead), hurries: make(chan struct{}, 1),
		inflight: make(map[[16]byte]*pending), behind: behind{last: make(map[uint64]uint64)}, purges: make(chan owner, 256), packed: make(chan struct{}),
		applied: make(chan struct{}), kicks: make(chan struct{}, 1), stop: make(chan struct{}), leaving: make(chan struct{}), kept: make(chan struct{}), dead: make(chan struct{}),
	}
	v.latest.heavy = lately.weight
	v.hot = newHotSet(cfg.PackBytes, cfg.hotEntries())
	first := make(chan struct{})
	v.changed.Store(&first)
	if err := v.guarded(v.open); err != nil {
		return nil, errors.Join(err, v.abandon())
	}
	go v.write()
	go v.apply()
	go v.keep()
	go v.pack()
	return v, nil
}

// guarded runs f, which enters Pebble on a caller's behalf. Pebble may end the
// goroutine by [engineLog.Fatalf], with its locks held; panic, as it does at a
// directory that cannot be synced; or wait for ever for another goroutine that
// ended so. The caller hears of the failure in each case.
func (v *Vault) guarded(f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("vault: the row engine gave up")
		defer func() {
			if p := recover(); p != nil {
				v.fail(fmt.Errorf("vault: the row engine gave up: %v\n%s", p, debug.Stack()))
			}
			done <- err
		}()
		err = f()
	}()
	select {
	case err := <-done:
		return errors.Join(err, v.failure())
	case <-v.dead:
		return v.failure()
	}
}

// abandon closes what open had opened; of a failed vault only the lock, because
// open may still be at work.
func (v *Vault) abandon() error {
	if v.failure() != nil {
		if v.lock == nil {
			return nil
		}
		return v.lock()
	}
	var errs []error
	if v.journal != nil {
		errs = append(errs, v.journal.close())
	}
	if v.db != nil {
		errs = append(errs, v.db.Close())
	}
	if v.check != nil {
		errs = append(errs, v.check.file.Close())
	}
	if v.keys != nil {
		errs = append(errs, v.keys.file.Close())
	}
	if v.lock != nil {
		errs = append(errs, v.lock())
	}
	return errors.Join(errs...)
}

// open goes through the parts in the order in which they depend on each other.
func (v *Vault) open() (err error) {
	fs, path := v.cfg.FS, func(name string) string { return v.cfg.FS.PathJoin(v.cfg.Dir, name) }
	for _, dir := range []string{v.cfg.Dir, path("log"), path("rows")} {
		if err := makeDir(fs, dir); err != nil {
			return fmt.Errorf("vault: %w", err)
		}
	}
	if v.lock, err = lockDir(fs, path("lock")); err != nil {
		return err
	}
	if err := v.dropBallast(); err != nil {
		return err
	}
	if err := fs.RemoveAll(path(copyName)); err != nil { // of a backup that a crash cut off
		return fmt.Errorf("vault: %w", err)
	}
	if v.check, err = openCheckpoint(fs, path("checkpoint")); err != nil {
		return err
	}
	cp, fresh := v.check.last, !v.check.ok
	if err := finishRewrap(fs, v.cfg.Dir, v.cfg.RootKey); err != nil {
		return err
	}
	if v.keys, err = openKeyring(fs, path(keysName), v.cfg.RootKey, cp.slots, fresh, v.cfg.KeyEntries, v.cfg.ShelfBytes/3); err != nil {
		return err
	}
	if err := v.syncNames(path("log"), fresh); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if v.db, err = pebble.Open(path("rows"), v.engineOptions()); err != nil {
		return fmt.Errorf("vault: opening the rows: %w", err)
	}
	if err := v.checkFormat(); err != nil {
		return err
	}
	v.keys.numberedTo = v.numberedTo
	v.journal = &journal{fs: fs, dir: path("log"), size: v.cfg.SegmentBytes}
	if err := v.keys.begin(); err != nil {
		return err
	}
	if v.cfg.Inner {
		if err := v.ensureInner(); err != nil {
			return err
		}
	}
	if err := v.recover(cp, fresh); err != nil {
		return v.name(err, cp.end)
	}
	if err := v.markFormat(); err != nil {
		return err
	}
	if err := v.failure(); err != nil {
		return err
	}
	return v.ready()
}

// syncNames makes durable the names that an earlier start may have made and not
// synced: of the log, and, until there is a checkpoint, of every folder above.
func (v *Vault) syncNames(log string, fresh bool) error {
	for _, dir := range []string{log, v.cfg.Dir} {
		if err := syncDir(v.cfg.FS, dir); err != nil {
			return err
		}
	}
	for dir := v.cfg.Dir; fresh; {
		parent := v.cfg.FS.PathDir(dir)
		if parent == dir {
			break
		}
		// A folder that cannot be read was there before us.
		if err := syncDir(v.cfg.FS, parent); err != nil && !errors.Is(err, iofs.ErrPermission) {
			return err
		}
		dir = parent
	}
	return nil
}

// makeDir makes a directory and what is missing above it, durably.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	parent := fs.PathDir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fs, parent)
}

// recover applies what the log has and the engine has not.
func (v *Vault) recover(cp checkpoint, fresh bool) error {
	have, err := appliedIn(v.db)
	if err != nil {
		return err
	}
	if have.seq < cp.durable {
		return lossOf(have.seq+1, cp.durable, "the rows end at sequence %d, the checkpoint has seen %d", have.seq, cp.durable)
	}
	a, j := v.newApplying(), v.journal
	var rec record
	met := false
	meet := func(p position) error {
		if p.seq != have.seq {
			return nil
		}
		if met = true; p != have {
			return lossOf(have.seq, have.seq, "the rows and the log differ at sequence %d", have.seq)
		}
		return nil
	}
	err = j.read(cp.first, cp.end, func(g *group) error {
		if !met {
			if j.seq > have.seq {
				return lossOf(have.seq+1, j.seq, "the log starts behind sequence %d, the rows end at %d", j.seq, have.seq)
			}
			if err := meet(j.position); err != nil {
				return err
			}
		}
		if g.lastSeq > have.seq {
			if !met {
				return lossf("the rows end at sequence %d, within a group of the log", have.seq)
			}
			return a.replay(g, &rec)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !met {
		if err := meet(j.position); err != nil {
			return err
		}
	}
	if !met {
		return lossOf(j.seq+1, have.seq, "the log ends at sequence %d, the rows hold %d", j.seq, have.seq)
	}
	if fresh && j.seq > 0 {
		return lossf("the checkpoint is missing; the log holds sequence %d", j.seq)
	}
	v.seq.Store(j.seq)
	v.keptUpTo.Store(j.seq)
	return nil
}

// replay applies a group of the log.
func (a *applying) replay(g *group, rec *record) error {
	a.begin()
	for i := range g.records {
		if err := rec.parse(&g.records[i]); err != nil {
			return fmt.Errorf("vault: sequence %d of the log: %w", g.records[i].seq, err)
		}
		if err := a.add(rec); err != nil {
			return fmt.Errorf("vault: sequence %d of the log: %w", g.records[i].seq, err)
		}
	}
	return a.commit(position{g.number, g.lastSeq, g.link})
}

// ready has a segment to write to and a checkpoint.
func (v *Vault) ready() error {
	j := v.journal
	if j.file == nil {
		if err := j.rotate(); err != nil {
			return fmt.Errorf("vault: the first log segment: %w", err)
		}
	}
	v.end.Store(&logEnd{j.position, j.number})
	if err := v.checkpoint(); err != nil {
		return err
	}
	v.watchSpace()
	v.kick() // the next segment is prepared while the first senders come
	return nil
}

// appliedIn is how far the log is in the rows; the zero position where there are
// none yet.
func appliedIn(rows pebble.Reader) (p position, err error) {
	val, closer, err := rows.Get(metaApplied)
	if errors.Is(err, pebble.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("vault: %w", err)
	}
	p, err = decodeApplied(val)
	return p, errors.Join(err, closer.Close())
}

// checkFormat refuses rows of another format.
func (v *Vault) checkFormat() error {
	val, closer, err := v.db.Get(metaFormat)
	if errors.Is(err, pebble.ErrNotFound) {
		return v.begins()
	}
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	format := uint32(0)
	if len(val) >= 4 {
		format = binary.BigEndian.Uint32(val)
	}
	if len(val) == 12 {
		v.whole = binary.BigEndian.Uint64(val[4:])
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	switch format {
	case 1, 2:
		return v.begins()
	case 3: // has the rows of commits already
		v.unmarked = true
		return nil
	case rowsFormat:
		return nil
	}
	return fmt.Errorf("vault: the rows have format %d, this program reads %d", format, rowsFormat)
}

// begins says from which sequence on every sequence has a row and every deposit a
// number: behind what an earlier program has kept.
func (v *Vault) begins() error {
	have, err := appliedIn(v.db)
	v.whole, v.unmarked = have.seq+1, true
	return err
}

// markFormat marks the rows, which hold all that an earlier program has kept.
func (v *Vault) markFormat() error {
	if !v.unmarked {
		return nil
	}
	return v.db.Set(metaFormat, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, rowsFormat), v.whole), pebble.NoSync)
}

// deletionRate is how many bytes of tables that are no longer needed are removed
// in a second: on some disks, above all where the file system tells them of each
// (discard), removing all the inputs of a compaction at once keeps reads and syncs
// waiting. Pebble goes faster where they pile up or space is short.
const deletionRate = 128 << 20

// engineOptions: no log of its own, no compression (what is sealed does not
// compress), a filter because most look-ups are for keys that are not there,
// twice the usual number of flushed tables before they are merged, which saves a
// tenth of the CPU time of a commit and costs a read a few more of them. The level
// into which those are merged may be twice as large as they are together: a
// smaller one saves nothing there, and makes one level more through which every
// row is written again.
func (v *Vault) engineOptions() *pebble.Options {
	o := &pebble.Options{
		FS: engineFS{v.cfg.FS}, DisableWAL: true, FormatMajorVersion: pebble.FormatNewest,
		CacheSize: v.cfg.CacheBytes, MemTableSize: v.cfg.MemTableBytes, MemTableStopWritesThreshold: int(v.cfg.buffers()),
		L0CompactionThreshold: mergeLevels, L0StopWritesThreshold: stopLevels,
		LBaseMaxBytes:              2 * mergeLevels * int64(v.cfg.MemTableBytes),
		TargetByteDeletionRate:     deletionRate,
		CompactionConcurrencyRange: func() (int, int) { return 1, max(1, min(4, cores.Count()/2)) },
		Logger:                     engineLog{v},
		EventListener: &pebble.EventListener{
			BackgroundError: v.engineError,
			DataCorruption:  v.corrupt,
			FlushBegin:      func(pebble.FlushInfo) { v.background() },
			CompactionBegin: func(pebble.CompactionInfo) { v.background() },
			FlushEnd: func(i pebble.FlushInfo) {
				if i.Err == nil {
					v.setFull(fullEngine, false)
				}
			},
		},
	}
	for i := range o.Levels {
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].BlockSize = 16 << 10
	}
	return o
}

// closeTries is how often Pebble may find no space while the vault closes: a
// flush and a compaction may have begun before there was some.
const closeTries = 4

// engineError hears of a failed flush or compaction. The log still has what
// Pebble could not write. A full disk is waited for, unless the vault closes. A
// damaged table stays as it is, and the others are served. Anything else is
// unknown.
func (v *Vault) engineError(err error) {
	switch {
	case vfs.IsNoSpaceError(err):
		v.setFull(fullEngine, true)
		select {
		case <-v.leaving: // the next start has it from the log
			if v.pressed.Add(1) >= closeTries {
				v.fail(fmt.Errorf("vault: closing on a full disk: %w", err))
			}
		default:
		}
	case errors.Is(err, context.Canceled), pebble.IsCorruptionError(err):
	default:
		v.fail(fmt.Errorf("vault: the row engine: %w", err))
	}
}

// engineFS is the file system as Pebble sees it. The names in a directory are
// durable before a marker file comes into it, and before one goes: Pebble writes a
// manifest, the marker that names it, and removes the marker before, with one sync
// of the directory behind all; on a file system that does not keep the order of
// names, the marker alone could survive, or none, and the rows would not open or
// seem to be new.
type engineFS struct{ vfs.FS }

// Create makes a file.
func (m engineFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := m.settle(name); err != nil {
		return nil, err
	}
	return m.FS.Create(name, category)
}

// Remove removes a file.
func (m engineFS) Remove(name string) error {
	if err := m.settle(name); err != nil {
		return err
	}
	return m.FS.Remove(name)
}

// settle syncs the directory of a marker.
func (m engineFS) settle(name string) error {
	if !strings.HasPrefix(m.PathBase(name), "marker.") {
		return nil
	}
	return syncDir(m.FS, m.PathDir(name))
}

// Unwrap gives the file system below.
func (m engineFS) Unwrap() vfs.FS { return m.FS }

// engineLog takes Pebble's own words.
type engineLog struct{ v *Vault }

func (l engineLog) Infof(string, ...any) {}

func (l engineLog) Errorf(format string, a ...any) {
	l.v.cfg.Log.Warn("row engine", "says", fmt.Sprintf(format, a...))
}

// Fatalf must not return. Ending this goroutine leaves Pebble as it is; the
// vault has failed and the process is expected to exit.
func (l engineLog) Fatalf(format string, a ...any) {
	l.v.fail(fmt.Errorf("vault: the row engine: "+format, a...))
	runtime.Goexit()
}
