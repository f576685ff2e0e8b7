package vault

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso/internal/clock"
)

// Config says where a vault lives. Only RootKey and Dir are needed; zero
// values mean the defaults in the comments.
type Config struct {
	FS      vfs.FS      // the disk
	Dir     string      // created if absent; one process at a time
	RootKey RootKey     // wraps the data keys
	Inner   bool        // has a key ready for what other parts seal, see [Vault.Inner]
	Clock   clock.Clock // the system's; tells when a deposit was kept
	Log     *slog.Logger
	// Fatal is called once when the state of the disk is unknown (a failed
	// write or sync). The vault refuses everything from then on; the process
	// should exit with code 70 and let the next start decide.
	Fatal func(error)

	// MemoryBytes is what the vault may hold in memory while it works: caches,
	// write buffers, the queue. The sizes below that are zero are shares of it.
	// Not in it: 100 bytes per vehicle for the places of its keys, and what a call
	// gathers. Zero means the sizes in the comments.
	MemoryBytes int64

	CommitTimeout   time.Duration // 2 s: then Commit answers Busy
	CheckpointEvery time.Duration // 1 s: the longest time between checkpoints while something is kept
	QueueBytes      int64         // 32 MiB: more waiting than that is Busy
	SegmentBytes    int64         // 32 MiB: size of a log segment
	CacheBytes      int64         // 64 MiB: block cache of the engine
	MemTableBytes   uint64        // 16 MiB, or a 32nd of MemoryBytes up to 32 MiB: write buffer of the engine, of which there are at most four, or up to sixteen where a sixth of MemoryBytes has room for them
	ShelfBytes      int64         // 96 MiB: latest values of vehicles as they are written, and data keys; a third is for keys
	LatestEntries   int           // 16,384: vehicles whose latest values are held decoded as well
	KeyEntries      int           // 16,384: data keys held ready to seal with as well
	PackBytes       int           // 48 KiB: readings of a vehicle that wait for so much before they are packed; fewer wait for the end of their six hours
	PackEvery       time.Duration // 1 min: how often is looked for what its time has come
	Chunk           ChunkSizes    // of packed readings; other sizes than the built-in ones are for tests
	Retain          Policy        // what goes with time; the zero value keeps all
	RetainEvery     time.Duration // 1 h: how often is looked for what is to go
	MinFreeBytes    uint64        // the larger of 5 % and 2 GiB: less free space than that is Full; 1 turns it off
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Fatal == nil {
		c.Fatal = func(error) {}
	}
	if m := c.MemoryBytes; m > 0 {
		m = max(m, 16<<20)
		def(&c.CacheBytes, m/4)
		def(&c.MemTableBytes, min(32<<20, max(uint64(m)/32, 512<<10)))
		def(&c.QueueBytes, min(32<<20, m/16))
		def(&c.ShelfBytes, m/9*2)
		def(&c.LatestEntries, int(m/18/latestCost))
		def(&c.KeyEntries, int(m/24/keyCost))
	}
	def(&c.CommitTimeout, 2*time.Second)
	def(&c.CheckpointEvery, time.Second)
	def(&c.QueueBytes, 32<<20)
	def(&c.SegmentBytes, 32<<20)
	def(&c.CacheBytes, 64<<20)
	def(&c.MemTableBytes, 16<<20)
	def(&c.PackBytes, 48<<10)
	def(&c.RetainEvery, time.Hour)
	def(&c.Chunk.Rows, 8192)
	def(&c.Chunk.Inline, 512)
	def(&c.Chunk.Rollup, 64)
	def(&c.Chunk.Columns, 512)
	def(&c.PackEvery, time.Minute)
	def(&c.ShelfBytes, 96<<20)
	def(&c.LatestEntries, 1<<14)
	def(&c.KeyEntries, 1<<14)
	return c
}

// What one entry of a cache costs, about: the latest values of thirty-two signals,
// a data key with what is derived from it, and a vehicle with rows.
const (
	latestCost = latestUsual*112 + 256
	keyCost    = 2 << 10
	hotCost    = 50
)

// hotEntries is how many vehicles with rows that are not packed are counted.
func (c *Config) hotEntries() int { return c.KeyEntries * keyCost * 3 / 4 / hotCost }

// buffers is how many write buffers the engine may fill before it has written any.
func (c *Config) buffers() uint64 {
	return max(4, min(16, uint64(c.MemoryBytes)/6/c.MemTableBytes))
}

// ChunkSizes say how readings are put together.
type ChunkSizes struct {
	Rows    int // 8,192: no chunk has more
	Inline  int // 512: parts up to so many bytes are in the head of a chunk, 1 is none
	Rollup  int // 64: numbers that an hour must have on average before a column carries roll-ups
	Columns int // 512: from so many readings on a deposit is kept by column, 1 is always
}

// def sets a setting that was left zero.
func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
