package modprobe_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

func TestReason(t *testing.T) {
	const nobody = "Name:\tmodprobe\nCapEff:\t0000000000000000\n"
	for _, tt := range []struct {
		name  string
		errno syscall.Errno
		says  []string
		files []string
		want  string
	}{
		{"magic", syscall.ENOEXEC, []string{"mid: version magic '6.5.0 SMP mod_unload ' should be '6.1.0 SMP preempt mod_unload '"}, nil,
			"it was built for another kernel: release is 6.5.0, should be 6.1.0, preemption is absent, should be preempt"},
		{"others", syscall.ENODEV, []string{"eth0: link up", "other: 'x' failed"}, nil, "the module found no device of its own"},
		{"own words", syscall.ENODEV, []string{"mid: no hardware"}, nil, "mid: no hardware"},
		{"taint is no reason", syscall.ENODEV, []string{"mid: loading out-of-tree module taints kernel."}, nil, "the module found no device of its own"},
		{"symbol", syscall.ENOENT, []string{"mid: Unknown symbol foo (err -2)"}, nil,
			"mid: Unknown symbol foo (err -2); a module it needs is missing, or does not export that; run depmod if modules have changed"},
		{"no capability", syscall.EPERM, nil, []string{"proc/self/status", nobody}, "no CAP_SYS_MODULE: "},
		{"switched off", syscall.EPERM, nil, []string{"proc/sys/kernel/modules_disabled", "1\n"}, "until the next boot"},
		{"lockdown", syscall.EPERM, nil, []string{"sys/kernel/security/lockdown", "none [integrity] confidentiality\n"}, "locked down (integrity)"},
		{"blacklist", syscall.EPERM, []string{"Module mid is blacklisted"}, nil, "module_blacklist= on the kernel's command line names it"},
		{"signature", 129, []string{"Loading of unsigned module is rejected"},
			[]string{"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\x06\x00\x00\x00\x01"},
			"Loading of unsigned module is rejected; the module's signature is missing or not from a key this kernel trusts; Secure Boot is on"},
		{"more than enough", syscall.EINVAL, []string{"mid: 1", "mid: 2", "mid: 3", "mid: 4", "mid: 5"}, nil, "mid: 1; mid: 2; mid: 3; mid: 4; …"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.files...)
			w.kernel.Fail["mid"], w.kernel.Says["mid"] = tt.errno, tt.says
			w.kernel.Says["base"] = []string{"mid: said before"}
			err := w.prober(t).Load(context.Background(), "mid")
			var e *modprobe.Error
			if !errors.As(err, &e) || !strings.Contains(e.Reason, tt.want) || strings.Contains(e.Reason, "before") {
				t.Errorf("Load = %v; want a reason with %q", err, tt.want)
			}
			if !errors.Is(err, tt.errno) {
				t.Errorf("Load = %v; want %v", err, tt.errno)
			}
		})
	}
}

// TestReasonOtherRelease has a kernel that says nothing, which one without the right to read its log does.
func TestReasonOtherRelease(t *testing.T) {
	w := newWorld(t)
	w.kernel.Version = "6.5.0"
	w.kernel.Fail["pre1"] = syscall.ENOEXEC
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(w.root), Kernel: w.kernel, Release: "6.1.0", Explain: check.Explain})
	if err != nil {
		t.Fatal(err)
	}
	var e *modprobe.Error
	if err := p.Load(context.Background(), "pre1"); !errors.As(err, &e) || e.Reason != "it was built for kernel 6.1.0, and this is 6.5.0" {
		t.Errorf("Load = %v; want the two releases", err)
	}
}
