package tool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestDepmodCircles: on random graphs with circles, depmod reports every circle that kmod reports, in its direction.
// kmod starts from one module of each group of circles and reports all ways back to it. Where a circle that does not
// go through that module is met it goes on for ever, or aborts; every circle that it has named until then counts, too.
// What it says besides is not compared: a single module is no circle, nor is a way that goes through one twice.
func TestDepmodCircles(t *testing.T) {
	oracle := kmodtest.Oracle(t)
	n := 40
	if os.Getenv("GOMODPROBE_LONG") != "" {
		n = 2000
	}
	ended, same := 0, 0
	for seed := range n {
		root := t.TempDir()
		graph := circlesGraph(rand.New(rand.NewPCG(uint64(seed), 6)))
		writeGraph(t, root, graph)
		cmd := oracle.Command("depmod", "-b", root, depmodRelease)
		cmd = exec.Command("sh", append([]string{"-c", `ulimit -c 0; ulimit -v 300000; ulimit -t 1; exec "$@"`, "sh"}, cmd.Args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &limited{&stderr}
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && !errors.Is(err, errLimit) {
			t.Fatal(err)
		}
		whole := strings.HasSuffix(stderr.String(), "modules in dependency cycles!\n") || err == nil
		want := namedCircles(stderr.String())
		tables, _ := depmod.Build(context.Background(), &depmod.Options{FS: os.DirFS(root), Release: depmodRelease})
		var got []string
		for _, p := range tables.Problems() {
			if p.Kind == depmod.Cycle {
				got = append(got, strings.Join(p.Modules, " -> "))
			}
		}
		if whole {
			ended++
			if slices.Equal(got, want) {
				same++
			}
		}
		got, want = sortedCircles(got), sortedCircles(want)
		if whole && !slices.Equal(got, want) || len(got) < 1000 && !contains(got, want) {
			t.Errorf("seed %d: %v\n%d circles:\n%s\nkmod has %d:\n%s", seed, graph, len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
		}
		os.RemoveAll(root)
	}
	t.Logf("kmod came to an end on %d of %d graphs; on %d each line is the same, in the same order", ended, n, same)
	// Where it has several groups, kmod begins some of them with another module.
	if same*100 < ended*90 {
		t.Errorf("only %d of %d are the same line by line", same, ended)
	}
}

// namedCircles returns the circles in kmod's messages that go through no module twice.
func namedCircles(stderr string) (list []string) {
	for line := range strings.Lines(stderr) {
		circle, ok := strings.CutPrefix(line, "depmod: ERROR: Cycle detected: ")
		if !ok || !strings.HasSuffix(line, "\n") {
			continue
		}
		circle = strings.TrimSuffix(circle, "\n")
		names := strings.Split(circle, " -> ")
		once := slices.Clone(names[1:])
		slices.Sort(once)
		if len(names) > 1 && names[0] == names[len(names)-1] && len(slices.Compact(once)) == len(names)-1 {
			list = append(list, circle)
		}
	}
	return list
}

// sortedCircles has each circle begin with its first name, and sorts them.
func sortedCircles(list []string) (sorted []string) {
	for _, circle := range list {
		names := strings.Split(circle, " -> ")[1:]
		first := slices.Index(names, slices.Min(names))
		names = append(slices.Clone(names[first:]), names[:first]...)
		sorted = append(sorted, strings.Join(names, " -> "))
	}
	slices.Sort(sorted)
	return sorted
}

// contains reports whether all of the second list, which is sorted, is in the first.
func contains(list, part []string) bool {
	return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(list, s) })
}

// writeGraph makes a tree of modules that need each other.
func writeGraph(t *testing.T, root string, graph [][]int) {
	t.Helper()
	spec := &kmodtest.Spec{Release: depmodRelease}
	for i, deps := range graph {
		m := kmodtest.Module{Name: fmt.Sprintf("m%d", i), Path: fmt.Sprintf("kernel/m%d.ko", i)}
		m.Exports = []kmodtest.Export{{Name: fmt.Sprintf("s%d", i)}}
		for _, dep := range deps {
			m.Imports = append(m.Imports, kmodtest.Import{Name: fmt.Sprintf("s%d", dep)})
		}
		spec.Modules = append(spec.Modules, m)
		spec.Order = append(spec.Order, m.Path)
	}
	if err := spec.Write(root); err != nil {
		t.Fatal(err)
	}
}

// circlesGraph makes a graph: groups in which, mostly, every circle goes through one module, what uses them, and what
// they use.
func circlesGraph(rnd *rand.Rand) [][]int {
	groups, size := 1+rnd.IntN(4), 2+rnd.IntN(14)
	users, used := groups, groups+1
	wild := rnd.IntN(20) == 0 // circles anywhere
	group, hub := make([]int, size), make(map[int]int)
	for i := range group {
		group[i] = rnd.IntN(groups + 2)
		if _, ok := hub[group[i]]; !ok {
			hub[group[i]] = i
		}
	}
	may := func(i, j int) bool {
		a, b := group[i], group[j]
		switch {
		case wild:
			return true
		case i == j:
			return a < groups && hub[a] == i && rnd.IntN(10) == 0
		case a == b && a < groups:
			return hub[a] == i || hub[a] == j || i < j
		case a == users:
			return b != users || i < j
		}
		return b == used && (a != b || i < j)
	}
	names, graph := rnd.Perm(size), make([][]int, size)
	for i := range size {
		for _, j := range rnd.Perm(size) {
			if may(i, j) && rnd.IntN(2) == 0 {
				graph[names[i]] = append(graph[names[i]], names[j])
			}
		}
	}
	return graph
}
