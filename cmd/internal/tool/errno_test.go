package tool_test

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// mostErrno is the last errno of the kernel.
const mostErrno = 133

// TestErrnoCalls has modules answer with every errno, plain and in each compression, whether the kernel expands it or
// not: ours asks the kernel as often as kmod does, and in the same way. A module that has answered is not started
// again.
func TestErrnoCalls(t *testing.T) {
	s := kmodtest.NewSandbox(t)
	if !s.HasOracle() {
		kmodtest.Missing(t, "no kmod")
	}
	var text strings.Builder
	for _, ext := range []string{"", ".gz", ".xz", ".zst"} {
		for n := 1; n <= mostErrno; n++ {
			fmt.Fprintf(&text, "module kernel/%s.ko%s\n", errnoModule(ext, n), ext)
		}
	}
	spec, err := kmodtest.ParseSpec(text.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Write(s.Root); err != nil {
		t.Fatal(err)
	}
	if r := s.Ours(t, kmodtest.Run{Args: []string{"depmod", spec.Release}}); r.Status != 0 {
		t.Fatal(r)
	}
	s.Answer = func(c kmodtest.Call) (syscall.Errno, bool) {
		number := c.ModuleName()[strings.LastIndexByte(c.ModuleName(), 'e')+1:]
		var n int
		_, err := fmt.Sscan(number, &n)
		return syscall.Errno(n), err == nil
	}
	for _, tt := range []struct{ ext, kernel string }{
		{"", ""}, {".gz", ""}, {".xz", ""}, {".zst", ""}, {".gz", "gzip"}, {".xz", "xz"}, {".zst", "zstd"},
	} {
		if tt.kernel != "" {
			s.WriteFile(t, "sys/module/compression", tt.kernel+"\n")
		}
		args := []string{"modprobe", "-a"}
		for n := 1; n <= mostErrno; n++ {
			args = append(args, errnoModule(tt.ext, n))
		}
		ours := s.Ours(t, kmodtest.Run{Args: args})
		want := make(map[string]string)
		if tt.ext == ".gz" && tt.kernel == "" { // Debian's kmod has no gzip
			for n := 1; n <= mostErrno; n++ {
				want[errnoModule(tt.ext, n)] = "init_module"
			}
		} else {
			kmod := s.Kmod(t, kmodtest.Run{Args: args})
			want = callsByModule(kmod)
			if tt.ext == ".gz" {
				want[errnoModule(tt.ext, 38)] += " init_module"
			}
			if got, want := errorLines(ours), errorLines(kmod); got != want {
				t.Errorf("%s: ours says\n%s\nkmod says\n%s", tt.ext, got, want)
			}
		}
		got := callsByModule(ours)
		if len(want) != mostErrno {
			t.Errorf("%s, kernel %q: %d modules; want %d", tt.ext, tt.kernel, len(want), mostErrno)
		}
		if !maps.Equal(got, want) {
			for name, calls := range want {
				if got[name] != calls {
					t.Errorf("%s, kernel %q: %s: %s; want %s", tt.ext, tt.kernel, name, got[name], calls)
				}
			}
		}
	}
}

// errnoModule is the name of the module of that compression that answers with an errno.
func errnoModule(ext string, n int) string {
	return fmt.Sprintf("m%se%d", strings.TrimPrefix(ext, "."), n)
}

// callsByModule returns the calls about each module, such as "finit_module 4 init_module".
func callsByModule(r *kmodtest.Result) map[string]string {
	calls := make(map[string]string)
	for _, c := range r.Calls {
		text := c.Name
		if c.Flags != 0 {
			text += fmt.Sprint(" ", c.Flags)
		}
		calls[c.ModuleName()] = strings.TrimSpace(calls[c.ModuleName()] + " " + text)
	}
	return calls
}

// errorLines returns the lines of stderr with ERROR in them.
func errorLines(r *kmodtest.Result) string {
	var lines []string
	for line := range strings.Lines(r.Stderr) {
		if strings.Contains(line, ": ERROR: ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
