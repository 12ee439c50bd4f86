// Package matrix judges many modules against many kernels, and reports all of it at once.
package matrix

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// A Kernel is a column of the matrix.
type Kernel struct {
	// Label names the kernel among the others: its release, or its file if another has the same release.
	Label string `json:"kernel"`
	// Release is what uname -r prints; empty if it is not known.
	Release string `json:"release,omitempty"`
	// Image is its boot image.
	Image string `json:"image,omitempty"`
	// Symvers is the Module.symvers that stands for it.
	Symvers string `json:"symvers,omitempty"`
	// Source says where its exports were read from.
	Source string `json:"source,omitempty"`
	// Error says why it could not be read.
	Error string `json:"error,omitempty"`

	dir  string // where lib/modules is, if it was named as a tree
	info fs.FileInfo
}

// HasPattern tells whether a name has characters of a pattern.
func HasPattern(name string) bool { return strings.ContainsAny(name, "*?[") }

// Images returns the kernels that names and patterns stand for, absolute paths: boot images, or folders with
// lib/modules. A file that several of them mean is there once.
func Images(fsys fs.FS, names []string) ([]Kernel, error) {
	return expand(fsys, names, func(k *Kernel, file string) error {
		if !k.info.IsDir() {
			k.Image = file
			return nil
		}
		return errIsDir
	})
}

// errIsDir tells that a folder was named.
var errIsDir = errors.New("a folder")

// Symvers returns the kernels that files of the format of Module.symvers stand for, as Images. The release comes from
// include/config/kernel.release beside the file, or from its path.
func Symvers(fsys fs.FS, names []string) ([]Kernel, error) {
	return expand(fsys, names, func(k *Kernel, file string) error {
		if k.info.IsDir() {
			return fmt.Errorf("%s is a folder", file)
		}
		k.Symvers = file
		if k.Release = symversRelease(fsys, file); k.Release == "" {
			k.Error = "of which kernel it is cannot be told: name the file symvers-RELEASE, or put it into a " +
				"folder named by the release"
		}
		return nil
	})
}

// Installed returns the kernels that have a tree below dir.
func Installed(fsys fs.FS, dir string) ([]Kernel, error) {
	releases, err := modprobe.Releases(fsys, dir)
	if err != nil {
		return nil, err
	}
	list := make([]Kernel, len(releases))
	for i, r := range releases {
		list[i] = Kernel{Release: r, dir: dir}
	}
	label(list)
	return list, nil
}

// Single returns the kernel of a release, as the options for it find it.
func Single(release string) Kernel { return Kernel{Release: release, Label: release} }

// expand makes kernels of names and patterns.
func expand(fsys fs.FS, names []string, fill func(k *Kernel, file string) error) (list []Kernel, err error) {
	for _, name := range names {
		files, err := matches(fsys, name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			k := Kernel{}
			at, err := sysroot.Name(fsys, file)
			if err == nil {
				k.info, err = fs.Stat(fsys, at)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, cause(err))
			}
			twice := func(o Kernel) bool { return o.info != nil && os.SameFile(o.info, k.info) }
			if slices.ContainsFunc(list, twice) {
				continue
			}
			switch err := fill(&k, file); {
			case err == errIsDir:
				trees, err := treesIn(fsys, file)
				if err != nil {
					return nil, err
				}
				list = append(list, trees...)
			case err != nil:
				return nil, err
			default:
				list = append(list, k)
			}
		}
	}
	return list, nil
}

// cause takes the name off an error that has one.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// matches returns the files that a name or a pattern means, sorted. A file of just that name counts first.
func matches(fsys fs.FS, name string) ([]string, error) {
	if !HasPattern(name) {
		return []string{name}, nil
	}
	if at, err := sysroot.Name(fsys, name); err == nil {
		if _, err := fs.Stat(fsys, at); err == nil {
			return []string{name}, nil
		}
	}
	found, err := fs.Glob(fsys, strings.TrimPrefix(path.Clean(name), "/"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no file matches", name)
	}
	for i := range found {
		found[i] = "/" + found[i]
	}
	return found, nil
}

// treesIn returns the kernels of a folder that is the root of a system, or the module tree of one kernel.
func treesIn(fsys fs.FS, dir string) ([]Kernel, error) {
	parent := path.Dir(dir)
	if base, ok := strings.CutSuffix(parent, "/lib/modules"); ok {
		return []Kernel{{Release: path.Base(dir), dir: strings.TrimSuffix(base, "/usr")}}, nil
	}
	list, err := Installed(fsys, strings.TrimSuffix(dir, "/"))
	if err != nil {
		return nil, fmt.Errorf("%s is a folder without module trees (lib/modules/RELEASE)", dir)
	}
	return list, nil
}

// releasePath is how the path of a Module.symvers tells its release.
const releasePath = `(?:^|/)(?:linux-headers-|kernel-devel-|symvers-)?([0-9]+\.[0-9][^/]*?)(?:/(?:build|source))?` +
	`(?:/Module\.symvers)?(?:\.gz|\.xz|\.zst)?$`

// symversRelease returns the release that a Module.symvers is of, "" if nothing tells.
func symversRelease(fsys fs.FS, file string) string {
	if at, err := sysroot.Name(fsys, path.Dir(file)+"/include/config/kernel.release"); err == nil {
		if data, err := fs.ReadFile(fsys, at); err == nil && len(data) < 200 {
			if release := strings.TrimSpace(string(data)); release != "" && !strings.ContainsAny(release, "/\n") {
				return release
			}
		}
	}
	if m := regexp.MustCompile(releasePath).FindStringSubmatch(file); m != nil {
		return m[1]
	}
	return ""
}

// label gives each kernel a label of its own.
func label(list []Kernel) {
	count := map[string]int{}
	for _, k := range list {
		count[k.Release]++
	}
	for i := range list {
		k := &list[i]
		switch file := k.Image + k.Symvers; {
		case k.Release != "" && count[k.Release] == 1:
			k.Label = k.Release
		case file != "":
			k.Label = file
		default:
			k.Label = k.dir + "/lib/modules/" + k.Release
		}
	}
}
