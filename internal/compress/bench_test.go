//go:build !kmod_nogzip && !kmod_noxz && !kmod_nozstd

package compress_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

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
