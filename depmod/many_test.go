package depmod_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestManyModules makes the tables of more modules than kmod can count.
func TestManyModules(t *testing.T) {
	kmodtest.Long(t)
	const n = 66_000
	spec := &kmodtest.Spec{Release: "6.1.0", Modules: []kmodtest.Module{{Name: "base", Exports: []kmodtest.Export{{Name: "s"}}}}, Order: []string{}, Builtins: []kmodtest.Builtin{}}
	root := spec.Tree(t)
	dir := filepath.Join(root, "lib/modules/6.1.0")
	user := filepath.Join(t.TempDir(), "user.ko")
	if err := os.WriteFile(user, kmodtest.Module{Name: "user", Imports: []kmodtest.Import{{Name: "s"}}}.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.Symlink(user, filepath.Join(dir, fmt.Sprintf("m%d.ko", i))); err != nil {
			t.Fatal(err)
		}
	}
	out, err := kmodtest.Oracle(t).Command("depmod", "-b", root, "-C", "/var/empty", "6.1.0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "could not build module array") {
		t.Errorf("kmod: %v, %.200s", err, out)
	}
	tables, err := depmod.Build(context.Background(), &depmod.Options{Dir: dir, Release: "6.1.0", Config: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := tables.ReadFile("modules.dep.bin")
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.Parse(data)
	if err == nil {
		err = x.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	base, _ := x.Lookup("base")
	for i := range n {
		name := fmt.Sprint("m", i)
		if line, ok := x.Lookup(name); !ok || line != name+".ko: "+strings.TrimSuffix(base, ":") {
			t.Fatalf("%s: %q, %t", name, line, ok)
		}
	}
}
