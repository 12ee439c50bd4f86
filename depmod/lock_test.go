//go:build linux

package depmod

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLock: who holds the lock is waited for, but not for ever, and is named; a lock on the folder, which anybody can
// take, is none.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	tables := &Tables{files: []table{{"modules.dep", []byte("x:\n")}, {"modules.dep.bin", []byte("y")}}}
	var said []string
	options := &InstallOptions{Wait: time.Millisecond, Log: func(err error) { said = append(said, err.Error()) }}
	if err := tables.InstallWith(dir, options); err != nil || said != nil {
		t.Fatalf("with a lock on the folder: %v, said %q", err, said)
	}
	lock := filepath.Join(dir, lockName)
	if _, err := os.Lstat(lock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock stays: %v", err)
	}
	unlock, ok, err := osDisk{log: func(error) {}}.lock(dir)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	info, err := os.Stat(lock)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can open the lock: %v, %v", info, err)
	}
	left := filepath.Join(dir, tempPrefix+"1-1-modules.dep")
	if err := os.WriteFile(left, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tables.files[0].data = []byte("z:\n")
	if err := tables.InstallWith(dir, options); err != nil {
		t.Fatal(err)
	}
	if n := len(said); n < 1 || !strings.Contains(said[n-1], "going on without it") || !strings.Contains(said[n-1], "process ") {
		t.Errorf("said %q", said)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "modules.dep")); err != nil || string(data) != "z:\n" {
		t.Errorf("modules.dep = %q, %v", data, err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("a file of who has the lock was removed: %v", err)
	}
	unlock()
	if err := Recover(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("a leftover stays")
	}
}

// TestOwnerOfTables: a table that another user owns, or that has a second name, is written anew though its bytes are
// right.
func TestOwnerOfTables(t *testing.T) {
	dir := t.TempDir()
	tables := &Tables{files: []table{{"modules.dep", []byte("x:\n")}, {"modules.dep.bin", []byte("y")}, {"modules.alias", []byte("a")}}}
	number := func(name string) uint64 {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Ino
	}
	if err := tables.Install(dir); err != nil {
		t.Fatal(err)
	}
	kept, linked, owned := number("modules.dep"), number("modules.dep.bin"), number("modules.alias")
	if err := os.Link(filepath.Join(dir, "modules.dep.bin"), filepath.Join(dir, "second")); err != nil {
		t.Fatal(err)
	}
	root := os.Chown(filepath.Join(dir, "modules.alias"), 65534, 65534) == nil
	if err := tables.Install(dir); err != nil {
		t.Fatal(err)
	}
	if number("modules.dep") != kept || number("modules.dep.bin") == linked {
		t.Error("a table that is right was written again, or one with a second name was kept")
	}
	if root && number("modules.alias") == owned {
		t.Error("the table of another user was kept")
	}
}
