package modprobe_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestKilledCommand is where we differ from kmod, which takes a command killed by a signal for a success.
func TestKilledCommand(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip(err)
	}
	for _, tt := range []struct {
		command string
		code    int
		signal  bool
	}{
		{"kill -9 $$", -1, true},
		{"exit 7", 7, false},
		{`[ "$MODPROBE_MODULE" = "a b" ]`, 0, false},
		{"true; false", 1, false},
	} {
		err := modprobe.Shell(context.Background(), tt.command, "a b")
		var e *modprobe.CommandError
		switch errors.As(err, &e) {
		case true:
			if e.Code != tt.code || (e.Err != nil) != tt.signal || !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: %+v; want code %d", tt.command, e, tt.code)
			}
		case false:
			if tt.code != 0 || err != nil {
				t.Errorf("%s: %v; want code %d", tt.command, err, tt.code)
			}
		}
	}
}

// TestUntrustedCommands is where we differ from kmod, which runs the commands of whoever can write a file.
func TestUntrustedCommands(t *testing.T) {
	w := newWorld(t, "etc/modprobe.d/mine.conf", "install pre1 mine\n", "etc/modprobe.d/all.conf", "blacklist x\ninstall post1 theirs\nremove post1 theirs\n")
	if err := os.Chmod(filepath.Join(w.root, "etc/modprobe.d/all.conf"), 0o666); err != nil {
		t.Fatal(err)
	}
	c := w.prober(t).Config()
	if got, want := fmt.Sprint(c.Install, c.Remove, c.Blacklist), "[{pre1 mine}] [] [x]"; got != want {
		t.Errorf("config = %s; want %s", got, want)
	}
	if len(w.logged) != 2 || !errors.Is(w.logged[0], modprobe.ErrUntrusted) {
		t.Errorf("logged %v; want ErrUntrusted twice", w.logged)
	}
	// The group of who runs this may write, another may not.
	mine := filepath.Join(w.root, "etc/modprobe.d/mine.conf")
	if err := os.Chmod(mine, 0o664); err != nil {
		t.Fatal(err)
	}
	if c := w.prober(t).Config(); len(c.Install) != 1 {
		t.Errorf("writable by our group: install commands %v; want mine", c.Install)
	}
	const stranger = 12345
	if os.Chown(mine, -1, stranger) != nil {
		return // we are not root
	}
	if c := w.prober(t).Config(); len(c.Install) != 0 {
		t.Errorf("writable by another group: install commands %v; want none", c.Install)
	}
}

// TestOtherRoot: a command in the configuration of a folder that is not this machine's root is not run here, unless a
// Shell is named.
func TestOtherRoot(t *testing.T) {
	w := newWorld(t)
	ran := filepath.Join(w.root, "ran")
	w.write(t, "etc/modprobe.d/a.conf", "install pre1 touch "+ran+"\n")
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(w.root), Kernel: w.kernel})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Load(context.Background(), "pre1"); !errors.Is(err, modprobe.ErrOtherRoot) {
		t.Errorf("Load: %v; want ErrOtherRoot", err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command was run")
	}
}
