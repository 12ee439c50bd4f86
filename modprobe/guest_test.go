//go:build linux

package modprobe_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestGuest loads modules into real kernels. The module dummy is there in every compression, in xz also with the
// checksum that no kernel's own decompressor takes.
func TestGuest(t *testing.T) {
	for _, k := range []struct {
		key  string
		long bool
	}{{"6.12", false}, {"6.1", true}, {"5.10", true}, {"7.2", true}} {
		t.Run(k.key, func(t *testing.T) {
			if k.long {
				kmodtest.Long(t)
			}
			tests := "^TestGuest(Load|Compressed|SignedAfter|Reason|Many|Wait)$"
			if os.Getenv("GOMODPROBE_LONG") != "" {
				tests = "" // all of them
			}
			vmtest.Run(t, k.key, vmtest.Options{
				Tests: tests,
				Modules: []string{
					"ext4", "loop", "dummy", "brd", "nbd",
					"nls_utf8", "nls_ascii", "nls_iso8859-1", "nls_koi8-r", "nls_cp437", "nls_cp850", "nls_cp852",
				},
				Files: guestFiles(t, k.key),
				Links: map[string]string{"bin/sh": "../guest.test"},
			})
		})
	}
}

// guestFiles are the files for guests.
func guestFiles(t *testing.T, key string) map[string][]byte {
	t.Helper()
	dir, release := kmodtest.Corpus(t, key)
	matches, _ := filepath.Glob(filepath.Join(dir, "lib/modules", release, "kernel/drivers/net/dummy.ko*"))
	if len(matches) != 1 {
		t.Fatalf("no module dummy in %s: %q", dir, matches)
	}
	image, _, err := compress.ReadFile(os.DirFS(filepath.Dir(matches[0])), filepath.Base(matches[0]), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"etc/modprobe.d/test.conf": []byte(guestConfig),
		"m/builtin":                []byte(builtinName(t, key)),
		"m/plain/dummy.ko":         image,
		"m/broken/dummy.ko":        image[:len(image)/2],
	}
	for name, command := range map[string][]string{
		"m/crc64/dummy.ko.xz": {"xz", "--check=crc64"},
		"m/crc32/dummy.ko.xz": {"xz", "--check=crc32", "--lzma2=dict=1MiB"},
		"m/gzip/dummy.ko.gz":  {"gzip", "-n"},
		"m/zstd/dummy.ko.zst": {"zstd", "-q"},
	} {
		cmd := exec.Command(command[0], append(command[1:], "-c")...)
		cmd.Stdin = bytes.NewReader(image)
		packed, err := cmd.Output()
		if err != nil {
			kmodtest.Missing(t, "%s: %v", command[0], err)
		}
		files[name] = packed
	}
	// Signed after compression, which no build does: the signature stands behind the compressed module.
	body, signature := elf.SplitSignature(image)
	if signature == nil {
		return files
	}
	for ext, command := range map[string][]string{"xz": {"xz", "--check=crc32", "--lzma2=dict=1MiB"}, "gz": {"gzip", "-n"}, "zst": {"zstd", "-q"}} {
		cmd := exec.Command(command[0], append(command[1:], "-c")...)
		cmd.Stdin = bytes.NewReader(body)
		packed, err := cmd.Output()
		if err != nil {
			kmodtest.Missing(t, "%s: %v", command[0], err)
		}
		files["signed/"+ext+"/dummy.ko."+ext] = append(packed, image[len(body):]...)
	}
	return files
}

// unload removes modules, so that tests do not depend on each other.
func unload(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := modprobe.Remove(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGuestLoad(t *testing.T) {
	vmtest.InGuest(t)
	ctx := context.Background()
	if err := modprobe.Load(ctx, "ext4"); err != nil {
		t.Fatal(err)
	}
	if err := modprobe.Load(ctx, "ext4"); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if err := modprobe.Remove(ctx, "jbd2"); !errors.Is(err, modprobe.ErrInUse) {
		t.Errorf("Remove(jbd2) = %v; want ErrInUse", err)
	}
	if err := modprobe.Remove(ctx, "ext4"); err != nil {
		t.Fatal(err)
	}
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := p.Loaded()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		switch m.Name {
		case "ext4", "jbd2", "mbcache", "crc16":
			t.Errorf("%s is still loaded: %+v", m.Name, m)
		}
	}
}

// TestGuestCompressed gives the kernel dummy in every form. Where the kernel cannot expand it, we do.
func TestGuestCompressed(t *testing.T) {
	vmtest.InGuest(t)
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("/m/*/dummy.ko*")
	for _, file := range files {
		if strings.Contains(file, "broken") {
			continue
		}
		for _, flags := range []int{0, modprobe.IgnoreModversions | modprobe.IgnoreVermagic} {
			plan, err := p.Plan(file, &modprobe.PlanOptions{Flags: flags})
			if err == nil {
				err = p.Run(context.Background(), plan)
			}
			if err != nil {
				t.Errorf("%s, flags %d: %v", file, flags, err)
				continue
			}
			if got, err := os.ReadFile("/sys/module/dummy/parameters/numdummies"); err == nil && string(got) != "2\n" {
				t.Errorf("%s: numdummies = %q; want 2", file, got)
			}
			unload(t, "dummy")
		}
	}
	if len(files) != 6 {
		t.Errorf("files: %q", files)
	}
}

// TestGuestSignedAfter gives the kernel dummy with its signature behind the compressed module. A kernel whose
// decompressor reads it does not look behind the compressed data: it takes the module for unsigned. What the kernel
// cannot expand we cannot either, and kmod says the same.
func TestGuestSignedAfter(t *testing.T) {
	vmtest.InGuest(t)
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	kernels, _ := os.ReadFile("/sys/module/compression")
	ext := map[string]string{"xz": "xz", "gzip": "gz", "zstd": "zst"}[strings.TrimSpace(string(kernels))]
	files, _ := filepath.Glob("/signed/*/dummy.ko.*")
	if len(files) != 3 {
		t.Fatalf("files: %q", files)
	}
	for _, file := range files {
		plan, err := p.Plan(file, nil)
		if err == nil {
			err = p.Run(context.Background(), plan)
		}
		if strings.HasSuffix(file, "."+ext) && ext != "" {
			taint, _ := os.ReadFile("/sys/module/dummy/taint")
			if err != nil || !bytes.Contains(taint, []byte("E")) {
				t.Errorf("%s: %v, taint %q; want it to be loaded as an unsigned one", file, err, taint)
			}
			unload(t, "dummy")
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "offset") {
			t.Errorf("%s: %v; want an error that says where the file is damaged", file, err)
		}
		t.Logf("%s on a kernel that expands %q: %v", file, ext, err)
		if _, err := os.Stat("/sys/module/dummy"); err == nil {
			t.Errorf("%s: it is loaded", file)
		}
	}
}

// TestGuestReason has the kernel's own words in the error.
func TestGuestReason(t *testing.T) {
	vmtest.InGuest(t)
	ctx := context.Background()
	var e *modprobe.Error
	err := modprobe.Load(ctx, "loop", "max_loop=nonsense")
	if !errors.As(err, &e) || !errors.Is(err, syscall.EINVAL) || !strings.Contains(e.Reason, "invalid for parameter") {
		t.Errorf("a bad parameter: %v; want EINVAL and the kernel's words", err)
	}
	err = modprobe.Load(ctx, "/m/broken/dummy.ko")
	if !errors.As(err, &e) {
		t.Errorf("half a module: %v; want an *Error", err)
	}
	t.Logf("half a module: %v", err)
	if err := modprobe.Load(ctx, "nls_utf8"); !errors.Is(err, modprobe.ErrForbidden) {
		t.Errorf("a forbidden module: %v; want ErrForbidden", err)
	}
}

// TestGuestMany loads and removes the same modules from 20 processes and 20 goroutines at the same time.
func TestGuestMany(t *testing.T) {
	vmtest.InGuest(t)
	for range 3 {
		var group sync.WaitGroup
		for i := range 40 {
			group.Add(1)
			go func() {
				defer group.Done()
				if i%2 == 0 {
					if out, err := exec.Command("/sbin/modprobe", "ext4").CombinedOutput(); err != nil || len(out) > 0 {
						t.Errorf("modprobe ext4: %v %s", err, out)
					}
					return
				}
				if err := modprobe.Load(context.Background(), "ext4"); err != nil {
					t.Error(err)
				}
			}()
		}
		group.Wait()
		unload(t, "ext4")
	}
}

// TestGuestWait removes a module that is in use for a little while.
func TestGuestWait(t *testing.T) {
	vmtest.InGuest(t)
	ctx := context.Background()
	if err := modprobe.Load(ctx, "brd", "rd_nr=1", "rd_size=4096"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("/sys/block/ram0/dev")
	if err != nil {
		t.Fatal(err)
	}
	var major, minor int
	for _, c := range strings.TrimSpace(string(data)) {
		if c == ':' {
			major, minor = minor, 0
			continue
		}
		minor = 10*minor + int(c-'0')
	}
	if err := syscall.Mknod("/dev/ram-test", syscall.S_IFBLK|0o600, major<<8|minor); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/dev/ram-test")
	if err != nil {
		t.Fatal(err)
	}
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	remove := func(wait time.Duration) error {
		plan, err := p.PlanRemove("brd", &modprobe.RemoveOptions{Wait: wait})
		if err == nil {
			err = p.Run(ctx, plan)
		}
		return err
	}
	if err := remove(0); !errors.Is(err, modprobe.ErrInUse) {
		t.Errorf("in use: %v; want ErrInUse", err)
	}
	if err := remove(50 * time.Millisecond); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("in use for longer than the wait: %v; want EAGAIN", err)
	}
	time.AfterFunc(300*time.Millisecond, func() { f.Close() })
	if err := remove(time.Minute); err != nil {
		t.Errorf("in use for a while: %v; want nil", err)
	}
}
