package depmod

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInstallLimited installs in a process that may not write files as large as the tables: the old set stays, and
// nothing else.
func TestInstallLimited(t *testing.T) {
	one, two := madeTables(t, 2), madeTables(t, 400)
	if dir := os.Getenv("DEPMOD_TEST_LIMITED"); dir != "" {
		limit := unix.Rlimit{Cur: 4 << 10, Max: 4 << 10}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			t.Skip(err)
		}
		var e *InstallError
		if err := two.Install(dir); !errors.As(err, &e) || e.Op != "write" || !errors.Is(err, syscall.EFBIG) {
			t.Errorf("Install: %v; want a failed write", err)
		}
		return
	}
	dir := t.TempDir()
	if err := one.Install(dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestInstallLimited$")
	cmd.Env = append(os.Environ(), "DEPMOD_TEST_LIMITED="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if got := contents(t, dir); !maps.Equal(got, set(one)) {
		t.Errorf("afterwards there are %v", got)
	}
}
