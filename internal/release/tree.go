package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A tree is the files of a product: path without a leading slash → entry. Folders come by themselves.
type tree map[string]entry

// An entry is a file, a link or an empty folder of a tree.
type entry struct {
	mode int64
	data []byte
	link string // target, for a symbolic link
	dir  bool
}

// add puts a file of this computer into the tree.
func (f tree) add(name, from string, mode int64) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f[name] = entry{mode: mode, data: data}
	return nil
}

// addAll puts the files that match a pattern into a folder of the tree.
func (f tree) addAll(dir, pattern string) error {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no %s", pattern)
	}
	for _, name := range names {
		if err := f.add(path.Join(dir, filepath.Base(name)), name, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// addHooks puts the hooks for boot images into a folder of the tree.
func addHooks(f tree, r *release, dir string) error {
	from := os.DirFS(filepath.Join(r.root, "initramfs/hooks"))
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(from, name)
		mode := int64(0o644)
		if bytes.HasPrefix(data, []byte("#!")) {
			mode = 0o755
		}
		f[path.Join(dir, name)] = entry{mode: mode, data: data}
		return err
	})
}

// names returns all paths in order, folders included and before what is in them.
func (f tree) names() []string {
	set := map[string]bool{}
	for name := range f {
		for ; name != "."; name = path.Dir(name) {
			set[name] = true
		}
	}
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// tar writes the tree as an archive in which everything belongs to root and has the same time.
func (f tree) tar(w io.Writer, when time.Time) error {
	tw := tar.NewWriter(w)
	for _, name := range f.names() {
		e, ok := f[name]
		h := &tar.Header{Name: name, ModTime: when, Mode: e.mode, Format: tar.FormatUSTAR}
		switch {
		case !ok || e.dir:
			h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		case e.link != "":
			h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.link, 0o777
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.data))
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(e.data); err != nil {
			return err
		}
	}
	return tw.Close()
}

// unpack writes the tree below a folder of this computer.
func (f tree) unpack(dir string, when time.Time) error {
	for _, name := range f.names() {
		to := filepath.Join(dir, filepath.FromSlash(name))
		e, ok := f[name]
		var err error
		switch {
		case !ok || e.dir:
			err = os.MkdirAll(to, 0o755)
		case e.link != "":
			err = os.Symlink(e.link, to)
		default:
			if err = os.WriteFile(to, e.data, os.FileMode(e.mode)); err == nil {
				err = os.Chtimes(to, when, when)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compress is gzip without a time or a name in it.
func compress(data []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(data) // a bytes.Buffer takes everything
	w.Close()
	return b.Bytes()
}

// goNames are the tools under the names that they have beside kmod.
func goNames() []string {
	return strings.Fields("gomodprobe godepmod gomodinfo goinsmod gormmod golsmod gokmod goinitramfs")
}
