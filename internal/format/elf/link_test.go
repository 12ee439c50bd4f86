package elf_test

import (
	"bytes"
	stdelf "debug/elf"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// linkLog writes down what a Linker is told.
type linkLog struct{ exports, undefined, versions []string }

func (l *linkLog) Export(name []byte, crc uint64) {
	l.exports = append(l.exports, fmt.Sprintf("%s %#x", name, crc))
}

func (l *linkLog) Undefined(name []byte, weak bool) {
	l.undefined = append(l.undefined, fmt.Sprintf("%s %t", name, weak))
}

func (l *linkLog) Version(name []byte, crc uint64) {
	l.versions = append(l.versions, fmt.Sprintf("%s %#x", name, crc))
}

// listed is what Exports, Imports and Versions make of the same module.
func listed(f *elf.File) (l linkLog, err error) {
	exports, err := f.Exports()
	if err != nil && !errors.Is(err, elf.ErrNoSection) {
		return l, err
	}
	for _, e := range exports {
		l.Export([]byte(e.Name), e.CRC)
	}
	imports, err := f.Imports()
	if err != nil {
		return l, err
	}
	for _, im := range imports {
		if !im.Listed {
			l.Undefined([]byte(im.Name), im.Weak)
		}
	}
	versions, err := f.Versions()
	if err != nil && !errors.Is(err, elf.ErrNoSection) {
		return l, err
	}
	for _, v := range versions {
		l.Version([]byte(v.Name), v.CRC)
	}
	return l, nil
}

func linkModules() map[string]kmodtest.Module {
	m := kmodtest.Module{
		Name:    "m",
		Exports: []kmodtest.Export{{Name: "one", CRC: 1}, {Name: "two", CRC: 2, GPL: true, Namespace: "NS"}},
		Imports: []kmodtest.Import{{Name: "printk", CRC: 3}, {Name: "weak", Weak: true, NoVersion: true}, {Name: "module_layout", CRC: 4, VersionOnly: true}},
	}
	all := map[string]kmodtest.Module{"x86-64": m, "plain": {Name: "m"}}
	none := m
	none.CRCs = kmodtest.CRCNone
	all["no checksums"] = none
	big := m
	big.Big, big.Machine = true, stdelf.EM_S390
	all["s390x"] = big
	small := m
	small.Class, small.CRCs = 32, kmodtest.CRCAbsolute
	all["386"] = small
	return all
}

func TestLink(t *testing.T) {
	var arena elf.Arena
	for name, m := range linkModules() {
		image := m.Bytes()
		parsed, err := elf.Parse(image)
		if err != nil {
			t.Fatal(err)
		}
		want, err := listed(parsed)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := arena.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatal(err)
		}
		for from, f := range map[string]*elf.File{"memory": parsed, "file": opened} {
			var got linkLog
			if err := f.Link(&got); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !slices.Equal(got.exports, want.exports) || !slices.Equal(got.undefined, want.undefined) || !slices.Equal(got.versions, want.versions) {
				t.Errorf("%s from %s: Link tells %v; want %v", name, from, got, want)
			}
		}
	}
}

// FuzzLink reads broken modules: Link fails or tells the same as the methods that make lists, from memory and from a
// file.
func FuzzLink(f *testing.F) {
	for _, m := range linkModules() {
		fuzzseed.Add(f, m.Bytes())
	}
	f.Fuzz(func(t *testing.T, image []byte) {
		parsed, err := elf.Parse(image)
		if err != nil {
			return
		}
		var got, again linkLog
		linkErr := parsed.Link(&got)
		want, err := listed(parsed)
		if linkErr == nil && err == nil && (!slices.Equal(got.exports, want.exports) || !slices.Equal(got.undefined, want.undefined)) {
			t.Errorf("Link tells %v; want %v", got, want)
		}
		var arena elf.Arena
		opened, err := arena.Open(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		if err := opened.Link(&again); (err == nil) != (linkErr == nil) || err == nil && !slices.Equal(got.undefined, again.undefined) {
			t.Errorf("from a file %v, %v; from memory %v, %v", again, err, got, linkErr)
		}
	})
}
