package xz

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// BenchmarkXz decodes a real module and reports how many times as fast as the
// library's decoder ours is, which is why it is here.
func BenchmarkXz(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.12")
	file, err := os.ReadFile(filepath.Join(root, "lib/modules", release, "kernel/fs/ext4/ext4.ko.xz"))
	if err != nil {
		b.Fatal(err)
	}
	const limit = 512 << 20
	var buf []byte
	var slow time.Duration
	for b.Loop() {
		if buf, _, err = Expand(buf[:0], file, limit, false); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		start := time.Now()
		if _, _, err := expandXzSlow(file, limit, true); err != nil {
			b.Fatal(err)
		}
		slow += time.Since(start)
		b.StartTimer()
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(slow.Seconds()/b.Elapsed().Seconds(), "x-library")
}
