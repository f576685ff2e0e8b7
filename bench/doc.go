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
package main
