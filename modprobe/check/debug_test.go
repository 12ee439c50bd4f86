//go:build linux

package check_test

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestKbuildDebug builds modules with 6.1's headers, which have no types to build BTF over: what they name is told by
// DWARF, until that is stripped.
func TestKbuildDebug(t *testing.T) {
	if os.Getenv("GOMODPROBE_FIELD") == "" {
		t.Skip("set GOMODPROBE_FIELD=1: it fetches what modules are built with")
	}
	kmodtest.Programs(t, "make", "gcc-12", "strip")
	const gpl = "\nMODULE_LICENSE(\"GPL\");\n"
	names := kbuild(t, "6.1-prev", "names",
		"#include <linux/device.h>\nstruct own { struct device *dev; } own;\nint names_api(int n) { return n + !own.dev; }\nEXPORT_SYMBOL_GPL(names_api);"+gpl)
	none := kbuild(t, "6.1-prev", "none", "int none_api(int n) { return n + 1; }\nEXPORT_SYMBOL_GPL(none_api);"+gpl)
	old, _ := kmodtest.Corpus(t, "6.1-prev")
	cache := &memory{data: map[string][]byte{}}
	class := func(file string) (check.Class, string) {
		ch := verdict(t, debian(t, "6.1", check.Options{Cache: cache, BuiltFor: old + "/boot/vmlinuz"}), file).Changes
		if ch == nil {
			t.Fatalf("%s: no changes", file)
		}
		for _, typ := range ch.Types {
			if typ.Type == "struct device" {
				return ch.Class, typ.Used
			}
		}
		return ch.Class, ""
	}
	for _, file := range []string{names, none} {
		f, err := elf.NewFile(bytes.NewReader(readModule(t, file)))
		if err != nil || f.Section(".BTF") != nil || f.Section(".debug_info") == nil {
			t.Fatalf("%s has BTF, or no DWARF: %v", file, err)
		}
	}
	if got, used := class(names); got != check.ClassNamesMoved || used != "follows a pointer to it in struct own.dev" {
		t.Errorf("names: %v, %q", got, used)
	}
	if got, used := class(none); got != check.ClassNoneNamed || used != "" {
		t.Errorf("none: %v, %q", got, used)
	}
	if out, err := exec.Command("strip", "--strip-debug", none).CombinedOutput(); err != nil {
		t.Fatalf("strip: %v\n%s", err, out)
	}
	if got, _ := class(none); got != check.ClassNotKnown {
		t.Errorf("stripped: %v", got)
	}
}
