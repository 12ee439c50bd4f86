package initramfs

import (
	"context"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// corpusSelector returns what selects modules of a kernel, for the closure of hard and soft dependencies alone.
func corpusSelector(t *testing.T, key string) (p *modprobe.Prober, s *selector, root string) {
	t.Helper()
	root, release := kmodtest.Corpus(t, key)
	fsys := os.DirFS(root)
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: release})
	if err != nil {
		t.Fatal(err)
	}
	s, err = newSelector(context.Background(), p, fsys, &Options{NoHidden: true, NoWeak: true})
	if err != nil {
		t.Fatal(err)
	}
	return p, s, root
}

// selectOne selects one module, and what it needs, anew.
func selectOne(t *testing.T, s *selector, name string) {
	t.Helper()
	s.modules, s.index = nil, make(map[string]int)
	s.request(name, Reason{Kind: Added, As: name})
	if err := s.expand(); err != nil {
		t.Fatal(err)
	}
}

// TestClosure: for every module of a kernel, what is selected is what would be loaded. That modprobe.Plan is what
// kmod loads is tested there.
func TestClosure(t *testing.T) {
	for _, key := range []string{"6.1", "6.12"} {
		p, s, _ := corpusSelector(t, key)
		for _, d := range s.deps {
			plan, err := p.Plan(d.name, &modprobe.PlanOptions{ShowAll: true})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, step := range plan {
				want = append(want, step.Module.Name)
			}
			slices.Sort(want)
			want = slices.Compact(want)
			selectOne(t, s, d.name)
			var got []string
			for _, m := range s.modules {
				got = append(got, m.Name)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: %s", key, d.name, cmp.Diff(want, got))
			}
		}
		if len(s.missing) > 0 {
			t.Errorf("%s: missing %v", key, s.missing)
		}
	}
}

// TestClosureKmod: for every module of two kernels, what is selected is what kmod's modprobe --show-depends prints.
func TestClosureKmod(t *testing.T) {
	kmodtest.Long(t)
	oracle := kmodtest.Oracle(t)
	for _, key := range []string{"6.1", "6.12"} {
		p, s, root := corpusSelector(t, key)
		says := make([]string, len(s.deps))
		softdeps := kmodtest.MergedSoftdeps(t, root, p.Release())
		var wait sync.WaitGroup
		for worker := range runtime.NumCPU() {
			wait.Go(func() {
				for i := worker; i < len(says); i += runtime.NumCPU() {
					out, err := oracle.Command("modprobe", "-C", softdeps, "-d", root, "-S", p.Release(), "-a", "-D", s.deps[i].name).CombinedOutput()
					if says[i] = string(out); err != nil {
						t.Errorf("modprobe -a -D %s: %v, %s", s.deps[i].name, err, out)
					}
				}
			})
		}
		wait.Wait()
		for i, d := range s.deps {
			var want, got []string
			for line := range strings.Lines(says[i]) {
				if words := strings.Fields(line); words[0] == "insmod" {
					want = append(want, strings.TrimPrefix(words[1], path.Join(root, s.dir)+"/"))
				}
			}
			selectOne(t, s, d.name)
			for _, m := range s.modules {
				if !m.Builtin {
					got = append(got, m.Path)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if want = slices.Compact(want); !slices.Equal(got, want) {
				t.Errorf("%s, %s: %s", key, d.name, cmp.Diff(want, got))
			}
		}
		t.Logf("%s: %d modules", key, len(s.deps))
	}
}
