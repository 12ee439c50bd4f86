package sysroot_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

// TestSwapInside: who exchanges a folder of a root for a link out of it, again and again, has no file outside opened.
func TestSwapInside(t *testing.T) {
	dir := t.TempDir()
	outside, root := filepath.Join(dir, "outside"), filepath.Join(dir, "root")
	put := func(name, text string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	put(outside+"/file", "outside")
	put(root+"/a/file", "inside")
	for name, target := range map[string]string{"/b": outside, "/c": "../../../../../.." + outside} {
		if err := os.Symlink(target, root+name); err != nil {
			t.Fatal(err)
		}
	}
	name := root + "/d"
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			for _, other := range []string{"/a", "/b", "/c"} {
				select {
				case <-stop:
					return
				default:
				}
				os.Rename(root+other, name)
				os.Rename(name, root+other)
			}
		}
	})
	tries := 300
	if os.Getenv("GOMODPROBE_LONG") != "" {
		tries = 20_000
	}
	fsys := sysroot.New(sysroot.Host(root))
	met := 0
	for range tries {
		f, err := fsys.Open("d/file")
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(f)
		f.Close()
		if met++; err != nil || string(data) != "inside" {
			t.Fatalf("%q, %v", data, err)
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d of %d tries met the folder", met, tries)
}
