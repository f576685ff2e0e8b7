package door

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"sayso"
)

// MaxRatio is how many times larger a message may become by decompression. One
// that stays below 64 KiB may grow as it likes.
const MaxRatio = 20

// maxWindow is the largest window of zstd that is allowed (RFC 8878 section
// 3.1.1.1.2 recommends to support as much), in bytes.
const maxWindow = 8 << 20

// decoders keeps decompressors to be used again.
type decoders struct{ gzip, zstd sync.Pool }

// encoding is one of the content codings.
type encoding uint8

const (
	identity encoding = iota
	gzipped
	zstandard
)

func encodingOf(header string) (encoding, error) {
	switch strings.ToLower(strings.TrimSpace(header)) {
	case "", "identity":
		return identity, nil
	case "gzip", "x-gzip":
		return gzipped, nil
	case "zstd":
		return zstandard, nil
	}
	return 0, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("Content-Encoding %q is not supported: send the message as gzip, zstd or uncompressed", header))
}

// decoded decompresses a message, which may have at most limit bytes then. The
// memory for it is taken before it is filled; release gives it back.
func (d *Door) decoded(body []byte, e encoding, limit int64, proven bool) (out []byte, release func(), err error) {
	if e == identity {
		return body, func() {}, nil
	}
	grown := max(small, MaxRatio*int64(len(body)))
	tooLarge := sayso.Fail(sayso.TooLarge, op, fmt.Sprintf("the decompressed message is over the limit of %d bytes", limit))
	if grown < limit {
		limit = grown
		tooLarge = sayso.Fail(sayso.TooLarge, op, fmt.Sprintf("the message grows to more than %d times its size: send it less compressed", MaxRatio))
	}
	if e == zstandard {
		var h zstd.Header
		if h.Decode(body) == nil && h.HasFCS && h.FrameContentSize > uint64(limit) {
			return nil, nil, tooLarge
		}
	}
	if release, err = d.Gate.reserve(limit, proven); err != nil {
		return nil, nil, err
	}
	out, err = d.decoders.run(body, e, limit)
	if err == nil && int64(len(out)) > limit {
		err = tooLarge
	} else if err != nil {
		why := "the message cannot be decompressed"
		if errors.Is(err, zstd.ErrWindowSizeExceeded) {
			why += fmt.Sprintf(": its window is over %d bytes", maxWindow)
		}
		err = &sayso.Error{Op: op, Fault: sayso.Invalid, Message: why, Err: err}
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	return out, release, nil
}

// run decompresses at most one byte more than limit.
func (d *decoders) run(body []byte, e encoding, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(limit+1, 4*int64(len(body))+bytes.MinRead)))
	if e == gzipped {
		r, ok := d.gzip.Get().(*gzip.Reader)
		if !ok {
			r = new(gzip.Reader)
		}
		defer d.gzip.Put(r)
		if err := r.Reset(bytes.NewReader(body)); err != nil {
			return nil, err
		}
		_, err := io.Copy(&buf, io.LimitReader(r, limit+1))
		return buf.Bytes(), err
	}
	r, ok := d.zstd.Get().(*zstd.Decoder)
	if !ok {
		var err error
		r, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
	}
	defer d.zstd.Put(r)
	if err := r.Reset(bytes.NewReader(body)); err != nil {
		return nil, err
	}
	_, err := io.Copy(&buf, io.LimitReader(r, limit+1))
	return buf.Bytes(), err
}
