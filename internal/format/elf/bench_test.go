package elf_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// BenchmarkArena reads what depmod wants of all modules of a kernel, from their files, with an Arena and without.
func BenchmarkArena(b *testing.B) {
	root, release := kmodtest.Corpus(b, "6.1")
	var files []string
	filepath.WalkDir(filepath.Join(root, "lib/modules", release, "kernel"), func(name string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".ko") {
			files = append(files, name)
		}
		return err
	})
	var arena elf.Arena
	for _, open := range []struct {
		name string
		file func(f *os.File, size int64) (*elf.File, error)
	}{
		{"with", func(f *os.File, size int64) (*elf.File, error) { return arena.Open(f, size) }},
		{"without", func(f *os.File, size int64) (*elf.File, error) { return elf.Open(f, size) }},
	} {
		b.Run(open.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, name := range files {
					link(b, name, open.file)
				}
			}
		})
	}
}

func link(b *testing.B, name string, open func(*os.File, int64) (*elf.File, error)) {
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	elf, err := open(f, info.Size())
	if err == nil {
		err = elf.Link(discard{})
	}
	if err != nil {
		b.Fatal(err)
	}
}

// discard is a Linker that keeps nothing.
type discard struct{}

func (discard) Export([]byte, uint64)  {}
func (discard) Undefined([]byte, bool) {}
func (discard) Version([]byte, uint64) {}
