package kmodtest

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// asNobody runs the test t in a process of nobody's. The process is started from /proc/self/exe, as go test puts the
// program into a folder that only root may enter.
func asNobody(t *testing.T, dir string) {
	t.Helper()
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run="+strings.Join(parts, "/"))
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	switch {
	case cmd.ProcessState == nil:
		Missing(t, "cannot run a program as another user: %v", err)
	case err != nil:
		t.Errorf("as nobody: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP: "+t.Name()+" ")):
		t.Skipf("as nobody:\n%s", out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name()+" ")):
		t.Errorf("as nobody the test did not run:\n%s", out)
	default:
		t.Logf("as nobody:\n%s", out)
	}
}
