//go:build !kmod_boot

package modprobe

import (
	"io/fs"
	"path"
	"runtime/debug"
	"slices"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/check/matrix"
)

// absolute makes names absolute paths without dots; it reports false after an error message.
func (r *modprobeRun) absolute(names []string) ([]string, bool) {
	list := make([]string, len(names))
	for i, name := range names {
		abs, err := cli.Absolute(r.Env, name)
		if err != nil {
			r.Errorf("%s: %s", name, cli.Strerror(err))
			return nil, false
		}
		list[i] = path.Clean(abs)
	}
	return list, true
}

// manyKernels tells whether the modules are checked against several kernels, and reported as a matrix.
func (r *modprobeRun) manyKernels() bool {
	list := slices.Concat(r.images, r.symvers)
	if r.format != "" || len(list) > 1 {
		return true
	}
	return slices.ContainsFunc(list, func(name string) bool {
		_, file := r.file(name)
		return !file
	}) && slices.ContainsFunc(list, matrix.HasPattern) || slices.ContainsFunc(r.images, r.folder)
}

// folder tells whether a name is that of a folder.
func (r *modprobeRun) folder(name string) bool {
	abs, err := cli.Absolute(r.Env, name)
	if err == nil {
		abs, err = cli.FSName(r.from.FS, abs)
	}
	if err != nil {
		return false
	}
	info, err := fs.Stat(r.from.FS, abs)
	return err == nil && info.IsDir()
}

// matrix judges modules against many kernels.
func (c *checkRun) matrix(names []string) int {
	kernels, err := c.columns()
	if err != nil {
		return c.checkFailed(err)
	}
	// Images are read side by side, each in some 80 MB: the garbage between them is not let grow.
	const memory = 200 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memory))
	report := matrix.Run(&matrix.Options{From: c.from, Check: c.o, Message: c.checkError}, kernels, names)
	write := report.WriteTable
	if c.json {
		c.format = "json"
	}
	switch c.format {
	case "junit":
		write = report.WriteJUnit
	case "html":
		write = report.WriteHTML
	case "json":
		c.out.JSON(report)
		write = nil
	}
	if write != nil {
		if err := write(c.out); err != nil {
			c.Errorf("could not write: %s", cli.Strerror(err))
			return checkFails
		}
	}
	switch report.Outcome() {
	case check.Loads:
		return checkLoads
	case check.Fails:
		return checkFails
	}
	return checkUnknown
}

// columns returns the kernels that the command line names.
func (c *checkRun) columns() ([]matrix.Kernel, error) {
	images, ok1 := c.absolute(c.images)
	symvers, ok2 := c.absolute(c.symvers)
	if !ok1 || !ok2 {
		return nil, errReported
	}
	switch {
	case c.all:
		return matrix.Installed(c.from.FS, c.from.Dir)
	case len(symvers) > 0:
		return matrix.Symvers(c.from.FS, symvers)
	case len(images) > 0:
		return matrix.Images(c.from.FS, images)
	}
	return []matrix.Kernel{matrix.Single(c.p.Release())}, nil
}
