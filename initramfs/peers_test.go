//go:build linux

package initramfs_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
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
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
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

// oldKmod is the command line for a program of Debian 12 with kmod's library of the same Debian.
func oldKmod(t testing.TB, program string, args ...string) []string {
	t.Helper()
	libs := filepath.Join(kmodtest.Fetch(t, "oracle30"), "root")
	var path []string
	for _, l := range []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"} {
		path = append(path, filepath.Join(libs, l))
	}
	return append([]string{filepath.Join(libs, "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path", strings.Join(path, ":"), program}, args...)
}

// dracutInstall is dracut's program that resolves and copies modules.
func dracutInstall(t testing.TB, dest, modules string, names []string) []string {
	t.Helper()
	program := filepath.Join(kmodtest.Fetch(t, "package", "bookworm", "dracut-core"), "root/usr/lib/dracut/dracut-install")
	return oldKmod(t, program, append([]string{"-D", dest, "--kerneldir", modules, "-m"}, names...)...)
}

// hooks runs initramfs-tools' functions that resolve and copy modules, as its hooks call them. They say where
// modprobe is, which is changed. $1 functions, $2 loader and libraries, $3 kmod, $4 root, $5 release, $6 dest; the
// rest are names and folders (=NAME).
const hooks = `sed 's#/sbin/modprobe#modprobe#' "$1" >"$6.functions"
. "$6.functions"
WITH=$2 KMOD=$3 ROOT=$4 version=$5 DESTDIR=$6 verbose=n MODULESDIR=$4/lib/modules/$5 CONFDIR=/nonexistent
shift 6
modprobe() { $WITH --argv0 modprobe "$KMOD" -d "$ROOT" "$@"; }
modinfo() { $WITH --argv0 modinfo "$KMOD" -b "$ROOT" "$@"; }
names=
for n; do case $n in =*) copy_modules_dir "kernel/${n#=}";; *) names="$names $n";; esac; done
manual_add_modules $names`

func initramfsTools(t testing.TB, dest, root, release string, names []string) []string {
	t.Helper()
	functions := filepath.Join(kmodtest.Fetch(t, "package", "bookworm", "initramfs-tools-core"), "root/usr/share/initramfs-tools/hook-functions")
	kmod := oldKmod(t, filepath.Join(kmodtest.Fetch(t, "oracle30"), "root/bin/kmod"))
	return append([]string{"sh", "-ec", hooks, "hooks", functions, strings.Join(kmod[:3], " "), kmod[3], root, release, dest}, names...)
}

// used is what a program took.
type used struct {
	cpu, wall time.Duration
	memory    int64 // bytes, at most at a time
	modules   int   // copied
}

// add sums up, but takes the larger memory.
func (u *used) add(v used) {
	u.cpu, u.wall, u.memory = u.cpu+v.cpu, u.wall+v.wall, max(u.memory, v.memory)
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
	return used{cpu: s.UserTime() + s.SystemTime(), wall: time.Since(begin), memory: int64(s.SysUsage().(*syscall.Rusage).Maxrss) << 10}
}

// ours builds goinitramfs and returns the beginning of its command line. It looks for firmware as well, and makes the
// tables, for which others call depmod later.
func ours(t testing.TB, root, release string) []string {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "goinitramfs")
	if err := vmtest.Build(context.Background(), tool, "./cmd/gomodprobe", "..", false); err != nil {
		t.Fatal(err)
	}
	return []string{tool, "build", "--root=" + root, "--kernel=" + release, "--program=none", "--firmware"}
}

// add appends options that add modules.
func add(args, names []string) []string {
	args = slices.Clip(args)
	for _, n := range names {
		args = append(args, "--add="+n)
	}
	return args
}

// copied counts the modules in a folder.
func copied(t testing.TB, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".ko") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// BenchmarkDracut selects and writes the modules of two lists by turns with dracut-install, both as programs.
func BenchmarkDracut(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	build := ours(b, root, release)
	for file, want := range map[string]int{"names-54.txt": 130, "names-1427.txt": 1504} {
		names := namesFrom(b, file)
		b.Run(strings.TrimSuffix(file, ".txt"), func(b *testing.B) {
			var ours, theirs used
			for b.Loop() {
				dir := b.TempDir()
				dest := filepath.Join(dir, "dest")
				if err := os.Mkdir(dest, 0o755); err != nil {
					b.Fatal(err)
				}
				ours.add(measure(b, append(add(build, names), "-o", filepath.Join(dir, "image"))))
				theirs.add(measure(b, dracutInstall(b, dest, filepath.Join(root, "lib/modules", release), names)))
				if n := copied(b, dest); n < want {
					b.Fatalf("dracut-install copied %d modules, want %d or more", n, want)
				}
				if err := os.RemoveAll(dir); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(ours.cpu.Seconds()/float64(b.N), "cpu-s")
			b.ReportMetric(ours.cpu.Seconds()/theirs.cpu.Seconds(), "of-dracut's-cpu")
			b.ReportMetric(ours.wall.Seconds()/theirs.wall.Seconds(), "of-dracut's-time")
			b.ReportMetric(float64(ours.memory)/(1<<20), "MiB")
		})
	}
}

// patterns is a list as booster and mkinitcpio users write it: folders, and some names.
var patterns = []string{
	"=fs", "=crypto", "=arch/x86/crypto", "=drivers/input/serio", "=drivers/input/keyboard", "=drivers/md", "=drivers/char/tpm",
	"=drivers/usb/host", "=drivers/usb/storage", "=drivers/hid", "=drivers/ata", "=drivers/scsi", "=drivers/block", "=drivers/mmc",
	"=drivers/nvme", "=drivers/virtio", "usbhid", "hid_generic", "nvme", "virtio_pci", "efivarfs",
}

// TestPeers prints what selecting and writing costs us, dracut-install and initramfs-tools' hook functions.
func TestPeers(t *testing.T) {
	kmodtest.Long(t)
	if os.Getenv("PEERS_CHILD") == "" { // what Linux calls a child's largest memory can be that of who started it: a process of its own
		cmd := exec.Command(os.Args[0], "-test.run=^TestPeers$", "-test.v")
		cmd.Env = append(os.Environ(), "PEERS_CHILD=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	root, release := kmodtest.Corpus(t, "6.1")
	build := ours(t, root, release)
	var table strings.Builder
	for _, list := range []struct {
		name  string
		names []string
		most  float64 // part of dracut-install's processor time
	}{
		{"54 names", namesFrom(t, "names-54.txt"), 0.35},
		{"1427 names", namesFrom(t, "names-1427.txt"), 0.20},
		{"16 folders, 5 names", patterns, 0.20},
	} {
		dir := t.TempDir()
		programs := map[string]func(dest string) []string{
			"goinitramfs": func(dest string) []string { return append(add(build, list.names), "-o", filepath.Join(dest, "image")) },
			"dracut-install": func(dest string) []string {
				return dracutInstall(t, dest, filepath.Join(root, "lib/modules", release), list.names)
			},
			"initramfs-tools": func(dest string) []string { return initramfsTools(t, dest, root, release, list.names) },
		}
		took := make(map[string]used)
		for turn := range 5 {
			for name, command := range programs {
				if turn > 0 && name == "initramfs-tools" {
					continue // slow enough to be seen at once
				}
				dest := filepath.Join(dir, name)
				if err := os.Mkdir(dest, 0o755); err != nil {
					t.Fatal(err)
				}
				u := measure(t, command(dest))
				if u.modules = copied(t, dest); name == "goinitramfs" {
					u.modules = imageModules(t, filepath.Join(dest, "image"))
				}
				if best, ok := took[name]; !ok || u.cpu < best.cpu {
					took[name] = u
				}
				if err := os.RemoveAll(dest); err != nil {
					t.Fatal(err)
				}
			}
		}
		mine := took["goinitramfs"]
		for _, name := range slices.Sorted(maps.Keys(took)) {
			u := took[name]
			fmt.Fprintf(&table, "| %s | %s | %d | %.2f s | %.2f s | %d MiB | %.2f |\n", list.name, name, u.modules, u.cpu.Seconds(), u.wall.Seconds(),
				u.memory>>20, mine.cpu.Seconds()/u.cpu.Seconds())
			if u.modules < mine.modules*9/10 {
				t.Errorf("%s: %s takes %d modules, we %d", list.name, name, u.modules, mine.modules)
			}
		}
		if part := mine.cpu.Seconds() / took["dracut-install"].cpu.Seconds(); part > list.most {
			t.Errorf("%s: %.2f of dracut-install's processor time, want at most %.2f", list.name, part, list.most)
		}
		if mine.memory > 64<<20 {
			t.Errorf("%s: %d bytes of memory, want at most 64 MiB", list.name, mine.memory)
		}
	}
	t.Logf("list, program, modules, processor, time, memory, ours of it:\n%s", &table)
}

// imageModules counts the modules in an image.
func imageModules(t testing.TB, name string) (n int) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for f, err := range initramfs.NewReader(f).All() {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Path, ".ko") {
			n++
		}
	}
	return n
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
