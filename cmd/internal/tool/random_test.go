package tool_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// randomTree is the module tree of TestRandom.
const randomTree = `
order kernel/a/mod-base.ko
order kernel/a/mod-mid.ko
module kernel/a/mod-base.ko
	export base_sym 0x11223344
	alias pci:v00001*d*
module kernel/a/mod-mid.ko
	export mid_sym 0x5
	import base_sym 0x11223344
	depends mod-base
module kernel/b/mod-top.ko
	import mid_sym 0x5
	depends mod-mid
module kernel/b/leaf.ko
	import base_sym 0x11223344
	depends mod-base
module kernel/b/soft-main.ko
	softdep pre: spre1 spre2 post: spost1
	alias pci:v00008086d*
	alias foo-bar[a-c]-x
module kernel/b/spre1.ko
	alias pci:v00008086d*
	alias pci:v00001*d2*
module kernel/b/spre2.ko.xz
	alias al-spre2
module kernel/b/spost1.ko.xz
module kernel/b/wk1.ko.zst
	alias al-?k1
builtin kernel/x/bi-one.ko
	info alias=bi-alias-*
builtin kernel/x/bi_two.ko
`

// gen makes random set-ups and command lines.
type gen struct {
	*rand.Rand
	used map[string]bool // by once
}

func (g gen) pick(words ...string) string { return words[g.IntN(len(words))] }

// once picks a word that it has not picked before in this set-up, or "unknown".
func (g gen) once(words ...string) string {
	word := g.pick(words...)
	if g.used[word] {
		return "unknown"
	}
	g.used[word] = true
	return word
}

func (g gen) chance(percent int) bool { return g.IntN(100) < percent }

func (g gen) blanks() string { return g.pick(" ", " ", " ", " ", "  ", "\t", " \t ") }

// module is a name of a module as people write it.
func (g gen) module() string {
	return g.pick("mod-base", "mod_mid", "mod-top", "leaf", "soft-main", "soft_main", "spre1", "spre2", "spost1", "wk1", "bi-one", "bi_two",
		"nope", "only-cmd", "als", "w*", "spre?", "s[op]*")
}

// name is a name or alias to ask for.
func (g gen) name() string {
	if g.chance(60) {
		return g.pick("mod-base", "mod_mid", "mod-top", "leaf", "soft-main", "spre1", "spre2", "spost1", "wk1")
	}
	return g.pick("bi-one", "bi_two", "nope", "only-cmd", "als", "al-spre2", "al-xk1", "bi-alias-9", "pci:v00008086d1", "pci:v00001x9d2y",
		"foo-barb-x", "foo-bard-x", "symbol:mid_sym", "symbol:no", "a-b", "", "x[y", "/lib/modules/6.1.0/kernel/b/leaf.ko", "./lib/modules/6.1.0/kernel/b/spre2.ko.xz",
		"/nope.ko", "leaf.ko", "MOD-BASE", "install", "wk1 ", "mod-base-")
}

// line is a line of modprobe.d. The commands in it succeed, fail, or show what they get; softdeps and install
// commands do not meet in one module, nor two softdep lines, where we differ on purpose (TestInstallBeatsSoftdep,
// script gone).
func (g gen) line() string {
	var words []string
	switch g.IntN(12) {
	case 0, 1:
		words = []string{"alias", g.pick("als", "al-*", "a-b", "only*", "pci:v0*", "mod_base", "foo[x", "w?1"), g.module()}
	case 2:
		words = []string{"blacklist", g.module()}
	case 3, 4, 5:
		words = []string{"options", g.module(), g.pick("a=1", "b=\"x y\"", "c", "d=1 e=2", "f=#", `g=\\`, "\th=1\t")}
	case 6:
		words = []string{"install", g.pick("wk1", "leaf", "only-cmd", "w*", "al-spre2"), g.pick("/bin/true", "/bin/false", "echo $CMDLINE_OPTS", `echo "$MODPROBE_MODULE" '$CMDLINE_OPTS' $MODPROBE_OPTIONS`, "exit 7", "exit 300", "nosuchcommand 2>/dev/null")}
	case 7:
		words = []string{"remove", g.pick("wk1", "leaf", "only-cmd", "mod-base"), g.pick("/bin/true", "/bin/false", "echo rm $CMDLINE_OPTS.", "exit 3")}
	case 8, 9:
		words = []string{"softdep", g.once("mod-base", "mod_mid", "mod-top", "spre1", "spost*"), g.pick("pre: wk1", "pre: nope spre2", "post: leaf", "pre: spre1 post: al-spre2", "spre2", "post: x[y leaf", "pre: mod-top post: mod-base", "pre: bi-one bi-alias-2", "pre:", "pre: pci:v00008086d7")}
	case 10:
		words = []string{"weakdep", g.module(), g.pick("a", "a b", "a\tb")}
	default:
		return g.pick("", "# comment", " # indented", "include /x", "config y", "nonsense", "alias x", "blacklist", "options", "install", "softdep a", "options leaf z=\\\n9", "  ", "\talias  tabs  leaf", "alias a] b", "options leaf")
	}
	line := g.pick("", "", "", " ")
	for i, w := range words {
		switch {
		case i == 2 && strings.HasSuffix(words[0], "dep"):
			line += " " // kmod passes over "pre:" after two blanks: TestSoftdepBlanks
		case i > 0:
			line += g.blanks()
		}
		line += w
	}
	return line + g.pick("", "", "", " ", "\r")
}

// setup puts a random configuration and state into the sandbox.
func (g gen) setup(t testing.TB, s *kmodtest.Sandbox) {
	for range g.IntN(3) {
		dir := g.pick("etc", "run", "usr/local/lib", "usr/lib", "lib") + "/modprobe.d/"
		name := g.pick("a.conf", "b.conf", "z.conf", "modules.conf", "M.conf", "9.conf", "x.txt", ".h.conf")
		var text strings.Builder
		for range g.IntN(6) {
			text.WriteString(g.line() + "\n")
		}
		s.WriteFile(t, dir+name, text.String())
	}
	cmdline := "quiet"
	for range g.IntN(3) {
		cmdline += " " + g.pick("leaf.p=1", "mod-base.q=\"a b\"", "\"soft_main.r=a b\"", "modprobe.blacklist=leaf,mod_base", "modprobe.blacklist=", "wk1.x", "root=a.b", "spre1.a.b=1", "x].y=1", "-- leaf.z=1")
	}
	s.WriteFile(t, "proc/cmdline", cmdline+"\n")
	var loaded []string
	for _, name := range []string{"mod_base", "mod_mid", "mod_top", "leaf", "soft_main", "spre1", "spre2", "spost1", "wk1"} {
		if g.chance(25) {
			loaded = append(loaded, name)
		}
	}
	s.SetLoaded(t, loaded...)
	if len(loaded) > 0 && g.chance(30) {
		dir := "sys/module/" + loaded[g.IntN(len(loaded))]
		s.WriteFile(t, dir+"/initstate", g.pick("coming\n", "going\n", "live", "weird\n", "live\n"))
		s.WriteFile(t, dir+"/refcnt", g.pick("0\n", "1\n", "2\n"))
	}
	if g.chance(25) {
		s.WriteFile(t, "sys/module/compression", g.pick("gzip\n", "xz\n", "zstd\n"))
	}
	answers := make(map[string]syscall.Errno)
	if g.chance(40) {
		for _, name := range []string{"mod_base", "mod_mid", "leaf", "soft_main", "spre1", "wk1"} {
			if g.chance(30) {
				answers[name] = []syscall.Errno{0, 0, syscall.EEXIST, syscall.ENOENT, syscall.ENOEXEC, syscall.EPERM, syscall.EBUSY, syscall.ENODEV, syscall.EAGAIN, 129, 524}[g.IntN(11)]
			}
		}
	}
	s.Answer = func(c kmodtest.Call) (syscall.Errno, bool) {
		errno, ok := answers[c.ModuleName()]
		return errno, ok
	}
}

// args is a random command line. Chains are not removed: there we differ on purpose (TestRemoveChain).
func (g gen) args() []string {
	args := []string{g.pick("modprobe", "modprobe", "modprobe", "modprobe", "modprobe", "modprobe", "/sbin/modprobe", "insmod", "rmmod", "lsmod")}
	remove := false
	switch args[0] {
	case "lsmod":
		return args
	case "insmod":
		return append(args, g.pick("/lib/modules/6.1.0/kernel/b/leaf.ko", "lib/modules/6.1.0/kernel/b/wk1.ko.zst", "/nope", "/lib", "-", "/proc/cmdline"), "a=b c", "d")
	case "rmmod":
		return append(args, g.pick("leaf", "mod-mid", "wk1", "nope", "./bin"), g.pick("leaf", "mod-base", "/lib/modules/6.1.0/kernel/b/spre1.ko", "bi_one"))
	}
	for range g.IntN(4) {
		o := g.pick("-v", "-q", "-n", "-D", "-a", "-b", "-i", "-R", "-f", "--first-time", "-r", "-r", "-c", "--force-vermagic", "-s", "-S6.1.0", "-d/", "-C/etc/modprobe.d/a.conf", "--show-dep", "--re", "-x", "--all=1", "-w", "--dry", "--resolve-alias", "-aq", "-qD", "-vC/nope")
		if o == "-w" {
			args = append(args, o, g.pick("5", "0", "x"))
			continue
		}
		if o == "-s" {
			continue // what goes to syslog is not seen here
		}
		if o == "--first-time" && remove || o == "-r" && slices.Contains(args, "--first-time") {
			continue // kmod means the softdeps as well: TestRemoveFirstTime
		}
		if shows(o) && remove || o == "-r" && slices.ContainsFunc(args, shows) {
			continue // nobody asks for both
		}
		remove = remove || o == "-r"
		args = append(args, o)
	}
	name := g.name
	if remove {
		name = func() string {
			return g.pick("leaf", "spre1", "spre2", "spost1", "soft-main", "wk1", "bi-one", "nope", "only-cmd", "al-spre2", "pci:v00008086d1")
		}
	}
	for range g.IntN(3) + g.IntN(2) {
		args = append(args, name())
		if g.chance(20) {
			args = append(args, g.pick("x=1", "y=a b", "z=\"q r\"", "-v", "--", "w='1 2'"))
		}
	}
	return args
}

// shows reports whether an option is --show-depends.
func shows(o string) bool {
	return strings.HasPrefix(o, "-") && strings.Contains(o, "D") || o == "--show-dep"
}

var libraryPrefix = regexp.MustCompile(`(?m)^libkmod: ERROR: [a-z_0-9]*: `)
var oddState = regexp.MustCompile(`(?m)^[a-z]*: ERROR: unknown /sys[^']*'[^']*'\n`)
var chatter = regexp.MustCompile(`(?m)^[a-z]*: (?:INFO|DEBUG): .*\n`)
var memory = regexp.MustCompile(`(?m)^(?:finit|init)_module ([^/ ]+) ("(?:[^"\\]|\\.)*")(?: \d)?$`)
var hints = regexp.MustCompile(`(?m)^[a-z]*: NOTICE: .*\n`)

// sameText takes out of two results what is allowed to differ: how the library's messages begin, our hints, the
// blank in "-c" (TestCorpusShowConfig) what only -vv shows, how often the same is said, and how a module in memory is
// handed over: ours goes by finit_module where flags matter (TestForceCompressed).
func sameText(r *kmodtest.Result) string {
	text := *r
	text.Stderr = libraryPrefix.ReplaceAllString(hints.ReplaceAllString(text.Stderr, ""), "modprobe: ERROR: ")
	text.Stdout = strings.ReplaceAll(text.Stdout, " post: ", "post: ")
	text.Stderr = chatter.ReplaceAllString(text.Stderr, "")
	text.Stderr = oddState.ReplaceAllString(text.Stderr, "")
	text.Stderr = strings.Join(slices.Compact(strings.Split(text.Stderr, "\n")), "\n")
	return memory.ReplaceAllString(text.String(), "memory $1 $2")
}

// randomSandbox returns a sandbox with the modules that text describes and kmod's tables of them, and how many cases
// to try in it.
func randomSandbox(t *testing.T, text string) (n int, s *kmodtest.Sandbox) {
	t.Helper()
	n = 60
	if os.Getenv("GOMODPROBE_LONG") != "" {
		n = 4000
	}
	spec, err := kmodtest.ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	s = kmodtest.NewSandbox(t)
	if !s.HasOracle() || !kmodtest.HasShell(t) {
		kmodtest.Missing(t, "no kmod, or no shell for it")
	}
	if err := spec.Write(s.Root); err != nil {
		t.Fatal(err)
	}
	if r := s.Kmod(t, kmodtest.Run{Args: []string{"depmod", spec.Release}}); r.Status != 0 {
		t.Fatal(r)
	}
	return n, s
}

// TestRandom compares random command lines in random set-ups with kmod: what is printed, the exit status, the calls.
func TestRandom(t *testing.T) {
	n, s := randomSandbox(t, randomTree)
	first := uint64(1)
	if text := os.Getenv("GOMODPROBE_SEED"); text != "" {
		fmt.Sscan(text, &first)
		n = 1
	}
	bad := 0
	for seed := first; seed < first+uint64(n); seed++ {
		g := gen{rand.New(rand.NewPCG(seed, 1)), make(map[string]bool)}
		for _, dir := range []string{"etc", "run", "usr/local/lib", "usr/lib", "lib"} {
			os.RemoveAll(filepath.Join(s.Root, dir, "modprobe.d"))
		}
		os.Remove(filepath.Join(s.Root, "sys/module/compression"))
		g.setup(t, s)
		args := g.args()
		before := s.State(t)
		ours, kmod, _, _ := s.Compare(t, kmodtest.Run{Args: args})
		if !strings.HasSuffix(args[0], "modprobe") { // the others have no use for the command line, and do not read it
			kmod.Stderr = strings.ReplaceAll(kmod.Stderr, "libkmod: ERROR: kcmdline_parse_result: Ignoring bad option on kernel command line while parsing module name: 'x]'\n", "")
		}
		if diff := cmp.Diff(sameText(kmod), sameText(ours)); diff != "" {
			t.Errorf("GOMODPROBE_SEED=%d: %q (-kmod +ours)\n%s\n%s", seed, args, describe(before), diff)
			if bad++; bad == 10 {
				t.Fatal("and so on")
			}
		}
	}
}

// describe shows the configuration and state of a sandbox.
func describe(s kmodtest.State) string {
	var b strings.Builder
	for name, text := range s {
		if strings.Contains(name, "modprobe.d/") || strings.HasSuffix(name, "initstate") || strings.HasSuffix(name, "refcnt") || strings.HasPrefix(name, "proc/") || strings.HasSuffix(name, "compression") {
			fmt.Fprintf(&b, "-- %s --\n%s\n", name, text)
		}
	}
	return b.String()
}
