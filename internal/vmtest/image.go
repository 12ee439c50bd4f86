//go:build linux

package vmtest

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/cpio"
)

// writeImage makes the archive of a guest.
func writeImage(t *testing.T, name, tree, release string, o *Options) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	tmp := t.TempDir()
	const self = "github.com/gomodprobe/gomodprobe/"
	files := map[string]string{}
	for _, b := range []struct {
		to, pkg, dir string
		test         bool
	}{
		{"init", self + "internal/vmtest/guest", root, false},
		{"guest.test", ".", ".", true},
	} {
		to := filepath.Join(tmp, b.to)
		if err := Build(t.Context(), to, b.pkg, b.dir, b.test); err != nil {
			return err
		}
		files[b.to] = to
	}
	modules := "lib/modules/" + release
	deps, err := os.ReadFile(filepath.Join(tree, modules, "modules.dep"))
	if err != nil {
		return err
	}
	for _, want := range o.Modules {
		for line := range strings.Lines(string(deps)) {
			file, list, _ := strings.Cut(line, ":")
			base, _, _ := strings.Cut(path.Base(file), ".")
			if strings.ReplaceAll(base, "-", "_") != want {
				continue
			}
			for _, f := range append(strings.Fields(list), file) {
				files[modules+"/"+f] = filepath.Join(tree, modules, f)
			}
		}
	}
	var out bytes.Buffer
	w := cpio.NewWriter(&out)
	done := map[string]bool{".": true}
	var mkdir func(string) error
	mkdir = func(dir string) error {
		if done[dir] {
			return nil
		}
		if err := mkdir(path.Dir(dir)); err != nil {
			return err
		}
		done[dir] = true
		return w.WriteHeader(&cpio.Header{Name: dir, Mode: cpio.TypeDir | 0o755})
	}
	var names []string
	for n := range files {
		names = append(names, n)
	}
	for n := range o.Files {
		if _, ok := files[n]; !ok {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	for _, n := range names {
		if err := mkdir(path.Dir(n)); err != nil {
			return err
		}
		data, given := o.Files[n]
		if !given {
			if data, err = os.ReadFile(files[n]); err != nil {
				return err
			}
		}
		if err := w.WriteHeader(&cpio.Header{Name: n, Mode: cpio.TypeRegular | 0o755, Size: int64(len(data))}); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}
