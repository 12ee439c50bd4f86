package btf_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// pahole prints all structures of BTF with Debian's pahole, on its own loader and libraries.
func pahole(t *testing.T, data []byte) []byte {
	t.Helper()
	oracle := kmodtest.Oracle30(t)
	libs := []string{oracle.Libs}
	folder := func(name string) string {
		return filepath.Join(kmodtest.Fetch(t, "package", "bookworm", name), "root")
	}
	for _, name := range []string{"libbpf1", "libdw1", "libelf1", "libbz2-1.0"} {
		libs = append(libs, folder(name)+"/usr/lib/x86_64-linux-gnu", folder(name)+"/lib/x86_64-linux-gnu")
	}
	file := filepath.Join(t.TempDir(), "vmlinux.btf")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	program := folder("pahole") + "/usr/bin/pahole"
	cmd := exec.Command(oracle.Loader, "--library-path", strings.Join(libs, ":"), program, "-F", "btf", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pahole: %v\n%s", err, stderr.Bytes())
	}
	return out
}

var (
	member     = regexp.MustCompile(`^\s*(.*?)\s*;\s*/\* *(\d+(?:: *\d+)?) *(\d+) \*/$`)
	attributes = regexp.MustCompile(`__attribute__\(\(\w+(\(\d+\))?\)\)`)
	pointed    = regexp.MustCompile(`\(\*(\w+)\)\[\d*\]`)
	spaces     = regexp.MustCompile(`\s+`)
	content    = regexp.MustCompile(`^(\s*)/\* size: (\d+),`)
)

// places reduces the text of structures to what both printers must agree about: by name, the members with their
// places, in order.
func places(text []byte) map[string]string {
	all := map[string]string{}
	name, lines := "", []string(nil)
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		line := in.Text()
		if (strings.HasPrefix(line, "struct ") || strings.HasPrefix(line, "union ")) && strings.HasSuffix(line, " {") {
			name, lines = line, nil
		}
		if m := member.FindStringSubmatch(line); m != nil {
			// It misplaces const and omits that what is pointed to is an array.
			decl := attributes.ReplaceAllString(m[1], "")
			decl = strings.NewReplacer("[0]", "[]", "const ", "", "*const)", "*)", "*const,", "*,").Replace(decl)
			decl = pointed.ReplaceAllString(decl, "*$1")
			lines = append(lines, spaces.ReplaceAllString(decl+"@"+m[2]+"+"+m[3], ""))
		}
		if m := content.FindStringSubmatch(line); m != nil && m[1] == "\t" && strings.HasPrefix(name, "struct") {
			lines = append(lines, "size "+m[2])
		}
		if line == "};" {
			all[name] = strings.Join(lines, "\n")
		}
	}
	return all
}

// TestPahole prints every structure of a kernel as pahole does.
func TestPahole(t *testing.T) {
	data := kernelBTF(t, "6.1")
	f, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ours bytes.Buffer
	names := map[string]int{}
	for typ := range f.Types() {
		if (typ.Kind == btf.Struct || typ.Kind == btf.Union) && typ.Named() {
			names[typ.Specifier()+" {"]++
			if err := f.Print(&ours, typ.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, want := places(ours.Bytes()), places(pahole(t, data))
	same := 0
	for name, w := range want {
		switch g := got[name]; {
		case names[name] > 1: // it prints one of them
		case g != w:
			t.Errorf("%s\n%s\npahole:\n%s", name, g, w)
		default:
			same++
		}
	}
	t.Logf("%d structures are the same", same)
	if same < 5000 {
		t.Errorf("only %d structures compared", same)
	}
}
