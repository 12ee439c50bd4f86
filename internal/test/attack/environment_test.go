//go:build linux

package attack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEnvironment runs all tools as root with what a user can leave to them, by sudo -E or su: environment, current
// folder, umask, descriptors that are closed or open. The answers are those of before, the tables have their mode,
// and nothing of the user's is written to.
func TestEnvironment(t *testing.T) {
	needRoot(t)
	m := newMachine(t)
	plain := m.plain(t)
	tables := m.tables(t)
	his := filepath.Join(m.dir, "his")
	victim := filepath.Join(m.dir, "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600), os.MkdirAll(his+"/gomodprobe/kernels", 0o777), os.MkdirAll(his+"/.cache/gomodprobe", 0o777))
	must(t, os.Symlink(victim, his+"/gomodprobe/modules.cache"), syscall.Mkfifo(his+"/.cache/gomodprobe/kernels", 0o666))
	must(t, filepath.Walk(his, func(name string, _ os.FileInfo, _ error) error { return os.Lchown(name, stranger, stranger) }))
	was := listing(t, his)
	gone := filepath.Join(m.dir, "gone")
	dull := []string{"GODEBUG=gctrace=0,madvdontneed=1,asyncpreemptoff=1,nosuch=7,execerrdot=0,zip=1,multipathtcp=9", "GOTRACEBACK=crash", "GOGC=1"}
	for i, tt := range []struct {
		name   string
		env    []string
		before string // in sh, before the tool
	}{
		{"caches", []string{"HOME=" + his, "XDG_CACHE_HOME=" + his, "TMPDIR=" + his, "XDG_CONFIG_HOME=" + his}, ""},
		{"home", []string{"HOME=" + his, "TMPDIR=/proc/self/fd"}, ""},
		{"relative", []string{"HOME=.", "XDG_CACHE_HOME=../../../..", "TMPDIR="}, "cd " + his},
		{"runtime", append([]string{"GOMEMLIMIT=1", "GOMAXPROCS=1"}, dull...), ""},
		{"processors", []string{fmt.Sprintf("GOMAXPROCS=%d", long(1000, 50)), "GOGC=off", "GOMEMLIMIT=off"}, ""},
		// A GOMEMLIMIT that is no number ends the program in the Go runtime, before ours begins; see docs/security.md.
		{"nonsense", []string{"GOMAXPROCS=-1", "GOGC=x", "GOMEMLIMIT=0", "GODEBUG=,,=,x", "LANG=\xff", "TZ=:" + victim, "PATH=" + his}, ""},
		{"loader", []string{"LD_PRELOAD=" + his + "/x.so", "LD_LIBRARY_PATH=" + his, "IFS=/", "ENV=" + his, "BASH_ENV=" + his}, ""},
		{"umask 0777", nil, "umask 0777"},
		{"umask 0", nil, "umask 0"},
		{"no folder", nil, "mkdir " + gone + " && cd " + gone + " && rmdir " + gone},
		{"his folder", nil, "cd " + his},
		{"all closed", nil, "exec <&-"},
		{"descriptors", nil, "exec 3<" + his + " 4</dev/zero 5>/dev/null 6</dev/null 7</ 8</ 9<" + victim},
		{"ignored", nil, "trap '' HUP INT QUIT PIPE TERM CHLD ALRM USR1 USR2 URG PROF"},
	} {
		for j, c := range m.commands() {
			if (i+j)%5 != 0 && long(1, 0) == 0 {
				continue
			}
			before := tt.before
			if before == "" {
				before = ":"
			}
			cmd := exec.Command("/bin/sh", append([]string{"-c", before + ` && exec "$0" "$@"`, m.tool(c[0])}, c[1:]...)...)
			cmd.Env, cmd.Dir = append(m.command("lsmod").Env, tt.env...), "/"
			a := ask(t, cmd)
			if err := a.sound(plain[j]); err != nil || a.status != plain[j].status || a.out != plain[j].out {
				t.Errorf("%s: %q: status %d, %.200q, %v; it said %.300q", tt.name, c, a.status, a.out, err, a.err)
			}
		}
		if !sameFiles(m.tables(t), tables) || mode(t, m.modules("modules.dep")) != 0o644 {
			t.Errorf("%s: the tables are others, or have another mode", tt.name)
		}
	}
	if now := listing(t, his); now != was {
		t.Errorf("the user's folder was written to: before\n%safterwards\n%s", was, now)
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" || mode(t, victim) != 0o600 {
		t.Errorf("the file behind a user's link: %q, %v", data, err)
	}
}

// listing describes all files below a folder.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err == nil {
			b.WriteString(name + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		}
		return err
	}))
	return b.String()
}

// TestClosedOutput: a tool whose output, input or errors are closed or full ends; it does not write into a file that
// got the number of a descriptor that was closed.
func TestClosedOutput(t *testing.T) {
	m := newMachine(t)
	m.plain(t)
	tables, image := m.tables(t), contents(t, m.dir+"/out")
	for i, how := range []string{">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"} {
		for j, c := range m.commands() {
			if (i+j)%4 != 0 && long(1, 0) == 0 {
				continue
			}
			cmd := exec.Command("/bin/sh", append([]string{"-c", `exec "$0" "$@" ` + how, m.tool(c[0])}, c[1:]...)...)
			cmd.Env, cmd.Dir = m.command("lsmod").Env, "/"
			a := ask(t, cmd)
			for _, word := range traces {
				if strings.Contains(a.err, word) {
					t.Errorf("%s: %q: a trace: %.300q", how, c, a.err)
				}
			}
			if a.signaled {
				t.Errorf("%s: %q: killed by a signal", how, c)
			}
		}
		if !sameFiles(m.tables(t), tables) || !sameFiles(contents(t, m.dir+"/out"), image) {
			t.Errorf("%s: the tables or the image are others", how)
		}
	}
}

// TestPoisonedCache: a cache of depmod's that a user made, or could have exchanged, has no say in root's tables, and
// a link in its place has nothing written through it.
func TestPoisonedCache(t *testing.T) {
	needRoot(t)
	m := newMachine(t)
	tables := m.tables(t)
	his := filepath.Join(m.dir, "cache")
	cache := filepath.Join(his, "modules.cache")
	must(t, os.Mkdir(his, 0o755))
	run := func(what string) {
		t.Helper()
		a := ask(t, m.command("depmod", "--cache="+cache, "-b", m.root, release))
		if a.status != 0 || !sameFiles(m.tables(t), tables) {
			t.Errorf("%s: status %d, %q, or other tables", what, a.status, a.err)
		}
	}
	var data []byte
	for range 300 { // a cache keeps nothing of modules that have changed just now
		run("root's own")
		var err error
		data, err = os.ReadFile(cache)
		must(t, err)
		if bytes.Contains(data, []byte("alias-7*")) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	evil := bytes.ReplaceAll(data, []byte("alias-7*"), []byte("alias-8*"))
	if bytes.Equal(evil, data) {
		t.Fatal("the alias is not in the cache as it is: the attack is none")
	}
	must(t, os.WriteFile(cache, evil, 0o644))
	run("changed, without its sum")
	must(t, os.WriteFile(cache, data[:len(data)/2], 0o644))
	run("cut")
	end := len(evil) - crc32.Size
	binary.BigEndian.PutUint32(evil[end:], crc32.ChecksumIEEE(evil[:end]))
	plant := func(dir, file int) {
		t.Helper()
		must(t, os.RemoveAll(cache), os.WriteFile(cache, evil, 0o644), os.Lchown(cache, file, file), os.Chown(his, dir, dir))
	}
	plant(0, 0)
	a := ask(t, m.command("depmod", "--cache="+cache, "-b", m.root, release))
	if a.status != 0 || sameFiles(m.tables(t), tables) {
		t.Fatalf("root's own word is not believed (status %d, %q): the attack is none", a.status, a.err)
	}
	plant(0, stranger)
	run("a user's file")
	plant(stranger, 0)
	run("in a user's folder")
	plant(stranger, stranger)
	run("a user's file in a user's folder")
	victim := filepath.Join(m.dir, "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	for what, put := range map[string]func() error{
		"link": func() error { return os.Symlink(victim, cache) }, "fifo": func() error { return syscall.Mkfifo(cache, 0o666) },
		"endless": func() error { return os.Symlink("/dev/zero", cache) }, "folder": func() error { return os.Mkdir(cache, 0o777) },
	} {
		must(t, os.RemoveAll(cache), put(), os.Lchown(cache, stranger, stranger))
		run(what)
		must(t, os.RemoveAll(cache), put(), os.Lchown(cache, stranger, stranger), os.Chown(his, 0, 0))
		run(what + " in root's folder")
		must(t, os.Chown(his, stranger, stranger))
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file behind a link: %q, %v", data, err)
	}
}
