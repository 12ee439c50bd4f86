package initramfs

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// usable returns a Prober and files with usable tables: those given, or where these are missing, damaged, or those of
// other modules, with tables in memory that depmod would make. fault is what is wrong with those that are there.
func usable(ctx context.Context, p *modprobe.Prober, fsys fs.FS) (*modprobe.Prober, fs.FS, error, error) {
	name := strings.Trim(path.Clean(p.Dir()), "/")
	dir := moduledir.Dir{Path: p.Dir(), Name: name, Exists: true}
	config, _, _ := moduledir.ReadConfig(fsys, moduledir.ConfigDirs(), p.Release()) // depmod says what is wrong there
	fault := moduledir.Judge(fsys, dir, config)
	if fault == nil || len(moduledir.Files(fsys, dir, config, func(string) {})) == 0 {
		return p, fsys, nil, nil
	}
	tables, err := depmod.Build(ctx, &depmod.Options{FS: fsys, Release: p.Release(), Dir: "/" + name, KeepGoing: true})
	if err != nil {
		return nil, nil, nil, &fs.PathError{Op: "make tables of", Path: "/" + name, Err: err}
	}
	made := madeTables{FS: fsys, files: make(map[string][]byte)}
	_, err = fs.Stat(fsys, name+"/modules.builtin")
	noBuiltin := err != nil
	for _, table := range tables.Names() {
		if noBuiltin && strings.HasPrefix(table, "modules.builtin") {
			continue // it would say that nothing is builtin
		}
		if made.files[name+"/"+table], err = tables.ReadFile(table); err != nil {
			return nil, nil, nil, err
		}
	}
	o := p.Options()
	o.FS, o.Release = made, p.Release()
	p, err = modprobe.New(&o)
	return p, made, &fs.PathError{Op: "use", Path: "/" + name + "/" + fault.File, Err: fault.Err}, err
}

// findGone adds to Missing what selected modules say that they depend on and what is not there. Tables that depmod
// makes do not list it.
func (s *Selection) findGone(ctx context.Context, p *modprobe.Prober) error {
	for _, m := range s.Modules {
		if err := ctx.Err(); err != nil {
			return err
		}
		if m.Builtin {
			continue
		}
		var needs string
		err := s.moduleInfo(m.Path, func(f *elf.File) error {
			info, err := f.Modinfo()
			for _, text := range info {
				if list, ok := strings.CutPrefix(text, "depends="); ok {
					needs = strings.Clone(list)
				}
			}
			return err
		})
		if err != nil {
			continue // depmod and the kernel say what is wrong with it
		}
		for need := range strings.SplitSeq(needs, ",") {
			if need = alias.ModName(need); need == "" {
				continue
			}
			if _, ok := p.Module(need); !ok {
				s.Missing = append(s.Missing, Missing{need, Reason{Kind: Dependency, By: m.Name},
					fmt.Errorf("%w: %s, which was %s, lists it in depends=", errGone, m.Path, m.Reasons[0].said())})
			}
		}
	}
	sortMissing(s.Missing)
	return nil
}

// errGone is a module that another one depends on.
const errGone = notFound("no file of that module is there")

// said is the reason in words that follow "was".
func (r Reason) said() string {
	if r.Kind == Added || r.Kind == Device {
		return r.String()
	}
	return "selected as " + r.String()
}

// madeTables is a file system with some files, which are in memory, in place of its own.
type madeTables struct {
	fs.FS
	files map[string][]byte
}

// Open opens a file.
func (m madeTables) Open(name string) (fs.File, error) {
	if data, ok := m.files[name]; ok {
		return &madeFile{madeInfo{path.Base(name), len(data)}, bytes.NewReader(data)}, nil
	}
	return m.FS.Open(name)
}

// Stat describes a file.
func (m madeTables) Stat(name string) (fs.FileInfo, error) {
	if data, ok := m.files[name]; ok {
		return madeInfo{path.Base(name), len(data)}, nil
	}
	return fs.Stat(m.FS, name)
}

// ReadDir lists a folder as it is.
func (m madeTables) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(m.FS, name) }

// Lstat describes a file or link.
func (m madeTables) Lstat(name string) (fs.FileInfo, error) {
	if _, ok := m.files[name]; ok {
		return m.Stat(name)
	}
	return fs.Lstat(m.FS, name)
}

// ReadLink returns the target of a link.
func (m madeTables) ReadLink(name string) (string, error) { return fs.ReadLink(m.FS, name) }

// madeFile is an open file in memory.
type madeFile struct {
	madeInfo
	*bytes.Reader
}

// Stat describes the file.
func (f *madeFile) Stat() (fs.FileInfo, error) { return f.madeInfo, nil }

// Size returns the number of bytes.
func (f *madeFile) Size() int64 { return f.madeInfo.Size() }

// Close does nothing.
func (f *madeFile) Close() error { return nil }

// madeInfo describes a file in memory.
type madeInfo struct {
	name string
	size int
}

func (i madeInfo) Name() string       { return i.name }
func (i madeInfo) Size() int64        { return int64(i.size) }
func (i madeInfo) Mode() fs.FileMode  { return 0o644 }
func (i madeInfo) ModTime() time.Time { return time.Time{} }
func (i madeInfo) IsDir() bool        { return false }
func (i madeInfo) Sys() any           { return nil }
