package kmodtest

import (
	"os"
	"path/filepath"
	"testing"
)

// AsNobody is for tests that root cannot run, because root may do what they want to see refused. As root it runs the
// calling test once more, in a process of a user without rights, with a temporary folder of its own, and reports what
// came of it; then it returns true, and the caller is done. For any other user it returns false: go on.
func AsNobody(t *testing.T) (done bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	dir, err := os.MkdirTemp("", "gomodprobe-nobody-") // t.TempDir is in a folder that only root may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	dir, err = filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		Missing(t, "cannot give a folder to another user: %v", err)
	}
	asNobody(t, dir)
	return true
}

// nobody is the user and the group that own nothing, on Debian as elsewhere.
const nobody = 65534
