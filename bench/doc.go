// Command bench measures what the node is for: durable acknowledgements through
// the HTTP door and answers to questions, each beside what it stands on in the
// same run: an HTTP handler that does nothing, a plain preallocated log with
// group commit, synced Pebble batches of the same bytes, the vault's own calls.
// Absolute figures belong to the machine; the ratios are what counts.
//
//	go run ./bench [-seconds N] [-only NAME] [-dir DIR] [-profile DIR]
//
// The handlers are those of a node (package node/front) on a listener and a
// disk; the registry is filled by folding facts, since a chain has no part in
// what is measured. The load comes from a second process (this program again)
// on the same CPUs, over keep-alive connections on the loopback: it takes its
// share of them, and its CPU time is told apart.
//
// The results are printed as a table and appended to out/results.jsonl, one
// line of JSON per figure. Nothing is asserted.
//
// Beside it, each with its own page of package documentation:
//
//   - bench/peers: the vault, VictoriaMetrics, DuckDB and PostgreSQL load one data
//     set and answer the same questions; their answers must agree. It is a module
//     of its own, so that nothing else needs those modules or cgo.
//   - bench/iot: that data set and its questions, asked of a vault in vault.go.
//   - bench/million: a million cars, a message a minute each, kept durably while
//     questions are answered; what it costs is printed every ten seconds.
//   - bench/revoke: from a revocation's block to the refusal.
//
// make bench runs this program and bench/peers with the small data set (about 17
// million samples, ten minutes at most), make bench SIZE=full with the full one (180
// million samples, 15 GB of disk, about half an hour), make million the million cars.
package main
