//go:build linux

package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

const (
	release  = "6.1.0"
	stranger = 54321 // a user and a group that own nothing else
)

// long returns the first with GOMODPROBE_LONG=1, else the second.
func long(many, few int) int {
	if os.Getenv("GOMODPROBE_LONG") != "" {
		return many
	}
	return few
}

// machine is a folder with the tools and a tree of modules, which every user can read.
type machine struct {
	dir   string // the tools are in bin
	root  string // the tree and its tables are in root/lib/modules
	image string // what goinitramfs writes
}

// names are those of the tools.
var names = []string{"modprobe", "depmod", "modinfo", "insmod", "rmmod", "lsmod", "kmod", "goinitramfs"}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "gomodprobe-attack-") // t.TempDir is in a folder that only root may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{dir: dir, root: filepath.Join(dir, "root"), image: filepath.Join(dir, "out", "image")}
	must(t, os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "bin"), 0o755), os.Mkdir(filepath.Join(dir, "out"), 0o755))
	binary, err := os.ReadFile(kmodtest.Build(t))
	must(t, err, os.WriteFile(m.tool("gomodprobe"), binary, 0o755))
	for _, name := range names {
		must(t, os.Symlink("gomodprobe", m.tool(name)))
	}
	spec := &kmodtest.Spec{Release: release}
	for i := range 40 {
		spec.Modules = append(spec.Modules, kmodtest.Module{Name: fmt.Sprintf("m%d", i), Aliases: []string{fmt.Sprintf("alias-%d*", i)}})
	}
	spec.Modules = append(spec.Modules, kmodtest.Module{Name: "top", Imports: []kmodtest.Import{{Name: "base_sym"}}},
		kmodtest.Module{Name: "base", Exports: []kmodtest.Export{{Name: "base_sym"}}})
	must(t, spec.Write(m.root), os.MkdirAll(filepath.Join(m.root, "etc/modprobe.d"), 0o755))
	for name, text := range map[string]string{"order": "", "builtin": "", "builtin.modinfo": ""} {
		must(t, os.WriteFile(m.modules("modules."+name), []byte(text), 0o644))
	}
	if out, err := m.command("depmod", "-b", m.root, release).CombinedOutput(); err != nil {
		t.Fatalf("depmod: %v\n%s", err, out)
	}
	return m
}

func (m *machine) tool(name string) string { return filepath.Join(m.dir, "bin", name) }
func (m *machine) modules(name string) string {
	return filepath.Join(m.root, "lib/modules", release, name)
}

func (m *machine) command(tool string, args ...string) *exec.Cmd {
	cmd := exec.Command(m.tool(tool), args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"}
	cmd.Dir = "/"
	return cmd
}

// commands are command lines that have an answer and load nothing: at least one of each tool.
func (m *machine) commands() [][]string {
	module := m.modules("kernel/top.ko")
	return [][]string{
		{"modprobe", "-C", "/nonexistent", "-d", m.root, "-S", release, "-D", "top"},
		{"modprobe", "-C", "/nonexistent", "-d", m.root, "-S", release, "-R", "alias-7x"},
		{"modprobe", "-C", "/nonexistent", "-d", m.root, "-S", release, "-D", "nosuch"},
		{"modprobe", "-C", "/nonexistent", "-d", m.root, "-S", release, "--check", "top"},
		{"depmod", "-b", m.root, release},
		{"depmod", "-n", "-b", m.root, release},
		{"modinfo", module},
		{"modinfo", "-b", m.root, "-k", release, "-n", "m3"},
		{"insmod", "/nonexistent/a.ko"},
		{"rmmod", "nosuch"},
		{"lsmod"},
		{"kmod", "list"},
		{"kmod", "static-nodes"},
		{"goinitramfs", "build", "--root", m.root, "-k", release, "--add", "top", "--program=none", "--no-init", "--compress=gzip", "-o", m.image},
		{"goinitramfs", "ls", m.image},
	}
}

// answer is what a tool said.
type answer struct {
	out, err string
	status   int
	signaled bool
}

// ask runs a command. A tool that does not end within a minute hangs.
func ask(t *testing.T, cmd *exec.Cmd) answer {
	t.Helper()
	var out, err bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &err
	}
	cmd.WaitDelay = time.Second
	if e := cmd.Start(); e != nil {
		t.Fatal(e)
	}
	hangs := time.AfterFunc(time.Minute, func() { cmd.Process.Kill(); t.Errorf("%q hangs", cmd.Args) })
	cmd.Wait()
	hangs.Stop()
	return answer{out.String(), err.String(), cmd.ProcessState.ExitCode(), !cmd.ProcessState.Exited()}
}

// traces are words of the Go runtime that nobody is to see.
var traces = []string{"goroutine ", "fatal error", "panic:", "runtime:", "runtime.", "SIG"}

// sound reports whether an answer is the same as without the attack, or says in a few lines what is wrong.
func (a answer) sound(plain answer) error {
	for _, word := range traces {
		if strings.Contains(a.err, word) {
			return fmt.Errorf("a trace: %.300q", a.err)
		}
	}
	switch {
	case a.signaled:
		return errors.New("killed by a signal")
	case a.out == plain.out && a.status == plain.status:
		return nil
	case a.status == 0:
		return fmt.Errorf("status 0 and another answer: %.200q; want %.200q; it said %.200q", a.out, plain.out, a.err)
	case a.err == "":
		return fmt.Errorf("status %d without a word", a.status)
	case strings.Count(a.err, "\n") > 60:
		return fmt.Errorf("%d lines: %.300q", strings.Count(a.err, "\n"), a.err)
	}
	return nil
}

// plain asks all commands without an attack.
func (m *machine) plain(t *testing.T) []answer {
	t.Helper()
	var list []answer
	for _, c := range m.commands() {
		list = append(list, ask(t, m.command(c[0], c[1:]...)))
	}
	return list
}

// tables returns the files in the folder of the tables.
func (m *machine) tables(t *testing.T) map[string]string {
	return contents(t, filepath.Dir(m.modules("x")))
}

// contents returns the regular files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if e.Type().IsRegular() {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			must(t, err)
			files[e.Name()] = string(data)
		}
	}
	return files
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
}

// built returns the tables of a tree in which alias x stands for one module.
func built(t *testing.T, module string) *depmod.Tables {
	t.Helper()
	spec := &kmodtest.Spec{Release: release, Modules: []kmodtest.Module{{Name: module, Aliases: []string{"x"}}}}
	for i := range 30 {
		spec.Modules = append(spec.Modules, kmodtest.Module{Name: fmt.Sprintf("%s%d", module, i), Aliases: []string{fmt.Sprintf("pci:v%d*", i)}})
	}
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: os.DirFS(spec.Tree(t)), Release: release})
	must(t, err)
	return tables
}

// TestWritersReaders: while 30 writers exchange two sets of tables, 500 times, every answer of 20 readers is of one
// of them, and at the end one of them is there, without leftovers.
func TestWritersReaders(t *testing.T) {
	m := newMachine(t)
	spec := &kmodtest.Spec{Release: release, Modules: []kmodtest.Module{{Name: "a"}, {Name: "b"}}}
	root := filepath.Join(m.dir, "exchanged")
	must(t, spec.Write(root))
	dir := filepath.Join(root, "lib/modules", release)
	before := len(contents(t, dir))
	sets := []*depmod.Tables{built(t, "a"), built(t, "b")}
	must(t, sets[0].Install(dir))
	want := map[string]bool{}
	for _, name := range []string{"a", "b"} {
		want["insmod "+filepath.Join(dir, "kernel", name+".ko")+" \n"] = true
	}
	var mu sync.Mutex
	answers := map[string]int{}
	bad := 0
	gone := func(err error) {
		var lock *depmod.LockError
		if errors.As(err, &lock) && lock.Gone {
			t.Error(err)
		}
	}
	end := make(chan struct{})
	var rounds atomic.Int64
	var writers, readers sync.WaitGroup
	for w := range 30 {
		writers.Go(func() {
			for i := w; rounds.Add(1) <= int64(long(500, 40)); i++ {
				if err := sets[i%2].InstallWith(dir, &depmod.InstallOptions{Log: gone}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	read := func() {
		a := ask(t, m.command("modprobe", "-C", "/nonexistent", "-d", root, "-S", release, "-D", "x"))
		mu.Lock()
		defer mu.Unlock()
		answers[a.out]++
		if !want[a.out] || a.status != 0 {
			if bad++; bad < 5 {
				t.Errorf("%+v", a)
			}
		}
	}
	for range 20 {
		readers.Go(func() {
			for {
				read()
				select {
				case <-end:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(end)
	readers.Wait()
	all := 0
	for n := range maps.Values(answers) {
		all += n
	}
	t.Logf("%d of %d answers were of neither set; of each: %v", bad, all, answers)
	if len(answers) < 2 {
		t.Error("nobody saw one of the sets: the test is none")
	}
	var left []string
	for name := range contents(t, dir) {
		if strings.HasPrefix(name, ".") {
			left = append(left, name)
		}
	}
	if n := len(contents(t, dir)); left != nil || n <= before {
		t.Errorf("%d files, leftovers %q", n, slices.Sorted(slices.Values(left)))
	}
}

// mode returns the permissions of a file.
func mode(t *testing.T, name string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(name)
	must(t, err)
	return info.Mode().Perm()
}
