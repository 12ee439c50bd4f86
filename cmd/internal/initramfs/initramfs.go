//go:build !kmod_boot

// Package initramfs is the command goinitramfs.
package initramfs

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
)

const initramfsUsage = `Usage:
  goinitramfs COMMAND [options] [operands]

Commands:
  build [options]          make an image with modules and what they need
  ls [-l] IMAGE            list the entries of all members
  cat IMAGE FILE...        print files
  extract IMAGE [DIR]      unpack below DIR, or here
  diff IMAGE IMAGE         print what differs; exit status 1 if anything does
  why [IMAGE] MODULE       print why a module is in the image, or needed on this
                           machine
  check [options] IMAGE    say if a build with these options would have other
                           modules; exit status 1 if so
  profile save [FILE]      describe this machine, for build --profile
  boot [-n] IMAGE          start the image in qemu; -n: print the command
  update [-k RELEASE]      build the image in /boot anew if it would change
  install-hooks            do that whenever a kernel is installed

Options of build, what to take:
  -k, --kernel=RELEASE    for the kernel RELEASE; default: the running one
      --root=DIR          take everything from the system below DIR
      --host              what the devices and loaded modules of this machine
                          need
      --profile=FILE      what the machine described in FILE needs
      --universal         what most machines need to boot
      --add=WHAT          a module: name, alias, path, pattern (nls_*,
                          drivers/net/phy/*), =FOLDER
      --omit=WHAT         leave that out, even if others need it
      --no-hidden         without what only experience says is needed
      --no-weak           without weak dependencies
      --allow-missing[=NAME]
                          go on if --add names what is not there; or only NAME
Options of build, what goes with it:
      --firmware          with the firmware the modules name
      --config            with the files of modprobe.d
      --tables=SET        boot (default), all or none of the tables of the
                          module folder
      --file=FILE[:PATH]  put FILE or a folder in, as PATH, with what it needs
                          to run
      --hook=NAME         with the programs, modules and scripts of a hook:
                          luks, lvm
      --init=FILE         take FILE for /init; default: gomodprobe, unless
                          --base has one
      --no-init           without /init
      --program=FILE      the static gomodprobe to put in; default: this one;
                          none: leave it out
Options of build, what to write:
  -o, --output=FILE       write the image to FILE, replacing it at once;
                          default: standard output
      --compress=HOW      none (default), zstd, gzip or xz
      --early=WHAT        put microcode or ACPI tables first: a folder, an
                          archive, FILE:PATH, or auto for the microcode of this
                          machine
      --base=ARCHIVE      put ARCHIVE in front, and fit in with its folders and
                          links
  -v, --verbose           say what is in the image

Options of boot:
  -k, --kernel=FILE       the kernel; default: that of the image's modules, in
                          /boot
      --disk=FILE         a disk, which is not written to
      --append=WORDS      words for the kernel's command line
  -n, --dry-run           print the command only

Options of update and install-hooks:
  -k, -o, -v, --root      as with build
      --remove            remove the image, or the hooks

Other options:
  -l, --long              with ls: with modes, owners, sizes and times
  -V, --version           print the version
  -h, --help              print this text

The variable SOURCE_DATE_EPOCH sets the time of all entries, which is 0
otherwise.
`

// Main runs goinitramfs.
func Main(env *cli.Env) int {
	log := cli.NewLogger(env, cli.LevelWarning)
	if len(env.Args) < 2 {
		io.WriteString(env.Stderr, initramfsUsage)
		return 2
	}
	var run func(*cli.Env, *cli.Logger, []string) int
	args := env.Args[2:]
	switch env.Args[1] {
	case "build":
		run = initramfsBuild
	case "ls":
		run = initramfsLs
	case "cat":
		run = initramfsCat
	case "extract":
		run = initramfsExtract
	case "diff":
		run = initramfsDiff
	case "why":
		run = initramfsWhy
	case "check":
		run = initramfsCheck
	case "boot":
		run = initramfsBoot
	case "update":
		run = initramfsUpdate
	case "install-hooks":
		run = initramfsInstallHooks
	case "profile":
		run = initramfsProfile
	case "-h", "--help", "help":
		io.WriteString(env.Stdout, initramfsUsage)
		return 0
	case "-V", "--version":
		io.WriteString(env.Stdout, cli.VersionText())
		return 0
	default:
		log.Errorf("no command %q; there are build, ls, cat, extract, diff, why, check, profile, boot, update and "+
			"install-hooks", env.Args[1])
		log.Hintf("%s--help tells what they do", cli.DidYouMean(env.Args[1], "build", "ls", "cat", "extract", "diff",
			"why", "check", "profile", "boot", "update", "install-hooks"))
		return 2
	}
	return run(env, log, args)
}

// initramfsArgs reads a command line, calls set for each option, and returns the operands. It reports whether the
// command should go on; if not, a message has been shown.
func initramfsArgs(
	env *cli.Env, log *cli.Logger, options []getopt.Option, args []string, set func(id int, value string) error,
) ([]string, bool) {
	p := getopt.New(options, getopt.Permute, args)
	for {
		o, value, err := p.Next()
		if err != nil {
			log.Usage(err, options)
			return nil, false
		}
		if o == nil {
			return p.Operands(), true
		}
		if o.Arg == getopt.Required && value == "" { // such as a variable of a script that is not set
			log.Errorf("--%s has an empty value", o.Long)
			return nil, false
		}
		if err := set(o.ID, value); err != nil {
			log.Errorf("%v", err)
			return nil, false
		}
	}
}

// openImage opens an image named on the command line; "-" is the standard input.
func openImage(env *cli.Env, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(env.Stdin), nil
	}
	return openArg(env, name)
}

// openArg opens a file named on the command line.
func openArg(env *cli.Env, name string) (fs.File, error) {
	abs, err := cli.Absolute(env, name)
	if err != nil {
		return nil, err
	}
	in, err := sysroot.Name(env.FS, abs)
	if err != nil {
		return nil, err
	}
	f, err := env.FS.Open(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cli.Bare(err))
	}
	return f, nil
}

// readArg reads a file named on the command line.
func readArg(env *cli.Env, name string) ([]byte, error) {
	f, err := openArg(env, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cli.Bare(err))
	}
	return data, nil
}

// chainText is a chain of reasons, one line each.
func chainText(chain []initramfs.ChainLink) string {
	var b strings.Builder
	for i, l := range chain {
		fmt.Fprintf(&b, "%s%s: %s\n", strings.Repeat("  ", i), l.Module, l.Reason)
	}
	return b.String()
}
