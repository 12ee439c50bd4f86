package kmodtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// This file is the kernel of a sandbox: what /sys/module and /proc/modules show after each call.

// answer decides a call and keeps the sandbox's state true.
func (s *Sandbox) answer(c Call, image []byte) syscall.Errno {
	errno, ok := syscall.Errno(0), false
	if s.Answer != nil {
		errno, ok = s.Answer(c)
	}
	if !ok {
		errno = s.usual(c)
	}
	if errno != 0 {
		return errno
	}
	var err error
	if c.Name == "delete_module" {
		err = s.remove(c.Module)
	} else {
		err = s.insert(c.ModuleName(), image)
	}
	if err == nil {
		err = s.writeProcModules()
	}
	if err != nil {
		return syscall.EIO
	}
	return 0
}

// usual is the answer of a kernel with which all is well.
func (s *Sandbox) usual(c Call) syscall.Errno {
	dir := filepath.Join(s.Root, "sys/module", c.ModuleName())
	if c.Name != "delete_module" {
		if exists(filepath.Join(dir, "initstate")) {
			return syscall.EEXIST
		}
		return 0
	}
	if !exists(filepath.Join(dir, "initstate")) {
		return syscall.ENOENT
	}
	if ref, err := os.ReadFile(filepath.Join(dir, "refcnt")); err == nil && strings.TrimSpace(string(ref)) != "0" {
		return syscall.EAGAIN
	}
	return 0
}

// insert adds a module. It holds those named in depends=, if the image is given and not compressed.
func (s *Sandbox) insert(name string, image []byte) error {
	dir := filepath.Join(s.Root, "sys/module", name)
	if err := os.MkdirAll(filepath.Join(dir, "holders"), 0o755); err != nil {
		return err
	}
	for file, text := range map[string]string{"initstate": "live\n", "refcnt": "0\n", "coresize": "16384\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, dep := range strings.Split(modinfoValue(image, "depends"), ",") {
		dep = strings.ReplaceAll(dep, "-", "_")
		if dep == "" || !exists(filepath.Join(s.Root, "sys/module", dep, "holders")) {
			continue
		}
		holder := filepath.Join(s.Root, "sys/module", dep, "holders", name)
		if err := os.Symlink("../../"+name, holder); err != nil {
			return err
		}
		if err := s.count(dep); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a module away, and with it its hold on others.
func (s *Sandbox) remove(name string) error {
	if err := os.RemoveAll(filepath.Join(s.Root, "sys/module", name)); err != nil {
		return err
	}
	holders, err := filepath.Glob(filepath.Join(s.Root, "sys/module/*/holders", name))
	if err != nil {
		return err
	}
	for _, holder := range holders {
		if err := os.Remove(holder); err != nil {
			return err
		}
		if err := s.count(filepath.Base(filepath.Dir(filepath.Dir(holder)))); err != nil {
			return err
		}
	}
	return nil
}

// count sets a module's refcnt to the number of its holders.
func (s *Sandbox) count(name string) error {
	dir := filepath.Join(s.Root, "sys/module", name)
	holders, err := os.ReadDir(filepath.Join(dir, "holders"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "refcnt"), fmt.Appendln(nil, len(holders)), 0o644)
}

// writeProcModules makes /proc/modules from /sys/module.
func (s *Sandbox) writeProcModules() error {
	entries, err := os.ReadDir(filepath.Join(s.Root, "sys/module"))
	if err != nil {
		return err
	}
	var text []byte
	for _, e := range slices.Backward(entries) {
		dir := filepath.Join(s.Root, "sys/module", e.Name())
		if !exists(filepath.Join(dir, "initstate")) {
			continue
		}
		holders, _ := os.ReadDir(filepath.Join(dir, "holders"))
		users := ""
		for _, h := range holders {
			users += h.Name() + ","
		}
		ref, _ := os.ReadFile(filepath.Join(dir, "refcnt"))
		text = fmt.Appendf(text, "%s 16384 %s %s Live 0x0000000000000000\n", e.Name(),
			strings.TrimSpace(string(ref)), or(users, "-"))
	}
	return os.WriteFile(filepath.Join(s.Root, "proc/modules"), text, 0o644)
}

// modinfoValue returns the value of the first key= in a module's image.
func modinfoValue(image []byte, key string) string {
	_, rest, ok := bytes.Cut(image, []byte("\x00"+key+"="))
	if !ok {
		return ""
	}
	value, _, _ := bytes.Cut(rest, []byte{0})
	return string(value)
}
