package kmodtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Corpus returns the folder of a Debian kernel: dir/lib/modules/RELEASE with kmod's tables, dir/boot/vmlinuz and
// dir/boot/config. Nobody may write there. Keys are those of fetch.sh: 6.1, 6.1-prev, 6.12-cloud, 6.1:s390x.
func Corpus(t testing.TB, key string) (dir, release string) {
	t.Helper()
	dir = filepath.Join(CacheDir(t), "kernels", strings.ReplaceAll(key, ":", "@"))
	if !exists(filepath.Join(dir, "release")) {
		dir = Fetch(t, "kernel", key)
	}
	return dir, readRelease(t, dir)
}

// CorpusModules calls do with every nth module of a corpus kernel: a name in the folder of its release.
func CorpusModules(t testing.TB, key string, nth int, do func(tree fs.FS, name string)) {
	t.Helper()
	dir, release := Corpus(t, key)
	tree := os.DirFS(filepath.Join(dir, "lib", "modules", release))
	i := 0
	err := fs.WalkDir(tree, "kernel", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(name, ".ko") {
			return err
		}
		if i++; i%nth == 0 {
			do(tree, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// CorpusTree returns the modules of a Debian kernel in another compression: ext is xz, zst, gz or none. The tree is
// made once and kept in the cache, with kmod's tables, except for gz, which kmod as Debian builds it cannot read.
// Nobody may write there.
func CorpusTree(t testing.TB, key, ext string) (dir, release string) {
	t.Helper()
	dir = filepath.Join(CacheDir(t), "trees", strings.ReplaceAll(key, ":", "@")+"-"+ext)
	if !exists(filepath.Join(dir, "release")) {
		dir = Fetch(t, "tree", key, ext)
	}
	return dir, readRelease(t, dir)
}

func readRelease(t testing.TB, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "release"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
