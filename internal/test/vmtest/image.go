//go:build linux

package vmtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// tools are the names that the guest finds gomodprobe under, in /sbin.
var tools = [...]string{"modprobe", "depmod", "modinfo", "insmod", "rmmod", "lsmod", "kmod"}

// writeImage makes the archive of a guest: modules from the tree, gomodprobe, the tests of the calling package, and
// an /init that runs them.
func writeImage(t *testing.T, name, tree, release, arch string, o *Options) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	fsys := os.DirFS(tree)
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: release})
	if err != nil {
		return err
	}
	sel, err := initramfs.Select(t.Context(), p, fsys, &initramfs.Options{Add: o.Modules})
	if err != nil {
		return err
	}
	for _, m := range sel.Missing {
		t.Errorf("image for %s: %v", release, m)
	}
	entries, err := sel.Entries()
	if err != nil {
		return err
	}
	tmp := t.TempDir()
	for _, b := range []struct {
		to, pkg, dir string
		test         bool
	}{
		{"init", "./internal/test/vmtest/guest", root, false},
		{"sbin/gomodprobe", "./cmd/gomodprobe", root, false},
		{"guest.test", ".", ".", true},
	} {
		file := filepath.Base(b.to)
		if err := build(t.Context(), arch, filepath.Join(tmp, file), b.pkg, b.dir, b.test); err != nil {
			return err
		}
		e, err := initramfs.Copy(b.to, 0o755, os.DirFS(tmp), file)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	for _, l := range tools {
		entries = append(entries, initramfs.Link("sbin/"+l, "gomodprobe"))
	}
	for path, data := range o.Files {
		entries = append(entries, initramfs.Content(path, 0o755, data))
	}
	for path, target := range o.Links {
		entries = append(entries, initramfs.Link(path, target))
	}
	base := new(initramfs.Base)
	if err := base.Read(o.Base); err != nil {
		return err
	}
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write(o.Base); err != nil {
		return err
	}
	if err := initramfs.Write(out, entries, &initramfs.WriteOptions{Compression: o.Compression,
		Base: base}); err != nil {
		return err
	}
	return out.Close()
}
