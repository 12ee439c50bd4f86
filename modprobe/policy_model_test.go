package modprobe_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// policyNames are the modules of a policyWorld. Each may depend on those before it.
var policyNames = []string{"ax", "ay", "az", "b_x", "b_y", "b_z", "cx"}

// policyLine is a forbid or allow line: about one name, or those that a pattern matches.
type policyLine struct {
	allow   bool
	text    string // as written
	modules []int  // that it is about
	wild    bool
}

// policyWorld is a set-up by chance.
type policyWorld struct {
	needs   [][]int // direct dependencies
	softs   [][]int // softdeps, both kinds
	lines   []policyLine
	loaded  []bool
	request string
	asked   []int // the modules that the request stands for
	alone   bool  // -i
	fsys    fstest.MapFS
}

// policyAliases are names that stand for several modules, or in other ways for one.
var policyAliases = map[string][]int{"bus:1": {0, 4}, "bus:2": {5}, "conf-al": {3}, "fs-cx": {6}}

// newPolicyWorld makes a set-up.
func newPolicyWorld(r *rand.Rand) *policyWorld {
	n := len(policyNames)
	w := &policyWorld{needs: make([][]int, n), softs: make([][]int, n), loaded: make([]bool, n), fsys: fstest.MapFS{}}
	var softdep strings.Builder
	alias := false // whether a softdep is spelled as an alias
	for i := range n {
		for j := range i {
			if r.IntN(4) == 0 {
				w.needs[i] = append(w.needs[i], j)
			}
		}
		for _, kind := range []string{"pre:", "post:"} {
			if r.IntN(3) > 0 {
				continue
			}
			name, modules := w.anyName(r)
			alias = alias || policyAliases[name] != nil
			w.softs[i] = append(w.softs[i], modules...)
			fmt.Fprintf(&softdep, "softdep %s %s %s\n", policyNames[i], kind, name)
		}
		w.loaded[i] = r.IntN(8) == 0
	}
	for range 1 + r.IntN(5) {
		w.lines = append(w.lines, w.anyLine(r))
	}
	w.request, w.asked = w.anyName(r)
	// With -i, a module that is found by another name once more is begun once more, as with kmod: not of interest here.
	w.alone = r.IntN(4) == 0 && !alias && policyAliases[w.request] == nil
	w.write(softdep.String())
	if r.IntN(4) == 0 { // by a path: that of the tree, a link, or a copy under another name
		i := r.IntN(n)
		w.asked = []int{i}
		real := "/lib/modules/6.1.0/" + policyNames[i] + ".ko"
		switch r.IntN(2) {
		case 0:
			w.request = real
		case 1:
			w.request = "/tmp/../lib/modules/6.1.0/" + policyNames[i] + ".ko"
			w.fsys["tmp/x"] = &fstest.MapFile{}
		}
	}
	return w
}

// anyName returns a name in some spelling, and the modules it stands for.
func (w *policyWorld) anyName(r *rand.Rand) (string, []int) {
	if r.IntN(4) == 0 {
		names := slices.Sorted(maps.Keys(policyAliases))
		name := names[r.IntN(len(names))]
		return name, policyAliases[name]
	}
	i := r.IntN(len(policyNames))
	if r.IntN(2) == 0 {
		return strings.ReplaceAll(policyNames[i], "_", "-"), []int{i}
	}
	return policyNames[i], []int{i}
}

// anyLine returns a forbid or allow line.
func (w *policyWorld) anyLine(r *rand.Rand) policyLine {
	l := policyLine{allow: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		l.text, l.modules = w.anyName(r)
		return l
	}
	l.wild = true
	patterns := map[string]func(string) bool{
		"*":       func(string) bool { return true },
		"a*":      func(s string) bool { return s[0] == 'a' },
		"b-?":     func(s string) bool { return s[0] == 'b' },
		"[a-b]*x": func(s string) bool { return s == "ax" || s == "b_x" },
	}
	l.text = slices.Sorted(maps.Keys(patterns))[r.IntN(len(patterns))]
	for i, name := range policyNames {
		if patterns[l.text](name) {
			l.modules = append(l.modules, i)
		}
	}
	return l
}

// closure returns all that a module depends on, users before what they need.
func (w *policyWorld) closure(i int) (list []int) {
	all := make(map[int]bool)
	var add func(int)
	add = func(i int) {
		for _, d := range w.needs[i] {
			all[d] = true
			add(d)
		}
	}
	add(i)
	list = slices.Sorted(maps.Keys(all))
	slices.Reverse(list)
	return list
}

// write makes the files.
func (w *policyWorld) write(softdep string) {
	const dir = "lib/modules/6.1.0/"
	put := func(name, text string) { w.fsys[name] = &fstest.MapFile{Data: []byte(text)} }
	var dep, aliases, conf strings.Builder
	for i, name := range policyNames {
		fmt.Fprintf(&dep, "%s.ko:", name)
		for _, d := range w.closure(i) {
			fmt.Fprintf(&dep, " %s.ko", policyNames[d])
		}
		dep.WriteByte('\n')
		w.fsys[dir+name+".ko"] = &fstest.MapFile{Data: kmodtest.Module{Name: name}.Bytes()}
		if w.loaded[i] {
			put("sys/module/"+name+"/initstate", "live\n")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(policyAliases)) {
		for _, i := range policyAliases[name] {
			if name == "conf-al" {
				fmt.Fprintf(&conf, "alias %s %s\n", name, policyNames[i])
				continue
			}
			fmt.Fprintf(&aliases, "alias %s %s\n", strings.ReplaceAll(name, "-", "_"), policyNames[i])
		}
	}
	for i, l := range w.lines {
		word := "forbid"
		if l.allow {
			word = "allow"
		}
		if i%2 == 0 {
			word = "# gomodprobe: " + word
		}
		fmt.Fprintf(&conf, "%s %s\n", word, l.text)
	}
	put(dir+"modules.dep", dep.String())
	put(dir+"modules.alias", aliases.String())
	put(dir+"modules.softdep", "# softdeps\n"+softdep)
	put("etc/modprobe.d/a.conf", conf.String())
}

// The model: the sentences of modprobe.d(5) one after the other, by looking at every way through the set-up.

// says is what the lines about a module say together: the first of allow by name, forbid by name, allow by wildcard,
// forbid by wildcard; "" if there is none.
func (w *policyWorld) says(i int) string {
	for _, kind := range []struct {
		allow, wild bool
		says        string
	}{{true, false, "allowed"}, {false, false, "barred"}, {true, true, "allowed"}, {false, true, "forbidden"}} {
		for _, l := range w.lines {
			if l.allow == kind.allow && l.wild == kind.wild && slices.Contains(l.modules, i) {
				return kind.says
			}
		}
	}
	return ""
}

// may says whether a module may be loaded when an allowed one is, or is not, on the way to it.
func (w *policyWorld) may(i int, lent bool) bool {
	says := w.says(i)
	return w.loaded[i] || says == "" || says == "allowed" || says == "forbidden" && lent
}

// ways calls do for each way from a module down its dependencies: its end, and whether there is an allowed module
// before the end.
func (w *policyWorld) ways(i int, lent bool, do func(d int, lent bool)) {
	lent = lent || w.says(i) == "allowed"
	for _, d := range w.needs[i] {
		do(d, lent)
		w.ways(d, lent, do)
	}
}

// all says whether a module and everything that it depends on may be loaded.
func (w *policyWorld) all(i int, lent bool) bool {
	may := make(map[int]bool)
	w.ways(i, lent, func(d int, lent bool) { may[d] = may[d] || w.may(d, lent) })
	for _, ok := range may {
		if !ok {
			return false
		}
	}
	return w.may(i, lent)
}

// visit adds to loads what loading a module leads to. With -i, the module that
// was asked for is not begun again as a softdep.
func (w *policyWorld) visit(i, top int, lent, alone bool, way []string, loads map[int]bool) {
	key := fmt.Sprint(i, lent, alone)
	if slices.Contains(way, key) {
		return
	}
	way = append(slices.Clip(way), key)
	loads[i] = true
	softs := func(i int, lent bool) {
		lent = lent || w.says(i) == "allowed"
		for _, s := range w.softs[i] {
			if (s != top || !w.alone) && w.all(s, lent) {
				w.visit(s, top, lent, false, way, loads)
			}
		}
	}
	w.ways(i, lent, func(d int, lent bool) {
		loads[d] = true
		softs(d, lent)
	})
	if !alone {
		softs(i, lent)
	}
}

// want returns the modules that the request loads, sorted; ok is false if it is refused.
func (w *policyWorld) want() (names []string, ok bool) {
	loads := make(map[int]bool)
	for _, i := range w.asked {
		if w.loaded[i] {
			continue
		}
		forbids := slices.ContainsFunc(w.lines, func(l policyLine) bool { return !l.allow })
		if forbids && !w.all(i, false) {
			return nil, false
		}
		w.visit(i, i, false, w.alone, nil, loads)
	}
	for i := range loads {
		if !w.loaded[i] {
			names = append(names, policyNames[i])
		}
	}
	slices.Sort(names)
	return names, true
}

// TestPolicyModel compares what is loaded, in set-ups by chance, with what the sentences of modprobe.d(5) say.
func TestPolicyModel(t *testing.T) {
	tries := 400
	if os.Getenv("GOMODPROBE_LONG") != "" {
		tries = 10_000
	}
	refused, leftOut := 0, 0
	for seed := range uint64(tries) {
		w := newPolicyWorld(rand.New(rand.NewPCG(seed, 17)))
		want, ok := w.want()
		p, err := modprobe.New(&modprobe.Options{FS: w.fsys, Kernel: new(modprobetest.Kernel), Log: func(err error) {
			if errors.Is(err, modprobe.ErrForbidden) {
				leftOut++
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := p.Plan(w.request, &modprobe.PlanOptions{IgnoreCommands: w.alone})
		var got []string
		for _, s := range plan {
			got = append(got, s.Module.Name)
		}
		slices.Sort(got)
		got = slices.Compact(got)
		if !ok {
			refused++
		}
		if ok != (err == nil) || !ok && !errors.Is(err, modprobe.ErrForbidden) || !slices.Equal(got, want) {
			t.Fatalf("set-up %d: modprobe %s (-i: %v) loads %v, %v; want %v, %v\n%s\n%s\n%s\nloaded %v", seed, w.request, w.alone, got, err,
				want, ok, w.fsys["etc/modprobe.d/a.conf"].Data, w.fsys["lib/modules/6.1.0/modules.dep"].Data,
				w.fsys["lib/modules/6.1.0/modules.softdep"].Data, w.loaded)
		}
		w.compareDecisions(t, p, seed)
	}
	t.Logf("%d set-ups: %d refused, %d softdeps left out", tries, refused, leftOut)
	if refused < tries/10 || refused > tries*9/10 || leftOut < tries/50 {
		t.Errorf("of %d set-ups %d are refused and %d softdeps left out: that does not test much", tries, refused, leftOut)
	}
}

// compareDecisions checks that Permit tells of each module asked for what Plan does.
func (w *policyWorld) compareDecisions(t *testing.T, p *modprobe.Prober, seed uint64) {
	t.Helper()
	modules, err := p.Resolve(w.request)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		d := p.Permit(m, nil)
		if d == nil {
			continue
		}
		i := slices.Index(policyNames, alias.ModName(m.Name))
		if want := w.all(i, false); (d.Err() == nil) != want {
			t.Fatalf("set-up %d: Permit(%s) = %v; want %v", seed, m.Name, d.Err(), want)
		}
		if first := d.Decisions[0]; first.Module != m.Name || len(first.Chain) != 1 {
			t.Fatalf("set-up %d: the first decision on %s is %+v", seed, m.Name, first)
		}
		for _, one := range d.Decisions {
			if one.Chain[0] != m.Name || one.Chain[len(one.Chain)-1] != one.Module {
				t.Fatalf("set-up %d: the chain to %s is %v", seed, one.Module, one.Chain)
			}
			if one.Through != "" && w.says(slices.Index(policyNames, one.Through)) != "allowed" {
				t.Fatalf("set-up %d: %s is allowed through %s, which no line allows", seed, one.Module, one.Through)
			}
		}
	}
}
