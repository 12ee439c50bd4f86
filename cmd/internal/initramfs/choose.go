//go:build !kmod_boot

package initramfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// choose selects modules.
func (b *builder) choose(env *cli.Env, log *cli.Logger, fsys fs.FS) (*initramfs.Selection, error) {
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: b.release, Kernel: env.Kernel})
	if err != nil {
		return nil, err
	}
	o := b.o
	if b.universal {
		o.Try = append(o.Try, initramfs.Universal()...)
	}
	if b.host {
		profile, err := initramfs.ReadProfile(env.FS)
		if err != nil {
			return nil, err
		}
		profile.Select(&o)
	}
	if b.profile != "" {
		data, err := readArg(env, b.profile)
		if err != nil {
			return nil, err
		}
		profile, err := initramfs.ParseProfile(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.profile, err)
		}
		profile.Select(&o)
	}
	config, err := initramfs.ReadKernelConfig(fsys, p.Release())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := config.Check(b.compression); err != nil {
		return nil, err
	}
	if o.FirmwareSuffixes == nil {
		o.FirmwareSuffixes = config.FirmwareSuffixes()
	}
	sel, err := initramfs.Select(context.Background(), p, fsys, &o)
	if errors.Is(err, modprobe.ErrNoTables) {
		if there, _ := modprobe.Releases(fsys, ""); len(there) > 0 {
			err = fmt.Errorf("%w; --kernel takes %s", err, strings.Join(there, ", "))
		}
	}
	if err != nil {
		return nil, err
	}
	var bad *fs.PathError
	if errors.As(sel.BadTables, &bad) {
		log.Warningf("%s: %v; the image gets tables made of the modules themselves (depmod %s mends those on disk)",
			bad.Path, bad.Err, sel.Release)
	}
	b.loadable(log, config, sel)
	return sel, b.missing(log, sel)
}

// loadable warns of modules that are compressed, if neither the kernel nor a program of ours expands them.
func (b *builder) loadable(log *cli.Logger, config *initramfs.KernelConfig, sel *initramfs.Selection) {
	if b.program != "none" || config.Has("MODULE_DECOMPRESS") {
		return
	}
	for _, m := range sel.Modules {
		if !m.Builtin && path.Ext(m.Path) != ".ko" {
			log.Warningf("modules are compressed, as %s, and the kernel does not expand them "+
				"(CONFIG_MODULE_DECOMPRESS is not set): what loads them has to",
				printable(path.Base(m.Path)))
			return
		}
	}
}

// missing reports what was not found. A module that was asked for by name has to be there.
func (b *builder) missing(log *cli.Logger, sel *initramfs.Selection) error {
	for _, o := range sel.NoEffect {
		log.Warningf("--omit=%s has no effect: it means no module of the kernel %s", printable(o), sel.Release)
	}
	names := 0
	for _, m := range sel.Missing {
		var stale *initramfs.StaleError
		gone := errors.As(m.Err, &stale)
		switch {
		case m.Reason.Kind != initramfs.Added && !gone, b.mayMiss(m):
			log.Warningf("%s", m)
			continue
		case gone:
			log.Errorf("%s", m)
		default:
			what := "has that name or alias"
			if strings.ContainsAny(m.Name, "/*?[=") {
				what = "matches"
			}
			log.Errorf("--add=%s: no module of the kernel %s %s", printable(m.Name), sel.Release, what)
		}
		names++
	}
	b.firmware(log, sel)
	if names > 0 {
		return fmt.Errorf("no image written because of %d missing; --allow-missing goes on", names)
	}
	return nil
}

// mayMiss reports whether --allow-missing names what is missing, or all that is.
func (b *builder) mayMiss(m initramfs.Missing) bool {
	return b.allowMissing || b.allowed[underscores(m.Name)] || m.Reason.As != "" && b.allowed[underscores(m.Reason.As)]
}

// underscores is the name of a module as modules are told apart.
func underscores(name string) string { return strings.ReplaceAll(name, "-", "_") }

// mostUnreadable is how many files of firmware are named that the kernel cannot expand, without -v.
const mostUnreadable = 10

// firmware says which firmware will not be found at boot. That a name is nowhere is common; that it is there and the
// kernel cannot expand it means a device that does not work.
func (b *builder) firmware(log *cli.Logger, sel *initramfs.Selection) {
	unreadable := 0
	for _, f := range sel.Firmware {
		switch {
		case len(f.Files) > 0:
		case f.Unreadable != "":
			if unreadable++; unreadable <= mostUnreadable || b.verbose {
				log.Warningf("firmware %s is here as /%s, which this kernel cannot expand: it was "+
					"built without CONFIG_%s; %s may ask for it",
					f.Name, f.Unreadable, f.Option, f.Modules[0])
			}
		case b.verbose:
			log.Warningf("firmware %s is not here; %s may ask for it", f.Name, f.Modules[0])
		}
	}
	if unreadable > mostUnreadable && !b.verbose {
		log.Warningf("%d more files of firmware are here in a compression that this kernel cannot expand; -v "+
			"names them", unreadable-mostUnreadable)
	}
}

// summary says what is in an image.
func summary(w io.Writer, sel *initramfs.Selection) {
	files, builtin, firmware := 0, 0, 0
	for _, m := range sel.Modules {
		if m.Builtin {
			builtin++
		} else {
			files++
		}
	}
	for _, f := range sel.Firmware {
		firmware += len(f.Files)
	}
	fmt.Fprintf(w, "kernel %s: %d modules; part of the kernel: %d; files of firmware: %d\n", sel.Release, files,
		builtin, firmware)
}
