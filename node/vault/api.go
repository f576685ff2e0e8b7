// Package vault keeps what cars say and answers about it: cloud events as
// received, readings, events, latest values. It is a log of its own, synced
// once per group of waiting senders, over a key-value engine (Pebble) that
// holds what is derived from the log. Everything it writes is sealed with a key
// of the vehicle and owner epoch. It knows nothing of GraphQL, tokens or chains:
// who may see what arrives as a [View]. DESIGN.md gives the reasons, and
// docs/formats/vault-*.md every byte.
package vault

import (
	"context"
	"time"

	"sayso"
)

// Deposit is what one accepted message brings: kept whole or not at all. It
// must not be changed once handed to Commit, not even after an error; only the
// bytes of its envelope are free again when Commit, or Begin, has answered.
type Deposit struct {
	Vehicle  uint64
	Epoch    uint32 // of the envelope
	Envelope sayso.CloudEvent
	Body     [32]byte          // hash of the message as received: same key with another body is a conflict
	Readings []sayso.Reading   // each with its own epoch, the ownership at its time; of repetitions the first stays
	Events   []sayso.Event     // likewise
	Rejected []sayso.Rejection // what was not accepted, and why
	Backfill bool              // arrived through the back-fill lane: fires no webhook, earns no reward
}

// Kept says under which commit sequence a deposit is kept. Duplicate says that
// it was there already and nothing changed.
type Kept struct {
	Seq       uint64
	Duplicate bool
}

// View is what a reader may see, built from the verdict of owner/consent: one
// vehicle, some ownership epochs, and one source or (nil) any.
type View struct {
	Vehicle uint64
	Epochs  []uint32
	Source  *sayso.Address
}

// Row is one reading as kept.
type Row struct {
	Signal sayso.SignalID
	Time   sayso.Instant
	Source sayso.Address
	Seq    uint64
	Value  sayso.Value
}

// EventRow is one event as kept.
type EventRow struct {
	sayso.Event
	Source sayso.Address
	Seq    uint64
}

// Stored is one cloud event as kept.
type Stored struct {
	Seq      uint64
	Epoch    uint32
	Envelope sayso.CloudEvent
	Rejected []sayso.Rejection
	Backfill bool
	KeptAt   sayso.Instant
}

// Entry is one commit as the cursor over the commit sequence sees it.
type Entry struct {
	Vehicle uint64
	Stored
	Readings []sayso.Reading // ascending by epoch, time and signal, without repetitions
	Events   []sayso.Event   // in the order of the deposit
}

// Agg is an aggregation. Which kinds of value it takes is in the comments;
// values of other kinds do not count as rows.
type Agg uint8

// The aggregations.
const (
	Avg    Agg = iota + 1 // numbers: mean; positions: mean of latitude, longitude and HDOP, heading 0
	Med                   // numbers: median, of an even count the mean of the middle two
	Max                   // numbers
	Min                   // numbers
	Rand                  // any kind: one row, each equally likely
	First                 // any kind: the earliest row
	Last                  // any kind: the latest row
	Count                 // any kind: number of rows, as a number
	Sum                   // numbers
	Top                   // texts: the most frequent, of equals the smallest
	Unique                // texts: the distinct ones, ascending, joined by commas
)

// Column is one aggregation over one signal. Keep, where given, decides which
// values count.
type Column struct {
	Signal sayso.SignalID
	Agg    Agg
	Keep   func(sayso.Value) bool // answers the same of equal values
}

// Bucket is one interval of an answer of Buckets, with an entry per column.
type Bucket struct {
	Start  sayso.Instant
	Values []sayso.Value
	Has    []bool // false: no row of the column fell into the interval
}

// MaxBuckets is the most intervals that one call of Buckets answers.
const MaxBuckets = 100_000

// SignalSummary tells of one signal how many rows there are, without
// repetitions, and the first and last time.
type SignalSummary struct {
	Signal      sayso.SignalID
	Count       uint64
	First, Last sayso.Instant
}

// EventSummary is the same for the events of one name.
type EventSummary struct {
	Name        string
	Count       uint64
	First, Last sayso.Instant
}

// Summary is sorted by signal and by event name.
type Summary struct {
	Signals []SignalSummary
	Events  []EventSummary
}

// RootKey wraps and unwraps the data keys. ad (what the key is for) must be
// authenticated: Unwrap fails if it differs from what Wrap was given.
type RootKey interface {
	Wrap(plain, ad []byte) ([]byte, error)
	Unwrap(wrapped, ad []byte) ([]byte, error)
}

// Retention says how long readings stay, counted from their own time; zero is
// for ever. Between Raw and Hourly, numbers answer only what whole hours answer:
// see [Policy].
type Retention struct {
	Raw    time.Duration // as they were sent
	Hourly time.Duration // as the hourly roll-up of a number; less than Raw means Raw
}

// Policy says what may go with time. It is applied in the background, within a
// day of what it asks; nil functions keep everything. A latest value stays, and
// so do the keys by which repetitions are known. Both functions are called from
// another goroutine and must answer at once.
//
// Of an hour whose readings are gone, [Engine.Buckets] still counts the numbers
// where an interval holds the whole hour, the aggregation is one of Avg, Sum,
// Min, Max, First, Last, Count, and nothing filters them; Summary counts them, and
// no other call gives them. Where several sources have such an hour of one signal,
// the one that was first there counts.
type Policy struct {
	Readings func(vehicle uint64, signal sayso.SignalID) Retention
	Messages func(vehicle uint64) time.Duration // cloud events and events; zero: for ever
}

// Frame is a piece of a table: Values[i][j] is the number of the i-th signal at
// Times[j], NaN where it has none.
type Frame struct {
	Times  []sayso.Instant
	Values [][]float64
}

// Class sorts cloud events by what there is of them: a car streams its status
// all day, and a statement would be lost among it. A set of classes is their sum.
type Class uint8

// The classes.
const (
	Streamed  Class = 1 << iota // what a car sends all the time
	Statement                   // anything else: attestations, documents, fingerprints, what was refused
	Tombstone                   // what takes another event back

	AnyClass = Streamed | Statement | Tombstone
)

// ClassOf is the class of a type.
func ClassOf(eventType string) Class {
	switch eventType {
	case sayso.TypeTombstone:
		return Tombstone
	case sayso.TypeStatus, sayso.TypeEvents, "dimo.raw.status", "dimo.signals", "dimo.signal", "dimo.event":
		return Streamed
	}
	return Statement
}

// Engine is what a vault does. *Vault does it on disk; naive.Vault in maps, as
// the oracle of the tests. Every window is half open, [from, to). An iteration
// stops when yield answers false. Errors are of package sayso: Cancelled when
// ctx ends, Internal when stored bytes cannot be read.
type Engine interface {
	// Commit keeps a deposit and returns when it is on stable storage; every
	// read that begins afterwards sees it. The key of a deposit is its source, subject and id.
	// Errors: Conflict (the key is there with another body), Busy (not done in
	// time; it may or may not be kept, sending again is safe), Full, Invalid,
	// TooLarge.
	Commit(ctx context.Context, d *Deposit) (Kept, error)
	// Latest gives one row per signal (nil: of all signals), ascending by
	// signal: that of the greatest time over the view, of equal times the
	// lowest sequence. Positions exactly at (0,0) do not count, as if they had
	// not been deposited.
	Latest(ctx context.Context, v View, signals []sayso.SignalID) ([]Row, error)
	// Scan gives the rows of the signals (nil: all) ascending by time and
	// signal, one per signal and time: that of the lowest sequence in the view.
	Scan(ctx context.Context, v View, signals []sayso.SignalID, from, to sayso.Instant, yield func(Row) bool) error
	// Buckets aggregates what Scan would give into intervals that start at
	// from; only those that have a row of some column are answered. Positions
	// exactly at (0,0) do not count. Errors: Invalid.
	// Sums and means are the same however the rows are stored up to the last
	// digits of rounding.
	Buckets(ctx context.Context, v View, cols []Column, from, to, interval sayso.Instant) ([]Bucket, error)
	// Events gives the newest first (of equal times: by name, then source),
	// one per time, name and source: that of the lowest sequence.
	Events(ctx context.Context, v View, from, to sayso.Instant, yield func(EventRow) bool) error
	// CloudEvents gives the newest first by envelope time, of equal times the
	// highest sequence first.
	CloudEvents(ctx context.Context, v View, from, to sayso.Instant, yield func(Stored) bool) error
	// CloudEventsOf is CloudEvents of some classes, without a look at the others.
	CloudEventsOf(ctx context.Context, v View, of Class, from, to sayso.Instant, yield func(Stored) bool) error
	// EachBucket is Buckets one by one, in the order of time. The bucket belongs
	// to the vault and changes with the next.
	EachBucket(ctx context.Context, v View, cols []Column, from, to, interval sayso.Instant, yield func(*Bucket) bool) error
	// Frames gives the numbers that Scan would give as columns that share their
	// times, ascending, in pieces; a time at which no signal has a number does
	// not occur. The frame belongs to the vault and changes with the next.
	Frames(ctx context.Context, v View, signals []sayso.SignalID, from, to sayso.Instant, yield func(*Frame) bool) error
	// Summary counts.
	Summary(ctx context.Context, v View) (Summary, error)
	// Export gives all cloud events of the view in commit order.
	Export(ctx context.Context, v View, yield func(Stored) bool) error
	// Erase makes everything kept so far of an ownership epoch unreadable for
	// ever and returns when that is on stable storage. What arrives later is
	// kept again. Keys of erased deposits stay known, so that a repetition of
	// an erased message does not bring it back.
	Erase(ctx context.Context, vehicle uint64, epoch uint32) error
	// Follow gives what was committed after a sequence, ascending, up to now;
	// erased commits are left out. Every reading is listed, also one that views
	// do not show because an earlier commit had its signal and time, until the
	// policy lets it go.
	Follow(ctx context.Context, after uint64, yield func(Entry) bool) error
	// Seq is the sequence up to which every read sees all; 0 when empty.
	Seq() uint64
	// Close waits for what is under way and closes.
	Close() error
}
