package modprobe_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// reasonOf loads a module of a world that fails with that errno after the kernel has said these lines.
func reasonOf(t *testing.T, w *world, module string, errno syscall.Errno, says ...string) string {
	t.Helper()
	w.kernel.Fail[module], w.kernel.Says[module] = errno, says
	err := w.prober(t).Load(context.Background(), module)
	var e *modprobe.Error
	if !errors.As(err, &e) || !errors.Is(err, errno) {
		t.Fatalf("%v: Load = %v", errno, err)
	}
	return e.Reason
}

// TestEveryReason has every errno with every kind of line that explains it, and with none: a failure has a reason,
// and the kernel's line is the whole of it where our own would only guess.
func TestEveryReason(t *testing.T) {
	lines := []string{
		"pre1: firmware is too old",
		"pre1 0000:00:01.0: firmware is too old",
		"pre1 eth0: link is not as it should be",
		"pre-1: spelled otherwise is another module", // no reason
		"failed to validate module [pre1] BTF: -22",
		`audit: type=1400 audit(1.2:3): avc:  denied  { module_load } for  pid=9 comm="modprobe" path="/lib/modules/6.1.0/kernel/pre1.ko" tclass=system permissive=0`,
		`audit: type=1400 audit(1.2:3): avc:  denied  { sys_module } for  pid=9 comm="modprobe" capability=16`,
		"Module pre1 is too large",
		"pre1: unknown parameter 'x' ignored", // no reason
		"",
	}
	w := newWorld(t)
	for n := 1; n <= 133; n++ {
		errno := syscall.Errno(n)
		if errno == syscall.EEXIST || errno == syscall.EISDIR {
			continue // no failure, and not from the kernel
		}
		silent := reasonOf(t, w, "pre1", errno)
		if silent == "" {
			t.Errorf("%d, %v: no reason", n, errno)
		}
		for _, line := range lines {
			got := reasonOf(t, w, "pre1", errno, line, "eth0: link up", line)
			want := line
			switch {
			case strings.HasPrefix(line, "pre-1") || line == "":
				want = silent
			case strings.Contains(line, "unknown parameter"):
				want = line + "; " + silent
			}
			if got != want {
				t.Errorf("%d, %v, %q: reason %q; want %q", n, errno, line, got, want)
			}
		}
	}
	if got := reasonOf(t, w, "pre1", syscall.ENOMEM, "vmap allocation for size 8192 failed: use vmalloc=<size> to increase size"); !strings.HasPrefix(got, "vmap") {
		t.Errorf("ENOMEM: %q; want the kernel's line about memory", got)
	}
	if got := reasonOf(t, w, "pre1", syscall.EINVAL, "vmap allocation for size 8192 failed"); strings.Contains(got, "vmap") {
		t.Errorf("EINVAL: %q; want nothing about memory", got)
	}
	w.write(t, "sys/module/pre1/initstate", "coming\n")
	if got := reasonOf(t, w, "pre1", syscall.EBUSY); !strings.Contains(got, "just now") {
		t.Errorf("EBUSY of a module that is coming: %q", got)
	}
}

// TestDamagedReason cuts and empties files: the reason names the file and what is wrong with it, whether the kernel
// expands it or we do, and whatever the kernel says.
func TestDamagedReason(t *testing.T) {
	for _, kernel := range []string{"", "xz", "gzip"} {
		for _, tt := range []struct{ module, file string }{
			{"pre1", "pre1.ko"}, {"packed", "packed.ko.xz"}, {"zipped", "zipped.ko.gz"},
		} {
			for name, keep := range map[string]int{"empty": 0, "one byte": 1, "ten bytes": 10, "all but some": -40} {
				w := newWorld(t)
				if kernel != "" {
					w.write(t, "sys/module/compression", kernel+"\n")
					w.kernel.Decompress = kernel
				}
				file := filepath.Join(w.root, "lib/modules/6.1.0/kernel", tt.file)
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if keep < 0 {
					keep += len(data)
				}
				if err := os.WriteFile(file, data[:keep], 0o644); err != nil {
					t.Fatal(err)
				}
				err = w.prober(t).Load(context.Background(), tt.module)
				var e *modprobe.Error
				if !errors.As(err, &e) || !strings.Contains(e.Reason, "the file /lib/modules/6.1.0/kernel/"+tt.file+" is ") {
					t.Errorf("kernel expands %q, %s %s: Load = %v; want the file, and what is wrong with it", kernel, tt.file, name, err)
				}
			}
		}
	}
}
