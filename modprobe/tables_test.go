package modprobe_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// FuzzTables looks a name up by modules.alias as text and by the same as a trie: both must find the same modules, and
// whatever stands in modules.dep, a plan can be made or there is an error.
func FuzzTables(f *testing.F) {
	fuzzseed.Add(f, "alias pci:v*d1* a\nalias pci:v* b\nalias x-[0-9]? c\n", "kernel/a.ko: kernel/b.ko\nb.ko.xz:\n:\n: :\n/c.ko: c.ko a.ko", "pci:v9d12")
	fuzzseed.Add(f, "alias x-[0-9]? c\nalias * d", "c.ko: c.ko", "x-1c")
	f.Fuzz(func(t *testing.T, aliases, dep, name string) {
		if strings.ContainsAny(aliases, "\x00\r") {
			return // ends a text in the trie; ends a line in a text
		}
		if strings.ContainsAny(name, "*?[") {
			return // found twice in a trie, as a pattern that matches and as the key itself
		}
		b := index.NewBuilder()
		if aliases != "" {
			aliases += "\n" // without it the text is one that was cut
		}
		i := 0
		for e, err := range alias.Parse(strings.NewReader(aliases)) {
			if i++; err != nil {
				continue
			}
			key, err := alias.Normalize(e.Pattern)
			if err != nil {
				continue
			}
			if b.Add(key, e.Module, uint32(i)) != nil {
				return // not ASCII: not in the trie
			}
		}
		trie, err := b.Bytes()
		if err != nil {
			return
		}
		find := func(files fstest.MapFS) string {
			files["lib/modules/6.1.0/modules.dep"] = &fstest.MapFile{Data: []byte(dep)}
			p, err := modprobe.New(&modprobe.Options{FS: files, Kernel: new(modprobetest.Kernel)})
			if err != nil {
				t.Fatal(err)
			}
			plan, err := p.Plan(name, &modprobe.PlanOptions{ShowAll: true})
			if plan != nil && err != nil {
				t.Fatalf("a plan and an error: %v, %v", plan, err)
			}
			modules, err := p.Resolve(name)
			if (modules == nil) != (err != nil) {
				t.Fatalf("modules %v and error %v", modules, err)
			}
			var found []string
			for _, m := range modules {
				found = append(found, fmt.Sprintf("%+v", m))
			}
			slices.Sort(found)
			return strings.Join(found, "\n")
		}
		text := find(fstest.MapFS{"lib/modules/6.1.0/modules.alias": {Data: []byte(aliases)}})
		bin := find(fstest.MapFS{"lib/modules/6.1.0/modules.alias.bin": {Data: trie}})
		if text != bin {
			t.Fatalf("%q: text finds\n%s\nand the trie\n%s", name, text, bin)
		}
	})
}
