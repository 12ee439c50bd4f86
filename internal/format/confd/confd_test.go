package confd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/format/confd"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestFiles(t *testing.T) {
	fsys := fstest.MapFS{
		"etc/modprobe.d/b.conf":            file("etc b"),
		"etc/modprobe.d/hidden.conf":       file(""),
		"etc/modprobe.d/.x.conf":           file("dot"),
		"etc/modprobe.d/.conf":             file("only the ending"),
		"etc/modprobe.d/x.alias":           file("old"),
		"etc/modprobe.d/z.conf":            file("z"),
		"run/modprobe.d/A.conf":            file("run A"),
		"run/modprobe.d/b.conf":            file("run b"),
		"lib/modprobe.d/hidden.conf":       file("hidden"),
		"lib/modprobe.d/sub.conf/in.conf":  file("nested"),
		"lib/modules/6.1/modules.softdep":  file("softdep a pre: b"),
		"lib/modules/6.1/modules.weakdep":  file(""),
		"usr/share/modprobe.d/x.conf":      file("not a place"),
		"usr/lib/modprobe.d/no.conf.d/":    file(""),
		"home/me/my.config":                file("mine"),
		"home/me/other/my.config":          file("second"),
		"lib/modprobe.d/nul":               {Mode: fs.ModeDevice},
		"usr/local/lib/modprobe.d/f.conf":  {Mode: fs.ModeNamedPipe, Data: []byte("never read")},
		"usr/local/lib/modprobe.d/ok.conf": file("ok"),
	}
	delete(fsys, "usr/lib/modprobe.d/no.conf.d/")
	for _, tt := range []struct {
		name   string
		places []string
		want   []string
		wrong  string
	}{
		{
			"folders and extra files",
			[]string{"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d/", "/usr/lib/modprobe.d", "/lib/modprobe.d",
				"/lib/modules/6.1/modules.softdep", "/lib/modules/6.1/modules.weakdep"},
			[]string{
				"/run/modprobe.d/A.conf=run A", "/etc/modprobe.d/b.conf=etc b", "/usr/local/lib/modprobe.d/f.conf=",
				"/etc/modprobe.d/hidden.conf=", "/lib/modules/6.1/modules.softdep=softdep a pre: b", "/lib/modules/6.1/modules.weakdep=",
				"/usr/local/lib/modprobe.d/ok.conf=ok", "/etc/modprobe.d/z.conf=z",
			},
			"/lib/modprobe.d/sub.conf: " + confd.ErrDirectory.Error(),
		},
		{"a file of any name, the first wins", []string{"home/me/my.config", "home/me/other/my.config"}, []string{"home/me/my.config=mine"}, ""},
		{"missing", []string{"/var/empty", "/nope.conf"}, nil, ""},
	} {
		files, problems := confd.Files(fsys, tt.places)
		var got []string
		for _, f := range files {
			got = append(got, f.Path+"="+string(f.Data))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: files = %q; want %q", tt.name, got, tt.want)
		}
		var wrong string
		for _, p := range problems {
			wrong += p.Error()
		}
		if wrong != tt.wrong {
			t.Errorf("%s: problems = %q; want %q", tt.name, wrong, tt.wrong)
		}
	}
}

func TestFilesOnDisk(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink("/dev/null", filepath.Join(dir, "masked.conf")))
	must(os.Symlink("nowhere", filepath.Join(dir, "dangling.conf")))
	must(os.WriteFile(filepath.Join(dir, "big.conf"), nil, 0o644))
	must(os.Truncate(filepath.Join(dir, "big.conf"), confd.MaxSize+1))
	files, problems := confd.Files(os.DirFS("/"), []string{dir})
	for _, f := range files {
		if len(f.Data) != 0 {
			t.Errorf("%s has %d bytes", f.Path, len(f.Data))
		}
	}
	if len(files) != 2 {
		t.Errorf("%d files; want big.conf and masked.conf", len(files))
	}
	var pathError *fs.PathError
	if len(problems) != 2 || !errors.Is(problems[0], confd.ErrTooLarge) || !errors.As(problems[1], &pathError) || pathError.Op != "stat" {
		t.Errorf("problems = %v; want one too large and one stat", problems)
	}
}

func lines(data string) (out []string) {
	for n, line := range confd.Lines([]byte(data)) {
		out = append(out, fmt.Sprintf("%d %s", n, line))
	}
	return out
}

// The wanted lines are what kmod 34.2 makes of the same files.
func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"blank", "\n \t\n\n", nil},
		{"plain", "a b\nc\n", []string{"1 a b", "2 c"}},
		{"no newline at the end", "a\nb", []string{"1 a", "2 b"}},
		{"comment", "#a\nb\n", []string{"2 b"}},
		{"indented comment is none", " #a\n", []string{"1  #a"}},
		{"continued comment", "#a \\\nb\nc\n", []string{"3 c"}},
		{"escaped comment is one", "\\#a\nb\n", []string{"2 b"}},
		{"continuation", "a \\\n#b\nc\n", []string{"2 a #b", "3 c"}},
		{"continued blanks", "  \\\na\n", []string{"2   a"}},
		{"dropped backslashes", `a\tb\\c`, []string{`1 atb\c`}},
		{"backslash at the end of the file", `a\`, []string{"1 a"}},
		{"carriage return stays", "a\r\n", []string{"1 a\r"}},
		{"NUL ends the line", "a\x00b\nc\n", []string{"1 a", "2 c"}},
	} {
		if got := lines(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
	}
}

func TestWord(t *testing.T) {
	for _, tt := range []struct{ in, word, rest string }{
		{"", "", ""},
		{"  ", "", ""},
		{"a", "a", ""},
		{" \ta  b\tc ", "a", " b\tc "},
	} {
		if word, rest := confd.Word(tt.in); word != tt.word || rest != tt.rest {
			t.Errorf("Word(%q) = %q, %q; want %q, %q", tt.in, word, rest, tt.word, tt.rest)
		}
	}
}

func FuzzLines(f *testing.F) {
	fuzzseed.Add(f, []byte("a b\n#c\nd\\\ne\\x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := 0
		for n, line := range confd.Lines(data) {
			if n <= last || n > bytes.Count(data, []byte("\n"))+1 {
				t.Errorf("line number %d after %d", n, last)
			}
			last = n
			if strings.Trim(line, " \t") == "" || line[0] == '#' || strings.ContainsAny(line, "\x00") {
				t.Errorf("line %q", line)
			}
			// What was read, written down again, is read as the same.
			quoted := strings.NewReplacer("\\", "\\\\", "\n", "\\\n").Replace(line)
			if again := lines(quoted); len(again) != 1 || again[0] != "1 "+line {
				t.Errorf("%q is read as %q", quoted, again)
			}
		}
	})
}
