//go:build linux

package initramfs_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/vmtest"
)

// namesFrom reads a list of modules: what a dracut image and what a large one were once made of.
func namesFrom(t testing.TB, file string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(data))
}

// dracutInstall is dracut's program that resolves and copies modules, with kmod's library of the same Debian.
func dracutInstall(t testing.TB, dest, modules string, names []string) []string {
	t.Helper()
	libs := filepath.Join(kmodtest.Fetch(t, "oracle30"), "root")
	program := filepath.Join(kmodtest.Fetch(t, "package", "bookworm", "dracut-core"), "root/usr/lib/dracut/dracut-install")
	var path []string
	for _, l := range []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"} {
		path = append(path, filepath.Join(libs, l))
	}
	return append([]string{filepath.Join(libs, "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path", strings.Join(path, ":"),
		program, "-D", dest, "--kerneldir", modules, "-m"}, names...)
}

// used is what a program took.
type used struct {
	cpu, wall time.Duration
	memory    int64 // bytes, at most at a time
}

func measure(t testing.TB, args []string) used {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(args[0]), err, &stderr)
	}
	s := cmd.ProcessState
	return used{s.UserTime() + s.SystemTime(), time.Since(begin), int64(s.SysUsage().(*syscall.Rusage).Maxrss) << 10}
}

// BenchmarkDracut selects and writes the modules of two lists by turns with dracut-install, both as programs. Ours looks for
// firmware as well, and makes the tables, for which dracut calls depmod later.
func BenchmarkDracut(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	tool := filepath.Join(b.TempDir(), "goinitramfs")
	if err := vmtest.Build(context.Background(), tool, "./cmd/gomodprobe", "..", false); err != nil {
		b.Fatal(err)
	}
	for file, want := range map[string]int{"names-54.txt": 130, "names-1427.txt": 1504} {
		names := namesFrom(b, file)
		build := []string{tool, "build", "--root=" + root, "--kernel=" + release, "--program=none", "--firmware"}
		for _, n := range names {
			build = append(build, "--add="+n)
		}
		b.Run(strings.TrimSuffix(file, ".txt"), func(b *testing.B) {
			var ours, theirs used
			dir := b.TempDir()
			for b.Loop() {
				o := measure(b, append(build, "-o", filepath.Join(dir, "image")))
				dest := filepath.Join(dir, "dest")
				if err := os.Mkdir(dest, 0o755); err != nil {
					b.Fatal(err)
				}
				d := measure(b, dracutInstall(b, dest, filepath.Join(root, "lib/modules", release), names))
				ours = used{ours.cpu + o.cpu, ours.wall + o.wall, max(ours.memory, o.memory)}
				theirs = used{theirs.cpu + d.cpu, theirs.wall + d.wall, max(theirs.memory, d.memory)}
				out, err := exec.Command("find", dest, "-name", "*.ko").Output()
				if n := bytes.Count(out, []byte("\n")); err != nil || n < want {
					b.Fatalf("dracut-install copied %d modules, want %d or more; %v", n, want, err)
				}
				if err := os.RemoveAll(dest); err != nil {
					b.Fatal(err)
				}
			}
			n := float64(b.N)
			b.ReportMetric(ours.cpu.Seconds()/n, "cpu-s")
			b.ReportMetric(ours.cpu.Seconds()/theirs.cpu.Seconds(), "of-dracut's-cpu")
			b.ReportMetric(ours.wall.Seconds()/theirs.wall.Seconds(), "of-dracut's-time")
			b.ReportMetric(float64(ours.memory)/(1<<20), "MiB")
		})
	}
}

// TestLikeDracut: of the longer list we select what dracut-install takes, without what it has no notion of.
func TestLikeDracut(t *testing.T) {
	kmodtest.Long(t)
	root, release := kmodtest.Corpus(t, "6.1")
	wanted := namesFrom(t, "names-1427.txt")
	dest := t.TempDir()
	measure(t, dracutInstall(t, dest, filepath.Join(root, "lib/modules", release), wanted))
	var theirs, ours []string
	err := filepath.WalkDir(dest, func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".ko") {
			theirs = append(theirs, name[strings.Index(name, release)+len(release)+1:])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := selectIn(t, root, release, &initramfs.Options{Add: wanted, NoHidden: true, NoWeak: true})
	for _, m := range s.Modules {
		if !m.Builtin {
			ours = append(ours, m.Path)
		}
	}
	slices.Sort(theirs)
	slices.Sort(ours)
	if d := cmp.Diff(theirs, ours); d != "" || len(ours) < 1500 {
		t.Errorf("%d modules, dracut-install has %d: %s", len(ours), len(theirs), d)
	}
}
