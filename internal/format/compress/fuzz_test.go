package compress_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// slowExpand is Expand by each library's stream reader.
func slowExpand(src []byte, limit int64) ([]byte, error) {
	var r io.Reader
	var err error
	switch compress.Detect(src) {
	case compress.None:
		return src, nil
	case compress.Gzip:
		r, err = gzip.NewReader(bytes.NewReader(src))
	case compress.Xz:
		r, err = xz.NewReader(bytes.NewReader(src), 128<<20)
	case compress.Zstd:
		var z *zstd.Decoder
		z, err = zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err == nil {
			defer z.Close()
		}
		r = z
	}
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(out)) > limit {
		err = compress.ErrTooLarge
	}
	return out, err
}

// FuzzExpand wants: a result if and only if there is no error, the limit kept,
// the same whatever dst holds, and agreement with the libraries' stream
// readers.
func FuzzExpand(f *testing.F) {
	for _, file := range samples(f) {
		fuzzseed.Add(f, file)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	if err != nil {
		f.Fatal(err)
	}
	two := enc.EncodeAll([]byte("first"), nil)
	fuzzseed.Add(f, enc.EncodeAll([]byte("second"), two))                                    // two frames
	fuzzseed.Add(f, append([]byte("\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), two...))          // a skippable one
	fuzzseed.Add(f, append(two[:len(two):len(two)], "\x50\x2a\x4d\x18\x01\x00\x00\x00s"...)) // behind another
	enc.Close()
	f.Fuzz(func(t *testing.T, src []byte) {
		const limit = 1 << 18
		got, err := compress.Expand(nil, src, limit)
		var bad *compress.Error
		if err != nil && (got != nil || !errors.As(err, &bad) || bad.Off < 0 || bad.Off > int64(max(len(src), limit))) {
			t.Fatalf("%d bytes, %#v", len(got), err)
		}
		if len(got) > limit {
			t.Fatalf("%d bytes", len(got))
		}
		again, err2 := compress.Expand(bytes.Repeat([]byte{0xa5}, 1000), src, limit)
		if (err == nil) != (err2 == nil) || !bytes.Equal(got, again) {
			t.Errorf("%d bytes, %v; into a used buffer: %d bytes, %v", len(got), err, len(again), err2)
		}
		want, slowErr := slowExpand(src, limit)
		if errors.Is(slowErr, compress.ErrTooLarge) || errors.Is(err, compress.ErrTooLarge) ||
			errors.Is(slowErr, xz.ErrUnsupportedCheck) {
			return
		}
		if (err == nil) != (slowErr == nil) || (err == nil && !bytes.Equal(got, want)) {
			t.Errorf("%d bytes, %v; stream reader: %d bytes, %v", len(got), err, len(want), slowErr)
		}
	})
}
