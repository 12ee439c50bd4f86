package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

var update = flag.Bool("update", false, "write the options of docs/man into docs/completions")

const completionDir = "../../docs/completions"

// manEntry is one option of a man page.
type manEntry struct {
	names []string // -a, --all
	kind  string   // what its value is: "" none, else dir, file, release, modules, field, a list of words, or value
	text  string   // the first sentence about it
}

// manEntries reads the options out of a page.
func manEntries(page string) []manEntry {
	var list []manEntry
	var current *manEntry
	for line := range strings.Lines(page) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == ".It" && len(words) > 1 && words[1] == "Fl":
			list = append(list, manEntry{names: pageOptions(line), kind: valueKind(words)})
			current = &list[len(list)-1]
		case words[0] == ".It" || words[0] == ".El" || words[0] == ".Sh":
			current = nil
		case current != nil:
			current.text += " " + plainText(words)
		}
	}
	for i := range list {
		text := strings.NewReplacer(" Ns ", "", " .", ".", " ,", ",", " :", ":", " ;", ";").Replace(list[i].text + " ")
		for _, end := range []string{". ", "; "} {
			text, _, _ = strings.Cut(text, end)
		}
		list[i].text = strings.TrimSpace(text)
	}
	slices.SortStableFunc(list, func(a, b manEntry) int { return strings.Compare(a.names[0], b.names[0]) })
	return slices.CompactFunc(list, func(a, b manEntry) bool { return a.names[0] == b.names[0] })
}

// valueKind tells from the words of an .It line what the value of the option is.
func valueKind(words []string) string {
	i := slices.Index(words, "Ar")
	if i < 0 || slices.Contains(words, "Op") {
		return ""
	}
	switch words[i+1] {
	case "dir", "file", "release", "field":
		return words[i+1]
	case "path", "archive":
		return "file"
	case "what":
		return "modules"
	}
	if words[i+1] == "format" {
		if slices.Contains(words, "compress") {
			return "zstd,gzip,xz,none"
		}
		return "human,tmpfiles,devname"
	}
	return "value"
}

// plainText takes the macros out of a line of a page.
func plainText(words []string) string {
	var out []string
	if words[0] == ".Xr" {
		words = append([]string{words[1] + "(" + words[2] + ")"}, words[3:]...)
	}
	if strings.HasPrefix(words[0], ".") {
		words = slices.Concat([]string{words[0][1:]}, words[1:])
		dashes := ""
		for _, w := range words {
			switch w {
			case "Fl":
				dashes += "-"
			case "Ar", "Pa", "Ql", "Ic", "Cm", "Li", "Xr", "Dv", "Ev", "Nm", "Sx", "Pq", "Dq":
			default:
				out = append(out, dashes+w)
				dashes = ""
			}
		}
		return strings.Join(out, " ")
	}
	return strings.Join(words, " ")
}

// completionOptions writes the part of a completion file that comes from the pages.
func completionOptions(t *testing.T, shell string) string {
	t.Helper()
	var b strings.Builder
	for _, m := range manPages {
		page, err := os.ReadFile(filepath.Join(manDir, m.page))
		if err != nil {
			t.Fatal(err)
		}
		command := strings.TrimSuffix(m.page, ".8")
		name := strings.TrimPrefix(command, "go")
		entries := manEntries(string(page))
		switch shell {
		case "bash":
			var words []string
			for _, e := range entries {
				for _, n := range e.names {
					if e.kind != "" {
						n += ":" + e.kind
					}
					words = append(words, n)
				}
			}
			fmt.Fprintf(&b, "\t%s) echo '%s' ;;\n", name, strings.Join(words, " "))
		case "zsh":
			fmt.Fprintf(&b, "\t%s) specs=(\n", name)
			for _, e := range entries {
				b.WriteString(zshSpec(e))
			}
			b.WriteString("\t\t) ;;\n")
		case "fish":
			fmt.Fprintf(&b, "for c in %s\n", strings.TrimPrefix(name+" go"+name, "initramfs "))
			for _, e := range entries {
				b.WriteString("    complete -c $c" + fishSpec(e) + "\n")
			}
			b.WriteString("end\n")
		}
	}
	return b.String()
}

func zshSpec(e manEntry) string {
	value := map[string]string{
		"": "", "dir": ":directory:_files -/", "file": ":file:_files", "release": ":release:_gomodprobe_releases",
		"modules": ":module:_gomodprobe_modules", "field": ":field:(alias author depends description filename firmware license parm vermagic version)",
		"value": ":value: ",
	}[e.kind]
	if strings.Contains(e.kind, ",") {
		value = ":format:(" + strings.ReplaceAll(e.kind, ",", " ") + ")"
	}
	text := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(e.text)
	names := e.names[0]
	if value != "" && strings.HasPrefix(names, "--") {
		names += "="
	}
	if len(e.names) > 1 {
		alternatives := slices.Clone(e.names)
		for i, n := range alternatives {
			if value != "" && strings.HasPrefix(n, "--") {
				alternatives[i] += "="
			}
		}
		return fmt.Sprintf("\t\t'(%s)'{%s}'[%s]%s'\n", strings.Join(e.names, " "), strings.Join(alternatives, ","), text, value)
	}
	return fmt.Sprintf("\t\t'%s[%s]%s'\n", names, text, value)
}

func fishSpec(e manEntry) string {
	var b strings.Builder
	for _, n := range e.names {
		if long, ok := strings.CutPrefix(n, "--"); ok {
			b.WriteString(" -l " + long)
		} else {
			b.WriteString(" -s " + n[1:])
		}
	}
	switch e.kind {
	case "":
	case "dir":
		b.WriteString(" -xa '(__fish_complete_directories)'")
	case "file":
		b.WriteString(" -rF")
	case "release":
		b.WriteString(" -xa '(__gomodprobe_releases)'")
	case "modules":
		b.WriteString(" -xa '(__gomodprobe_modules)'")
	case "field":
		b.WriteString(" -xa 'alias author depends description filename firmware license parm vermagic version'")
	case "value":
		b.WriteString(" -x")
	default:
		b.WriteString(" -xa '" + strings.ReplaceAll(e.kind, ",", " ") + "'")
	}
	b.WriteString(" -d '" + strings.ReplaceAll(e.text, "'", `\'`) + "'")
	return b.String()
}

// completionFiles are the files of docs/completions and the shells that can check their syntax.
var completionFiles = []struct{ shell, file string }{
	{"bash", "gomodprobe.bash"}, {"zsh", "_gomodprobe"}, {"fish", "gomodprobe.fish"},
}

// TestCompletionOptions: the files have the options of the man pages, and their shells find no fault with them.
func TestCompletionOptions(t *testing.T) {
	for _, c := range completionFiles {
		name := filepath.Join(completionDir, c.file)
		old, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, ok := strings.Cut(string(old), "# BEGIN options\n")
		_, tail, ok2 := strings.Cut(rest, "# END options\n")
		if !ok || !ok2 {
			t.Fatalf("%s has no lines BEGIN options and END options", name)
		}
		indent := head[strings.LastIndexByte(head, '\n')+1:]
		text := head + "# BEGIN options\n" + completionOptions(t, c.shell) + indent + "# END options\n" + tail
		if *update {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if d := cmp.Diff(text, string(old)); d != "" {
			t.Errorf("%s is not what docs/man makes it; run this test with -update:\n%s", name, d)
		}
		kmodtest.Programs(t, c.shell)
		if out, err := exec.Command(c.shell, "-n", name).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s -n %s: %v\n%s", c.shell, name, err, out)
		}
	}
}

// completionTree makes a tree with a table, and a folder with gomodprobe under the names of the tools.
func completionTree(t *testing.T) (root, bin string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "lib/modules/6.1.0-test")
	if err := os.MkdirAll(filepath.Join(dir, "kernel/sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"modules.dep":              "kernel/snd-foo.ko:\nkernel/sub/snd_bar.ko.xz: kernel/snd-foo.ko\n",
		"kernel/snd-foo.ko":        "",
		"kernel/sub/snd_bar.ko.xz": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bin = t.TempDir()
	// A stand-in for modinfo: what completion asks of it is fixed, so that the test is about completion alone.
	script := "#!/bin/sh\necho \"$*\" >>\"$0.log\"\nprintf 'index:Which card (int)\\nid:Its name\\n'\n"
	for _, name := range []string{"modinfo", "gomodinfo"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root, bin
}

// TestCompletionBash asks the bash function for completions of command lines that end at the cursor.
func TestCompletionBash(t *testing.T) {
	kmodtest.Programs(t, "bash")
	root, bin := completionTree(t)
	file, err := filepath.Abs(filepath.Join(completionDir, "gomodprobe.bash"))
	if err != nil {
		t.Fatal(err)
	}
	script := `compopt() { :; }
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_gomodprobe "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
`
	at := []string{"-d", root, "-S", "6.1.0-test"}
	for _, c := range []struct {
		words []string
		want  string // words that must be offered
		not   string // words that must not be
	}{
		{[]string{"modprobe", "--show-d"}, "--show-depends", "--show-alias"},
		{[]string{"modinfo", "--set"}, "--set-version", ""},
		{slices.Concat([]string{"modprobe"}, at, []string{"snd-"}), "snd-foo snd_bar", ""},
		{slices.Concat([]string{"gomodprobe"}, at, []string{"-a", "snd-foo", "snd_b"}), "snd_bar", "index="},
		{slices.Concat([]string{"gomodprobe"}, at, []string{"snd-foo", "i"}), "index= id=", "snd_bar"},
		{slices.Concat([]string{"modprobe"}, at, []string{"snd-foo", "in"}), "index=", "id="},
		{[]string{"modprobe", "-d"}, "-d", "-S"},
		{[]string{"modinfo", "-b", root, "-k", "6.1.0-test", "snd_b"}, "snd_bar", "snd-foo"},
		{[]string{"kmod", "st"}, "static-nodes", "list"},
		{[]string{"kmod", "static-nodes", "--format", "=", "tm"}, "tmpfiles", "human"},
		{[]string{"depmod", "--based"}, "--basedir", ""},
		{[]string{"depmod", "-b", root + "/li"}, root + "/lib", ""},
		{[]string{"goinitramfs", "bu"}, "build", ""},
		{[]string{"insmod", root + "/lib/modules/6.1.0-test/kernel/snd-f"}, root + "/lib/modules/6.1.0-test/kernel/snd-foo.ko", ""},
		{[]string{"modinfo", "-F", "ver"}, "version vermagic", "alias"},
	} {
		cmd := exec.Command("bash", append([]string{"--norc", "-c", script, "bash", file}, c.words...)...)
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || stderr.Len() > 0 {
			t.Errorf("%q: %v %s", c.words, err, &stderr)
		}
		got := strings.Fields(string(out))
		for _, w := range strings.Fields(c.want) {
			if !slices.Contains(got, w) {
				t.Errorf("%q offers %q; want %q among them", c.words, got, w)
			}
		}
		for _, w := range strings.Fields(c.not) {
			if slices.Contains(got, w) {
				t.Errorf("%q offers %q; want no %q", c.words, got, w)
			}
		}
	}
	log, err := os.ReadFile(filepath.Join(bin, "gomodinfo.log"))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("-b %s/ -k 6.1.0-test -F parm snd-foo\n", root); string(log) != want {
		t.Errorf("gomodinfo was called as %q, want %q", log, want)
	}
}

// TestCompletionFish asks fish for completions.
func TestCompletionFish(t *testing.T) {
	kmodtest.Programs(t, "fish")
	root, bin := completionTree(t)
	file, err := filepath.Abs(filepath.Join(completionDir, "gomodprobe.fish"))
	if err != nil {
		t.Fatal(err)
	}
	at := " -d " + root + " -S 6.1.0-test "
	for _, c := range []struct{ line, want, not string }{
		{"gomodprobe --show-d", "--show-depends", "--show-alias"},
		{"gomodprobe" + at + "snd", "snd-foo snd_bar", ""},
		{"gomodprobe" + at + "-a snd-foo snd", "snd_bar", "index="},
		{"gokmod static-nodes --format=tm", "--format=tmpfiles", "--format=human"},
		{"goinitramfs bu", "build", "ls"},
	} {
		cmd := exec.Command("fish", "--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, file, c.line)
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v %s", c.line, err, out)
		}
		var got []string
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		for _, w := range strings.Fields(c.want) {
			if !slices.Contains(got, w) {
				t.Errorf("%q offers %q; want %q among them", c.line, got, w)
			}
		}
		for _, w := range strings.Fields(c.not) {
			if slices.Contains(got, w) {
				t.Errorf("%q offers %q; want no %q", c.line, got, w)
			}
		}
	}
}
