package check_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
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
