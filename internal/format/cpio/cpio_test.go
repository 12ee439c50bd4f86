package cpio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/cpio"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

type entry struct {
	cpio.Header
	data string
}

func dir(name string) entry { return entry{cpio.Header{Name: name, Mode: cpio.TypeDir | 0o755}, ""} }

func file(name, data string) entry {
	return entry{cpio.Header{Name: name, Mode: cpio.TypeRegular | 0o644, Size: int64(len(data))}, data}
}

func link(name, target string) entry {
	return entry{cpio.Header{Name: name, Mode: cpio.TypeSymlink | 0o777, Size: int64(len(target))}, target}
}

func write(w io.Writer, entries []entry) error {
	c := cpio.NewWriter(w)
	for i := range entries {
		if err := c.WriteHeader(&entries[i].Header); err != nil {
			return err
		}
		if _, err := io.WriteString(c, entries[i].data); err != nil {
			return err
		}
	}
	return c.Close()
}

// readMember reads entries up to the end of the member.
func readMember(r *cpio.Reader) ([]entry, error) {
	var got []entry
	for {
		h, err := r.Next()
		if err == io.EOF {
			return got, nil
		} else if err != nil {
			return got, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return got, err
		}
		got = append(got, entry{*h, string(data)})
	}
}

func sample() []entry {
	long := strings.Repeat("n", 255)
	return []entry{
		dir("dev"),
		{cpio.Header{Name: "dev/console", Mode: cpio.TypeChar | 0o600, Major: 5, Minor: 1}, ""},
		{cpio.Header{Name: "dev/loop0", Mode: cpio.TypeBlock | 0o660, Major: 7, GID: 6}, ""},
		dir("lib"),
		file("lib/empty", ""),
		file("lib/one", "1"),
		file("lib/two and\tmore", "22"),
		file("lib/big", strings.Repeat("0123456789abcdef", 20000)),
		file("lib/"+long, "long"),
		link("sbin", "usr/sbin"),
		{cpio.Header{Name: "pipe", Mode: cpio.TypeFifo | 0o600, ModTime: 1700000000, UID: 65534}, ""},
	}
}

func equal(t *testing.T, got, want []entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if g.Ino != uint32(i+1) || g.Links != 1 {
			t.Errorf("%s: inode %d, %d links; want %d, 1", g.Name, g.Ino, g.Links, i+1)
		}
		g.Ino, g.Links, g.Offset = 0, 0, 0
		if g != w {
			t.Errorf("entry %d = %.200v, want %.200v", i, g, w)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	var out bytes.Buffer
	if err := write(&out, sample()); err != nil {
		t.Fatal(err)
	}
	if out.Len()%cpio.MemberAlign != 0 {
		t.Errorf("member of %d bytes is not padded to %d", out.Len(), cpio.MemberAlign)
	}
	second := []entry{dir("dev"), file("last", "x")}
	if err := write(&out, second); err != nil {
		t.Fatal(err)
	}
	r := cpio.NewReader(&out)
	got, err := readMember(r)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, sample())
	if !r.Ended() {
		t.Error("Ended() = false after a trailer")
	}
	if err := r.NextMember(); err != nil {
		t.Fatal(err)
	}
	if got, err = readMember(r); err != nil {
		t.Fatal(err)
	}
	equal(t, got, second)
	if err := r.NextMember(); err != io.EOF {
		t.Errorf("NextMember at the end: %v, want io.EOF", err)
	}
}

func TestReadFrom(t *testing.T) {
	tmp := t.TempDir()
	src := filepath.Join(tmp, "src")
	data := strings.Repeat("module ", 30000)
	if err := os.WriteFile(src, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(tmp, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := cpio.NewWriter(out)
	for _, name := range []string{"a", "b"} {
		in, err := os.Open(src)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if err := w.WriteHeader(&cpio.Header{Name: name, Mode: cpio.TypeRegular | 0o600, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if n, err := w.ReadFrom(in); err != nil || n != int64(len(data)) {
			t.Fatalf("ReadFrom = %d, %v", n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	got, err := readMember(cpio.NewReader(out))
	if err != nil || len(got) != 2 || got[0].data != data || got[1].data != data {
		t.Errorf("read back %d entries, %v", len(got), err)
	}
}

func TestReadFromShort(t *testing.T) {
	w := cpio.NewWriter(io.Discard)
	if err := w.WriteHeader(&cpio.Header{Name: "a", Mode: cpio.TypeRegular, Size: 10}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadFrom(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that shrank: %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if err := w.Close(); err == nil {
		t.Error("Close after a short file: no error")
	}
}

func TestWriterRefuses(t *testing.T) {
	tests := []struct {
		name string
		h    cpio.Header
		want error
	}{
		{"absolute", cpio.Header{Name: "/a", Mode: cpio.TypeRegular}, cpio.ErrName},
		{"up", cpio.Header{Name: "d/../a", Mode: cpio.TypeRegular}, cpio.ErrName},
		{"dot", cpio.Header{Name: ".", Mode: cpio.TypeDir}, cpio.ErrName},
		{"nothing", cpio.Header{Mode: cpio.TypeDir}, cpio.ErrName},
		{"slash at the end", cpio.Header{Name: "d/", Mode: cpio.TypeDir}, cpio.ErrName},
		{"NUL", cpio.Header{Name: "a\x00b", Mode: cpio.TypeRegular}, cpio.ErrName},
		{"trailer", cpio.Header{Name: "TRAILER!!!", Mode: cpio.TypeRegular}, cpio.ErrName},
		{"too long", cpio.Header{Name: strings.Repeat("x", cpio.MaxName+1), Mode: cpio.TypeRegular}, cpio.ErrName},
		{"no parent", cpio.Header{Name: "x/a", Mode: cpio.TypeRegular}, cpio.ErrOrder},
		{"parent is a file", cpio.Header{Name: "f/a", Mode: cpio.TypeRegular}, cpio.ErrOrder},
		{"twice", cpio.Header{Name: "f", Mode: cpio.TypeRegular}, cpio.ErrOrder},
		{"too big", cpio.Header{Name: "a", Mode: cpio.TypeRegular, Size: cpio.MaxSize + 1}, nil},
		{"directory with content", cpio.Header{Name: "a", Mode: cpio.TypeDir, Size: 1}, nil},
		{"link to nothing", cpio.Header{Name: "a", Mode: cpio.TypeSymlink}, nil},
		{"no type", cpio.Header{Name: "a", Mode: 0o644}, nil},
	}
	for _, tt := range tests {
		w := cpio.NewWriter(io.Discard)
		for _, e := range []entry{dir("d"), file("f", "")} {
			if err := w.WriteHeader(&e.Header); err != nil {
				t.Fatal(err)
			}
		}
		err := w.WriteHeader(&tt.h)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: WriteHeader = %v, want %v", tt.name, err, tt.want)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%s: a refused entry spoiled the member: %v", tt.name, err)
		}
	}
}

func TestContentMatchesHeader(t *testing.T) {
	w := cpio.NewWriter(io.Discard)
	if err := w.WriteHeader(&cpio.Header{Name: "a", Mode: cpio.TypeRegular, Size: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "abc"); err == nil {
		t.Error("three bytes into an entry of two: no error")
	}
	if err := w.Close(); err == nil {
		t.Error("Close with content missing: no error")
	}
}

func TestAssume(t *testing.T) {
	w := cpio.NewWriter(io.Discard)
	w.Assume("usr/lib")
	if err := w.WriteHeader(&cpio.Header{Name: "usr/lib/x", Mode: cpio.TypeRegular}); err != nil {
		t.Error(err)
	}
}

// limited is a stream that fails after n bytes, as a full disk does.
type limited struct{ n int }

var errFull = errors.New("no space left on device")

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.n {
		n := l.n
		l.n = 0
		return n, errFull
	}
	l.n -= len(p)
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	for _, n := range []int{0, 1, 70000, 320500} {
		if err := write(&limited{n}, sample()); !errors.Is(err, errFull) {
			t.Errorf("stream that fails after %d bytes: %v, want %v", n, err, errFull)
		}
	}
}

// raw builds an entry field by field, for archives that Writer would not write.
func raw(magic, name string, nameSize, size int, mode, check uint32, data string) string {
	s := fmt.Sprintf("%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", magic,
		1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, nameSize, check)
	s += name
	for len(s)%4 != 0 {
		s += "\x00"
	}
	s += data
	for len(s)%4 != 0 {
		s += "\x00"
	}
	return s
}

func TestReader(t *testing.T) {
	reg := uint32(cpio.TypeRegular | 0o644)
	end := raw("070701", "TRAILER!!!\x00", 11, 0, 0, 0, "")
	good := raw("070701", "a\x00", 2, 3, reg, 0, "abc")
	tests := []struct {
		name, in string
		off      int64 // of the error, -1: none
		what     string
	}{
		{"upper case digits", good + end, -1, ""},
		{"no trailer", good, -1, ""},
		{"nothing", "", -1, ""},
		{"more NULs than one", raw("070701", "a\x00\x00\x00\x00", 5, 0, reg, 0, "") + end, -1, ""},
		{"checksum", raw("070702", "a\x00", 2, 3, reg, 'a'+'b'+'c', "abc") + end, -1, ""},
		{"wrong checksum", raw("070702", "a\x00", 2, 3, reg, 1, "abc") + end, 115, "checksum"},
		{"odc", "070707" + good[6:], 0, "old portable"},
		{"other magic", "07070x" + good[6:], 0, "no archive header"},
		{"digits", good[:54] + "0000000g" + good[62:], 54, "hexadecimal"},
		{"cut header", good + end[:50], int64(len(good)) + 50, "inside the header"},
		{"cut name", good[:111], 111, "inside the name"},
		{"cut content", good[:113], 113, "2 of 3 bytes"},
		{"cut padding", good[:115], 115, "padding"},
		{"no name", raw("070701", "", 0, 0, reg, 0, ""), 94, "name of 0 bytes"},
		{"huge name", raw("070701", "a\x00", 0x7fffffff, 0, reg, 0, ""), 94, "name of 2147483647 bytes"},
		{"huge content", raw("070701", "a\x00", 2, 0x7fffffff, reg, 0, "abc"), 116, "of content missing"},
		{"name without NUL", raw("070701", "ab", 2, 0, reg, 0, ""), 110, "without a NUL"},
		{"NUL inside", raw("070701", "a\x00b\x00", 4, 0, reg, 0, ""), 111, "NUL inside"},
		{"empty name", raw("070701", "\x00", 1, 0, reg, 0, ""), 110, "empty name"},
		{"directory with content", raw("070701", "a\x00", 2, 1, cpio.TypeDir, 0, "a"), 0, "content"},
		{"link without target", raw("070701", "a\x00", 2, 0, cpio.TypeSymlink, 0, ""), 0, "target"},
		{"trailer with content", raw("070701", "TRAILER!!!\x00", 11, 1, 0, 0, "a"), 0, "trailer"},
	}
	for _, tt := range tests {
		_, err := readMember(cpio.NewReader(strings.NewReader(tt.in)))
		if tt.off < 0 {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		var f *cpio.FormatError
		if !errors.As(err, &f) || f.Off != tt.off || !strings.Contains(f.What, tt.what) {
			t.Errorf("%s: %v; want offset %d, %q", tt.name, err, tt.off, tt.what)
		}
	}
}

func TestNextMember(t *testing.T) {
	end := raw("070701", "TRAILER!!!\x00", 11, 0, 0, 0, "")
	tests := []struct {
		name, in string
		want     string
	}{
		{"compressed", end + "\x00\x00\x28\xb5", cpio.ErrNotArchive.Error()},
		{"aligned", end + "\x00\x00\x00\x00" + end, ""},
		{"not aligned", end + "\x00\x00" + end, "no multiple of four"},
		{"only padding", end + "\x00\x00\x00", "EOF"},
	}
	for _, tt := range tests {
		r := cpio.NewReader(strings.NewReader(tt.in))
		if err := r.NextMember(); err == nil {
			t.Errorf("%s: NextMember before the end of the first: no error", tt.name)
		}
		if _, err := readMember(r); err != nil {
			t.Fatal(err)
		}
		err := r.NextMember()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: NextMember = %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestOtherTools lists and unpacks what we write with the cpio programs that are here.
func TestOtherTools(t *testing.T) {
	entries := []entry{
		dir("d"), dir("d/e"), file("d/e/f", "content\n"), link("d/l", "e/f"), file("d/odd name\x01", strings.Repeat("z", 4097)),
	}
	tmp := t.TempDir()
	image := filepath.Join(tmp, "image")
	var out bytes.Buffer
	if err := write(&out, entries); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"cpio", "bsdcpio"} {
		t.Run(tool, func(t *testing.T) {
			kmodtest.Programs(t, tool)
			to := t.TempDir()
			cmd := exec.Command("sh", "-c", tool+` -i -d --quiet <"$0"`, image)
			cmd.Dir = to
			if msg, err := cmd.CombinedOutput(); err != nil || len(msg) > 0 {
				t.Fatalf("%s: %v\n%s", tool, err, msg)
			}
			for _, e := range entries {
				p := filepath.Join(to, e.Name)
				var got string
				switch e.Type() {
				case cpio.TypeRegular:
					b, err := os.ReadFile(p)
					if err != nil {
						t.Error(err)
					}
					got = string(b)
				case cpio.TypeSymlink:
					got, _ = os.Readlink(p)
				}
				if got != e.data {
					t.Errorf("%s: content %.20q, want %.20q", e.Name, got, e.data)
				}
			}
		})
	}
}

// TestReadOtherTools reads what the cpio programs write.
func TestReadOtherTools(t *testing.T) {
	for _, tool := range []string{"cpio", "bsdcpio"} {
		t.Run(tool, func(t *testing.T) {
			kmodtest.Programs(t, tool)
			from := t.TempDir()
			if err := os.MkdirAll(filepath.Join(from, "d/e"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(from, "d/e/f"), []byte("content"), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sh", "-c", "printf 'd\nd/e\nd/e/f\n' | "+tool+" -o -H newc --quiet")
			cmd.Dir = from
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got, err := readMember(cpio.NewReader(bytes.NewReader(out)))
			if err != nil || len(got) != 3 || got[2].Name != "d/e/f" || got[2].data != "content" {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// FuzzReader: what can be read and is fit to be written again reads back the same.
func FuzzReader(f *testing.F) {
	var out bytes.Buffer
	if err := write(&out, []entry{dir("d"), file("d/a", "abc"), link("l", "d/a")}); err != nil {
		f.Fatal(err)
	}
	fuzzseed.Add(f, out.Bytes())
	fuzzseed.Add(f, []byte(raw("070702", "a\x00", 2, 3, cpio.TypeRegular, 'a'+'b'+'c', "abc")))
	f.Fuzz(func(t *testing.T, in []byte) {
		first, err := readMember(cpio.NewReader(bytes.NewReader(in)))
		var format *cpio.FormatError
		if err != nil {
			if !errors.As(err, &format) || format.Off < 0 || format.Off > int64(len(in)) {
				t.Fatalf("error without a sound offset: %v", err)
			}
			return
		}
		var again bytes.Buffer
		if write(&again, first) != nil {
			return
		}
		second, err := readMember(cpio.NewReader(&again))
		if err != nil || len(second) != len(first) {
			t.Fatalf("written again: %d of %d entries, %v", len(second), len(first), err)
		}
		for i := range first {
			a, b := first[i], second[i]
			a.Ino, a.Links, a.DevMajor, a.DevMinor, a.Offset = b.Ino, b.Links, b.DevMajor, b.DevMinor, b.Offset
			if a != b {
				t.Fatalf("entry %d: %v, again %v", i, first[i], b)
			}
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	data := make([]byte, 140<<10)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	w := cpio.NewWriter(io.Discard)
	for i := 0; b.Loop(); i++ {
		if err := w.WriteHeader(&cpio.Header{Name: fmt.Sprintf("m%d.ko", i), Mode: cpio.TypeRegular, Size: int64(len(data))}); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			b.Fatal(err)
		}
	}
}
