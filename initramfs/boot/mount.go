package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Flags of mount(2).
const (
	readOnly    = 1
	noSuid      = 2
	noDev       = 4
	noExec      = 8
	synchronous = 16
	dirSync     = 128
	noAtime     = 1 << 10
	noDirAtime  = 1 << 11
	relAtime    = 1 << 21
	strictAtime = 1 << 24
	lazyTime    = 1 << 25
)

// mountFlags are the options that the kernel takes as bits.
var mountFlags = [...]struct {
	name string
	bit  uint
}{
	{"nosuid", noSuid}, {"nodev", noDev}, {"noexec", noExec}, {"sync", synchronous}, {"dirsync", dirSync},
	{"noatime", noAtime},
	{"nodiratime", noDirAtime}, {"relatime", relAtime}, {"strictatime", strictAtime}, {"lazytime", lazyTime},
}

// mountOptions turns options as in fstab(5) into flags and what is for the file system. ro and rw among them count more
// than those of the command line.
func mountOptions(options string, readWrite bool) (flags uint, data string) {
	if !readWrite {
		flags = readOnly
	}
	var rest []string
next:
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "", "defaults":
			continue
		case "ro":
			flags |= readOnly
			continue
		case "rw":
			flags &^= readOnly
			continue
		}
		for _, f := range mountFlags {
			if o == f.name {
				flags |= f.bit
				continue next
			}
		}
		rest = append(rest, o)
	}
	return flags, strings.Join(rest, ",")
}

// mount mounts the device as what it holds, or as what the command line says.
func (b *Boot) mount(ctx context.Context, d *Device) error {
	types := b.Config.Types
	switch {
	case len(types) > 0:
	case d.Type == "":
		return fmt.Errorf("what /dev/%s holds is not known here: name its file system with rootfstype=", d.Node)
	default:
		types = []string{d.Type}
	}
	flags, data := mountOptions(b.Config.Flags, b.Config.ReadWrite)
	var failures []error
	for _, t := range types {
		err := b.mountAs(ctx, d, t, flags, data)
		if err == nil {
			b.Report.Type = t
			return nil
		}
		failures = append(failures, fmt.Errorf("mounting /dev/%s as %s: %w", d.Node, t, err))
	}
	if len(b.Config.Types) > 0 && d.Type != "" {
		failures = append(failures, fmt.Errorf("it holds %s, and the kernel's command line says rootfstype=%s",
			d.Type, strings.Join(types, ",")))
	}
	return errors.Join(failures...)
}

// mountAs mounts the device as a file system of that type; only for reading, if it can not be written.
func (b *Boot) mountAs(ctx context.Context, d *Device, fstype string, flags uint, data string) error {
	if err := b.driver(ctx, fstype); err != nil {
		return err
	}
	err := b.System.Mount("/dev/"+d.Node, Root, fstype, flags, data)
	if flags&readOnly == 0 && (errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EACCES)) {
		b.log("/dev/%s cannot be written; mounting it read-only", d.Node)
		err = b.System.Mount("/dev/"+d.Node, Root, fstype, flags|readOnly, data)
	}
	return err
}

// driver loads the driver of a file system, unless the kernel has it.
func (b *Boot) driver(ctx context.Context, fstype string) error {
	list, err := fs.ReadFile(b.FS, "proc/filesystems")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(list)) {
		if f := strings.Fields(line); len(f) > 0 && f[len(f)-1] == fstype {
			return nil
		}
	}
	err = b.Prober.Load(ctx, "fs-"+fstype)
	if errors.Is(err, modprobe.ErrNotFound) {
		err = b.Prober.Load(ctx, fstype)
	}
	if errors.Is(err, modprobe.ErrNotFound) {
		return fmt.Errorf("this image has no module for the file system %s: make it with goinitramfs build "+
			"--add %s", fstype, fstype)
	}
	return err
}
