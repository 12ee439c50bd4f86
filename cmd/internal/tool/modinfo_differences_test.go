package tool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modinfo"
)

// TestModinfoGzip has a file that Debian's kmod cannot read: the answer is that
// for the file expanded.
func TestModinfoGzip(t *testing.T) {
	dir := t.TempDir()
	image := kmodtest.Module{Name: "m", Aliases: []string{"x"}}.Bytes()
	name := filepath.Join(dir, "m.ko")
	write(t, name, image)
	write(t, name+".gz", kmodtest.Compressed(t, image)["gz"])
	want := kmods(t, "modinfo", name)
	want.stdout = strings.Replace(want.stdout, "m.ko\n", "m.ko.gz\n", 1)
	if got := ours(t, "modinfo", name+".gz"); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
}

// TestModinfoCompressedAll has a whole kernel in other compressions: the answers are those for the tree unpacked.
func TestModinfoCompressedAll(t *testing.T) {
	kmodtest.Long(t)
	root, release := kmodtest.Corpus(t, "6.1")
	dir := filepath.Join(root, "lib/modules", release)
	files := moduleFiles(t, dir)
	for _, end := range []string{"\n", "\x00"} {
		args := []string{"modinfo"}
		if end == "\x00" {
			args = append(args, "-0")
		}
		unpacked := kmods(t, slices.Concat(args, files)...)
		for _, ext := range []string{"gz", "xz", "zst"} {
			other, _ := kmodtest.CorpusTree(t, "6.1", ext)
			otherDir := filepath.Join(other, "lib/modules", release)
			packed := moduleFiles(t, otherDir)
			want := unpacked
			entries := strings.SplitAfter(want.stdout, end)
			for i, entry := range entries {
				if path, ok := strings.CutPrefix(strings.TrimSuffix(entry, end), "filename:       "+dir); ok {
					entries[i] = "filename:       " + otherDir + path + "." + ext + end
				}
			}
			want.stdout = strings.Join(entries, "")
			if got := ours(t, slices.Concat(args, packed)...); got != want {
				t.Errorf("%s: status %d: %s\n%s", ext, got.status, firstDifference(got.stdout, want.stdout), got.stderr)
			}
		}
	}
}

// TestModinfoZstdWithoutSize has a zstd frame as a pipe gets it, without the
// size of the contents.
func TestModinfoZstdWithoutSize(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m.ko.zst")
	image := kmodtest.Module{Name: "m"}.Bytes()
	var file strings.Builder
	w, err := zstd.NewWriter(&file, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for len(image) > 0 { // several writes, so that the size is not known at first
		n := min(len(image), 100)
		w.Write(image[:n])
		w.Flush()
		image = image[n:]
	}
	w.Close()
	write(t, name, []byte(file.String()))
	if want := kmods(t, "modinfo", "-n", "-F", "license", name); want.status != 1 {
		t.Errorf("kmod has learned it: %+v", want)
	}
	if got := ours(t, "modinfo", "-F", "license", name); got != (result{stdout: "GPL\n"}) {
		t.Errorf("%+v", got)
	}
}

// TestModinfoSignedAfter has modules that were signed after compression: the signature stands behind the compressed
// data. Some kernels' own decompressors take that (TestGuestSignedAfter of modprobe); kmod says that the file is
// damaged, and so do we.
func TestModinfoSignedAfter(t *testing.T) {
	s := kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "me", KeyID: []byte{1}, Sig: []byte("signature")}
	module := kmodtest.Module{Name: "m"}
	body := module.Bytes()
	module.Signature = &s
	signature := module.Bytes()[len(body):]
	packed := kmodtest.Compressed(t, body)
	for _, ext := range []string{"xz", "zst"} {
		name := filepath.Join(t.TempDir(), "m.ko."+ext)
		write(t, name, slices.Concat(packed[ext], signature))
		want, got := kmods(t, "modinfo", name), ours(t, "modinfo", name)
		if got.status != 1 || got.stdout != want.stdout || got.status != want.status || !strings.Contains(got.stderr, "offset") {
			t.Errorf("%s: %+v; want %+v", ext, got, want)
		}
	}
}

// TestModinfoStaleAlias has an alias of a module that is gone: kmod takes it for
// builtin.
func TestModinfoStaleAlias(t *testing.T) {
	root := kmodtest.Tree(t, "6.1.0", kmodtest.Module{Name: "gone", Aliases: []string{"fs-gone"}}, kmodtest.Module{Name: "other"})
	dir := filepath.Join(root, "lib/modules/6.1.0")
	depmod := func() {
		t.Helper()
		if out, err := kmodtest.Oracle(t).Command("depmod", "-b", root, "6.1.0").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	depmod()
	table := filepath.Join(dir, "modules.alias.bin")
	aliases, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "kernel/gone.ko")); err != nil {
		t.Fatal(err)
	}
	depmod()
	write(t, table, aliases)
	got := ours(t, "modinfo", "-b", root, "-k", "6.1.0", "fs-gone")
	if got.status != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, "modinfo: ERROR: Module fs-gone not found.\nmodinfo: NOTICE: fs-gone leads to the module gone, ") {
		t.Errorf("%+v", got)
	}
	if want := kmods(t, "modinfo", "-b", root, "-k", "6.1.0", "fs-gone"); want.status != 0 || !strings.Contains(want.stdout, "(builtin)") {
		t.Errorf("kmod has learned it: %+v", want)
	}
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestModinfoManyFields has modules with so many fields that to compare each with each would take an hour.
func TestModinfoManyFields(t *testing.T) {
	dir := t.TempDir()
	const many = 100_000
	a, b := kmodtest.Module{Name: "m"}, kmodtest.Module{Name: "m"}
	for i := range many {
		a.Aliases = append(a.Aliases, fmt.Sprintf("a-long-alias-of-the-one-%09d", i))
		b.Aliases = append(b.Aliases, fmt.Sprintf("a-long-alias-of-the-two-%09d", i))
		a.Info = append(a.Info, fmt.Sprintf("key%d=value", i), "key=value")
	}
	one, two := filepath.Join(dir, "one.ko"), filepath.Join(dir, "two.ko")
	write(t, one, a.Bytes())
	write(t, two, b.Bytes())
	if r := ours(t, "modinfo", "--diff", one, two); r.status != 0 || strings.Count(r.stdout, "alias: a-long-alias") != 2*many {
		t.Errorf("--diff: status %d, %d bytes", r.status, len(r.stdout))
	}
	if r := ours(t, "modinfo", "--json", one); r.status != 0 || strings.Count(r.stdout, `"value"`) != 2*many {
		t.Errorf("--json: status %d, %d bytes", r.status, len(r.stdout))
	}
}

// TestModinfoTooLarge has a file that is larger than any module: nothing of it is read.
func TestModinfoTooLarge(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large.ko")
	write(t, name, kmodtest.Module{Name: "m"}.Bytes())
	if err := os.Truncate(name, modinfo.MaxSize+1); err != nil {
		t.Skip(err) // a file system without holes
	}
	for _, view := range []string{"--json", "--exports", "--imports", "-Flicense"} {
		r := ours(t, "modinfo", view, name)
		if r.status != 1 || !strings.HasSuffix(r.stderr, "Invalid argument\nmodinfo: NOTICE: "+name+": larger than the limit\n") {
			t.Errorf("%s: %+v", view, r)
		}
	}
}
