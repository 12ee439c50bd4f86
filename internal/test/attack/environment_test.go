//go:build linux

package attack

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
	for _, tt := range []struct {
		name   string
		env    []string
		before string // in sh, before the tool
	}{
		{"caches", []string{"HOME=" + his, "XDG_CACHE_HOME=" + his, "TMPDIR=" + his, "XDG_CONFIG_HOME=" + his}, ""},
		{"home", []string{"HOME=" + his, "TMPDIR=/proc/self/fd"}, ""},
		{"relative", []string{"HOME=.", "XDG_CACHE_HOME=../../../..", "TMPDIR="}, "cd " + his},
		{"runtime", append([]string{"GOMEMLIMIT=1", "GOMAXPROCS=1"}, dull...), ""},
		{"processors", []string{"GOMAXPROCS=1000", "GOGC=off", "GOMEMLIMIT=off"}, ""},
		{"nonsense", []string{"GOMAXPROCS=-1", "GOGC=x", "GOMEMLIMIT=-7", "GODEBUG=,,=,x", "LANG=\xff", "TZ=:" + victim, "PATH=" + his}, ""},
		{"loader", []string{"LD_PRELOAD=" + his + "/x.so", "LD_LIBRARY_PATH=" + his, "IFS=/", "ENV=" + his, "BASH_ENV=" + his}, ""},
		{"umask 0777", nil, "umask 0777"},
		{"umask 0", nil, "umask 0"},
		{"no folder", nil, "mkdir " + gone + " && cd " + gone + " && rmdir " + gone},
		{"his folder", nil, "cd " + his},
		{"all closed", nil, "exec <&-"},
		{"descriptors", nil, "exec 3<>" + his + "/gomodprobe 4</dev/zero 5>/dev/null 6</dev/null 7</ 8</ 9<" + victim},
		{"ignored", nil, "trap '' HUP INT QUIT PIPE TERM CHLD ALRM USR1 USR2 URG PROF"},
	} {
		for j, c := range m.commands() {
			if strings.HasPrefix(tt.name, "umask") && strings.HasPrefix(c[0], "goinitramfs") && tt.name == "umask 0777" {
				os.Remove(m.image)
			}
			before := tt.before
			if before == "" {
				before = ":"
			}
			if tt.name == "descriptors" {
				before = strings.Replace(before, "3<>"+his+"/gomodprobe", "3<"+his, 1)
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
	for _, how := range []string{">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"} {
		for _, c := range m.commands() {
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
	run("root's own")
	data, err := os.ReadFile(cache)
	must(t, err)
	evil := bytes.ReplaceAll(data, []byte("alias-7*"), []byte("alias-8*"))
	if bytes.Equal(evil, data) {
		t.Fatal("the alias is not in the cache as it is: the attack is none")
	}
	must(t, os.WriteFile(cache, evil, 0o644))
	run("changed by root, without its sum")
	must(t, os.WriteFile(cache, data[:bytes.LastIndexByte(data[:len(data)/2], '\n')+1], 0o644))
	run("cut at the end of a line")
	must(t, os.WriteFile(cache, evil, 0o666), os.Chown(cache, stranger, stranger))
	run("a user's file")
	must(t, os.Chown(his, stranger, stranger))
	run("in a user's folder")
	victim := filepath.Join(m.dir, "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	for what, put := range map[string]func() error{
		"link": func() error { return os.Symlink(victim, cache) }, "fifo": func() error { return syscall.Mkfifo(cache, 0o666) },
		"endless": func() error { return os.Symlink("/dev/zero", cache) }, "folder": func() error { return os.Mkdir(cache, 0o777) },
	} {
		must(t, os.RemoveAll(cache), put(), os.Lchown(cache, stranger, stranger))
		run(what)
		must(t, os.Chown(his, 0, 0))
		run(what + " in root's folder")
		must(t, os.Chown(his, stranger, stranger))
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file behind a link: %q, %v", data, err)
	}
}

// TestSignals kills tools at any time, by signals that they can and cannot catch. The tables are of the old or the new
// set and whole, the image is the old or the new one, and the next run leaves nothing of those before it.
func TestSignals(t *testing.T) {
	m := newMachine(t)
	m.plain(t)
	old := m.tables(t)
	extra := m.modules("kernel/m0.ko")
	data, err := os.ReadFile(extra)
	must(t, err)
	depmod := []string{"-b", m.root, release}
	build := m.commands()[13]
	images := map[string]bool{}
	image := func() string {
		data, err := os.ReadFile(m.image)
		must(t, err)
		return string(data)
	}
	images[image()] = true
	must(t, os.Remove(extra))
	must(t, m.command("depmod", depmod...).Run())
	changed := m.tables(t)
	if sameFiles(old, changed) {
		t.Fatal("both sets are the same: the test is none")
	}
	torn, lost, mixed := 0, 0, 0
	signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE}
	kills := long(400, 40)
	for i := range kills {
		if i%2 == 0 {
			must(t, os.WriteFile(extra, data, 0o644))
		} else {
			os.Remove(extra)
		}
		killed(t, m.command("depmod", depmod...), signals[i%len(signals)], i)
		for name, text := range m.tables(t) {
			if !strings.HasPrefix(name, ".") && text != old[name] && text != changed[name] {
				torn++
				t.Errorf("kill %d: %s is of neither set", i, name)
			}
		}
		now := m.tables(t)
		for name := range old {
			if _, ok := now[name]; !ok {
				lost++
				t.Errorf("kill %d: %s is lost", i, name)
			}
		}
		if i%4 == 3 {
			killed(t, m.command(build[0], build[1:]...), signals[i%len(signals)], i)
			if !images[image()] {
				torn++
				t.Errorf("kill %d: the image is torn", i)
			}
		}
	}
	must(t, os.WriteFile(extra, data, 0o644))
	must(t, m.command("depmod", depmod...).Run(), m.command(build[0], build[1:]...).Run())
	if got := m.tables(t); !sameFiles(got, old) {
		t.Errorf("after the next run there are %d files, want %d", len(got), len(old))
	}
	if got := contents(t, m.dir+"/out"); len(got) != 1 || !images[got["image"]] {
		t.Errorf("after the next run there are %d images", len(got))
	}
	t.Logf("%d kills: %d torn, %d lost, %d mixed", kills, torn, lost, mixed)
}

// killed starts a tool and sends it a signal; the n-th time a little later than the time before, so that all of its
// run is met.
func killed(t *testing.T, cmd *exec.Cmd, signal syscall.Signal, n int) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	must(t, cmd.Start())
	// Not a time: what the tool has done by now. Each of its steps takes some pages of memory.
	spin(n * 7919 % 4000)
	cmd.Process.Signal(signal)
	cmd.Wait()
}

// spin passes some time that goes by the speed of the machine.
func spin(n int) {
	for range n {
		os.Lstat("/")
		os.Lstat("/proc/self")
	}
}
