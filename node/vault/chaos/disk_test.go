package chaos

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// op is one operation of the disk.
type op struct {
	kind  errorfs.OpKind
	name  string
	grows bool // it needs space that its file does not have yet
}

func (o op) base() string { return path.Base(o.name) }

// in says whether the operation is on something in a folder of the store.
func (o op) in(folder string) bool { return strings.Contains(o.name, "/"+folder) }

func (o op) writes() bool { return o.kind.ReadOrWrite() == errorfs.OpIsWrite }

func (o op) syncs() bool {
	return o.kind == errorfs.OpFileSync || o.kind == errorfs.OpFileSyncData || o.kind == errorfs.OpFileSyncTo
}

// plan is what the nemesis does: it waits for the at-th operation that matches.
// Either the power goes or the process dies just before it (or, of a write,
// after a part of it), or it fails with err.
type plan struct {
	name    string
	match   func(op) bool
	at      int
	percent int     // cut: the chance that something not synced survives
	tear    float64 // cut: the share of the write that comes before
	kill    bool    // the process dies and the system lives: nothing is lost, and what was not synced still is not
	err     error   // fault: what the operation answers
	stays   bool    // fault: and every further one that matches, until heal
}

func (p *plan) String() string {
	if p.err != nil {
		return fmt.Sprintf("%v at %s %d", p.err, p.name, p.at)
	}
	return fmt.Sprintf("cut at %s %d, %d %% survive, torn at %.2f, kill %v", p.name, p.at, p.percent, p.tear, p.kill)
}

// disk is a crashable file system with a nemesis. It knows which names are not
// durable yet, because a removal that was not synced may survive a cut as well.
type disk struct {
	*vfs.MemFS
	mem *vfs.MemFS
	rng *rand.Rand

	mu      sync.Mutex
	made    map[string]bool // since their directory was synced
	removed map[string]bool
	plan    *plan
	seen    int
	last    []op // the latest, a ring
	count   int
	before  func() // called before a cut, and after
	after   func()

	left    *vfs.MemFS // what is there after the cut
	met     atomic.Bool
	erasing atomic.Bool // an erasure has begun
	packing atomic.Int32
}

func newDisk(mem *vfs.MemFS, rng *rand.Rand) *disk {
	return &disk{MemFS: mem, mem: mem, rng: rng, made: map[string]bool{}, removed: map[string]bool{}, last: make([]op, 48), before: func() {}, after: func() {}}
}

// arm sets what will happen.
func (d *disk) arm(p *plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan, d.seen = p, 0
}

// heal ends a fault that stays.
func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plan = nil
}

// meet is called before every operation. part says how many of n bytes come
// before the cut, -1 that none is torn; then the caller cuts.
func (d *disk) meet(o op, n int) (part int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[d.count%len(d.last)] = o
	d.count++
	p := d.plan
	if p == nil || !p.match(o) {
		return -1, nil
	}
	if d.seen++; d.seen < p.at || d.seen > p.at && !p.stays {
		return -1, nil
	}
	if p.err != nil {
		d.met.Store(true)
		return -1, p.err
	}
	if k := int(float64(n) * p.tear); k > 0 {
		return k, nil
	}
	d.cut(p)
	d.met.Store(true)
	return -1, nil
}

// cut takes what a cut would leave. d.mu is held.
func (d *disk) cut(p *plan) {
	if d.left != nil {
		return
	}
	d.before()
	if p.kill {
		d.left = d.killed()
	} else {
		d.left = d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.percent, RNG: d.rng})
		d.forget(d.left, p.percent)
	}
	d.after()
}

// cutTorn cuts in the midst of a write.
func (d *disk) cutTorn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut(d.plan)
	d.met.Store(true)
}

// cutNow cuts at rest.
func (d *disk) cutNow(p *plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut(p)
}

// unhurt says whether there was no cut yet.
func (d *disk) unhurt() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left == nil
}

// unlessCut runs f, and no cut meanwhile, if there was none yet.
func (d *disk) unlessCut(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left == nil {
		f()
	}
}

func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("BUG: %v", err))
	}
}

// contentOf reads a whole file.
func contentOf(fs vfs.FS, name string) []byte {
	f, err := fs.Open(name)
	must(err)
	b, err := io.ReadAll(f)
	must(err)
	must(f.Close())
	return b
}

// forget lets some of the removals survive that were not synced.
func (d *disk) forget(left *vfs.MemFS, percent int) {
	for name := range d.removed {
		if d.rng.IntN(100) < percent && left.Remove(name) == nil {
			dir, err := left.OpenDir(path.Dir(name))
			must(err)
			must(dir.Sync())
			must(dir.Close())
		}
	}
}

// killed copies the disk with the difference between what is synced and what
// is not.
func (d *disk) killed() *vfs.MemFS {
	durable := d.mem.CrashClone(vfs.CrashCloneCfg{})
	all := d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: d.rng})
	for name := range d.removed {
		if err := durable.Remove(name); err == nil {
			must(all.Remove(name))
		}
	}
	d.overlay(durable, all, "/")
	return durable
}

// overlay writes what all has more than durable, without syncing it. A file
// that is new has its bytes, but not its name, on stable storage.
func (d *disk) overlay(durable, all *vfs.MemFS, dir string) {
	names, err := all.List(dir)
	must(err)
	for _, n := range names {
		name := path.Join(dir, n)
		info, err := all.Stat(name)
		must(err)
		if info.IsDir() {
			must(durable.MkdirAll(name, 0o700))
			d.overlay(durable, all, name)
			continue
		}
		want := contentOf(all, name)
		_, err = durable.Stat(name)
		if fresh := d.made[name[1:]] || err != nil; fresh {
			f, err := durable.Create(name, vfs.WriteCategoryUnspecified)
			must(err)
			_, err = f.Write(want)
			must(err)
			must(f.Sync())
			must(f.Close())
			continue
		}
		if have := contentOf(durable, name); string(have) != string(want) {
			f, err := durable.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
			must(err)
			_, err = f.WriteAt(want, 0)
			must(err)
			must(f.Close())
		}
	}
}

// names notes that a name has come or gone and is not durable.
func (d *disk) names(name string, made bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if made {
		d.made[name] = true
		delete(d.removed, name)
		return
	}
	delete(d.made, name)
	d.removed[name] = true
}

// trace lists the latest operations.
func (d *disk) trace() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for i := max(0, d.count-len(d.last)); i < d.count; i++ {
		o := d.last[i%len(d.last)]
		fmt.Fprintf(&b, "  %s %s\n", kindNames[o.kind], o.name)
	}
	return b.String()
}

var kindNames = map[errorfs.OpKind]string{
	errorfs.OpCreate: "create", errorfs.OpLink: "link", errorfs.OpOpen: "open", errorfs.OpOpenDir: "open folder",
	errorfs.OpRemove: "remove", errorfs.OpRename: "rename", errorfs.OpReuseForWrite: "reuse", errorfs.OpMkdirAll: "make folder",
	errorfs.OpLock: "lock", errorfs.OpList: "list", errorfs.OpStat: "stat", errorfs.OpFilePreallocate: "allocate",
	errorfs.OpFileClose: "close", errorfs.OpFileRead: "read", errorfs.OpFileReadAt: "read at", errorfs.OpFileWrite: "write",
	errorfs.OpFileWriteAt: "write at", errorfs.OpFileStat: "stat file", errorfs.OpFileSync: "sync",
	errorfs.OpFileSyncData: "sync data", errorfs.OpFileSyncTo: "sync to",
}

// The operations of vfs.FS, each with the nemesis before it.

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.file(errorfs.OpCreate, name, true, func() (vfs.File, error) { return d.mem.Create(name, c) })
}

func (d *disk) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	return d.file(errorfs.OpOpen, name, false, func() (vfs.File, error) { return d.mem.Open(name, o...) })
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	_, err := d.mem.Stat(name)
	return d.file(errorfs.OpOpen, name, err != nil, func() (vfs.File, error) { return d.mem.OpenReadWrite(name, c, o...) })
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.file(errorfs.OpOpenDir, name, false, func() (vfs.File, error) { return d.mem.OpenDir(name) })
	if f, ok := f.(*file); ok {
		f.dir = true
	}
	return f, err
}

func (d *disk) file(kind errorfs.OpKind, name string, made bool, open func() (vfs.File, error)) (vfs.File, error) {
	if _, err := d.meet(op{kind: kind, name: name, grows: made}, 0); err != nil {
		return nil, err
	}
	f, err := open()
	if err != nil {
		return nil, err
	}
	if made {
		d.names(name, true)
	}
	return &file{File: f, d: d, name: name}, nil
}

func (d *disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if _, err := d.meet(op{kind: errorfs.OpReuseForWrite, name: from}, 0); err != nil {
		return nil, err
	}
	f, err := d.mem.ReuseForWrite(from, to, c)
	if err != nil {
		return nil, err
	}
	d.names(from, false)
	d.names(to, true)
	return &file{File: f, d: d, name: to}, nil
}

func (d *disk) Remove(name string) error {
	if _, err := d.meet(op{kind: errorfs.OpRemove, name: name}, 0); err != nil {
		return err
	}
	err := d.mem.Remove(name)
	if err == nil {
		d.names(name, false)
	}
	return err
}

func (d *disk) Rename(from, to string) error {
	if _, err := d.meet(op{kind: errorfs.OpRename, name: from}, 0); err != nil {
		return err
	}
	err := d.mem.Rename(from, to)
	if err == nil {
		d.names(from, false)
		d.names(to, true)
	}
	return err
}

func (d *disk) MkdirAll(name string, perm os.FileMode) error {
	if _, err := d.meet(op{kind: errorfs.OpMkdirAll, name: name, grows: true}, 0); err != nil {
		return err
	}
	return d.mem.MkdirAll(name, perm)
}

func (d *disk) List(name string) ([]string, error) {
	if _, err := d.meet(op{kind: errorfs.OpList, name: name}, 0); err != nil {
		return nil, err
	}
	return d.mem.List(name)
}

func (d *disk) Stat(name string) (vfs.FileInfo, error) {
	if _, err := d.meet(op{kind: errorfs.OpStat, name: name}, 0); err != nil {
		return nil, err
	}
	return d.mem.Stat(name)
}

func (d *disk) Unwrap() vfs.FS { return d.mem }

// file is an open file of a disk.
type file struct {
	vfs.File
	d    *disk
	name string
	dir  bool
}

func (f *file) meet(kind errorfs.OpKind) error {
	_, err := f.d.meet(op{kind: kind, name: f.name}, 0)
	return err
}

// grows says whether a file is shorter.
func (f *file) grows(to int64) bool {
	info, err := f.File.Stat()
	return err != nil || info.Size() < to
}

func (f *file) Read(p []byte) (int, error) {
	if err := f.meet(errorfs.OpFileRead); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.meet(errorfs.OpFileReadAt); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *file) Write(p []byte) (int, error) {
	part, err := f.d.meet(op{kind: errorfs.OpFileWrite, name: f.name, grows: true}, len(p))
	if err != nil {
		return 0, err
	}
	if part < 0 {
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:part])
	if err != nil {
		return n, err
	}
	f.d.cutTorn()
	m, err := f.File.Write(p[part:])
	return n + m, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	part, err := f.d.meet(op{kind: errorfs.OpFileWriteAt, name: f.name, grows: f.grows(off + int64(len(p)))}, len(p))
	if err != nil {
		return 0, err
	}
	if part < 0 {
		return f.File.WriteAt(p, off)
	}
	part = max(0, int((off+int64(part))&^511-off)) // no disk tears a sector
	n, err := f.File.WriteAt(p[:part], off)
	if err != nil {
		return n, err
	}
	f.d.cutTorn()
	m, err := f.File.WriteAt(p[part:], off+int64(part))
	return n + m, err
}

func (f *file) Preallocate(off, length int64) error {
	if _, err := f.d.meet(op{kind: errorfs.OpFilePreallocate, name: f.name, grows: f.grows(off + length)}, 0); err != nil {
		return err
	}
	return f.File.Preallocate(off, length)
}

func (f *file) Sync() error {
	if err := f.meet(errorfs.OpFileSync); err != nil {
		return err
	}
	if !f.dir {
		return f.File.Sync()
	}
	f.d.mu.Lock() // so that no name comes or goes meanwhile
	defer f.d.mu.Unlock()
	for _, set := range []map[string]bool{f.d.made, f.d.removed} {
		for name := range set {
			if path.Dir(name) == path.Clean(f.name) {
				delete(set, name)
			}
		}
	}
	return f.File.Sync()
}

func (f *file) SyncData() error {
	if err := f.meet(errorfs.OpFileSyncData); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *file) SyncTo(length int64) (bool, error) {
	if err := f.meet(errorfs.OpFileSyncTo); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}
