package modprobe_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// names returns the names of modules.
func names(modules []modprobe.Module) (list []string) {
	for _, m := range modules {
		list = append(list, m.Name)
	}
	return list
}

// TestAppendNames: it finds what Resolve finds, behind what is there already, wherever that comes from.
func TestAppendNames(t *testing.T) {
	const conf = "alias cfg-* top\nalias cfg-a mid\ninstall only-a-command true\nremove only-to-remove true\n"
	for _, w := range []*world{newWorld(t, "etc/modprobe.d/x.conf", conf), bareWorld(t, "etc/modprobe.d/x.conf", conf)} {
		p := w.prober(t)
		for _, name := range []string{
			"top", "pre1", "post-1", "both", "al-topper", "cfg-a", "cfg-b", "only-a-command", "only-to-remove", "bi-one", "bi-alias",
			"symbol:mid_sym", "symbol:nosuch", "nosuch", "", "a[b", "no:such",
		} {
			modules, _ := p.Resolve(name)
			want := append([]string{"first"}, names(modules)...)
			if got := p.AppendNames([]string{"first"}, name); !slices.Equal(got, want) {
				t.Errorf("AppendNames(%q) = %q; Resolve says %q", name, got, want)
			}
		}
	}
}

// TestClose: a closed Prober finds nothing, what Resolve gave stays, and to close it again does no harm.
func TestClose(t *testing.T) {
	p := newWorld(t).prober(t)
	modules, err := p.Resolve("al-top")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	m := modules[0]
	if m.Name != "top" || !slices.Equal(m.Depends, []string{"base", "mid"}) || !strings.HasSuffix(m.Path, "/kernel/top.ko") {
		t.Errorf("a module changed when its tables were closed: %+v", m)
	}
	for _, name := range []string{"top", "al-top", "bi-one", "bi-alias", "symbol:mid_sym"} {
		if got := p.AppendNames(nil, name); got != nil {
			t.Errorf("after Close %q is %q", name, got)
		}
	}
}

// TestAppendNamesCorpus: in a whole kernel it finds what Resolve finds, and allocates nothing.
func TestAppendNamesCorpus(t *testing.T) {
	p := corpusProber(t)
	list := append(modaliases(p, 97), "ext4", "nosuch", "symbol:crc16", "symbol:nosuch", "no:such")
	for _, name := range list {
		modules, _ := p.Resolve(name)
		if got, want := p.AppendNames(nil, name), names(modules); !slices.Equal(got, want) {
			t.Errorf("AppendNames(%q) = %q; Resolve says %q", name, got, want)
		}
	}
	if raceDetector {
		return
	}
	dst := make([]string, 0, 64)
	n := testing.AllocsPerRun(100, func() {
		for _, name := range list {
			dst = p.AppendNames(dst[:0], name)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations in %d look-ups", n, len(list))
	}
}

// corpusProber returns a Prober on a whole kernel, without configuration.
func corpusProber(t testing.TB) *modprobe.Prober {
	t.Helper()
	dir, release := kmodtest.Corpus(t, "6.1")
	p, err := modprobe.New(&modprobe.Options{
		FS: os.DirFS(dir), Release: release, Kernel: new(modprobetest.Kernel), NoConfig: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// modaliases returns a modalias for each so manieth pattern of the module directory's aliases.
func modaliases(p *modprobe.Prober, every int) (list []string) {
	n := 0
	for a := range p.Aliases() {
		if n++; n%every == 0 && strings.Contains(a.Pattern, ":") && !strings.ContainsAny(a.Pattern, "[?-") {
			list = append(list, strings.ReplaceAll(a.Pattern, "*", "0001"))
		}
	}
	return list
}

// BenchmarkResolve looks names up as often as it can, in one process.
func BenchmarkResolve(b *testing.B) {
	for _, name := range []string{"ext4", "pci:v00008086d00001533sv00008086sd0000abcdbc02sc00i00", "nosuch"} {
		b.Run(strings.SplitN(name, ":", 2)[0], func(b *testing.B) {
			p := corpusProber(b)
			b.ReportAllocs()
			for b.Loop() {
				p.Resolve(name)
			}
		})
	}
}

// BenchmarkAppendNames looks up modaliases and symbols of all kinds, one after the other.
func BenchmarkAppendNames(b *testing.B) {
	p := corpusProber(b)
	list := modaliases(p, 13)
	dst := p.AppendNames(nil, list[0])
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		dst = p.AppendNames(dst[:0], list[i%len(list)])
		i++
	}
}

// BenchmarkLibkmod looks the same names up by the libkmod of kmod 34.2, which makes an object of each module found.
func BenchmarkLibkmod(b *testing.B) {
	oracle := kmodtest.Oracle(b)
	dir, release := kmodtest.Corpus(b, "6.1")
	program := filepath.Join(b.TempDir(), "lookup")
	gcc := exec.Command("gcc", "-O2", "-x", "c", "-o", program, "-", "-ldl")
	gcc.Stdin = strings.NewReader(libkmodLookup)
	if out, err := gcc.CombinedOutput(); err != nil {
		b.Skipf("cannot compile a program for libkmod: %v\n%s", err, out)
	}
	list := strings.Join(modaliases(corpusProber(b), 13), "\n") + "\n"
	for b.Loop() {
		cmd := exec.Command(oracle.Loader, "--library-path", oracle.Libs, program, dir+"/lib/modules/"+release)
		cmd.Stdin = strings.NewReader(list)
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseFloat(string(bytes.TrimSpace(out)), 64)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(ns, "ns/lookup")
	}
}

// libkmodLookup looks the names on its standard input up, three rounds of them, and prints how many nanoseconds one
// takes.
const libkmodLookup = `
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static char names[1 << 16][128];

int main(int argc, char **argv)
{
	void *lib = dlopen("libkmod.so.2", RTLD_NOW);
	if (!lib)
		return 1;
	void *(*new)(const char *, const char *const *) = dlsym(lib, "kmod_new");
	int (*load)(void *) = dlsym(lib, "kmod_load_resources");
	int (*lookup)(void *, const char *, void **) = dlsym(lib, "kmod_module_new_from_lookup");
	int (*unref)(void *) = dlsym(lib, "kmod_module_unref_list");
	const char *const none[] = { NULL };
	void *ctx = new(argv[1], none);
	if (!ctx || load(ctx))
		return 1;
	int n = 0;
	while (n < 1 << 16 && fgets(names[n], sizeof names[n], stdin))
		names[n][strcspn(names[n], "\n")] = 0, n++;
	struct timespec a, z;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < n; i++) {
			void *list = NULL;
			lookup(ctx, names[i], &list);
			unref(list);
		}
	clock_gettime(CLOCK_MONOTONIC, &z);
	printf("%.1f\n", ((z.tv_sec - a.tv_sec) * 1e9 + (z.tv_nsec - a.tv_nsec)) / 3 / n);
	return 0;
}
`
