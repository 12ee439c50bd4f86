//go:build !kmod_nogzip && !kmod_noxz && !kmod_nozstd

package compress_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/gomodprobe/gomodprobe/internal/compress"
	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
)

// BenchmarkXz decodes a real module and reports how many times as fast as the
// library's decoder ours is.
func BenchmarkXz(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.12")
	file, err := os.ReadFile(filepath.Join(root, "lib/modules", release, "kernel/fs/ext4/ext4.ko.xz"))
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	var slow time.Duration
	for b.Loop() {
		if buf, err = compress.Expand(buf, file, 0); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		start := time.Now()
		if _, err := slowExpand(file, compress.DefaultLimit); err != nil {
			b.Fatal(err)
		}
		slow += time.Since(start)
		b.StartTimer()
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(slow.Seconds()/b.Elapsed().Seconds(), "x-library")
}

// BenchmarkZstd decodes real modules by our own decoder and reports how many times as fast as the library's it is: faster where that
// has no assembly.
func BenchmarkZstd(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	names, err := filepath.Glob(filepath.Join(root, "lib/modules", release, "kernel/net/*/*.ko"))
	if err != nil {
		b.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var files [][]byte
	size := 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, enc.EncodeAll(data, nil))
		size += len(data)
	}
	bufs := [2][]byte{make([]byte, 0, 8<<20), make([]byte, 0, 8<<20)}
	var slow time.Duration
	for b.Loop() {
		for _, file := range files {
			if bufs[0], err = compress.ExpandFrames(bufs[0], file, compress.DefaultLimit); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		start := time.Now()
		for _, file := range files {
			if _, err = z.DecodeAll(file, bufs[1][:0]); err != nil {
				b.Fatal(err)
			}
		}
		slow += time.Since(start)
		b.StartTimer()
	}
	b.SetBytes(int64(size))
	b.ReportMetric(slow.Seconds()/b.Elapsed().Seconds(), "x-library")
}

// BenchmarkZstdWriter encodes modules and reports, against the library's encoder at its level "better", both with one
// processor: how much of its time ours takes, and how large what comes out is.
func BenchmarkZstdWriter(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	files, err := filepath.Glob(filepath.Join(root, "lib/modules", release, "kernel/drivers/scsi/*/*.ko"))
	if err != nil {
		b.Fatal(err)
	}
	var data []byte
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		data = append(data, content...)
	}
	library := func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
		if err != nil {
			b.Fatal(err)
		}
		return z
	}
	encode := func(open func(io.Writer) io.WriteCloser) (time.Duration, int) {
		var size counter
		start := time.Now()
		w := open(&size)
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		return time.Since(start), int(size)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ours, theirs time.Duration
	var n, m int
	for b.Loop() {
		took, size := encode(compress.NewZstdWriter)
		ours, n = ours+took, size
		took, size = encode(library)
		theirs, m = theirs+took, size
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "of-library's-time")
	b.ReportMetric(float64(n)/float64(m), "of-library's-size")
	b.ReportMetric(float64(len(data))*float64(b.N)/ours.Seconds()/1e6, "MB/s")
}

// counter counts bytes.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
