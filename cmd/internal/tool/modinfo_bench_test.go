package tool_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// BenchmarkModinfoTree runs our program and kmod's in turn over all modules of
// a kernel. It reports by how much ours is faster (x-kmod, medians of the wall
// time; cpu-x-kmod the same for the time of all processors), and how many MiB
// more memory it needs at its peak.
func BenchmarkModinfoTree(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "modinfo")
	if out, err := exec.Command("go", "build", "-o", bin, "../../gomodprobe").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	oracle := kmodtest.Oracle(b)
	for _, ext := range []string{"none", "zst", "xz"} {
		root, release := kmodtest.Corpus(b, "6.1")
		if ext != "none" {
			root, release = kmodtest.CorpusTree(b, "6.1", ext)
		}
		dir := filepath.Join(root, "lib/modules", release)
		var files []string
		for _, name := range moduleFiles(b, dir) {
			name, _ := filepath.Rel(dir, name)
			files = append(files, name)
		}
		for _, options := range [][]string{{}, {"-F", "vermagic"}} {
			name := ext
			if len(options) > 0 {
				name += "-vermagic"
			}
			args := slices.Concat(options, files)
			b.Run(name, func(b *testing.B) {
				var ours, kmods measures
				for b.Loop() {
					ours.add(b, exec.Command(bin, args...), dir)
					kmods.add(b, oracle.Command("modinfo", args...), dir)
				}
				b.ReportMetric(kmods.median(wall)/ours.median(wall), "x-kmod")
				b.ReportMetric(kmods.median(cpu)/ours.median(cpu), "cpu-x-kmod")
				b.ReportMetric((ours.median(peak)-kmods.median(peak))/1024, "MiB-more")
				b.ReportMetric(ours.median(wall)*1000, "ms/op")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// measures are what runs of a program took.
type measures [3][]float64

// What is measured: seconds, seconds, KiB.
const (
	wall = iota
	cpu
	peak
)

// add runs the program and notes what it took.
func (m *measures) add(b *testing.B, cmd *exec.Cmd, dir string) {
	b.Helper()
	cmd.Dir = dir
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	m[wall] = append(m[wall], time.Since(start).Seconds())
	m[cpu] = append(m[cpu], (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m[peak] = append(m[peak], float64(u.Maxrss))
	}
}

func (m *measures) median(what int) float64 {
	list := slices.Sorted(slices.Values(m[what]))
	return list[len(list)/2]
}
