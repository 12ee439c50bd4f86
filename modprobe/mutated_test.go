package modprobe_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// FuzzMutatedTables changes single bytes of all tables of a module directory, and looks names up in them: there is an
// answer or an error, both ways to ask agree, and what can be planned are files of the module directory.
func FuzzMutatedTables(f *testing.F) {
	w := newWorld(f)
	tables := make(map[string][]byte)
	files, _ := filepath.Glob(filepath.Join(w.root, "lib/modules/6.1.0/modules.*.bin"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		tables[filepath.Base(file)] = data
	}
	if len(tables) != 5 {
		f.Fatalf("tables: %q", files)
	}
	fuzzseed.Add(f, []byte("\x01\x00\x0b\x55"), "al-topper")
	fuzzseed.Add(f, []byte("\x00\x00\x20\x80\x01\x00\x28\x01\x02\x00\x20\x01"), "top")
	fuzzseed.Add(f, []byte("\x03\x00\x40\x01"), "symbol:mid_sym")
	fuzzseed.Add(f, []byte("\x04\x00\x20\x10"), "bi-alias")
	f.Fuzz(func(t *testing.T, edits []byte, name string) {
		if strings.HasPrefix(name, "/") {
			return // a file, not a name
		}
		image := make(fstest.MapFS)
		names := slices.Sorted(maps.Keys(tables))
		for _, name := range names {
			image["lib/modules/6.1.0/"+name] = &fstest.MapFile{Data: bytes.Clone(tables[name])}
		}
		for ; len(edits) >= 4; edits = edits[4:] { // the number of a table, two bytes of offset, one to change with
			data := image["lib/modules/6.1.0/"+names[int(edits[0])%len(names)]].Data
			data[(int(edits[1])<<8|int(edits[2]))%len(data)] ^= edits[3]
		}
		p, err := modprobe.New(&modprobe.Options{FS: image, Kernel: new(modprobetest.Kernel)})
		if err != nil {
			t.Fatal(err)
		}
		modules, err := p.Resolve(name)
		if (modules == nil) != (err != nil) {
			t.Fatalf("modules %v and error %v", modules, err)
		}
		var want []string
		for _, m := range modules {
			want = append(want, m.Name)
			if m.Path != "" && !strings.HasPrefix(m.Path, "/") {
				t.Errorf("%q leads to %q, which is no path", name, m.Path)
			}
		}
		if got := p.AppendNames(nil, name); !slices.Equal(got, want) {
			t.Errorf("AppendNames(%q) = %q; Resolve says %q", name, got, want)
		}
		plan, err := p.Plan(name, &modprobe.PlanOptions{ShowAll: true})
		if plan != nil && err != nil {
			t.Fatalf("a plan and an error: %v, %v", plan, err)
		}
		if _, err := p.PlanRemove(name, nil); (err != nil) != (modules == nil) {
			t.Errorf("PlanRemove(%q): %v; Resolve finds %q", name, err, want)
		}
		for _, s := range plan {
			if s.Op != modprobe.OpInsmod && s.Op != modprobe.OpBuiltin {
				t.Errorf("a table has made the step %v", s)
			}
		}
	})
}
