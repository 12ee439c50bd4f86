package tool_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// forceTree makes a random tree of a release: modules that need each other or nothing that is there, of this kernel
// and others.
func (g gen) forceTree(release string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "release %s\n", release)
	for i := range 6 {
		fmt.Fprintf(&b, "module %s/m%d.ko\n", g.pick("kernel", "kernel", "kernel/sound", "extra"), i)
		fmt.Fprintf(&b, "vermagic %s SMP %smod_unload modversions\n", g.pick(release, release, "6.1.0", "6.1.1", "5.10.0"), g.pick("", "", "preempt "))
		fmt.Fprintf(&b, "import module_layout %s versiononly\n", g.pick("0x11", "0x11", "0x99"))
		if g.chance(50) {
			b.WriteString("info intree=Y\n")
		}
		if g.chance(20) {
			b.WriteString(g.pick("machine s390\n", "class 32\n", "big\n", "license Proprietary\n", "omit .modinfo\n"))
		}
		if g.chance(60) {
			fmt.Fprintf(&b, "export e%d 0x%x\n", 5-i, g.IntN(2))
		}
		for range g.IntN(3) { // none of a later one: kmod's depmod leaves out modules that need each other
			fmt.Fprintf(&b, "import %s 0x%x\n", g.pick(fmt.Sprint("e", g.IntN(i+1)+6-i), "_printk", "nowhere"), g.IntN(2))
		}
	}
	return b.String()
}

// TestForceReaches forces modules in random trees, without tables, images or a Module.symvers, with strays, and of
// other releases than the running one: the kernel is asked whenever kmod asks it. What forcing means is advice. Eight
// processes run for each tree; GOMODPROBE_LONG=1 tries 1,200 trees, several at a time.
func TestForceReaches(t *testing.T) {
	lanes, trees := 1, 20
	if os.Getenv("GOMODPROBE_LONG") != "" {
		lanes, trees = 4, 300
	}
	asked := make([]int, lanes)
	t.Run("lanes", func(t *testing.T) {
		for lane := range lanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				_, s := randomSandbox(t, "module kernel/a.ko")
				for seed := lane * trees; seed < (lane+1)*trees; seed++ {
					asked[lane] += forceReaches(t, s, uint64(seed+1))
				}
			})
		}
	})
	total := 0
	for _, n := range asked {
		total += n
	}
	t.Logf("%d command lines in %d trees: kmod asks the kernel %d times, and ours as often or more", 3*lanes*trees, lanes*trees, total)
	if total < lanes*trees {
		t.Errorf("the kernel was asked only %d times", total)
	}
}

// forceReaches makes trees by a seed and tries three command lines there. It returns how often kmod asked the kernel.
func forceReaches(t *testing.T, s *kmodtest.Sandbox, seed uint64) (asked int) {
	g := gen{rand.New(rand.NewPCG(seed, 3)), map[string]bool{}}
	trees := g.forceTrees(t, s)
	for range 3 {
		args := g.forceArgs()
		s.SetLoaded(t)
		ours, kmod, _, _ := s.Compare(t, kmodtest.Run{Args: args})
		got := calls(ours)
		for _, call := range calls(kmod) { // ours also finds modules that no table names
			if !slices.Contains(got, call) {
				t.Errorf("seed %d: %q in\n%s%s is missing from\n%s", seed, args, trees, call, ours)
			}
		}
		asked += len(kmod.Calls)
	}
	return asked
}

// forceTrees fills the sandbox with the trees of two releases, and returns what they are made of.
func (g gen) forceTrees(t *testing.T, s *kmodtest.Sandbox) (trees string) {
	for _, dir := range []string{"lib/modules", "boot"} {
		os.RemoveAll(filepath.Join(s.Root, dir))
	}
	for _, release := range []string{"6.1.0", "6.2.0"} {
		if g.chance(10) {
			continue
		}
		text := g.forceTree(release)
		trees += text
		spec, err := kmodtest.ParseSpec(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := spec.Write(s.Root); err != nil {
			t.Fatal(err)
		}
		if g.chance(80) {
			if r := s.Kmod(t, kmodtest.Run{Args: []string{"depmod", release}}); r.Status != 0 {
				t.Fatal(r)
			}
		}
		if g.chance(40) {
			s.WriteFile(t, "lib/modules/"+release+"/build/Module.symvers", g.pick("0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n", "no table\n")+
				g.pick("", "0x00000001\te1\tvmlinux\tEXPORT_SYMBOL\t\n"))
		}
		if g.chance(30) {
			s.WriteFile(t, "boot/config-"+release, "#\nCONFIG_MODULES=y\n"+g.pick("CONFIG_MODVERSIONS=y\n", "CONFIG_MODULE_SIG_FORCE=y\n", ""))
		}
		if g.chance(20) {
			s.WriteFile(t, "boot/vmlinuz-"+release, "no image")
		}
	}
	return trees
}

// forceArgs makes a command line that forces a module.
func (g gen) forceArgs() []string {
	args := []string{"modprobe", g.pick("-f", "--force", "--force-vermagic", "--force-modversion", "-qf")}
	if g.chance(30) {
		args = append(args, "-S", g.pick("6.1.0", "6.2.0", "9.9"))
	}
	name := fmt.Sprint("m", g.IntN(6))
	if g.chance(20) {
		name = g.pick("/lib/modules/6.1.0/kernel/", "/lib/modules/6.2.0/extra/") + name + ".ko"
	}
	if g.chance(20) {
		return []string{"insmod", "-f", "/lib/modules/" + g.pick("6.1.0", "6.2.0") + "/" + g.pick("kernel", "extra") + "/m" + fmt.Sprint(g.IntN(6)) + ".ko"}
	}
	return append(args, name)
}

// calls are the calls of a run, by line.
func calls(r *kmodtest.Result) (list []string) {
	for _, c := range r.Calls {
		list = append(list, c.String())
	}
	return list
}
