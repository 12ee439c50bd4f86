package depmod

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/moduledir"
)

// sortModules puts the modules into the order of the tables: those that modules.order names first, in its order, then
// the others in the order of kmod's hash table. The file has the names of the kernel's build, without compression.
func (b *builder) sortModules() {
	for _, m := range b.modules {
		m.bucket = hash(m.name) % moduleBuckets
	}
	slices.SortFunc(b.modules, func(x, y *module) int {
		return cmp.Or(cmp.Compare(x.bucket, y.bucket), strings.Compare(x.name, y.name))
	})
	for i, m := range b.modules {
		m.index = i
	}
	data, missing := b.open("modules.order")
	if missing.Err != nil {
		b.report(missing)
		return
	}
	if n := bytes.Count(data, []byte{'\n'}); len(data) > 0 && data[len(data)-1] != '\n' {
		b.report(Problem{Kind: OrderLine, Path: join(b.Shown, "modules.order"), Line: n + 1})
		return
	}
	byPath := make(map[string]*module, len(b.modules))
	for _, m := range b.modules {
		// As in kmod, a name with a dot before ".ko" is never found in modules.order.
		if stem := moduledir.Uncompressed(m.path); len(stem) == len(m.stem())+len(".ko") {
			byPath[stem] = m
		}
	}
	ordered := make([]*module, 0, len(b.modules))
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		data = rest
		if m := byPath[string(line)]; m != nil && m.index >= 0 {
			m.index = -1
			ordered = append(ordered, m)
		}
	}
	for _, m := range b.modules {
		if m.index >= 0 {
			ordered = append(ordered, m)
		}
	}
	for i, m := range ordered {
		m.index = i
	}
	b.modules = ordered
}
