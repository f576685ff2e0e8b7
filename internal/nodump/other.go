//go:build !linux

package nodump

// Forbid does nothing on systems other than Linux.
func Forbid() error { return nil }
