//go:build linux

package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// TestWeakUpdate makes links to modules of a real kernel in the tree of another build of it, and loads in a guest what
// has a link and what was refused. Then it kills runs at any time: there are never other links than those.
func TestWeakUpdate(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	kmodtest.Long(t)
	// Between two builds of 6.1 the CRC of module_layout differs: links are for modules that are forced.
	for _, test := range []struct{ from, to, option string }{{"6.12", "6.12.116", "-v"}, {"6.1", "6.1.0-53", "--names-none"}} {
		t.Run(test.from+" on "+test.to, func(t *testing.T) {
			w := newWeakRoot(t, test.from, test.to)
			w.option = test.option
			rows := w.add(t)
			w.guest(t, test.to, rows)
			w.killed(t, rows)
		})
	}
}

// weakRoot is the root of a system with two kernels: one has modules that the other may take.
type weakRoot struct {
	dir, binary string
	release     string // of the kernel that is to get links
	files       []string
	option      string // of every run
}

// weakRow is an element of what --json prints.
type weakRow struct{ Module, Target, State, Why string }

func newWeakRoot(t *testing.T, from, to string) *weakRoot {
	t.Helper()
	w := &weakRoot{dir: t.TempDir()}
	w.binary = filepath.Join(w.dir, "modprobe")
	if err := os.Symlink(kmodtest.Build(t), w.binary); err != nil {
		t.Fatal(err)
	}
	old, oldRelease := kmodtest.Corpus(t, from)
	own, release := kmodtest.Corpus(t, to)
	w.release = release
	kept := map[string]bool{}
	w.copyModules(t, old, oldRelease, func(n int, name string) string {
		if n%60 != 7 {
			return ""
		}
		kept[strings.Split(filepath.Base(name), ".")[0]] = true
		w.files = append(w.files, "/lib/modules/"+oldRelease+"/extra/"+filepath.Base(name))
		return "extra/" + filepath.Base(name)
	})
	w.copyModules(t, own, release, func(n int, name string) string {
		if kept[strings.Split(filepath.Base(name), ".")[0]] || n%3 == 0 {
			return ""
		}
		return name
	})
	for _, k := range []struct{ dir, release string }{{old, oldRelease}, {own, release}} {
		w.copy(t, k.dir+"/boot/vmlinuz", "boot/vmlinuz-"+k.release)
		for _, name := range []string{"modules.builtin", "modules.order"} {
			w.copy(t, k.dir+"/lib/modules/"+k.release+"/"+name, "lib/modules/"+k.release+"/"+name)
		}
		if out, err := w.command("depmod", "-b", w.dir, k.release).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return w
}

// copyModules copies the modules for which where returns a path below the tree.
func (w *weakRoot) copyModules(t *testing.T, dir, release string, where func(n int, name string) string) {
	t.Helper()
	tree, n := dir+"/lib/modules/"+release, 0
	err := fs.WalkDir(os.DirFS(tree), "kernel", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".ko") {
			return err
		}
		n++
		if to := where(n, name); to != "" {
			w.copy(t, tree+"/"+name, "lib/modules/"+release+"/"+to)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copy puts a file into the root.
func (w *weakRoot) copy(t *testing.T, from, to string) {
	t.Helper()
	to = filepath.Join(w.dir, to)
	err := os.MkdirAll(filepath.Dir(to), 0o755)
	if err == nil && os.Link(from, to) != nil {
		var data []byte
		if data, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, data, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// command is a call of one of our tools.
func (w *weakRoot) command(tool string, args ...string) *exec.Cmd {
	cmd := exec.Command(w.binary, args...)
	cmd.Args[0] = tool
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+w.dir+"/cache")
	return cmd
}

// update is modprobe --weak-update.
func (w *weakRoot) update(action string) *exec.Cmd {
	args := []string{"--root", w.dir, "-S", w.release, w.option, "--json", "--weak-update", action}
	return w.command("modprobe", slices.Concat(args, w.files)...)
}

// add makes the links, and returns what became of each file.
func (w *weakRoot) add(t *testing.T) map[string]weakRow {
	t.Helper()
	out, err := w.update("add").Output()
	var rows []weakRow
	if err == nil {
		err = json.Unmarshal(out, &rows)
	}
	if err != nil || len(rows) != len(w.files) {
		t.Fatalf("%d rows for %d files: %v", len(rows), len(w.files), err)
	}
	found, made := map[string]weakRow{}, 0
	for _, r := range rows {
		found[r.Target] = r
		if r.State == "made" {
			made++
		}
	}
	t.Logf("%d of %d files have a link", made, len(rows))
	if got := w.links(t); len(got) != made {
		t.Errorf("%d links; want %d", len(got), made)
	}
	if out, err := w.update("check").Output(); err != nil || strings.TrimSpace(string(out)) != "[]" {
		t.Errorf("check: %v %s", err, out)
	}
	return found
}

// links returns where the links lead that there are, below the root.
func (w *weakRoot) links(t *testing.T) (list []string) {
	t.Helper()
	dir := w.dir + "/lib/modules/" + w.release + "/weak-updates"
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		to, err := filepath.EvalSymlinks(dir + "/" + e.Name())
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
			continue
		}
		root, _ := filepath.EvalSymlinks(w.dir)
		list = append(list, strings.TrimPrefix(to, root))
	}
	return list
}

// killed kills runs of add and of remove. The links that there are then were found to load, and another run goes on.
func (w *weakRoot) killed(t *testing.T, right map[string]weakRow) {
	for i := range 12 {
		action := []string{"add", "remove"}[i%2]
		cmd := w.update(action)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(5000)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		for _, target := range w.links(t) {
			if right[target].State != "made" {
				t.Errorf("killed in %s: a link to %s: %+v", action, target, right[target])
			}
		}
	}
	if out, err := w.update("add").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := w.update("check").Output(); err != nil || strings.TrimSpace(string(out)) != "[]" {
		t.Errorf("check after the kills: %v %s", err, out)
	}
}

// guest loads the files in a guest.
func (w *weakRoot) guest(t *testing.T, key string, rows map[string]weakRow) {
	o := vmtest.Options{Tests: "^TestGuestWeak$", Files: map[string][]byte{}, Memory: 1024}
	var list strings.Builder
	for target, r := range rows {
		data, err := os.ReadFile(w.dir + target)
		if err == nil {
			data, err = compress.Expand(nil, data, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(r.Why, "not verified") || strings.Contains(r.Why, "needs ") || strings.Contains(r.Why, "exports") {
			continue // it needs a module that is not loaded there
		}
		o.Files["weak/"+r.Module+".ko"] = data
		if r.State == "made" {
			o.Modules = append(o.Modules, r.Module) // the kernel's own, for what it needs
			if strings.Contains(r.Why, "--force-compatible") {
				r.State = "forced"
			}
		}
		fmt.Fprintln(&list, r.State, r.Module)
	}
	o.Files["weak/list"] = []byte(list.String())
	vmtest.Run(t, key, o)
}

// TestGuestWeak runs in the guest.
func TestGuestWeak(t *testing.T) {
	vmtest.InGuest(t)
	list, err := os.ReadFile("/weak/list")
	if err != nil {
		t.Fatal(err)
	}
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	loaded, refused := 0, 0
	for line := range strings.Lines(string(list)) {
		state, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		f, err := os.Open("/weak/" + name + ".ko")
		if err != nil {
			t.Fatal(err)
		}
		flags := 0
		if m, ok := p.Module(name); ok && state != "refused" {
			for _, need := range m.Depends {
				plan, err := p.Plan(need, nil)
				if err == nil {
					err = p.Run(context.Background(), plan)
				}
				if err != nil {
					t.Logf("%s: %v", need, err)
				}
			}
		}
		if state == "forced" {
			flags = unix.MODULE_INIT_IGNORE_MODVERSIONS | unix.MODULE_INIT_IGNORE_VERMAGIC
		}
		err = unix.FinitModule(int(f.Fd()), "", flags)
		f.Close()
		no := err == unix.ENOEXEC || err == unix.EINVAL || err == unix.ENOENT
		switch {
		case state != "refused" && no:
			t.Errorf("%s has a link (%s) and is refused: %v", name, state, err)
		case state != "refused":
			loaded++
		case !no:
			t.Errorf("%s has no link and is not refused: %v", name, err)
		default:
			refused++
		}
	}
	t.Logf("%d with a link loaded, %d without were refused", loaded, refused)
}
