//go:build linux

package modprobe_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/koelf"
	"github.com/gomodprobe/gomodprobe/internal/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestForce forces a module of one build of Debian's 6.1 into another one, on a real kernel: see TestInGuestForce.
func TestForce(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	dir, release := kmodtest.Corpus(t, "6.1-prev")
	signed, err := os.ReadFile(filepath.Join(dir, "lib/modules", release, "kernel/drivers/net/mii.ko"))
	if err != nil {
		t.Fatal(err)
	}
	plain, signature := koelf.SplitSignature(signed)
	if signature == nil {
		t.Fatal("mii is not signed")
	}
	files := map[string][]byte{}
	for name, image := range map[string][]byte{"signed": signed, "unsigned": plain} {
		files["force/"+name+".ko"] = image
		for _, tool := range [][]string{{"gzip"}, {"xz", "--check=crc32"}, {"xz", "--check=crc64"}, {"zstd", "-q"}} {
			if _, err := exec.LookPath(tool[0]); err != nil {
				t.Skipf("%s is not installed", tool[0])
			}
			cmd := exec.Command(tool[0], append(tool[1:], "-c")...)
			cmd.Stdin = bytes.NewReader(image)
			if files["force/"+name+strings.Join(tool[1:], "")+".ko."+tool[0]], err = cmd.Output(); err != nil {
				t.Fatal(err)
			}
		}
	}
	vmtest.Run(t, "6.1", vmtest.Options{Tests: "^TestInGuestForce$", Files: files})
}

// TestInGuestForce loads the module in every form, with each flag, over finit_module and over init_module, with the kernel's
// decompressor and without.
func TestInGuestForce(t *testing.T) {
	vmtest.InGuest(t)
	files, err := filepath.Glob("/force/*")
	if err != nil || len(files) != 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	loads := 0
	for _, k := range []struct {
		name   string
		kernel modprobe.Kernel
		fsys   fs.FS
	}{
		{"finit_module", modprobe.Running(), os.DirFS("/")},
		{"finit_module, no decompressor", modprobe.Running(), hide{os.DirFS("/"), "sys/module/compression"}},
		{"init_module", noFinit{modprobe.Running()}, os.DirFS("/")},
	} {
		p, err := modprobe.New(&modprobe.Options{FS: k.fsys, Kernel: k.kernel, NoConfig: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for flags, want := range []error{syscall.ENOEXEC, syscall.ENOEXEC, syscall.ENOEXEC, nil} {
				err := p.InsmodFile(strings.TrimPrefix(file, "/"), "", flags)
				if !errors.Is(err, want) {
					t.Errorf("%s, %s, flags %d: %v; want %v", k.name, file, flags, err, want)
				}
				if err != nil {
					continue
				}
				loads++
				if taint, _ := os.ReadFile("/sys/module/mii/taint"); string(taint) != "FE\n" {
					t.Errorf("%s, %s, flags %d: taint %q; want FE", k.name, file, flags, taint)
				}
				if err := unix.DeleteModule("mii", unix.O_NONBLOCK); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if loads != 30 {
		t.Errorf("%d loads; want 30", loads)
	}
	if mask, _ := os.ReadFile("/proc/sys/kernel/tainted"); string(mask) != "8194\n" { // F is 2, E is 8192
		t.Errorf("the kernel is tainted %q; want 8194", mask)
	}
}

// noFinit is a kernel before 3.8.
type noFinit struct{ modprobe.Kernel }

// FinitModule is not there.
func (noFinit) FinitModule(fs.File, string, int) error { return syscall.ENOSYS }

// hide is a file system without one file.
type hide struct {
	fs.FS
	name string
}

// Open finds everything but that.
func (h hide) Open(name string) (fs.File, error) {
	if name == h.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return h.FS.Open(name)
}
