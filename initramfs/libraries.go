package initramfs

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/glob"
)

// program brings the interpreter and the libraries of a program or library.
func (f *Files) program(p packed, r io.ReaderAt) error {
	e, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("it begins like a program, and cannot be read as one: %w", err)
	}
	defer e.Close()
	if e.Type != elf.ET_EXEC && e.Type != elf.ET_DYN {
		return nil
	}
	for _, h := range e.Progs {
		if h.Type != elf.PT_INTERP {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(h.Open(), 4096))
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(string(text), "\x00")
		if err := f.bring(p.from, rel(name), nil, nil); err != nil {
			return fmt.Errorf("its loader %s: %w", name, bare(err))
		}
	}
	libs, err := e.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("its dynamic section: %w", err)
	}
	s := newSearch(p, e)
	for _, lib := range libs {
		if err := f.library(s, lib); err != nil {
			return err
		}
	}
	return f.opened(s, path.Base(p.name))
}

// library brings one library.
func (f *Files) library(s *search, lib string) error {
	if s.by.loaded[lib] {
		return nil
	}
	name, cached, err := s.find(lib)
	if err != nil {
		return err
	}
	s.by.loaded[lib] = true
	if cached {
		// ld.so itself does not look there: it reads the cache.
		if err := f.bring(s.from, "etc/ld.so.cache", nil, nil); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := f.bring(s.from, name, s.by, s.inherited); err != nil {
		return fmt.Errorf("the library %s: %w", lib, err)
	}
	return nil
}

// openedLater are libraries that others open while they run, without saying so: they are not errors if missing.
var openedLater = [...]struct{ by, library string }{
	{"libcryptsetup.so.*", "libgcc_s.so.1"},          // when a thread of Argon2 ends
	{"libcryptsetup.so.*", "ossl-modules/legacy.so"}, // for Whirlpool and RIPEMD-160
	{"libpthread.so.0", "libgcc_s.so.1"},             // pthread_exit, before glibc 2.34
}

// opened brings what a program or library opens while it runs.
func (f *Files) opened(s *search, name string) error {
	for _, o := range openedLater {
		if !glob.Match(o.by, name) {
			continue
		}
		if err := f.library(s, o.library); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// search is where a program or library looks for libraries.
type search struct {
	from      *System
	by        *process
	first     []string // DT_RPATH of it and of those that need it, or DT_RUNPATH
	inherited []string // DT_RPATH, for its libraries
	machine   elf.Machine
	class     elf.Class
}

// newSearch reads the paths of a file. DT_RUNPATH replaces DT_RPATH, and does not count for the libraries' libraries.
func newSearch(p packed, e *elf.File) *search {
	s := &search{from: p.from, by: p.by, machine: e.Machine, class: e.Class}
	if s.by == nil {
		s.by = &process{make(map[string]bool)}
	}
	list := func(tag elf.DynTag) (dirs []string) {
		texts, err := e.DynString(tag)
		if err != nil {
			return nil
		}
		for _, text := range texts {
			for dir := range strings.SplitSeq(text, ":") {
				if dir = s.expand(dir, path.Dir("/"+p.name)); dir != "" {
					dirs = append(dirs, dir)
				}
			}
		}
		return dirs
	}
	if run := list(elf.DT_RUNPATH); run != nil {
		s.first, s.inherited = run, p.path
		return s
	}
	s.inherited = slices.Concat(list(elf.DT_RPATH), p.path)
	s.first = s.inherited
	return s
}

// expand replaces $ORIGIN and $LIB.
func (s *search) expand(dir, origin string) string {
	lib := "lib"
	if s.class == elf.ELFCLASS64 {
		lib = "lib64"
	}
	return strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin, "${LIB}", lib, "$LIB", lib).Replace(dir)
}

// find returns the file of a library, and whether it is in a folder that the loader knows from its cache only.
func (s *search) find(lib string) (name string, cached bool, err error) {
	if path.IsAbs(lib) {
		if !s.fits(rel(lib)) {
			return "", false, missingLibrary(lib, nil)
		}
		return rel(lib), false, nil
	}
	own := s.own()
	conf := s.from.configured()
	for i, dirs := range [...][]string{s.first, conf, own} {
		for _, dir := range dirs {
			if name := rel(dir + "/" + lib); s.fits(name) {
				return name, i == 1 && !slices.Contains(own, path.Clean(dir)), nil
			}
		}
	}
	return "", false, missingLibrary(lib, slices.Concat(s.first, conf, own))
}

// missingLibrary says where a library was looked for.
func missingLibrary(lib string, dirs []string) error {
	text := "the library " + lib + " is not there"
	if len(dirs) > 0 {
		slices.Sort(dirs)
		text += "; looked for in " + strings.Join(slices.Compact(dirs), " ")
	}
	return notFound(text)
}

// fits reports whether the file is a library for this machine.
func (s *search) fits(name string) bool {
	f, err := s.from.fsys.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [20]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || string(head[:4]) != "\x7fELF" {
		return false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	return elf.Class(head[elf.EI_CLASS]) == s.class && elf.Machine(order.Uint16(head[18:])) == s.machine
}

// triplets returns the names that Debian has for a machine.
func triplets(m elf.Machine) []string {
	switch m {
	case elf.EM_X86_64:
		return []string{"x86_64-linux-gnu", "x86_64-linux-gnux32"}
	case elf.EM_386:
		return []string{"i386-linux-gnu"}
	case elf.EM_AARCH64:
		return []string{"aarch64-linux-gnu"}
	case elf.EM_ARM:
		return []string{"arm-linux-gnueabihf", "arm-linux-gnueabi"}
	case elf.EM_RISCV:
		return []string{"riscv64-linux-gnu"}
	case elf.EM_S390:
		return []string{"s390x-linux-gnu"}
	case elf.EM_PPC64:
		return []string{"powerpc64le-linux-gnu", "powerpc64-linux-gnu"}
	case elf.EM_MIPS:
		return []string{"mips64el-linux-gnuabi64", "mipsel-linux-gnu"}
	case elf.EM_LOONGARCH:
		return []string{"loongarch64-linux-gnu"}
	}
	return nil
}

// own are the folders that loaders know by themselves.
func (s *search) own() (dirs []string) {
	for _, t := range triplets(s.machine) {
		dirs = append(dirs, "/lib/"+t, "/usr/lib/"+t)
	}
	if s.class == elf.ELFCLASS64 {
		dirs = append(dirs, "/lib64", "/usr/lib64")
	}
	return append(dirs, "/lib", "/usr/lib")
}

// configured are the folders of ld.so.conf, with the files that it includes, and of musl's list.
func (s *System) configured() []string {
	if s.libDirs != nil {
		return s.libDirs
	}
	s.libDirs = []string{}
	s.readConf("etc/ld.so.conf", 0)
	lists, _ := fs.Glob(s.fsys, "etc/ld-musl-*.path") // the pattern is right
	for _, name := range lists {
		data, _ := fs.ReadFile(s.fsys, name)
		for _, dir := range bytes.FieldsFunc(data, func(r rune) bool { return r == ':' || r == '\n' }) {
			s.libDirs = append(s.libDirs, string(dir))
		}
	}
	return s.libDirs
}

// mostIncludes bounds files that include each other.
const mostIncludes = 8

// readConf reads a file in the form of ld.so.conf(5).
func (s *System) readConf(name string, depth int) {
	data, err := fs.ReadFile(s.fsys, name)
	if err != nil || depth > mostIncludes {
		return // without it there are the loader's own folders
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n,:", r) })
		if len(words) == 0 || words[0] == "hwcap" {
			continue
		}
		if words[0] != "include" {
			for _, dir := range words {
				s.libDirs = append(s.libDirs, strings.SplitN(dir, "=", 2)[0])
			}
			continue
		}
		for _, pattern := range words[1:] {
			if !path.IsAbs(pattern) {
				pattern = path.Join("/", path.Dir(name), pattern)
			}
			files, _ := fs.Glob(s.fsys, rel(pattern)) // a pattern that is wrong matches nothing
			for _, f := range files {
				s.readConf(f, depth+1)
			}
		}
	}
}
