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
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestForce forces modules into real kernels: see TestInGuestForce. On 6.1 they are of another build of 6.1, on the
// others the kernel's own with the release and a CRC changed.
func TestForce(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	for _, key := range []string{"6.1", "5.10", "6.12", "7.2"} {
		t.Run(key, func(t *testing.T) {
			from := key
			if key == "6.1" {
				from = "6.1-prev"
			} else {
				kmodtest.Long(t)
			}
			dir, release := kmodtest.Corpus(t, from)
			base := filepath.Join(dir, "lib/modules", release, "kernel/drivers/net")
			found, _ := filepath.Glob(base + "/mii.ko*")
			if len(found) != 1 {
				t.Fatalf("mii: %q", found)
			}
			own, _, err := compress.ReadFile(os.DirFS(base), filepath.Base(found[0]), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			vmtest.Run(t, key, vmtest.Options{Tests: "^TestInGuestForce$", Files: forceFiles(t, own, from == key)})
		})
	}
}

// forceFiles are forms of a module: force/WANT/FILE, where WANT tells what becomes of it with each of the flags 0 to
// 3: f fails, l loads. change says that it is a module of the guest's own kernel.
func forceFiles(t *testing.T, own []byte, change bool) map[string][]byte {
	t.Helper()
	plain, signature := elf.SplitSignature(own)
	if signature == nil {
		t.Fatal("the module is not signed")
	}
	edit := func(image []byte, find string, at int, to byte) []byte {
		b := bytes.Clone(image)
		i := bytes.Index(b, []byte(find))
		if i < 0 {
			return nil // a kernel without symbol versions
		}
		b[i+at] = to
		return b
	}
	release := func(image []byte) []byte { return edit(image, "vermagic=", len("vermagic="), '9') }
	version := func(image []byte) []byte { return edit(image, "module_layout\x00", -8, 0xa5) }
	files := map[string][]byte{}
	want, signed := "fffl", own
	switch {
	case change && version(own) == nil: // only the vermagic keeps it from loading
		want, signed, plain = "ffll", release(own), release(plain)
	case change:
		// Where there are versions the release is not compared, unless they are not.
		files["force/lfll/unsigned.ko"] = release(plain)
		files["force/flfl/unsigned.ko"] = version(plain)
		signed, plain = version(release(own)), version(release(plain))
	}
	for name, image := range map[string][]byte{"signed": signed, "unsigned": plain} {
		name = "force/" + want + "/" + name
		files[name+".ko"] = image
		for _, tool := range [][]string{{"gzip"}, {"xz", "--check=crc32"}, {"xz", "--check=crc64"}, {"zstd", "-q"}} {
			kmodtest.Programs(t, tool[0])
			cmd := exec.Command(tool[0], append(tool[1:], "-c")...)
			cmd.Stdin = bytes.NewReader(image)
			var err error
			if files[name+strings.Join(tool[1:], "")+".ko."+tool[0]], err = cmd.Output(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}

// TestInGuestForce loads the module in every form, with each flag, over finit_module and over init_module, with the
// kernel's decompressor and without; in the end with a seccomp filter that answers finit_module with ENOSYS.
func TestInGuestForce(t *testing.T) {
	vmtest.InGuest(t)
	files, err := filepath.Glob("/force/*/*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	loads, expected := 0, 0
	for _, k := range []struct {
		name   string
		kernel modprobe.Kernel
		fsys   fs.FS
	}{
		{"finit_module", modprobe.Running(), os.DirFS("/")},
		{"finit_module, no decompressor", modprobe.Running(), hide{os.DirFS("/"), "sys/module/compression"}},
		{"init_module", noFinit{modprobe.Running()}, os.DirFS("/")},
		{"seccomp", modprobe.Running(), os.DirFS("/")},
	} {
		if k.name == "seccomp" {
			withoutFinit(t)
		}
		p, err := modprobe.New(&modprobe.Options{FS: k.fsys, Kernel: k.kernel, NoConfig: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for flags, want := range filepath.Base(filepath.Dir(file)) {
				err := p.InsmodFile(strings.TrimPrefix(file, "/"), "", flags)
				if want == 'l' {
					expected++
				}
				var errno syscall.Errno
				if err != nil && !errors.As(err, &errno) || (err == nil) != (want == 'l') {
					t.Errorf("%s, %s, flags %d: %v; want %c", k.name, file, flags, err, want)
				}
				// What was signed and then changed is refused for that, unless it is forced.
				if err != nil && errno != syscall.ENOEXEC && (flags != 0 || errno != unix.EKEYREJECTED) {
					t.Errorf("%s, %s, flags %d: %v; want ENOEXEC", k.name, file, flags, err)
				}
				if err != nil {
					continue
				}
				loads++
				wantTaint := "FE\n"
				if flags == 0 {
					wantTaint = "E\n"
				}
				if taint, _ := os.ReadFile("/sys/module/mii/taint"); string(taint) != wantTaint {
					t.Errorf("%s, %s, flags %d: taint %q; want %q", k.name, file, flags, taint, wantTaint)
				}
				if err := unix.DeleteModule("mii", unix.O_NONBLOCK); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if loads != expected {
		t.Errorf("%d loads; want %d", loads, expected)
	}
	if mask, _ := os.ReadFile("/proc/sys/kernel/tainted"); string(mask) != "8194\n" { // F is 2, E is 8192
		t.Errorf("the kernel is tainted %q; want 8194", mask)
	}
	t.Logf("%d files, %d loads", len(files), loads)
}

// withoutFinit makes the kernel answer ENOSYS to finit_module, for the rest of this process.
func withoutFinit(t *testing.T) {
	t.Helper()
	const number = 0 // offset of the system call's number
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FINIT_MODULE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		t.Fatal(errno)
	}
	if err := unix.FinitModule(-1, "", 0); err != unix.ENOSYS {
		t.Fatalf("finit_module answers %v under the filter", err)
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
