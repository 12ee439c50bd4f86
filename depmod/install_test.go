package depmod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// madeTables returns the tables of a tree of n modules.
func madeTables(t testing.TB, n int) *Tables {
	t.Helper()
	tree := fstest.MapFS{
		"lib/modules/6.1.0/modules.order":           {},
		"lib/modules/6.1.0/modules.builtin":         {Data: []byte("kernel/one.ko\n")},
		"lib/modules/6.1.0/modules.builtin.modinfo": {},
	}
	for i := range n {
		m := kmodtest.Module{
			Name:     fmt.Sprint("m", i),
			Aliases:  []string{fmt.Sprintf("pci:v%08dd*", i), fmt.Sprint("devname:node", i), fmt.Sprint("char-major-10-", i)},
			Softdeps: []string{"pre: x"}, Weakdeps: []string{"y"},
			Exports: []kmodtest.Export{{Name: fmt.Sprint("sym", i)}},
			Imports: []kmodtest.Import{{Name: fmt.Sprint("sym", i-1)}},
		}
		tree[fmt.Sprintf("lib/modules/6.1.0/kernel/m%d.ko", i)] = &fstest.MapFile{Data: m.Bytes()}
	}
	tables, err := Build(context.Background(), &Options{FS: tree, Release: "6.1.0"})
	if err != nil || len(tables.Problems()) > 0 {
		t.Fatal(err, tables.Problems())
	}
	return tables
}

// contents reads a folder.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(data)
	}
	return all
}

// set returns the content of a folder with exactly these tables.
func set(tables *Tables) map[string]string {
	all := make(map[string]string)
	for _, f := range tables.files {
		all[f.name] = string(f.data)
	}
	return all
}

func TestInstall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a/b")
	one, two := madeTables(t, 3), madeTables(t, 5)
	for _, tables := range []*Tables{one, one, two, one} {
		if err := tables.Install(dir); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, dir); !maps.Equal(got, set(tables)) {
			t.Errorf("the folder has %v", slices.Sorted(maps.Keys(got)))
		}
	}
	info, err := os.Stat(filepath.Join(dir, "modules.dep"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v; want 0644", info.Mode(), err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "modules.dep"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := one.Install(dir); err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(filepath.Join(dir, "modules.dep")); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("modules.dep is of %v after an Install that changed nothing; want now", info.ModTime())
	}
	// What a killed Install has left goes, and also a file that cannot be read by others is replaced.
	os.WriteFile(filepath.Join(dir, tempPrefix+"1-2-modules.dep"), []byte("left"), 0o600)
	os.Chmod(filepath.Join(dir, "modules.alias"), 0o600)
	if err := one.Install(dir); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir); !maps.Equal(got, set(one)) {
		t.Errorf("the folder has %v", slices.Sorted(maps.Keys(got)))
	}
	if info, _ := os.Stat(filepath.Join(dir, "modules.alias")); info.Mode() != 0o644 {
		t.Errorf("mode %v; want 0644", info.Mode())
	}
	if err := new(Tables).Install(dir); err == nil {
		t.Error("no tables are installed without an error")
	}
}

// faulty is a disk on which one call fails, or all from one on.
type faulty struct {
	osDisk
	mu    sync.Mutex
	left  int  // calls until the one that fails
	after bool // whether all after that fail, too
	done  bool // whether one has failed
}

var errFault = errors.New("made to fail")

func (d *faulty) fail() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left--
	if d.left == 0 || d.left < 0 && d.after {
		d.done = true
		return errFault
	}
	return nil
}

func (d *faulty) mkdirAll(dir string) error { return errors.Join(d.fail(), d.osDisk.mkdirAll(dir)) }
func (d *faulty) syncDir(dir string) error  { return d.fail() }
func (d *faulty) touch(name string) error   { return d.fail() }

func (d *faulty) rename(old, new string) error {
	if err := d.fail(); err != nil {
		return err
	}
	return d.osDisk.rename(old, new)
}

func (d *faulty) link(old, new string) error {
	if err := d.fail(); err != nil {
		return err
	}
	return d.osDisk.link(old, new)
}

func (d *faulty) remove(name string) error {
	if err := d.fail(); err != nil {
		return err
	}
	return d.osDisk.remove(name)
}

func (d *faulty) list(dir string) ([]string, error) {
	if err := d.fail(); err != nil {
		return nil, err
	}
	return d.osDisk.list(dir)
}

func (d *faulty) read(name string) ([]byte, error) {
	if err := d.fail(); err != nil {
		return nil, err
	}
	return d.osDisk.read(name)
}

func (d *faulty) create(name string) (diskFile, error) {
	if err := d.fail(); err != nil {
		return nil, err
	}
	f, err := d.osDisk.create(name)
	return &faultyFile{f, d}, err
}

type faultyFile struct {
	diskFile
	d *faulty
}

// Write writes half and fails.
func (f *faultyFile) Write(data []byte) (int, error) {
	if err := f.d.fail(); err != nil {
		f.diskFile.Write(data[:len(data)/2])
		return len(data) / 2, err
	}
	return f.diskFile.Write(data)
}

func (f *faultyFile) Chmod(mode fs.FileMode) error {
	return errors.Join(f.d.fail(), f.diskFile.Chmod(mode))
}
func (f *faultyFile) Sync() error  { return f.d.fail() }
func (f *faultyFile) Close() error { return errors.Join(f.diskFile.Close(), f.d.fail()) }

// TestInstallFaults has each call to the file system fail in turn: the old set or the new one is there afterwards, and
// nothing else after the next run.
func TestInstallFaults(t *testing.T) {
	one, two := madeTables(t, 2), madeTables(t, 4)
	oldSet, newSet := set(one), set(two)
	mixed, faults := 0, 0
	defer func() {
		t.Logf("%d faults", faults)
		if mixed < len(newSet)-1 {
			t.Errorf("%d times a mixture before Recover; want one for each two renames at least", mixed)
		}
	}()
	for _, first := range []bool{false, true} { // whether there are no old tables
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				name := fmt.Sprintf("call %d fails, those after it %t, first run %t", n, after, first)
				dir := t.TempDir()
				if !first {
					if err := one.Install(dir); err != nil {
						t.Fatal(err)
					}
				}
				d := &faulty{left: n, after: after}
				err := two.install(d, dir)
				if !d.done {
					if err != nil || n < 40 {
						t.Fatalf("%s: %v", name, err)
					}
					break
				}
				faults++
				var installError *InstallError
				if err != nil && (!errors.As(err, &installError) || !errors.Is(err, errFault)) {
					t.Errorf("%s: %v", name, err)
				}
				got := contents(t, dir)
				maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(name, tempPrefix) })
				isOld, isNew := maps.Equal(got, oldSet), maps.Equal(got, newSet)
				if first {
					isOld = len(got) == 0
				}
				switch {
				case err == nil && !isNew:
					t.Errorf("%s: no error, but not the new set", name)
				case !isOld && !isNew && !(after && strings.Contains(err.Error(), "undo")):
					t.Errorf("%s: %v, and neither the old set nor the new one: %v", name, err, slices.Sorted(maps.Keys(got)))
				case !isOld && !isNew:
					mixed++
				}
				for table, data := range got {
					if data != oldSet[table] && data != newSet[table] {
						t.Errorf("%s: %s is neither old nor new", name, table)
					}
				}
				checkRecovered(t, name, dir, oldSet, newSet)
				if err := two.Install(dir); err != nil {
					t.Fatalf("%s: the next run: %v", name, err)
				}
				if got := contents(t, dir); !maps.Equal(got, newSet) {
					t.Errorf("%s: after the next run there are %v", name, slices.Sorted(maps.Keys(got)))
				}
			}
		}
	}
}

// checkRecovered calls Recover: the folder has exactly one of two sets then, or nothing if it had nothing.
func checkRecovered(t *testing.T, name, dir string, sets ...map[string]string) {
	t.Helper()
	before := contents(t, dir)
	if err := Recover(dir); err != nil {
		t.Fatalf("%s: Recover: %v", name, err)
	}
	got := contents(t, dir)
	for _, set := range sets {
		if maps.Equal(got, set) {
			return
		}
	}
	if len(got) > 0 {
		t.Fatalf("%s: neither set after Recover: %v; before it %v", name, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(before)))
	}
}

// TestInstallKilled kills a process that installs two sets in turn, at 200 random moments. Every table is of one of
// the two sets then, and readable; Recover leaves one of the sets, and nothing else.
func TestInstallKilled(t *testing.T) {
	if dir := os.Getenv("DEPMOD_TEST_INSTALL"); dir != "" {
		one, two := madeTables(t, 40), madeTables(t, 60)
		os.Stdout.WriteString("ready\n")
		for {
			one.Install(dir)
			two.Install(dir)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	one, two := madeTables(t, 40), madeTables(t, 60)
	oldSet, newSet := set(one), set(two)
	dir := t.TempDir()
	if err := one.Install(dir); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		cmd := exec.Command(self, "-test.run=^TestInstallKilled$")
		cmd.Env = append(os.Environ(), "DEPMOD_TEST_INSTALL="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.Read(make([]byte, 6))
		time.Sleep(time.Duration(rand.IntN(8_000)) * time.Microsecond)
		cmd.Process.Kill()
		cmd.Wait()
		for name, data := range contents(t, dir) {
			if strings.HasPrefix(name, tempPrefix) {
				continue
			}
			if data != oldSet[name] && data != newSet[name] {
				t.Fatalf("%s is of neither set: %d bytes", name, len(data))
			}
			if !strings.HasSuffix(name, ".bin") {
				continue
			}
			x, err := index.Parse([]byte(data))
			if err == nil {
				err = x.Check()
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		checkRecovered(t, "killed", dir, oldSet, newSet)
	}
	if err := two.Install(dir); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir); !maps.Equal(got, newSet) {
		t.Errorf("after the next run there are %v", slices.Sorted(maps.Keys(got)))
	}
}

// TestInstallTwice has two sets installed at the same time again and again: one of them is there, not a mixture.
func TestInstallTwice(t *testing.T) {
	one, two := madeTables(t, 3), madeTables(t, 6)
	dir := t.TempDir()
	for range 20 {
		var wg sync.WaitGroup
		for _, tables := range []*Tables{one, two, one, two} {
			wg.Go(func() {
				if err := tables.Install(dir); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := contents(t, dir); !maps.Equal(got, set(one)) && !maps.Equal(got, set(two)) {
			t.Fatalf("a mixture: %v", slices.Sorted(maps.Keys(got)))
		}
	}
}

// TestInstallFull installs on a small file system of its own that is full.
func TestInstallFull(t *testing.T) {
	dir := t.TempDir()
	script := `mount -t tmpfs -o size=64k tmpfs "$0" && cd "$0" && exec "$1" -test.run=^TestInstallFullInside$ -test.v`
	cmd := exec.Command("unshare", "-rm", "sh", "-c", script, dir, os.Args[0])
	cmd.Env = append(os.Environ(), "DEPMOD_TEST_FULL="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("--- FAIL")) {
		t.Skipf("no mount namespace here: %v\n%s", err, out)
	}
	if !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("%s", out)
	}
}

func TestInstallFullInside(t *testing.T) {
	dir := os.Getenv("DEPMOD_TEST_FULL")
	if dir == "" {
		t.Skip("run by TestInstallFull")
	}
	one, two := madeTables(t, 2), madeTables(t, 400)
	if err := one.Install(dir); err != nil {
		t.Fatal(err)
	}
	var e *InstallError
	if err := two.Install(dir); !errors.As(err, &e) || e.Op != "write" {
		t.Errorf("on a full disk: %v; want a failed write", err)
	}
	if got := contents(t, dir); !maps.Equal(got, set(one)) {
		t.Errorf("afterwards there are %v", slices.Sorted(maps.Keys(got)))
	}
}
