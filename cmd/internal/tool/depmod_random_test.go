package tool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestDepmodRandom runs depmod and kmod's depmod on made-up trees with made-up configuration and options. Output,
// status and all tables are the same, but for what docs/differences.md says.
func TestDepmodRandom(t *testing.T) {
	oracle := kmodtest.Oracle(t)
	seeds := 100
	if os.Getenv("GOMODPROBE_LONG") != "" {
		seeds = 2500
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newDepmodTree(t, uint64(seed))
			want := c.run(t, func(args []string, stdout, stderr *bytes.Buffer) int {
				// In some circles kmod eats all memory, or prints without end.
				cmd := oracle.Command("depmod", args...)
				cmd = exec.Command("sh", append([]string{"-c", `ulimit -v 1000000; ulimit -t 20; exec "$@"`, "sh"}, cmd.Args...)...)
				cmd.Stdout, cmd.Stderr = &limited{stdout}, &limited{stderr}
				err := cmd.Run()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) && !errors.Is(err, errLimit) {
					t.Fatal(err)
				}
				return cmd.ProcessState.ExitCode()
			})
			got := c.run(t, func(args []string, stdout, stderr *bytes.Buffer) int {
				return tool.Main(&cli.Env{
					Args:      append([]string{"depmod", "--keep-going"}, args...),
					LookupEnv: func(string) (string, bool) { return "", false },
					FS:        unsorted{os.DirFS("/")},
					Stdout:    stdout,
					Stderr:    stderr,
					Cwd:       os.Getwd,
				})
			})
			c.compare(t, got, want)
		})
	}
}

// limited is a buffer that takes no more than a few megabytes.
type limited struct{ buf *bytes.Buffer }

var errLimit = errors.New("too much output")

// Write appends to the buffer.
func (l *limited) Write(data []byte) (int, error) {
	if l.buf.Len() > 8<<20 {
		return 0, errLimit
	}
	return l.buf.Write(data)
}

// depmodTree is a tree of modules and a command line.
type depmodTree struct {
	*rand.Rand
	root, dir string
	args      []string
	symbols   []string
	cyclic    bool
}

const depmodRelease = "6.1.0"

func newDepmodTree(t *testing.T, seed uint64) *depmodTree {
	c := &depmodTree{Rand: rand.New(rand.NewPCG(seed, 1)), root: t.TempDir()}
	c.dir = filepath.Join(c.root, "lib/modules", depmodRelease)
	for i := range 5 + c.IntN(20) {
		c.symbols = append(c.symbols, c.pick("", "", ".", "_")+fmt.Sprintf("sym_%c%d", 'a'+i%26, c.IntN(30)))
	}
	c.cyclic = c.chance(8)
	spec := &kmodtest.Spec{Release: depmodRelease}
	n := 1 + c.IntN(25)
	if c.chance(20) {
		n = 300 // several to a bucket of the hash table
	}
	for i := range n {
		spec.Modules = append(spec.Modules, c.module(i))
	}
	if !c.chance(6) {
		spec.Order = c.order(spec.Modules)
	}
	if err := spec.Write(c.root); err != nil {
		t.Fatal(err)
	}
	c.builtins(t)
	c.strangers(t)
	c.args = append(c.options(t), "-b", c.root, "-C", c.config(t), depmodRelease)
	return c
}

func (c *depmodTree) chance(oneIn int) bool { return c.IntN(oneIn) == 0 }

func (c *depmodTree) pick(list ...string) string { return list[c.IntN(len(list))] }

func (c *depmodTree) folder() string {
	return c.pick("kernel/a", "kernel/b-c", "kernel/deep/x/y", "updates", "updates/dkms", "extra", "weak-updates/z", ".", "kernel/.hidden", "kernel/x.ko")
}

func (c *depmodTree) name() string {
	name := c.pick("a", "b", "mod", "snd", "x1", "Foo", "9p", "e") + c.pick("", "-", "_", "-x", "_x", "--", "+") + fmt.Sprint(c.IntN(60))
	if c.chance(10) {
		name += ".intel"
	}
	return name
}

func (c *depmodTree) module(i int) kmodtest.Module {
	m := kmodtest.Module{Name: c.name()}
	m.Path = path.Join(c.folder(), m.Name+".ko")
	m.Class = 32 << c.IntN(2)
	m.Big = c.chance(4)
	m.CRCs = []kmodtest.CRCStyle{kmodtest.CRCInSection, kmodtest.CRCAbsolute, kmodtest.CRCNone}[c.IntN(3)]
	if c.chance(15) {
		m.Compress = c.pick("xz", "zst")
	}
	// Without circles: what a module exports only later ones need.
	lo := i * len(c.symbols) / 30
	for range c.IntN(4) {
		at := c.IntN(len(c.symbols))
		if !c.cyclic {
			at = min(lo, len(c.symbols)-1)
		}
		e := kmodtest.Export{Name: c.symbols[at], CRC: c.Uint32N(3)}
		if !slices.ContainsFunc(m.Exports, func(o kmodtest.Export) bool { return o.Name == e.Name }) {
			m.Exports = append(m.Exports, e)
		}
	}
	for range c.IntN(6) {
		im := kmodtest.Import{Name: "unknown" + fmt.Sprint(c.IntN(5)), CRC: c.Uint32N(3), Weak: c.chance(4)}
		switch limit := lo; {
		case c.cyclic && !c.chance(3):
			im.Name = c.symbols[c.IntN(len(c.symbols))]
		case limit > 0 && !c.chance(5):
			im.Name = c.symbols[c.IntN(min(limit, len(c.symbols)))]
		}
		if c.chance(5) {
			im.NoVersion = true
		} else if c.chance(8) {
			im.VersionOnly = true
		}
		if c.chance(12) {
			im.Name = "." + im.Name
		}
		clash := func(name string) bool { return name == im.Name }
		if slices.ContainsFunc(m.Imports, func(o kmodtest.Import) bool { return clash(o.Name) }) ||
			slices.ContainsFunc(m.Exports, func(o kmodtest.Export) bool { return clash(o.Name) }) {
			continue
		}
		m.Imports = append(m.Imports, im)
	}
	aliases := c.IntN(5)
	if c.chance(200) {
		aliases = 3000
	}
	for range aliases {
		m.Aliases = append(m.Aliases, c.alias())
	}
	if c.chance(4) {
		m.Softdeps = append(m.Softdeps, "pre: "+c.name()+" post: "+c.name())
	}
	if c.chance(6) {
		m.Weakdeps = append(m.Weakdeps, c.name(), "")
	}
	if c.chance(10) {
		m.Bare, m.Info = true, []string{"alias", "=x", "alias=", "noequals", "softdep=", "ali=as", "alias=x=y"}
	}
	if c.chance(20) {
		m.Omit = []string{c.pick(".modinfo", ".symtab", "__versions", "__ksymtab_strings")}
	}
	return m
}

func (c *depmodTree) alias() string {
	number := func() string { return fmt.Sprintf("%0*X", 1+c.IntN(4), c.IntN(40)) }
	switch c.IntN(12) {
	case 0:
		return "char-major-" + number() + "-" + number()
	case 1:
		return "block-major-" + number() + "-*"
	case 2:
		return "block-major-7-" + number()
	case 3:
		return "devname:" + c.pick("net/tun", "loop-control", "x y")
	case 4:
		return "acpi*:" + number() + c.pick("[0-9]", "[!a-b]-[c-d]", "]", "[", "[[]-", "-x-")
	case 5:
		return "dmi*:svn" + c.pick("*", "Dell", "a/b-c") + ":pn" + number() + "*"
	case 6:
		return c.name()
	case 7:
		return "of:N*T*Cfoo," + number() + c.pick("", "C*")
	}
	return "pci:v0000" + number() + "d" + c.pick("*", number()) + "sv*sd*bc" + number() + "*"
}

func (c *depmodTree) order(mods []kmodtest.Module) []string {
	lines := []string{}
	for _, i := range c.Perm(len(mods)) {
		switch c.IntN(8) {
		case 0:
		case 1:
			lines = append(lines, "kernel/none.ko", mods[i].Path, mods[i].Path)
		case 2:
			lines = append(lines, " "+mods[i].Path, mods[i].Path+".xz", "")
		default:
			lines = append(lines, mods[i].Path)
		}
	}
	return lines
}

func (c *depmodTree) builtins(t *testing.T) {
	var text, info string
	for range c.IntN(10) {
		text += c.pick("kernel/", "kernel/fs/", "", "/", "drivers/1/") + c.name() + c.pick(".ko", ".ko", "", ".ko.xz") + c.pick("\n", "\n", "\n", "\n\n", "\r\n")
	}
	for range c.IntN(15) {
		info += c.pick(c.name()+".", c.name()+".", "x.y.", "", ".") + c.pick("alias=", "alias=", "license=", "alias", "file=") + c.pick("", c.alias(), c.alias()) + c.pick("\x00", "\x00", "\x00", "\x00\x00", "\n\x00")
	}
	if c.chance(10) {
		info = strings.TrimSuffix(info, "\x00")
	}
	writeText(t, filepath.Join(c.dir, "modules.builtin"), text)
	writeText(t, filepath.Join(c.dir, "modules.builtin.modinfo"), info)
}

// strangers puts things into the tree that are not modules, or not good ones.
func (c *depmodTree) strangers(t *testing.T) {
	if c.chance(5) {
		writeText(t, filepath.Join(c.dir, c.pick("build", "source", "kernel/build", "skip"), "in.ko"), "not looked at")
	}
	if c.chance(5) {
		writeText(t, filepath.Join(c.dir, "kernel/readme.txt"), "x")
		writeText(t, filepath.Join(c.dir, "kernel/.ko"), "x")
	}
	if c.chance(8) {
		os.Symlink("../kernel", filepath.Join(c.dir, "kernel", "..", "again"))
	}
	if c.chance(8) {
		os.Symlink("nowhere", filepath.Join(c.dir, c.pick("gone.ko", "gone")))
	}
	if c.chance(10) {
		order := filepath.Join(c.dir, "modules.order")
		if data, err := os.ReadFile(order); err == nil && len(data) > 1 {
			writeText(t, order, string(data[:len(data)-1]))
		}
	}
}

func (c *depmodTree) config(t *testing.T) string {
	dir := filepath.Join(c.root, "depmod.d")
	external := filepath.Join(c.root, "external")
	if c.chance(3) {
		m := c.module(9)
		writeText(t, filepath.Join(external, m.Name+".ko"), string(m.Bytes()))
	}
	for _, name := range []string{"a.conf", "b.conf", "ignored"} {
		text := ""
		for range c.IntN(4) {
			regex := c.pick("*", "^6[.]1", "5.10", "6.(1|2)", "[")
			switch c.IntN(8) {
			case 0, 1:
				text += "search"
				for range c.IntN(4) {
					text += " " + c.pick("updates", "kernel", "built-in", "external", "extra", "updates/dkms", "kernel/a", "up")
				}
			case 2, 3:
				text += "override " + c.name() + " " + regex + " " + c.pick("kernel/a", "updates", "extra", "kernel")
			case 4:
				text += "external " + regex + " " + external + c.pick("", "", "/none")
			case 5:
				text += "exclude " + c.pick("skip", "dkms", "x.ko extra", "")
			case 6:
				text += c.pick("include x", "make_map_files yes", "nonsense", "override a", "external *", "\tsearch updates", " # no comment", "sea\\\nrch extra")
			case 7:
				text += "# comment"
			}
			text += "\n"
		}
		writeText(t, filepath.Join(dir, name), text)
	}
	return dir
}

func (c *depmodTree) options(t *testing.T) []string {
	var args []string
	if c.chance(3) {
		args = append(args, "-e")
	}
	text := ""
	for _, s := range append(c.symbols, "unknown1", "unknown2") {
		if c.chance(2) {
			text += "ffffffff81000000 r __ksymtab_" + s + "\n"
		} else if c.chance(10) {
			text += "broken\n"
		}
	}
	if c.chance(3) {
		writeText(t, filepath.Join(c.root, "System.map"), text)
		args = append(args, "-F", filepath.Join(c.root, "System.map"))
	}
	if c.chance(4) {
		text := ""
		for _, s := range append(c.symbols, "unknown1", "unknown3") {
			text += fmt.Sprintf("0x%08x\t%s\t%s\tEXPORT_SYMBOL\n", c.IntN(3), s, c.pick("vmlinux", "kernel/a/b"))
		}
		writeText(t, filepath.Join(c.root, "Module.symvers"), text+"short\n")
		args = append(args, "-E", filepath.Join(c.root, "Module.symvers"))
	}
	if c.chance(8) {
		args = append(args, "-P", "_")
	}
	for _, option := range []string{"-w", "-a", "-n", "-v", "-A"} {
		if c.chance(8) {
			args = append(args, option)
		}
	}
	return args
}

func writeText(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// depmodResult is what a run has left.
type depmodResult struct {
	status         int
	stdout, stderr string
	tables         map[string]string
}

// run runs a depmod on the tree, without any tables in it.
func (c *depmodTree) run(t *testing.T, depmod func(args []string, stdout, stderr *bytes.Buffer) int) (r depmodResult) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	r.status = depmod(c.args, &stdout, &stderr)
	r.stdout, r.stderr = stdout.String(), stderr.String()
	r.tables = make(map[string]string)
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, "modules.") || name == "modules.order" || name == "modules.builtin" || name == "modules.builtin.modinfo" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(c.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		r.tables[name] = string(data)
		os.Remove(filepath.Join(c.dir, name))
	}
	return r
}

// What kmod says of entries that lead nowhere has a number of a file in it; ours has the path.
var statMessage = regexp.MustCompile(`(?m)^depmod: (?:ERROR|WARNING): (?:fstatat\(\d+, |could not stat .*/)([^/]*?)\)?: No such file or directory$`)

func (c *depmodTree) compare(t *testing.T, got, want depmodResult) {
	t.Helper()
	// In some circles kmod eats all memory, and then says so or nothing.
	gaveUp := want.status == 1 && strings.Contains(got.stderr, "Cycle detected") && !strings.Contains(want.stderr, "modules in dependency cycles!")
	if want.status < 0 || want.status > 1 || gaveUp {
		if got.status < 0 || got.status > 1 {
			t.Errorf("status %d", got.status)
		}
		t.Logf("kmod has crashed: %.200s", want.stderr)
		return
	}
	for _, r := range []*depmodResult{&got, &want} {
		r.stderr = statMessage.ReplaceAllString(r.stderr, "cannot stat $1")
	}
	defer func() {
		if t.Failed() {
			t.Logf("depmod %s", strings.Join(c.args, " "))
		}
	}()
	cycle := regexp.MustCompile(`(?m)^depmod: ERROR: Cycle detected: .*\n`)
	if cycle.MatchString(want.stderr) {
		// There are many ways to name the circles; how many modules are in them is a fact.
		if !cycle.MatchString(got.stderr) {
			t.Error("no circle is reported")
		}
		got.stderr, want.stderr = cycle.ReplaceAllString(got.stderr, ""), cycle.ReplaceAllString(want.stderr, "")
	}
	if got.status != want.status {
		t.Errorf("status %d; kmod's is %d", got.status, want.status)
	}
	if got.stderr != want.stderr {
		t.Errorf("stderr: %s", firstLines(got.stderr, want.stderr))
	}
	if got.stdout != want.stdout {
		t.Errorf("stdout: %s", firstLines(got.stdout, want.stdout))
	}
	for name, data := range want.tables {
		if got.tables[name] != data {
			t.Errorf("%s: %s", name, firstLines(got.tables[name], data))
		}
	}
	for name := range got.tables {
		if _, ok := want.tables[name]; !ok {
			t.Errorf("%s is there; kmod made none", name)
		}
	}
}

// firstLines shows the first lines that differ.
func firstLines(got, want string) string {
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is %.300q; kmod's is %.300q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines; kmod has %d", len(g), len(w))
}

// unsorted is a file system that lists folders in their own order, as kmod reads them. Ours sorts, which decides
// between modules of the same name in folders that the configuration does not tell apart.
type unsorted struct{ fs.FS }

// ReadDir lists a folder.
func (u unsorted) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := u.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.(fs.ReadDirFile).ReadDir(-1)
}
