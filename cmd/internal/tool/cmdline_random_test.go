package tool_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// commandLineTree has what the tools of TestRandomCommandLines print.
const commandLineTree = `
module kernel/a/mod-base.ko
	export base_sym 0x11223344
	alias pci:v00001*d*
module kernel/b/leaf.ko
	import base_sym 0x11223344
	depends mod-base
module kernel/b/packed.ko.xz
module kernel/b/device.ko
	alias char-major-10-200
	alias devname:net/tun
module kernel/b/other.ko
	alias block-major-7-*
	alias devname:loop-control
	alias char-major-10-237
builtin kernel/x/bi-one.ko
`

// longOptions are the names of kmod's options, and some that are close.
var longOptions = map[string][]string{
	"modprobe": {"all", "remove", "remove-dependencies", "remove-holders", "wait", "resolve-alias", "first-time", "ignore-install", "ignore-remove",
		"use-blacklist", "force-modversion", "force-vermagic", "show-depends", "showconfig", "show-config", "dry-run", "show", "config", "dirname", "set-version", "quiet", "verbose", "version", "help", "nosuch", "rooted"},
	"insmod": {"force", "verbose", "version", "help", "nosuch"},
	"rmmod":  {"force", "verbose", "version", "help", "wait"},
	"lsmod":  {"verbose", "version", "help", "force"},
	"kmod":   {"version", "help", "list"},
	"nodes":  {"output", "format", "help", "version"},
	"list":   {"verbose", "version", "help"},
}

// long is a long option, mostly cut short somewhere, sometimes with a value.
func (g gen) long(tool string) string {
	names := longOptions[tool]
	name := names[g.IntN(len(names))]
	if g.chance(60) {
		name = name[:g.IntN(len(name)+1)]
	}
	if g.chance(15) {
		name += "=" + g.value()
	}
	return "--" + name
}

// short is a cluster of short options.
func (g gen) short(tool string) string {
	letters := map[string]string{
		"modprobe": "arRbifDcnqvnvqwCdSxVh", "insmod": "fvVhx", "rmmod": "fvwVh", "lsmod": "vVhf", "kmod": "Vhx", "nodes": "ofhV", "list": "vVh",
	}[tool]
	cluster := "-"
	for range 1 + g.IntN(3) {
		cluster += string(letters[g.IntN(len(letters))])
	}
	return cluster
}

// value is a value of an option.
func (g gen) value() string {
	return g.pick("", "6.1.0", "6.1", "/", "/nope", "etc", "/etc/modprobe.d", "/etc/modprobe.d/", "/etc/modprobe.d/a.conf", "tmpfiles", "devname", "human", "tmp",
		"/run/out", "/run/new/dir/out", "5", "0x5", "010", "-1", "5x", " 7", "a b", "\xff", strings.Repeat("v", 200))
}

// operand is an operand of a tool.
func (g gen) operand(tool string) string {
	switch tool {
	case "insmod":
		return g.pick("/lib/modules/6.1.0/kernel/b/leaf.ko", "lib/modules/6.1.0/kernel/b/packed.ko.xz", "./lib/modules/6.1.0/kernel/b/leaf.ko", "", "leaf", "a=\"b c\"", "a=b c", "x", "/lib/")
	case "rmmod":
		return g.pick("leaf", "mod-base", "mod_base", "/lib/modules/6.1.0/kernel/b/leaf.ko", "b/leaf.ko", "./", "bi-one", "nope", "\xff", "a b", strings.Repeat("n", 70), "leaf.ko.xz")
	case "kmod":
		return g.pick("list", "static-nodes", "help", "nosuch", "", "load", "Static-nodes", "static", "lsmod")
	case "nodes", "list", "lsmod":
		return g.pick("x", "", "-")
	}
	return g.pick("leaf", "mod-base", "mod_base", "packed", "pci:v00001d2", "symbol:base_sym", "bi-one", "nope", "", "-", "\xff\x01", "a b", "leaf\n", strings.Repeat("n", 70), strings.Repeat("n", 4096),
		"/lib/modules/6.1.0/kernel/b/leaf.ko", "./lib/modules/6.1.0/kernel/b/packed.ko.xz", "lib/modules/6.1.0/kernel/b/leaf.ko", "/lib/modules/6.1.0/kernel/b/", "./nope", "//lib/modules/6.1.0/kernel/b/leaf.ko",
		"x=1", "y=\"a b\"", "z='a b'", "w=a b", "=", "q=\xff", "char-major-10-200", "block-major-7-3", "net-pf-1", "[", "]", "*", "?", "leaf[", "le*")
}

// commandLine is a random command line of a random tool.
func (g gen) commandLine() []string {
	tool := g.pick("modprobe", "modprobe", "modprobe", "modprobe", "insmod", "rmmod", "lsmod", "kmod", "nodes", "list")
	args := []string{tool}
	switch tool {
	case "nodes":
		args = []string{"kmod", "static-nodes"}
	case "list":
		args = []string{"kmod", "list"}
	}
	if g.chance(10) {
		args[0] = g.pick("/sbin/", "./", "//x/../") + args[0]
	}
	for range g.IntN(4) {
		switch g.IntN(10) {
		case 0, 1, 2:
			args = append(args, g.long(tool))
		case 3, 4:
			args = append(args, g.short(tool))
		case 5:
			args = append(args, g.pick("-C", "-d", "-S", "-w", "--config", "--dirname", "--set-version", "-f", "-o", "--format"), g.value())
		case 6:
			args = append(args, g.pick("--", "-", "", "-n", "-D", "-R"))
		default:
			args = append(args, g.operand(tool))
		}
	}
	for range g.IntN(3) {
		args = append(args, g.operand(tool))
	}
	return args
}

// environment is a random environment.
func (g gen) environment() []string {
	env := []string{"HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin"}
	if g.chance(15) {
		env = append(env, "POSIXLY_CORRECT=")
	}
	if g.chance(25) {
		env = append(env, "MODPROBE_OPTIONS="+g.pick("", "-v", "-q -n", "-S 6.1.0", "-C '/etc/modprobe.d/a.conf'", "'-n", "-S \"6.1", "-\"n\"", "leaf", "--", "-x", "'a b'"))
	}
	if g.chance(10) {
		env = append(env, "KMOD_LOG="+g.pick("err", "info", "debug", "0", "7", "99", "x", ""))
	}
	return env
}

var usageText = regexp.MustCompile(`(?s)(?:kmod - [^\n]*\n|Usage:\n).*`)
var versionOutput = regexp.MustCompile(`(?s)kmod version 34.*`)

// emptyName reports whether a command line has an empty name where we make something else of it on purpose: rmmod
// with an empty operand, and an empty -S of modprobe.
func emptyName(args []string) bool {
	for i, arg := range args {
		before := strings.TrimLeft(args[max(i-1, 0)], "-")
		if strings.HasSuffix(args[0], "rmmod") && arg == "" || arg == "" && (strings.HasSuffix(before, "S") || strings.HasPrefix(before, "se")) ||
			strings.HasPrefix(arg, "--se") && strings.HasSuffix(arg, "=") {
			return true
		}
	}
	return false
}

// sameCommandLine takes out of a result what is our own: the texts of --help and --version.
func sameCommandLine(r *kmodtest.Result) string {
	text := *r
	text.Stdout = usageText.ReplaceAllString(text.Stdout, "USAGE\n")
	text.Stdout = versionOutput.ReplaceAllString(text.Stdout, "VERSION\n")
	return sameText(&text)
}

// TestRandomCommandLines compares odd command lines and environments of all tools with kmod. Nothing but the command
// line is odd.
func TestRandomCommandLines(t *testing.T) {
	n, s := randomSandbox(t, commandLineTree)
	s.WriteFile(t, "etc/modprobe.d/a.conf", "options leaf a=1\nalias als leaf\ninstall only-cmd /bin/true\n")
	s.SetLoaded(t, "device") // TestNoTree: one that is loaded is found without a tree
	before := s.State(t)
	first := uint64(1)
	if text := os.Getenv("GOMODPROBE_SEED"); text != "" {
		fmt.Sscan(text, &first)
		n = 1
	}
	bad := 0
	for seed := first; seed < first+uint64(n); seed++ {
		g := gen{rand.New(rand.NewPCG(seed, 2)), make(map[string]bool)}
		run := kmodtest.Run{Args: g.commandLine(), Env: g.environment()}
		if emptyName(run.Args) {
			continue
		}
		ours, kmod, ourState, kmodState := s.Compare(t, run)
		diff := cmp.Diff(sameCommandLine(kmod), sameCommandLine(ours)) + cmp.Diff(kmodState, ourState)
		if diff != "" {
			t.Errorf("GOMODPROBE_SEED=%d: %q %q (-kmod +ours)\n%s", seed, run.Env[3:], run.Args, diff)
			if bad++; bad == 40 {
				t.Fatal("and so on")
			}
		}
		s.SetState(t, ourState, before)
	}
}
