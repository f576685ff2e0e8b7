// Package replay turns recordings into the cloud events that a device would
// have sent, of the form default/v1.0: CAN logs in candump's text form with a
// DBC table, CSV tables with columns named after signals, and NDJSON files of
// cloud events. The readers are pure; [Open] is the part that opens files.
//
// What cannot be read costs only itself, a line, a cell or a value, and is
// reported with file, line and column; the rest goes on.
package replay
