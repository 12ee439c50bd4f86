package modprobe_test

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// BenchmarkPlan plans the loading of a module with a dozen others.
func BenchmarkPlan(b *testing.B) {
	p := corpusProber(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Plan("ext4", &modprobe.PlanOptions{ShowAll: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProcess runs modprobe as a process, in turns with kmod 34.2 and kmod 30, and reports how many times as
// long as theirs ours takes, from the medians.
func BenchmarkProcess(b *testing.B) {
	dir, release := kmodtest.Corpus(b, "6.1")
	ours := kmodtest.Build(b)
	base := []string{"-d", dir, "-S", release}
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"show", []string{"-n", "-v", "ext4"}},
		{"resolve", []string{"-R", "pci:v00008086d00001533sv00008086sd0000abcdbc02sc00i00"}},
		{"nosuch", []string{"-q", "--", "nosuch"}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			args := append(base[:len(base):len(base)], tt.args...)
			commands := []func() *exec.Cmd{
				func() *exec.Cmd {
					cmd := exec.Command(ours, args...)
					cmd.Args[0] = "modprobe"
					return cmd
				},
				func() *exec.Cmd { return kmodtest.Oracle(b).Command("modprobe", args...) },
				func() *exec.Cmd { return kmodtest.Oracle30(b).Command("modprobe", args...) },
			}
			times := make([][]time.Duration, len(commands))
			for b.Loop() {
				for range 20 {
					for i, command := range commands {
						times[i] = append(times[i], run(command()))
					}
				}
			}
			b.ReportMetric(float64(median(times[0]))/1e6, "ms")
			b.ReportMetric(float64(median(times[0]))/float64(median(times[1])), "x-kmod34")
			b.ReportMetric(float64(median(times[0]))/float64(median(times[2])), "x-kmod30")
		})
	}
}

// BenchmarkCheck is modprobe --check as a whole process: of one module and the one that it needs with nothing in the
// cache, then the same, and of ext4 and its five, with what the first has left there. Medians, and processor time of
// the first.
func BenchmarkCheck(b *testing.B) {
	keys := []string{"6.1", "6.12"}
	if os.Getenv("GOMODPROBE_LONG") != "" {
		keys = append(keys, "6.1-cloud", "7.2", "5.10")
	}
	ours := kmodtest.Build(b)
	for _, key := range keys {
		b.Run(key, func(b *testing.B) {
			dir, release := kmodtest.Corpus(b, key)
			modules := []string{"vfat", "vfat", "ext4"}
			times := make([][]time.Duration, len(modules))
			var processor []time.Duration
			for b.Loop() {
				cache := "XDG_CACHE_HOME=" + b.TempDir()
				for i, module := range modules {
					cmd := exec.Command(ours, "--check", "-d", dir, "-S", release, module)
					cmd.Args[0] = "modprobe"
					cmd.Env = append(os.Environ(), cache)
					times[i] = append(times[i], run(cmd))
					if !cmd.ProcessState.Success() {
						b.Fatal(cmd, cmd.ProcessState)
					}
					if i == 0 {
						processor = append(processor, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
					}
				}
			}
			for i, unit := range []string{"ms-first", "ms-cached", "ms-cached-ext4"} {
				b.ReportMetric(float64(median(times[i]))/1e6, unit)
			}
			b.ReportMetric(float64(median(processor))/1e6, "ms-cpu-first")
		})
	}
}

// run returns how long a command takes. Whether it fails is not of interest here.
func run(cmd *exec.Cmd) time.Duration {
	start := time.Now()
	cmd.Run()
	return time.Since(start)
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}
