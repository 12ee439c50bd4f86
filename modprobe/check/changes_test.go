package check_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// debian asks a Debian kernel.
func debian(t *testing.T, key string, o check.Options) *check.Checker {
	t.Helper()
	dir, release := kmodtest.Corpus(t, key)
	o.Image = dir + "/boot/vmlinuz"
	return checker(t, modprobe.Options{
		Dir: dir, Release: release, NoConfig: true, Kernel: &modprobetest.Kernel{Version: "1.2.3"},
	}, &o)
}

// debianModule returns the file of a module.
func debianModule(t *testing.T, key, name string) string {
	t.Helper()
	dir, release := kmodtest.Corpus(t, key)
	return filepath.Join(dir, "lib", "modules", release, "kernel", name+".ko")
}

// TestChanges: Debian's nbd of 6.1.0-47 on 6.1.0-50. pahole says the same of struct device: it has a new member at its
// end.
func TestChanges(t *testing.T) {
	old, _ := kmodtest.Corpus(t, "6.1-prev")
	nbd := debianModule(t, "6.1-prev", "drivers/block/nbd")
	cache := &memory{data: map[string][]byte{}}
	v := verdict(t, debian(t, "6.1", check.Options{Cache: cache}), nbd)
	if ch := v.Changes; ch == nil || ch.Class != check.ClassNotKnown || !strings.Contains(ch.Advice, "--built-for") {
		t.Errorf("without types of the kernel it was built for: %+v", v.Changes)
	}
	v = verdict(t, debian(t, "6.1", check.Options{Cache: cache, BuiltFor: old + "/boot/vmlinuz"}), nbd)
	ch := v.Changes
	if v.Outcome != check.Fails || ch == nil || ch.Class != check.ClassNamesMoved || ch.Differ < 80 {
		t.Fatalf("%s, %+v", v.Outcome, ch)
	}
	i := slices.IndexFunc(ch.Types, func(c check.TypeChange) bool { return c.Type == "struct device" })
	if i < 0 {
		t.Fatalf("no struct device in %+v", ch.Types)
	}
	lines := []string{"size was 744, is 752", "long unsigned int flags[1] at 0x2e8 is new"}
	if c := ch.Types[i]; !slices.Equal(c.Lines, lines) || c.Used == "" || c.Symbols == 0 || len(c.Via) < 2 || c.Change != "grown" {
		t.Errorf("%+v", c)
	}
	if text := ch.Summary("nbd"); !strings.HasPrefix(text, "nbd uses struct ") {
		t.Error(text)
	}

	// The cache knows the old kernel by the release that the module names, and says the same.
	kept := verdict(t, debian(t, "6.1", check.Options{Cache: cache}), nbd).Changes
	if !strings.HasPrefix(kept.BuiltFor, "the cache (") {
		t.Errorf("read from %s", kept.BuiltFor)
	}
	if kept.BuiltFor = ch.BuiltFor; asJSON(t, kept) != asJSON(t, ch) {
		t.Errorf("the cache has\n%s\nthe image\n%s", asJSON(t, kept), asJSON(t, ch))
	}
	for key, data := range cache.data {
		if len(data) > 1<<21 {
			t.Errorf("%d bytes are kept of %s", len(data), key)
		}
	}
	// A module that fits has nothing to tell; forced, its versions are all equal.
	own := debianModule(t, "6.1", "drivers/block/nbd")
	if v := verdict(t, debian(t, "6.1", check.Options{Cache: cache}), own); v.Changes != nil {
		t.Errorf("its own: %+v", v.Changes)
	}
	forced := check.Options{Cache: cache, Flags: modprobe.IgnoreModversions | modprobe.IgnoreVermagic}
	if v := verdict(t, debian(t, "6.1", forced), own); v.Changes == nil || v.Changes.Class != check.ClassSame {
		t.Errorf("its own, forced: %+v", v.Changes)
	}
	// The kernel that is named is not the one the module was built for.
	for _, wrong := range []string{old + "/boot/config", old + "/nothing", "5.4.0"} {
		ch := verdict(t, debian(t, "6.1", check.Options{Cache: cache, BuiltFor: wrong}), nbd).Changes
		if ch.Class != check.ClassNotKnown || ch.Why == "" || ch.Advice == "" {
			t.Errorf("%s: %+v", wrong, ch)
		}
	}
	dir, _ := kmodtest.Corpus(t, "6.1")
	ch = verdict(t, debian(t, "6.1", check.Options{Cache: cache, BuiltFor: dir + "/boot/vmlinuz"}), nbd).Changes
	if ch.Class != check.ClassNotKnown || !strings.Contains(ch.Why, "not built for that kernel") {
		t.Errorf("built for its own kernel: %+v", ch)
	}
}

func asJSON(t *testing.T, ch *check.Changes) string {
	t.Helper()
	text, err := json.Marshal(ch)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTypesDecide: Debian's 7.2 refuses a module whose types are not right; 6.1 does not.
func TestTypesDecide(t *testing.T) {
	for _, key := range []string{"6.1", "7.2"} {
		dir, release := kmodtest.Corpus(t, key)
		tree := os.DirFS(filepath.Join(dir, "lib", "modules", release, "kernel", "drivers", "block"))
		names, err := fs.Glob(tree, "brd.ko*")
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		good, _, err := compress.ReadFile(tree, names[0], nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(good[:bytes.LastIndex(good, []byte("~Module signature"))])
		bad[f.Section(".BTF").Offset] ^= 0xff // its magic
		file := filepath.Join(t.TempDir(), "brd.ko")
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		c := debian(t, key, check.Options{Flags: modprobe.IgnoreModversions | modprobe.IgnoreVermagic})
		if v := verdict(t, c, "brd"); v.Outcome == check.Fails {
			t.Errorf("%s: its own: %+v", key, v)
		}
		v := verdict(t, c, file)
		const line = "failed to validate module [brd] BTF: -22"
		if fails := v.Outcome == check.Fails && v.Errno == syscall.EINVAL; fails != (key == "7.2") || fails != slices.Contains(v.Log, line) {
			t.Errorf("%s: damaged: %s %v %q", key, v.Outcome, v.Errno, v.Log)
		}
	}
}

// TestNoTypes: what cannot be compared is said in a sentence.
func TestNoTypes(t *testing.T) {
	nbd := debianModule(t, "6.1-prev", "drivers/block/nbd")
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		if err := os.WriteFile(dir+"/"+name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir + "/" + name
	}
	made := func(order binary.ByteOrder, long uint32) []byte {
		b := &kmodtest.BTF{Order: order}
		b.Func("kfree", 0, kmodtest.Of("p", b.Pointer(b.Int("long unsigned int", long))))
		return b.Bytes()
	}
	edited := func(at int, to byte) []byte {
		image, err := os.ReadFile(nbd)
		if err != nil {
			t.Fatal(err)
		}
		image[at] = to
		return image
	}
	cache := &memory{data: map[string][]byte{}}
	for _, test := range []struct{ name, built, module, why string }{
		{"big-endian", write("big", made(binary.BigEndian, 8)), nbd, "those of another machine"},
		{"32 bits", write("narrow", made(binary.LittleEndian, 4)), nbd, "those of another machine"},
		{"damaged", write("damaged", append(made(nil, 8)[:24], 1)), nbd, "damaged"},
		{"no types, no image", write("text", []byte("# a configuration\n")), nbd, "text"},
		{"of i386", "", write("nbd.ko", edited(18, 3)), "the module is for another machine"},
	} {
		flags := modprobe.IgnoreModversions | modprobe.IgnoreVermagic
		v := verdict(t, debian(t, "6.1", check.Options{Cache: cache, BuiltFor: test.built, Flags: flags}), test.module)
		if ch := v.Changes; ch == nil || ch.Class != check.ClassNotKnown || !strings.Contains(ch.Why, test.why) || ch.Advice == "" {
			t.Errorf("%s: %+v", test.name, v.Changes)
		}
	}
	// The image itself has no types: 6.1's with the section renamed, as it stands in its ELF file.
	vmlinux := write("vmlinux", withoutTypes(t, "6.1"))
	old, _ := kmodtest.Corpus(t, "6.1-prev")
	_, release := kmodtest.Corpus(t, "6.1")
	c := checker(t, modprobe.Options{Dir: dir, Release: release, NoConfig: true, Kernel: &modprobetest.Kernel{Version: "1.2.3"}},
		&check.Options{Image: vmlinux, BuiltFor: old + "/boot/vmlinuz"})
	if ch := verdict(t, c, nbd).Changes; ch == nil || ch.Class != check.ClassNotKnown || !strings.Contains(ch.Why, "CONFIG_DEBUG_INFO_BTF") {
		t.Errorf("an image without types: %+v", ch)
	}
}

// withoutTypes returns a kernel that was built without types.
func withoutTypes(t *testing.T, key string) []byte {
	t.Helper()
	dir, _ := kmodtest.Corpus(t, key)
	image, err := os.ReadFile(dir + "/boot/vmlinuz")
	if err != nil {
		t.Fatal(err)
	}
	vmlinux, _, err := kernel.Unwrap(image)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(vmlinux)
	types := kernel.Types(out)
	if types == nil {
		t.Fatal("no types")
	}
	types[0] ^= 0xff
	return bytes.Replace(out, []byte("\x00.BTF\x00"), []byte("\x00.XTF\x00"), -1)
}
