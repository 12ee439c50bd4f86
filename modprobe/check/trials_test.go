//go:build linux

package check_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// kernelOf makes a Kernel of a corpus kernel: its boot image and one of its modules.
func kernelOf(t testing.TB, key string) *check.Target {
	t.Helper()
	_, release := kmodtest.Corpus(t, key)
	k := &check.Target{Release: release}
	k.Use(image(t, key))
	for _, m := range corpusModules(t, key, func(name string) bool { return name == "vfat" || name == "mii" }) {
		k.LearnFrom(kernel.ReadModule(m, readModule(t, m)))
	}
	if k.This.Size == 0 {
		t.Fatal("no module to learn the layout from")
	}
	return k
}

// image reads a corpus kernel's boot image.
func image(t testing.TB, key string) *kernel.Image {
	t.Helper()
	dir, _ := kmodtest.Corpus(t, key)
	data, err := os.ReadFile(filepath.Join(dir, "boot/vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	im, err := kernel.FromImage("vmlinuz", data, 0)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// corpusModules lists the module files of a corpus kernel whose names pass.
func corpusModules(t testing.TB, key string, pass func(name string) bool) (files []string) {
	t.Helper()
	dir, release := kmodtest.Corpus(t, key)
	err := filepath.WalkDir(filepath.Join(dir, "lib/modules", release), func(path string, d fs.DirEntry, err error) error {
		name, _, isModule := strings.Cut(filepath.Base(path), ".ko")
		if err == nil && isModule && d.Type().IsRegular() && pass(strings.ReplaceAll(name, "-", "_")) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatal("modules of", key, err)
	}
	return files
}

func readModule(t testing.TB, file string) []byte {
	t.Helper()
	image, _, err := compress.ReadFile(os.DirFS("/"), strings.TrimPrefix(file, "/"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// A course is the trials for one boot of one kernel, in their order: what one leaves behind the next one meets.
type course struct {
	k      *check.Target
	image  []byte // what the boot image tells, as the memory of the running kernel should
	list   strings.Builder
	files  map[string][]byte
	append string // to the kernel's command line
	trials int
	counts map[string]int   // by where the modules are from and outcome
	loaded []*kernel.Module // those that were kept
}

// perBoot is how many modules one guest is offered: what drivers leave behind adds up.
const perBoot = 3000

func newCourse(t testing.TB, key string, k *check.Target) *course {
	t.Helper()
	k.Tainted, k.Modules, k.Present = "", nil, nil
	im := image(t, key)
	im.Way, im.Keys, im.Signing, im.Exports.Source = "", nil, nil, "/proc/kcore"
	return &course{k: k, image: im.Encode(""), files: map[string][]byte{}, counts: map[string]int{}}
}

// add predicts what happens to a module and puts it on the list.
func (c *course) add(from, name string, image []byte, flags int, keep bool) *check.Verdict {
	return c.offer(from, name, image, flags, "", keep)
}

// offer is add for a load with parameters.
func (c *course) offer(from, name string, image []byte, flags int, params string, keep bool) *check.Verdict {
	m := kernel.ReadModule(name, image)
	v := c.k.CheckWith(m, flags, params)
	c.counts[from+" "+string(v.Outcome)]++
	if slices.ContainsFunc(v.NotVerified, func(s string) bool { return strings.Contains(s, "survives") }) {
		c.counts[from+" not offered"]++ // the guest is to go on
		return v
	}
	file := fmt.Sprintf("trials/%05d.ko", c.trials)
	c.trials++
	c.files[file] = image
	tr := trial{from: from, name: name, file: "/" + file, module: m.Name, flags: flags, params: params, verdict: v, keep: keep,
		strict: m.Init < 0}
	c.list.WriteString(tr.text())
	for _, taint := range v.Taints {
		if !strings.Contains(c.k.Tainted, taint.Letter) {
			c.k.Tainted += taint.Letter
		}
	}
	return v
}

// keep adds a module that stays loaded, if it loads: what comes after may use it. It tells whether that is predicted.
func (c *course) keep(from, name string, image []byte) bool {
	v := c.add(from, name, image, 0, true)
	if v.Outcome != check.Loads && v.Outcome != check.LoadsTaints {
		return false
	}
	c.loaded = append(c.loaded, kernel.ReadModule(name, image))
	c.k.Modules, c.k.Present = c.lookup, func(module string) bool {
		return slices.ContainsFunc(c.loaded, func(m *kernel.Module) bool { return m.Name == module })
	}
	return true
}

// lookup finds what the modules that stay loaded export.
func (c *course) lookup(symbol string) (kernel.Symbol, bool) {
	for _, m := range c.loaded {
		for _, e := range m.Exports {
			if e.Name == symbol {
				return e, true
			}
		}
	}
	return kernel.Symbol{}, false
}

// remove takes the modules out again that were kept after the first n, the last first.
func (c *course) remove(n int) {
	for i := len(c.loaded) - 1; i >= n; i-- {
		fmt.Fprintf(&c.list, "remove %s\n", c.loaded[i].Name)
	}
	c.loaded = c.loaded[:n]
}

// run boots the kernel.
func (c *course) run(t *testing.T, key string) {
	t.Helper()
	c.files["trials/list"] = []byte(c.list.String())
	c.files["trials/image"] = c.image
	size := 0
	for _, f := range c.files {
		size += len(f)
	}
	t.Logf("%d trials on %s: %v", c.trials, c.k.Release, c.counts)
	vmtest.Run(t, key, vmtest.Options{Tests: "^TestGuest(Trials|Kcore)$", Files: c.files, Append: c.append, Memory: 768 + 3*size>>20})
}

// TestTrials lets real kernels judge Check. The default is some modules and every mutation on one kernel, or on that
// which GOMODPROBE_TRIALS names; with GOMODPROBE_LONG=1 it is whole trees on their neighbours.
func TestTrials(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	type pair struct {
		from  string
		n     int  // modules; 0: all
		alone bool // those that need no others: they load, or the prediction is wrong
	}
	type plan struct {
		target string
		pairs  []pair
		append string // to the kernel's command line
		set    func(k *check.Target)
	}
	plans := map[string]plan{
		"5.10": {target: "5.10", pairs: []pair{{"6.1", 10, false}, {"5.10", 20, true}}},
		"6.1":  {target: "6.1", pairs: []pair{{"6.1-prev", 10, false}, {"6.1", 20, true}}},
		"6.12": {target: "6.12", pairs: []pair{{"6.12-cloud", 60, false}, {"6.12", 40, true}, {"6.1", 20, false}}},
		"7.2":  {target: "7.2", pairs: []pair{{"6.12", 10, false}, {"7.2", 20, true}}},
	}
	only := os.Getenv("GOMODPROBE_TRIALS")
	if only == "" && os.Getenv("GOMODPROBE_LONG") == "" {
		only = "6.12"
	}
	if os.Getenv("GOMODPROBE_LONG") != "" {
		for target, pairs := range map[string][]pair{
			"5.10":       {{"6.1", 100, false}, {"5.10", 400, true}},
			"6.1":        {{"6.1-prev", 0, false}, {"6.1-cloud", 0, false}, {"6.1", 600, true}},
			"6.1-cloud":  {{"6.1", 0, false}},
			"6.12":       {{"6.12-cloud", 0, false}, {"6.1", 0, false}, {"6.12", 500, true}},
			"6.12-cloud": {{"6.12", 0, false}},
			"7.2":        {{"6.12", 0, false}, {"7.2", 500, true}},
		} {
			plans[target] = plan{target: target, pairs: pairs}
			if strings.HasSuffix(target, "-cloud") {
				continue
			}
			own := []pair{{target, 20, true}}
			plans[target+"-enforcing"] = plan{target, own, "module.sig_enforce=1", func(k *check.Target) { k.Enforce = true }}
			plans[target+"-locked"] = plan{target, own, "lockdown=integrity", func(k *check.Target) { k.Lockdown = true }}
			plans[target+"-blacklist"] = plan{target, own, "module_blacklist=other,mii", func(k *check.Target) { k.Blacklist = []string{"other", "mii"} }}
			plans[target+"-disabled"] = plan{target, own, "nomodule", func(k *check.Target) { k.Disabled = true }}
		}
	}
	for name, plan := range plans {
		if only != "" && only != name {
			continue
		}
		target, pairs := plan.target, plan.pairs
		t.Run(name, func(t *testing.T) {
			k := kernelOf(t, target)
			if plan.set != nil {
				plan.set(k)
			}
			c := newCourse(t, target, k)
			c.append = plan.append
			for _, m := range mutations(t, target) {
				c.add("mutation", m.name, m.image, m.flags, m.keep)
			}
			for _, p := range pairs {
				files := corpusModules(t, p.from, func(name string) bool {
					return !slices.ContainsFunc(unsuitable, func(part string) bool { return strings.Contains(name, part) })
				})
				rnd := rand.New(rand.NewPCG(7, uint64(len(files))))
				rnd.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
				left := p.n
				if left == 0 {
					left = len(files)
				}
				for _, f := range files {
					if left == 0 {
						break
					}
					image := readModule(t, f)
					if needs, _ := kernel.ReadModule(f, image).Field("depends"); p.alone && needs != "" {
						continue
					}
					if left--; c.trials == perBoot {
						c.run(t, target)
						c = newCourse(t, target, k)
						c.append = plan.append
					}
					c.add(p.from, filepath.Base(f), image, 0, false)
				}
			}
			c.run(t, target)
		})
	}
}

// unsuitable are parts of the names of modules that, once loaded, keep the guest busy: the kernel's own tests.
var unsuitable = []string{"test_", "_test", "torture", "benchmark", "kunit"}

// TestUnionVerdicts compares verdicts by what a kernel's modules were built with, with those by its image: they are
// the same, or the union does not know.
func TestUnionVerdicts(t *testing.T) {
	if os.Getenv("GOMODPROBE_LONG") == "" {
		t.Skip("set GOMODPROBE_LONG=1: reads 5,000 modules")
	}
	const key, other = "6.12", "6.12-cloud"
	all := func(string) bool { return true }
	k := kernelOf(t, key)
	byUnion := *k
	byUnion.Core = kernel.Union("union", k.Release, func(yield func(*kernel.Module) bool) {
		for _, f := range corpusModules(t, key, all) {
			if !yield(kernel.ReadModule(f, readModule(t, f))) {
				return
			}
		}
	})
	counts := map[string]int{}
	for i, f := range append(corpusModules(t, other, all), corpusModules(t, key, all)...) {
		image := readModule(t, f)
		if i%3 == 0 { // as a proprietary module
			image = bytes.Replace(image, []byte("\x00license=GPL"), []byte("\x00license=BSD"), 1)
		}
		m := kernel.ReadModule(f, image)
		want, got := k.Check(m, 0), byUnion.Check(m, 0)
		if got.Outcome != want.Outcome && got.Outcome != check.Unknown {
			t.Errorf("%s: %v, by the image %v %v", f, got.Outcome, want.Outcome, want.Errno)
		}
		counts[string(got.Outcome)+" for "+string(want.Outcome)]++
	}
	t.Log(counts)
}
