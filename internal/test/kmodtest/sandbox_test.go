package kmodtest_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// stack is base <- mid <- top.
const stack = `
order kernel/base.ko
order kernel/mid.ko
order kernel/top.ko
builtin kernel/builtin.ko
	info license=GPL
module kernel/base.ko
	export base_sym 1
module kernel/mid.ko
	import base_sym 1
	export mid_sym 2
	depends base
module kernel/top.ko.gz
	import mid_sym 2
	depends mid
`

func newStack(t testing.TB) *kmodtest.Sandbox {
	t.Helper()
	s := kmodtest.NewSandbox(t)
	spec, err := kmodtest.ParseSpec(strings.ReplaceAll(stack, ".gz", ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Write(s.Root); err != nil {
		t.Fatal(err)
	}
	if r := s.Kmod(t, kmodtest.Run{Args: []string{"depmod"}}); r.Status != 0 || r.Stderr != "" {
		t.Fatalf("depmod: %v", r)
	}
	return s
}

func calls(r *kmodtest.Result) string {
	var all []string
	for _, c := range r.Calls {
		all = append(all, c.String())
	}
	return strings.Join(all, "\n")
}

func TestSandbox(t *testing.T) {
	s := newStack(t)
	kmod := func(args ...string) *kmodtest.Result {
		t.Helper()
		return s.Kmod(t, kmodtest.Run{Args: args})
	}
	for _, step := range []struct {
		run    string
		status int
		calls  string
	}{
		{"modprobe top a=1", 0, `finit_module /lib/modules/6.1.0/kernel/base.ko "" 0
finit_module /lib/modules/6.1.0/kernel/mid.ko "" 0
finit_module /lib/modules/6.1.0/kernel/top.ko "a=1" 0`},
		{"modprobe top", 0, ""},
		{"rmmod base", 1, ""},
		{"insmod /lib/modules/6.1.0/kernel/top.ko", 1, `finit_module /lib/modules/6.1.0/kernel/top.ko "" 0`},
		{"rmmod -f top", 0, "delete_module top 05000"},
		{"rmmod nosuch", 1, ""},
	} {
		r := kmod(strings.Fields(step.run)...)
		if got := calls(r); r.Status != step.status || got != step.calls {
			t.Errorf("%s: want status %d and calls\n%s\ngot %v", step.run, step.status, step.calls, r)
		}
	}
	if r := kmod("lsmod"); !strings.Contains(r.Stdout, "base                   16384  1 mid") || strings.Contains(r.Stdout, "top") {
		t.Errorf("lsmod: %v", r)
	}
}

// TestAnswer also sees the memory path: kmod falls back to init_module when the kernel lacks finit_module.
func TestAnswer(t *testing.T) {
	s := newStack(t)
	s.Answer = func(c kmodtest.Call) (syscall.Errno, bool) {
		switch {
		case c.Name == "finit_module":
			return syscall.ENOSYS, true
		case c.Module == "mid":
			return syscall.EPERM, true
		}
		return 0, false
	}
	r := s.Kmod(t, kmodtest.Run{Args: []string{"modprobe", "mid", "x=y"}})
	want := `finit_module /lib/modules/6.1.0/kernel/base.ko "" 0
init_module base ""
finit_module /lib/modules/6.1.0/kernel/mid.ko "x=y" 0
init_module mid "x=y"`
	if calls(r) != want || r.Status != 1 || !strings.Contains(r.Stderr, "Operation not permitted") {
		t.Errorf("got %v\nwant %s", r, want)
	}
	if image := r.Calls[1].Image; !strings.HasPrefix(string(image), "\x7fELF") {
		t.Errorf("the image begins with %.10q", image)
	}
}

func TestState(t *testing.T) {
	s := newStack(t)
	before := s.State(t)
	s.Kmod(t, kmodtest.Run{Args: []string{"modprobe", "mid"}})
	s.WriteFile(t, "etc/new/file", "text")
	after := s.State(t)
	if diff := after.Diff(before); len(diff) == 0 {
		t.Error("nothing has changed")
	}
	s.SetState(t, after, before)
	if diff := s.State(t).Diff(before); len(diff) != 0 {
		t.Errorf("not as before: %q", diff)
	}
	s.SetState(t, before, after)
	if diff := s.State(t).Diff(after); len(diff) != 0 {
		t.Errorf("not as after: %q", diff)
	}
}

func TestShell(t *testing.T) {
	s := newStack(t)
	if !kmodtest.HasShell(t) {
		t.Skip("no shell")
	}
	s.WriteFile(t, "etc/modprobe.d/a.conf", "install mid echo $MODPROBE_MODULE $CMDLINE_OPTS; cat; exit 3\n")
	r := s.Kmod(t, kmodtest.Run{Args: []string{"modprobe", "mid", "a=1"}, Stdin: "input\n"})
	if want := "mid a=1\ninput\n"; r.Stdout != want || r.Status != 1 {
		t.Errorf("got %v; want %q", r, want)
	}
}

// TestConcurrentSandboxes has several at once, each with a release of its own.
func TestConcurrentSandboxes(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := kmodtest.NewSandbox(t)
			s.Release = fmt.Sprintf("6.1.%d", i)
			for range 10 {
				r := s.Kmod(t, kmodtest.Run{Args: []string{"modprobe", "x"}})
				if want := "modprobe: FATAL: Module x not found in directory /lib/modules/" + s.Release + "\n"; r.Stderr != want || r.Status != 1 {
					t.Errorf("got %v", r)
				}
			}
		})
	}
}

func BenchmarkSandbox(b *testing.B) {
	s := newStack(b)
	for b.Loop() {
		s.Kmod(b, kmodtest.Run{Args: []string{"modprobe", "-n", "mid"}})
	}
}
