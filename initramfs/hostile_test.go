//go:build linux

package initramfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/format/cpio"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// newc is an entry as nobody but an attacker would write it.
func newc(name string, mode, links, ino int, data string) string {
	s := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", ino, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	for _, part := range []string{name + "\x00", data} {
		s += part
		s += strings.Repeat("\x00", -len(s)&3)
	}
	return s
}

// escapes are archives that try to reach a file victim beside the folder that they are unpacked into, outside.
func escapes(outside string) map[string]string {
	const file, link, dir = cpio.TypeRegular | 0o644, cpio.TypeSymlink | 0o777, cpio.TypeDir | 0o755
	return map[string]string{
		"upwards":               newc("../victim", file, 1, 1, "evil"),
		"upwards from within":   newc("a", dir, 1, 1, "") + newc("a/../../victim", file, 1, 2, "evil"),
		"absolute":              newc(outside+"/victim", file, 1, 1, "evil"),
		"link upwards":          newc("l", link, 1, 1, "..") + newc("l/victim", file, 1, 2, "evil"),
		"absolute link":         newc("l", link, 1, 1, outside) + newc("l/victim", file, 1, 2, "evil"),
		"link to the file":      newc("l", link, 1, 1, "../victim") + newc("l", file, 1, 2, "evil"),
		"link to a link":        newc("a", link, 1, 1, "..") + newc("b", link, 1, 2, "a/victim") + newc("b", file, 1, 3, "evil"),
		"second name of a link": newc("a", file, 2, 7, "") + newc("a", link, 1, 8, "../victim") + newc("b", file, 2, 7, "evil"),
		"folder over a link":    newc("l", link, 1, 1, "..") + newc("l", dir, 1, 2, "") + newc("l/victim", file, 1, 3, "evil"),
		"mode through a link":   newc("l", link, 1, 1, "../victim") + newc("l", cpio.TypeRegular|0o4777, 1, 2, ""),
		"the folder itself":     newc(".", link, 1, 1, "..") + newc("victim", file, 1, 2, "evil"),
	}
}

// TestExtractStaysInside: whatever names and links an archive has, what is beside the folder stays as it is.
func TestExtractStaysInside(t *testing.T) {
	for name := range escapes("") {
		outside := t.TempDir()
		victim, inside := filepath.Join(outside, "victim"), filepath.Join(outside, "inside")
		if err := os.WriteFile(victim, []byte("good"), 0o600); err != nil {
			t.Fatal(err)
		}
		root := openRoot(t, inside)
		err := initramfs.Extract(strings.NewReader(escapes(outside)[name]), root, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err) // all of them are sound archives
		}
		info, err := os.Stat(victim)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(victim); string(data) != "good" || info.Mode() != 0o600 || err != nil {
			t.Errorf("%s: the file outside is %q, %v, %v", name, data, info.Mode(), err)
		}
		if list, err := os.ReadDir(outside); err != nil || len(list) != 2 {
			t.Errorf("%s: outside are %v, %v", name, list, err)
		}
	}
}

// openRoot makes a folder and opens it.
func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// TestHardLinks: GNU cpio writes the content with the last name, bsdcpio with each; the names are one file either way.
func TestHardLinks(t *testing.T) {
	const file = cpio.TypeRegular | 0o644
	for name, archive := range map[string]string{
		"last":  newc("a", file, 2, 7, "") + newc("b", file, 2, 7, "text"),
		"each":  newc("a", file, 2, 7, "text") + newc("b", file, 2, 7, "text"),
		"first": newc("a", file, 2, 7, "text") + newc("b", file, 2, 7, ""),
	} {
		dir := t.TempDir()
		if err := initramfs.Extract(strings.NewReader(archive), openRoot(t, dir), nil); err != nil {
			t.Fatal(err)
		}
		a, err := os.Stat(filepath.Join(dir, "a"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.Stat(filepath.Join(dir, "b"))
		if err != nil || !os.SameFile(a, b) || b.Size() != 4 {
			t.Errorf("%s: %v and %v, %v", name, a, b, err)
		}
	}
}

// TestManyEntries: more than 16 bits can count, with names of all bytes that a name may have.
func TestManyEntries(t *testing.T) {
	var entries []initramfs.Entry
	want := make(map[string]bool)
	for i := range 70_000 {
		name := fmt.Sprintf("d%d/f%d", i%7, i)
		entries = append(entries, initramfs.Content(name, 0o644, nil))
		want[name] = true
	}
	for c := 1; c < 256; c++ {
		if name := fmt.Sprintf("odd/%c%s", 'x', string([]byte{byte(c)})); c != '/' {
			entries = append(entries, initramfs.Content(name, 0o644, []byte{byte(c)}))
			want[name] = true
		}
	}
	var image bytes.Buffer
	if err := initramfs.Write(&image, entries, &initramfs.WriteOptions{Compression: initramfs.Zstd}); err != nil {
		t.Fatal(err)
	}
	for f, err := range initramfs.NewReader(&image).All() {
		if err != nil {
			t.Fatal(err)
		}
		if f.Mode.IsRegular() && !want[f.Path] {
			t.Errorf("%q is new", f.Path)
		}
		delete(want, f.Path)
	}
	if len(want) > 0 {
		t.Errorf("%d entries are lost", len(want))
	}
}

// TestLargeFile: what has more bytes than the format can say is an error that names the file.
func TestLargeFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "large.ko")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1<<32); err != nil {
		kmodtest.Missing(t, "no file with holes: %v", err)
	}
	e, err := initramfs.Copy("lib/large.ko", 0o644, os.DirFS(dir), "large.ko")
	if err != nil {
		t.Fatal(err)
	}
	if err := initramfs.Write(io.Discard, []initramfs.Entry{e}, nil); err == nil || !strings.Contains(err.Error(), "lib/large.ko") {
		t.Errorf("4 GiB: %v", err)
	}
}

// TestTruncated: of an image that ends too early, at any byte, what is read is the beginning of the whole, and the
// rest is an error unless it ends between two entries.
func TestTruncated(t *testing.T) {
	const text = "content of the file"
	entries := []initramfs.Entry{
		initramfs.Content("lib/a.ko.xz", 0o644, []byte(text)), initramfs.Content("b", 0o644, []byte(text)), initramfs.Link("c", "b"), initramfs.Dir("d"),
	}
	for _, c := range []initramfs.Compression{initramfs.Plain, initramfs.Gzip, initramfs.Xz, initramfs.Zstd} {
		image := write(t, entries, &initramfs.WriteOptions{Compression: c})
		whole, err := readAll(t, image)
		if err != nil {
			t.Fatal(err)
		}
		last := len(image)
		if c == initramfs.Plain {
			last = bytes.LastIndex(image, []byte("070701")) // the trailer; it may be missing
		}
		for n := range last {
			part, err := readAll(t, image[:n])
			if !strings.HasPrefix(whole, part) {
				t.Errorf("%q cut at %d: %q is not the beginning of %q", c, n, part, whole)
			}
			var bad *initramfs.ImageError
			if err != nil && !errors.As(err, &bad) {
				t.Errorf("%q cut at %d: %v", c, n, err)
			}
			if err == nil && part == whole {
				t.Errorf("%q cut at %d: nothing is missed", c, n)
			}
			if n%17 != 0 {
				continue
			}
			root := openRoot(t, t.TempDir())
			if again := initramfs.Extract(bytes.NewReader(image[:n]), root, nil); (again == nil) != (err == nil) {
				t.Errorf("%q cut at %d: reading says %v, unpacking %v", c, n, err, again)
			}
		}
	}
}

// TestBomb: memory does not grow with what a small image expands to.
func TestBomb(t *testing.T) {
	const size = 256 << 20
	zeros := initramfs.Entry{Path: "zeros", Mode: 0o644, Size: size, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(zeroReader{}, size)), nil
	}}
	for _, c := range []initramfs.Compression{initramfs.Gzip, initramfs.Zstd} {
		var image bytes.Buffer
		if err := initramfs.Write(&image, []initramfs.Entry{zeros}, &initramfs.WriteOptions{Compression: c}); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for f, err := range initramfs.NewReader(&image).All() {
			if err != nil || f.Size != size {
				t.Fatal(f, err)
			}
		}
		if runtime.ReadMemStats(&after); after.TotalAlloc-before.TotalAlloc > 64<<20 {
			t.Errorf("%s: reading allocates %d bytes", c, after.TotalAlloc-before.TotalAlloc)
		}
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
