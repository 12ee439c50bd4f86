package initramfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/format/cpio"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// list reads the names of the entries of an uncompressed image, with the targets of links.
func list(t *testing.T, image []byte) []string {
	t.Helper()
	var names []string
	r := cpio.NewReader(bytes.NewReader(image))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return names
		} else if err != nil {
			t.Fatal(err)
		}
		name := h.Name
		switch h.Type() {
		case cpio.TypeDir:
			name += "/"
		case cpio.TypeSymlink:
			target, _ := io.ReadAll(r)
			name += " -> " + string(target)
		}
		names = append(names, name)
	}
}

func write(t *testing.T, entries []initramfs.Entry, o *initramfs.WriteOptions) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := initramfs.Write(&out, entries, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWriteOrder(t *testing.T) {
	entries := append(initramfs.DeviceNodes(),
		initramfs.Content("lib/a-b", 0o644, []byte("x")),
		initramfs.Content("lib/a/c", 0o644, []byte("y")),
		initramfs.Content("lib/a.b", 0o644, nil),
		initramfs.Dir("lib"),
		initramfs.Dir("lib"),
		initramfs.Link("init", "lib/a/c"),
	)
	want := []string{"dev/", "dev/console", "dev/null", "init -> lib/a/c", "lib/", "lib/a/", "lib/a/c", "lib/a-b", "lib/a.b"}
	image := write(t, entries, nil)
	if d := cmp.Diff(want, list(t, image)); d != "" {
		t.Error(d)
	}
	for i := range uint64(20) {
		rand.New(rand.NewPCG(i, 0)).Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		if !bytes.Equal(write(t, entries, nil), image) {
			t.Fatalf("order %d of the entries gives other bytes", i)
		}
	}
}

func TestWriteLinks(t *testing.T) {
	file := initramfs.Content("lib/modules/m.ko", 0o644, []byte("x"))
	base := func(link, target string, dirs ...string) *initramfs.Base {
		b := new(initramfs.Base)
		for _, d := range dirs {
			b.Add(d, fs.ModeDir, "")
		}
		b.Add(link, fs.ModeSymlink, target)
		return b
	}
	tests := []struct {
		name    string
		entries []initramfs.Entry
		base    *initramfs.Base
		want    []string
	}{
		{"no link", []initramfs.Entry{file}, nil, []string{"lib/", "lib/modules/", "lib/modules/m.ko"}},
		{"own link", []initramfs.Entry{file, initramfs.Link("lib", "usr/lib")}, nil,
			[]string{"lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/modules/", "usr/lib/modules/m.ko"}},
		{"link of the base", []initramfs.Entry{file}, base("lib", "usr/lib", "usr", "usr/lib"),
			[]string{"usr/lib/modules/", "usr/lib/modules/m.ko"}},
		{"absolute link of the base", []initramfs.Entry{file}, base("lib", "/usr/lib", "usr"),
			[]string{"usr/lib/", "usr/lib/modules/", "usr/lib/modules/m.ko"}},
		{"directory over a link of the base", []initramfs.Entry{initramfs.Dir("lib"), file}, base("lib", "usr/lib", "usr", "usr/lib"),
			[]string{"usr/lib/modules/", "usr/lib/modules/m.ko"}},
		{"link upwards", []initramfs.Entry{file}, base("lib", "../../../usr"),
			[]string{"usr/", "usr/modules/", "usr/modules/m.ko"}},
	}
	for _, tt := range tests {
		got := list(t, write(t, tt.entries, &initramfs.WriteOptions{Base: tt.base}))
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	if err := initramfs.Write(io.Discard, []initramfs.Entry{file}, &initramfs.WriteOptions{Base: base("lib", "lib")}); err == nil {
		t.Error("link to itself: no error")
	}
}

func TestWriteRefuses(t *testing.T) {
	conflict := []initramfs.Entry{initramfs.Content("a", 0o644, []byte("1")), initramfs.Content("a", 0o644, []byte("2"))}
	var c *initramfs.ConflictError
	if err := initramfs.Write(io.Discard, conflict, nil); !errors.As(err, &c) || c.Path != "a" {
		t.Errorf("two files of one name: %v", err)
	}
	for _, name := range []string{"../x", "/x", "a/../../x", "", "x\x00y"} {
		if err := initramfs.Write(io.Discard, []initramfs.Entry{initramfs.Content(name, 0o644, nil)}, nil); !errors.Is(err, cpio.ErrName) {
			t.Errorf("entry %q: %v, want %v", name, err, cpio.ErrName)
		}
	}
	short := initramfs.Entry{Path: "s", Size: 5, Mode: 0o644, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("abc")), nil
	}}
	if err := initramfs.Write(io.Discard, []initramfs.Entry{short}, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("file that is shorter than it was: %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestCopy(t *testing.T) {
	fsys := fstest.MapFS{"a/m.ko": {Data: []byte("module"), Mode: 0o600}}
	e, err := initramfs.Copy("lib/m.ko", 0o644, fsys, "a/m.ko")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list(t, write(t, []initramfs.Entry{e}, nil)), []string{"lib/", "lib/m.ko"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := initramfs.Copy("x", 0o644, fsys, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := initramfs.Copy("x", 0o644, fsys, "a"); err == nil {
		t.Error("directory as a file: no error")
	}
}

// TestCompressed: files that are compressed already stay readable before the compressed member, and other tools
// unpack both.
func TestCompressed(t *testing.T) {
	entries := []initramfs.Entry{
		initramfs.Content("lib/m/a.ko.xz", 0o644, []byte("compressed")),
		initramfs.Content("lib/m/table", 0o644, bytes.Repeat([]byte("text "), 5000)),
		initramfs.Content("init", 0o755, []byte("#!")),
	}
	for c, tool := range map[initramfs.Compression]string{initramfs.Gzip: "gzip", initramfs.Xz: "xz", initramfs.Zstd: "zstd"} {
		image := write(t, entries, &initramfs.WriteOptions{Compression: c})
		if got, want := list(t, image), []string{"lib/", "lib/m/", "lib/m/a.ko.xz"}; !cmp.Equal(got, want) {
			t.Errorf("%s: first member %q, want %q", c, got, want)
		}
		if len(image) > 4096 {
			t.Errorf("%s: %d bytes for a text that repeats", c, len(image))
		}
		kmodtest.Programs(t, tool)
		rest := image[bytes.Index(image, []byte("TRAILER!!!")):]
		rest = bytes.TrimLeft(rest[10:], "\x00")
		name := filepath.Join(t.TempDir(), "rest")
		if err := os.WriteFile(name, rest, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "-dcq", name).Output()
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		if got, want := list(t, out), []string{"init", "lib/m/table"}; !cmp.Equal(got, want) {
			t.Errorf("%s: second member %q, want %q", c, got, want)
		}
	}
	if err := initramfs.Write(io.Discard, entries, &initramfs.WriteOptions{Compression: "lzx"}); err == nil {
		t.Error("unknown compression: no error")
	}
}
