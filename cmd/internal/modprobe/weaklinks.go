//go:build !kmod_boot

package modprobe

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// weakFolder is the folder weak-updates of a kernel.
type weakFolder struct {
	p     *modprobe.Prober
	fsys  fs.FS
	dir   string // as an absolute path in fsys
	tree  string // the real name of the kernel's tree in fsys
	onDir string // where it is on this machine
	links []weakLink
}

// weakLink is a link in it.
type weakLink struct {
	module string
	path   string // of the link
	target string // an absolute path
	sound  bool   // it leads to a file
	host   string // where it is on this machine
}

// openWeak reads the links that a kernel has. host is where the root of fsys is on this machine.
func openWeak(fsys fs.FS, host string, p *modprobe.Prober) (*weakFolder, error) {
	f := &weakFolder{p: p, fsys: fsys, dir: p.Dir() + "/weak-updates"}
	name, err := cli.FSName(fsys, p.Dir())
	if err == nil {
		f.tree, err = sysroot.Resolve(fsys, name)
	}
	if err == nil {
		_, err = fs.Stat(fsys, f.tree)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p.Dir(), Err: cli.Bare(err)}
	}
	real, err := sysroot.Resolve(fsys, f.tree+"/weak-updates")
	if err != nil {
		return nil, err
	}
	f.onDir = filepath.Join(host, real)
	return f, f.read(real, f.dir)
}

// read reads a folder of links and those below it. Files that are no links are modules that lie there: they are not
// ours to judge.
func (f *weakFolder) read(name, shown string) error {
	entries, err := fs.ReadDir(f.fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		below, path := name+"/"+e.Name(), shown+"/"+e.Name()
		switch {
		case e.IsDir():
			if err := f.read(below, path); err != nil {
				return err
			}
		case e.Type()&fs.ModeSymlink != 0 && moduledir.IsModule(e.Name()):
			f.links = append(f.links, f.newLink(below, path))
		}
	}
	return nil
}

// newLink reads one link.
func (f *weakFolder) newLink(name, shown string) weakLink {
	host := filepath.Join(f.onDir, strings.TrimPrefix(shown, f.dir))
	l := weakLink{module: alias.FromPath(shown), path: shown, host: host}
	to, err := fs.ReadLink(f.fsys, name)
	if err != nil {
		return l
	}
	if !path.IsAbs(to) {
		to = "/" + path.Join(path.Dir(name), to)
	}
	l.target = path.Clean(to)
	info, err := fs.Stat(f.fsys, name)
	l.sound = err == nil && info.Mode().IsRegular()
	return l
}

// real is the name in fsys that a path leads to.
func (f *weakFolder) real(abs string) string {
	name, err := cli.FSName(f.fsys, abs)
	if err != nil {
		return ""
	}
	if name, err = sysroot.Resolve(f.fsys, name); err != nil {
		return ""
	}
	return name
}

// holds tells whether a file is in the kernel's own tree.
func (f *weakFolder) holds(file string) bool { return strings.HasPrefix(f.real(file), f.tree+"/") }

// in tells whether a path that the tables have is in the folder.
func (f *weakFolder) in(path string) bool { return strings.HasPrefix(path, f.dir+"/") }

// outdated tells whether the tables have other links than there are. One that another module of the name is preferred
// to does not count.
func (f *weakFolder) outdated() bool {
	var listed []string
	for file := range f.p.Files() {
		if f.in(file) {
			listed = append(listed, file)
		}
	}
	for _, l := range f.links {
		if _, ok := f.p.Module(l.module); l.sound && !ok {
			return true
		}
	}
	return slices.ContainsFunc(listed, func(file string) bool {
		return !slices.ContainsFunc(f.links, func(l weakLink) bool { return l.path == file })
	})
}

// link makes a link, or puts it in the place of those that the module has. It reports whether there was something to
// do. A link is made beside its name and renamed: at any time there is the old one, or the new one.
func (f *weakFolder) link(l weakLink, dry bool) (bool, error) {
	var old []weakLink
	for _, o := range f.links {
		switch {
		case o.module != l.module:
		case f.real(o.target) == f.real(l.target) && o.sound:
			return false, nil
		default:
			old = append(old, o)
		}
	}
	if dry {
		return true, nil
	}
	to := "/" + f.real(l.target)
	if parent := "/" + path.Dir(f.tree); strings.HasPrefix(to, parent+"/") {
		// Beside this tree: the link is right wherever the root is mounted.
		rel, err := filepath.Rel("/"+f.tree+"/weak-updates", to)
		if err != nil {
			return false, err
		}
		to = rel
	}
	if err := os.MkdirAll(f.onDir, 0o755); err != nil {
		return false, err
	}
	f.sweep()
	at := filepath.Join(f.onDir, path.Base(l.path))
	temp := filepath.Join(f.onDir, leftover+path.Base(l.path)+"~")
	if err := os.Symlink(to, temp); err != nil {
		return false, err
	}
	if err := os.Rename(temp, at); err != nil {
		os.Remove(temp)
		return false, err
	}
	for _, o := range old {
		if o.host != at {
			if err := os.Remove(o.host); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// leftover begins the name of a link that is being made. depmod does not look at it: it ends in no suffix of modules.
const leftover = ".new-"

// sweep removes what a run that was killed has left.
func (f *weakFolder) sweep() {
	list, _ := filepath.Glob(filepath.Join(f.onDir, leftover+"*"))
	for _, name := range list {
		os.Remove(name)
	}
}

// unlink removes a link, and the folder if it was the last one in it.
func (f *weakFolder) unlink(l weakLink, dry bool) error {
	if dry {
		return nil
	}
	if err := os.Remove(l.host); err != nil {
		return err
	}
	os.Remove(filepath.Dir(l.host)) // fails if there is something else in it
	return nil
}
