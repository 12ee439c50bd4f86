//go:build !kmod_boot

package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
)

// defaultConfig is what update takes without a file, and what install-hooks writes.
const defaultConfig = `# Options of "goinitramfs build" for the images of this machine, one a line: see goinitramfs(8).
# After a change: goinitramfs update
host
universal
config
compress=zstd
early=auto
#firmware
#add=dm_crypt
#hook=luks
#output=/boot/initrd.img-%k
`

// bootProgram is the smaller gomodprobe for images, if it is installed.
const bootProgram = "/usr/libexec/gomodprobe-boot"

const scriptHead = `#!/bin/sh
# Made by "goinitramfs install-hooks"; "goinitramfs install-hooks --remove" removes it.
set -e
command -v goinitramfs >/dev/null || exit 0
`

// kernelHooks are the programs that are run when a kernel is installed or removed: those of Debian, and of
// kernel-install(8).
var kernelHooks = [...]struct{ name, text string }{
	// The name comes after those that make images too, and before what makes the menu of the boot loader.
	{"/etc/kernel/postinst.d/zy-gomodprobe", scriptHead + `[ "${INITRD:-}" != No ] || exit 0
exec goinitramfs update -k "$1"
`},
	{"/etc/kernel/postrm.d/zy-gomodprobe", scriptHead + `case "${DEB_MAINT_PARAMS:-}" in
*upgrade*) exit 0 ;; # the new package makes a new image
esac
exec goinitramfs update --remove -k "$1"
`},
	{"/etc/kernel/install.d/50-gomodprobe.install", scriptHead + `# initrd_generator=gomodprobe in /etc/kernel/install.conf asks for it.
[ "$1" = add ] && [ "${KERNEL_INSTALL_INITRD_GENERATOR:-}" = gomodprobe ] || exit 0
exec goinitramfs update -k "$2" -o "${KERNEL_INSTALL_STAGING_AREA:?}/initrd"
`},
}

var installHooksOptions = []getopt.Option{
	{Long: "root", ID: updateRoot, Arg: getopt.Required},
	{Long: "remove", ID: updateRemove},
}

// initramfsInstallHooks runs goinitramfs install-hooks.
func initramfsInstallHooks(env *cli.Env, log *cli.Logger, args []string) int {
	u := new(updater)
	_, ok := operands(env, log, "install-hooks [--root DIR] [--remove]", installHooksOptions, args, 0, 0, u.set)
	if !ok {
		return 2
	}
	if u.root != "" {
		root, err := cli.Absolute(env, u.root)
		if err != nil {
			log.Errorf("%v", err)
			return 1
		}
		u.root = root
	}
	var failures []error
	for _, h := range kernelHooks {
		failures = append(failures, u.hook(env, u.root+h.name, h.text))
	}
	if !u.remove {
		failures = append(failures, u.writeConfig(env))
	}
	if err := errors.Join(failures...); err != nil {
		log.Errorf("%v", err)
		return 1
	}
	if u.remove {
		fmt.Fprintln(env.Stdout, "removed; images that are there stay, and so does "+configFile)
	} else {
		fmt.Fprintln(env.Stdout, "kernels that are installed from now on get their images as "+configFile+
			" says; \"goinitramfs update\" makes that of the running one")
	}
	return 0
}

// hook writes or removes one program, unless a file of another origin has its name.
func (u *updater) hook(env *cli.Env, name, text string) error {
	old, err := readArg(env, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if u.remove {
			return nil
		}
	case err != nil:
		return err
	case !bytes.HasPrefix(old, []byte(scriptHead)):
		return fmt.Errorf("%s is not from goinitramfs, and was left as it is", name)
	}
	if u.remove {
		return os.Remove(name)
	}
	return writeWhole(env, name, text, 0o755)
}

// writeConfig writes the configuration, unless there is one.
func (u *updater) writeConfig(env *cli.Env) error {
	name := u.root + configFile
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := defaultConfig
	if _, err := os.Stat(u.root + bootProgram); err == nil {
		text += "program=" + bootProgram + "\n"
	}
	return writeWhole(env, name, text, 0o644)
}

// writeWhole writes a file as a whole or not at all.
func writeWhole(env *cli.Env, name, text string, perm fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return cli.SaveWith(env, name, func(w io.Writer) error {
		if f, ok := w.(interface{ Chmod(fs.FileMode) error }); ok { // whatever the umask says
			if err := f.Chmod(perm); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, text)
		return err
	})
}
