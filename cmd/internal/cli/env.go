// Package cli is what the commands share: the surroundings of a command, its messages in kmod's words, its output, and
// files named on its command line.
package cli

import (
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/getopt"
	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Env is the surroundings of a command. [System] is the running process; tests make their own.
type Env struct {
	// Args is the command line, argv[0] as it was typed included.
	Args []string
	// LookupEnv returns a variable of the environment and whether it is set.
	LookupEnv func(string) (string, bool)
	// Environ returns the whole environment, for commands that are started.
	Environ func() []string
	// Stdin, Stdout and Stderr are the standard streams.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// StderrClosed reports that the process was started without a standard error, so that messages go to syslog.
	// It is called at the first message only.
	StderrClosed func() bool
	// FS is the whole file system; its root is "/".
	FS fs.FS
	// WriteFile writes a file as typed, and makes the folders it is in.
	WriteFile func(name string, data []byte) error
	// WriteOwned writes a file that only root and the caller may be able to replace, by its absolute path, with the
	// folders it is in, and keeps no more than keep files in its folder: trusted.ReplaceOwned.
	WriteOwned func(name string, data []byte, keep int) error
	// Cwd returns the current directory, an absolute path.
	Cwd func() (string, error)
	// Kernel loads and removes modules and knows its release.
	Kernel modprobe.Kernel
	// Shell runs a command by /bin/sh with these variables, "NAME=value", added to the environment. The error is a
	// *modprobe.CommandError.
	Shell func(command string, variables []string) error
	// Sub returns a file system whose root is the directory dir, an absolute path, and which symbolic links do not
	// leave.
	Sub func(dir string) (fs.FS, error)
	// Syslog sends one datagram to the system's log.
	Syslog func(datagram []byte) error
	// Kmsg writes one line to the kernel's log.
	Kmsg func(line []byte) error
	// Machine returns the machine, for the process with ID 1.
	Machine func() (boot.System, error)
	// Now returns the time.
	Now func() time.Time
}

// Clock returns the time by Now, or none where there is no Now.
func (env *Env) Clock() time.Time {
	if env.Now == nil {
		return time.Time{}
	}
	return env.Now()
}

// Getenv returns a variable of the environment, empty when it is not set.
func (env *Env) Getenv(name string) string {
	value, _ := env.LookupEnv(name)
	return value
}

// Program returns the name in messages: the base name of argv[0].
func Program(env *Env) string {
	if len(env.Args) == 0 {
		return ""
	}
	return env.Args[0][strings.LastIndexByte(env.Args[0], '/')+1:]
}

// Absolute returns name, as typed, as a path from "/": the current directory, a slash and the name, nothing cleaned,
// which is how kmod shows paths.
func Absolute(env *Env, name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return name, nil
	}
	cwd, err := env.Cwd()
	if err != nil {
		return "", err
	}
	return cwd + "/" + name, nil
}

// FSName returns the name in fsys of an absolute path as it was typed.
func FSName(fsys fs.FS, abs string) (string, error) { return sysroot.Name(fsys, abs) }

// Order returns how getopt treats operands.
func (env *Env) Order() getopt.Order {
	if _, ok := env.LookupEnv("POSIXLY_CORRECT"); ok {
		return getopt.Posix
	}
	return getopt.Permute
}
