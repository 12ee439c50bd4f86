//go:build linux

package attack

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// checked is a machine, and a module whose verdict depends on the symbols of a small kernel image: testdata/image.gz
// is one that the tests of internal/kernel make.
type checked struct {
	*machine
	his   string // XDG_CACHE_HOME, of root until somebody gives it away
	cache string // what root's --check has written there
	evil  []byte // a cache in which the kernel has the symbol that the module needs
}

const imageRelease = "6.1.0-9-test"

func newChecked(t *testing.T) *checked {
	t.Helper()
	c := &checked{machine: newMachine(t)}
	image, err := os.ReadFile("testdata/image.gz")
	must(t, err, os.WriteFile(filepath.Join(c.dir, "image.gz"), image, 0o644))
	c.his = filepath.Join(c.dir, "his")
	must(t, os.Mkdir(c.his, 0o755))
	tree := func(symbol string) {
		spec := &kmodtest.Spec{Release: imageRelease, Modules: []kmodtest.Module{{Name: "needy", Imports: []kmodtest.Import{{Name: symbol}}}}}
		must(t, spec.Write(c.root), c.command("depmod", "-b", c.root, imageRelease).Run())
	}
	tree("nothing")
	c.verdict(t)
	found, err := filepath.Glob(c.his + "/gomodprobe/kernels/image-*")
	must(t, err)
	var data []byte
	for _, name := range found { // another only names the release of the image
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte("module_layout")) {
			c.cache, data = name, text
		}
	}
	if data == nil {
		t.Fatalf("no cache of the image: %q", found)
	}
	_, symbols, _ := bytes.Cut(data, []byte("\n#\n"))
	first := strings.Split(string(symbols), "\t")[1]
	wanted := strings.ToUpper(first[:1]) + first[1:] // which comes before all others
	tree(wanted)
	magic, rest, _ := bytes.Cut(data, []byte("\n"))
	_, body, _ := bytes.Cut(rest, []byte("\n"))
	body = bytes.Replace(body, []byte("\t"+first+"\t"), []byte("\t"+wanted+"\t"), 1)
	c.evil = fmt.Appendf(nil, "%s\n%08x\n%s", magic, crc32.ChecksumIEEE(body), body)
	return c
}

func (c *checked) check() *exec.Cmd {
	cmd := c.command("modprobe", "-C", "/nonexistent", "-d", c.root, "-S", imageRelease, "--image", filepath.Join(c.dir, "image.gz"), "--check", "needy")
	cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+c.his)
	return cmd
}

func (c *checked) verdict(t *testing.T) answer { t.Helper(); return ask(t, c.check()) }

// TestCheckCacheSwap: whenever a user exchanges the folder of root's --check for one with a cache of his, for a link
// to root's files or for a FIFO, the verdict is the one without a cache, and nothing is written through the link.
func TestCheckCacheSwap(t *testing.T) {
	needRoot(t)
	c := newChecked(t)
	honest := c.verdict(t)
	must(t, os.WriteFile(c.cache, c.evil, 0o644))
	if c.verdict(t) == honest {
		t.Fatalf("root's own cache is not believed: the attack is none: %+v", honest)
	}
	place := filepath.Join(c.his, "gomodprobe")
	mine := filepath.Join(c.dir, "mine")
	victim := filepath.Join(mine, "kernels", filepath.Base(c.cache))
	must(t, os.RemoveAll(place), os.MkdirAll(filepath.Dir(victim), 0o755), os.WriteFile(victim, []byte("precious"), 0o600))
	must(t, os.Lchown(c.his, stranger, stranger))
	next := filepath.Join(c.his, "next")
	own := func() error {
		return filepath.Walk(next, func(name string, _ os.FileInfo, _ error) error { return os.Lchown(name, stranger, stranger) })
	}
	swap := []func() error{
		func() error {
			file := filepath.Join(next, "kernels", filepath.Base(c.cache))
			if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
				return err
			}
			return os.WriteFile(file, c.evil, 0o666)
		},
		func() error { return os.Symlink(mine, next) },
		func() error { return syscall.Mkfifo(next, 0o666) },
	}
	end := make(chan struct{})
	var attacker sync.WaitGroup
	swaps := 0
	attacker.Go(func() {
		for ; ; swaps++ {
			select {
			case <-end:
				return
			default:
			}
			os.RemoveAll(next)
			if err := swap[swaps%len(swap)](); err != nil {
				t.Error(err)
				return
			}
			own()
			os.RemoveAll(place)
			os.Rename(next, place)
		}
	})
	tries, wrong := long(2000, 40), 0
	for range tries {
		if got := c.verdict(t); got != honest {
			if wrong++; wrong < 4 {
				t.Errorf("%+v; want %+v", got, honest)
			}
		}
	}
	close(end)
	attacker.Wait()
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" || len(contents(t, filepath.Dir(victim))) != 1 {
		t.Errorf("the file behind a link: %q, %v", data, err)
	}
	t.Logf("%d tries, %d exchanges: %d wrong", tries, swaps, wrong)
}

// TestCheckKilled: a --check that is killed while it writes its cache leaves it whole or not at all, and nothing
// beside it after the next run.
func TestCheckKilled(t *testing.T) {
	c := newChecked(t)
	dir := filepath.Dir(c.cache)
	must(t, os.Remove(c.cache))
	begin := time.Now()
	honest := c.verdict(t)
	lasts := time.Since(begin)
	whole, all := contents(t, dir)[filepath.Base(c.cache)], len(contents(t, dir))
	met, written := 0, 0
	kills := long(400, 30)
	for i := range kills {
		must(t, os.RemoveAll(c.cache))
		cmd := c.check()
		must(t, cmd.Start())
		time.Sleep(lasts * time.Duration(i*7919%2000) / 1000)
		cmd.Process.Kill()
		cmd.Wait()
		if !cmd.ProcessState.Exited() {
			met++
		}
		if data, err := os.ReadFile(c.cache); err == nil {
			if written++; string(data) != whole {
				t.Errorf("kill %d: the cache has %d bytes, not %d", i, len(data), len(whole))
			}
		}
		if got := c.verdict(t); got != honest {
			t.Errorf("after kill %d: %+v; want %+v", i, got, honest)
		}
		if files := contents(t, dir); len(files) != all {
			t.Errorf("after kill %d and the next run there are %d files", i, len(files))
		}
	}
	t.Logf("%d kills, %d while it was at work; %d times the cache was there, whole", kills, met, written)
	if met < kills/4 {
		t.Error("most had ended before they were killed: the test is none")
	}
}
