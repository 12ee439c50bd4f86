package modprobe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// config reads one file of modprobe.d and a command line.
func config(t testing.TB, conf, cmdline string) (c *modprobe.Config, problems []string) {
	t.Helper()
	p, err := modprobe.New(&modprobe.Options{
		FS: fstest.MapFS{
			"etc/modprobe.d/x.conf": {Data: []byte(conf)},
			"proc/cmdline":          {Data: []byte(cmdline)},
		},
		Kernel: new(modprobetest.Kernel),
		Log:    func(err error) { problems = append(problems, err.Error()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.Config(), problems
}

// dump writes a configuration as lines.
func dump(c *modprobe.Config) string {
	var lines []string
	add := func(words ...string) { lines = append(lines, strings.Join(words, " ")) }
	for _, name := range c.Blacklist {
		add("blacklist", name)
	}
	for _, x := range c.Install {
		add("install", x.Pattern, x.Text)
	}
	for _, x := range c.Remove {
		add("remove", x.Pattern, x.Text)
	}
	for _, x := range c.Aliases {
		add("alias", x.Pattern, x.Module)
	}
	for _, x := range c.Options {
		add("options", x.Module, x.Text)
	}
	for _, x := range c.Softdeps {
		words := []string{"softdep", x.Pattern}
		if x.Pre != nil {
			words = append(append(words, "pre:"), x.Pre...)
		}
		if x.Pre == nil && x.Post == nil {
			words = append(words, "pre:")
		}
		if x.Post != nil {
			words = append(append(words, "post:"), x.Post...)
		}
		add(words...)
	}
	for _, x := range c.Weakdeps {
		add("weakdep", x.Pattern, strings.Join(x.Modules, " ")+" ")
	}
	for _, x := range c.Forbid {
		add(strings.TrimRight("forbid "+x.Pattern+" "+x.Reason, " "))
	}
	for _, x := range c.Allow {
		add(strings.TrimRight("allow "+x.Pattern+" "+x.Reason, " "))
	}
	return strings.Join(lines, "\n")
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct{ name, conf, want, problem string }{
		{"alias", "alias a-b* c-d rest", "alias a_b* c_d", ""},
		{"ranges keep their dashes", "alias a-[b-c]-* d", "alias a_[b-c]_* d", ""},
		{"one word too few", "alias a", "", `x.conf:1: unknown or incomplete directive "alias"`},
		{"brackets", "\nalias a]b c", "", `x.conf:2: unknown or incomplete directive "alias"`},
		{"blacklist", "blacklist a-b and more", "blacklist a_b", ""},
		{"options keep blanks, not tabs", "options a-b  x=1\ty=\"2 3\" ", `options a_b  x=1 y="2 3" `, ""},
		{"options without", "options a", "", `x.conf:1: unknown or incomplete directive "options"`},
		{"install", "install a* /bin/sh -c \"x; y\"", `install a* /bin/sh -c "x; y"`, ""},
		{"backslashes", `install a x\\ny\z`, `install a x\nyz`, ""},
		{"continued", "install a x\\\n y\nbad", "install a x y", `x.conf:3: unknown or incomplete directive "bad"`},
		{"remove", "remove a b", "remove a b", ""},
		{"softdep", "softdep a-b x pre: c-d e post: f pre: g", "softdep a_b pre: c-d e g post: f", ""},
		{"weakdep", "weakdep a b  c", "weakdep a b c ", ""},
		{"comment", "# x\n#y\nblacklist a", "blacklist a", ""},
		{"indented comment", " # x", "", `x.conf:1: unknown or incomplete directive "#"`},
		{"include", "include /x", "", `x.conf:1: directive not read any more "include"`},
		{"forbid", "forbid a-b the reason\nallow c", "forbid a_b the reason\nallow c", ""},
		{"in comments", "# gomodprobe: forbid a x y\r\n# gomodprobe: allow b\n# gomodprobe:forbid c", "forbid a x y\nallow b", ""},
		{"nothing else in comments", "# gomodprobe: alias a b", "", `x.conf:1: unknown or incomplete directive "alias"`},
		{"NUL", "blacklist a\x00b\nblacklist c", "blacklist a\nblacklist c", ""},
		{"no newline at the end", "blacklist a\\", "blacklist a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, problems := config(t, tt.conf, "")
			if got := dump(c); got != tt.want {
				t.Errorf("config = %q; want %q", got, tt.want)
			}
			if got := strings.TrimPrefix(strings.Join(problems, "; "), "/etc/modprobe.d/"); got != tt.problem {
				t.Errorf("problems = %q; want %q", got, tt.problem)
			}
		})
	}
}

// TestSoftdepBlanks is where we differ from kmod, which passes over a list after two blanks.
func TestSoftdepBlanks(t *testing.T) {
	c, _ := config(t, "softdep a  pre: b\nweakdep c   d", "")
	if got, want := dump(c), "softdep a pre: b\nweakdep c d "; got != want {
		t.Errorf("config = %q; want %q", got, want)
	}
}

// TestCmdline has what kmod 34.2 makes of these lines, but for the names in modprobe.blacklist=, which kmod takes as
// they are.
func TestCmdline(t *testing.T) {
	for _, tt := range []struct{ in, want, problem string }{
		{"m.p", "options m p", ""},
		{"m.p=v a-b.c-d=e-f", "options m p=v\noptions a_b c-d=e-f", ""},
		{"modprobe.blacklist=a-b,c,,d", "blacklist a_b\nblacklist c\nblacklist \nblacklist d", ""},
		{`modprobe.blacklist="a-b,c" "modprobe.blacklist=d,e"`, "blacklist a_b\nblacklist c\nblacklist d\nblacklist e", ""},
		{"modprobe.blacklist", "options modprobe blacklist", ""},
		{"modprobe.other=1", "options modprobe other=1", ""},
		{"a.b.c=1 x.y=1.2", "options x y=1.2", ""},
		{"x=y.z z a=b.c=d", "", ""},
		{`m.p="a b" n.p=1`, "options m p=\"a b\"\noptions n p=1", ""},
		{`"m.p=a b" n.p=1`, "options m p=\"a b\"\noptions n p=1", ""},
		{`"m.p=a b"c n.p=1`, "options m p=\"a b\"c\noptions n p=1", ""},
		{`m"x.p=1" n.p=1`, "options n p=1", ""},
		{`m."p=1" n.p=1`, "options n p=1", ""},
		{`m.p=a"b c"d n.p=1`, "options m p=a\"b c\"d\noptions n p=1", ""},
		{`n.p=1 m.p=a"b c`, "options n p=1", ""},
		{`"m.p" n.p=1`, "options n p=1", ""},
		{`"" n.p=1`, "options n p=1", ""},
		{"m.p==1\tn.p=1\n", "options m p==1\noptions n p=1", ""},
		{"-- init.arg=1", "options init arg=1", ""},
		{"a[b].c=1", "options a[b] c=1", ""},
		{"m].p=1 n.p=1", "options n p=1", `/proc/cmdline: unknown or incomplete directive "m]"`},
		{"modprobe.forbid=a-b,c modprobe.allow=d", "forbid a_b by modprobe.forbid=\nforbid c by modprobe.forbid=\nallow d by modprobe.allow=", ""},
	} {
		c, problems := config(t, "", tt.in)
		if got := dump(c); got != tt.want {
			t.Errorf("command line %q = %q; want %q", tt.in, got, tt.want)
		}
		if got := strings.Join(problems, "; "); got != tt.problem {
			t.Errorf("command line %q: problems = %q; want %q", tt.in, got, tt.problem)
		}
	}
}

// TestConfigOrder has the files of several folders, and the module folder's own in between.
func TestConfigOrder(t *testing.T) {
	p, err := modprobe.New(&modprobe.Options{
		FS: fstest.MapFS{
			"lib/modprobe.d/a.conf":             {Data: []byte("softdep x pre: lib")},
			"etc/modprobe.d/z.conf":             {Data: []byte("softdep x pre: z")},
			"run/modprobe.d/a.conf":             {Data: []byte("softdep x pre: run")},
			"lib/modules/6.1.0/modules.softdep": {Data: []byte("# comment\nsoftdep x pre: tree")},
		},
		Kernel: new(modprobetest.Kernel),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := dump(p.Config()), "softdep x pre: run\nsoftdep x pre: tree\nsoftdep x pre: z"; got != want {
		t.Errorf("config = %q; want %q", got, want)
	}
}

// FuzzConfig checks that what was understood, written down and read again is understood the same, and that each line is
// understood or reported.
func FuzzConfig(f *testing.F) {
	fuzzseed.Add(f, "alias a-b* c\noptions d e=1\nsoftdep x pre: y post: z\nforbid q why\n")
	fuzzseed.Add(f, "install a x\\\n y\nblacklist b\n# gomodprobe: forbid c\ninclude d")
	f.Fuzz(func(t *testing.T, conf string) {
		c, problems := config(t, conf, "")
		if lines := strings.Count(conf, "\n") + 1; len(problems) > 2*lines {
			t.Fatalf("%d problems in %d lines", len(problems), lines)
		}
		first := dump(c)
		if strings.ContainsAny(first, "\\\x00") {
			return // a backslash is written as two
		}
		again, problems := config(t, first, "")
		if second := dump(again); second != first || len(problems) > 0 {
			t.Fatalf("%q is read as %q, and that as %q: %v", conf, first, second, problems)
		}
	})
}

// FuzzCmdline checks that each word leads to at most one entry, in order, and that entries are pieces of the line.
func FuzzCmdline(f *testing.F) {
	fuzzseed.Add(f, `quiet m.p="a b" "n.q=c d" modprobe.blacklist=e,f x].y=1`)
	f.Fuzz(func(t *testing.T, line string) {
		c, problems := config(t, "", line)
		if n := len(c.Options) + len(problems); n > strings.Count(line, ".") {
			t.Fatalf("%d entries from %q", n, line)
		}
		plain := strings.ReplaceAll(line, `"`, "")
		for _, o := range c.Options {
			if !strings.Contains(plain, strings.ReplaceAll(o.Text, `"`, "")) {
				t.Fatalf("%q is not in %q", o.Text, line)
			}
		}
	})
}

// FuzzLoaded checks that /proc/modules is read line by line or not at all.
func FuzzLoaded(f *testing.F) {
	fuzzseed.Add(f, "a 4096 1 b,c, Live 0x0\nb 1 0 - Live 0x0 (OE)\n")
	fuzzseed.Add(f, "\x00 x")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := modprobe.New(&modprobe.Options{FS: fstest.MapFS{"proc/modules": {Data: []byte(text)}}, Kernel: new(modprobetest.Kernel)})
		if err != nil {
			t.Fatal(err)
		}
		modules, err := p.Loaded()
		if err != nil {
			if modules != nil {
				t.Fatal("modules and an error")
			}
			return
		}
		if len(modules) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d modules in %q", len(modules), text)
		}
		for _, m := range modules {
			if m.Name == "" || slices.Contains(m.Holders, "") {
				t.Fatalf("%+v in %q", m, text)
			}
		}
	})
}

func TestLoadedErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "<nil>",
		"a 12 0 - Live 0x0\n":    "<nil>",
		"a\n":                    "<nil>",
		"a 1 0\nb twelve 0 -":    `/proc/modules:2: bad size "twelve"`,
		"b 99999999999999999999": `/proc/modules:1: bad size "99999999999999999999"`,
	} {
		p, _ := modprobe.New(&modprobe.Options{FS: fstest.MapFS{"proc/modules": {Data: []byte(text)}}, Kernel: new(modprobetest.Kernel)})
		if _, err := p.Loaded(); fmt.Sprint(err) != want {
			t.Errorf("Loaded of %q = %v; want %s", text, err, want)
		}
	}
	p, _ := modprobe.New(&modprobe.Options{FS: fstest.MapFS{}, Kernel: new(modprobetest.Kernel)})
	if _, err := p.Loaded(); err == nil {
		t.Error("Loaded without /proc/modules is no error")
	}
}
