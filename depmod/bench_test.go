package depmod_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// run makes the tables of a tree and installs them.
func run(tb testing.TB, root, release, out string, cache *depmod.Cache) {
	tables, err := depmod.Build(context.Background(), &depmod.Options{
		Dir: filepath.Join(root, "lib/modules", release), Release: release, Config: []string{}, Cache: cache,
	})
	if err == nil {
		err = tables.Install(filepath.Join(out, "lib/modules", release))
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkBuild makes the tables of Debian's 6.1, uncompressed, and writes nothing.
func BenchmarkBuild(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := depmod.Build(context.Background(), &depmod.Options{Dir: filepath.Join(root, "lib/modules", release), Release: release}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKmod runs our depmod and kmod's by turns on whole kernels, and reports how much faster ours is: the median
// of kmod's times by that of ours.
func BenchmarkKmod(b *testing.B) {
	oracle := kmodtest.Oracle(b)
	for _, ext := range []string{"none", "zst", "xz"} {
		b.Run(ext, func(b *testing.B) {
			root, release := kmodtest.CorpusTree(b, "6.1", ext)
			against(b, oracle, root, release, "", nil)
		})
	}
}

// BenchmarkCache is BenchmarkKmod with a cache, in a folder that has the tables of the run before: nothing has
// changed, or one module has and no table is there, so that all are written.
func BenchmarkCache(b *testing.B) {
	oracle := kmodtest.Oracle(b)
	for _, ext := range []string{"none", "xz"} {
		root, release := kmodtest.CorpusTree(b, "6.1", ext)
		cache := new(depmod.Cache)
		run(b, root, release, b.TempDir(), cache)
		data := cache.Bytes()
		b.Run(ext+"/unchanged", func(b *testing.B) {
			out := b.TempDir()
			run(b, root, release, out, nil)
			against(b, oracle, root, release, out, data)
		})
		b.Run(ext+"/one", func(b *testing.B) {
			cache, err := depmod.ParseCache(data)
			if err != nil {
				b.Fatal(err)
			}
			depmod.Forget(cache, "ext4")
			against(b, oracle, root, release, "", cache.Bytes())
		})
	}
}

// against runs both by turns: in out, or in a new folder each time if that is empty; ours with the cache that data is,
// if that is not nil, which is written again if something is new in it.
func against(b *testing.B, oracle *kmodtest.OracleCmd, root, release, out string, data []byte) {
	var ours, kmods []time.Duration
	folder := func() string { return cmp.Or(out, b.TempDir()) }
	for b.Loop() {
		dir := folder()
		start := time.Now()
		var cache *depmod.Cache
		if data != nil { // as a new process finds it
			var err error
			if cache, err = depmod.ParseCache(data); err != nil {
				b.Fatal(err)
			}
		}
		run(b, root, release, dir, cache)
		if cache != nil && cache.Read() > 0 {
			if err := os.WriteFile(filepath.Join(dir, "cache"), cache.Bytes(), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		ours = append(ours, time.Since(start))
		dir = folder()
		start = time.Now()
		if text, err := oracle.Command("depmod", "-b", root, "-o", dir, release).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, text)
		}
		kmods = append(kmods, time.Since(start))
	}
	slices.Sort(ours)
	slices.Sort(kmods)
	b.ReportMetric(float64(kmods[len(kmods)/2])/float64(ours[len(ours)/2]), "times-kmod")
	b.ReportMetric(float64(ours[len(ours)/2])/1e6, "ms/tree")
}

// BenchmarkGrowth makes the tables of trees of growing size: the time for a module stays the same. Each tree is a
// sample of the whole kernel, or several copies of it, and has been read once before.
func BenchmarkGrowth(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	from := filepath.Join(root, "lib/modules", release)
	var files []string
	filepath.WalkDir(filepath.Join(from, "kernel"), func(name string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(name) == ".ko" {
			files = append(files, name)
		}
		return err
	})
	for _, n := range []int{500, 1000, 2000, 4000, 16000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			for i := range n {
				file, copies := files[i%len(files)], i/len(files)
				if n < len(files) {
					file = files[i*len(files)/n]
				}
				name := filepath.Join(dir, fmt.Sprintf("%d/%s", copies, filepath.Dir(file[len(from):])), fmt.Sprintf("copy%d_%s", copies, filepath.Base(file)))
				os.MkdirAll(filepath.Dir(name), 0o755)
				if err := os.Symlink(file, name); err != nil {
					b.Fatal(err)
				}
			}
			build := func() {
				if _, err := depmod.Build(context.Background(), &depmod.Options{Dir: dir, Release: release, Config: []string{}}); err != nil {
					b.Fatal(err)
				}
			}
			build()
			for b.Loop() {
				build()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/module")
		})
	}
}
