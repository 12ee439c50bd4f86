package tool

import (
	"io/fs"
	"os"
	"time"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// System returns the running process.
func System() *Env {
	return &Env{
		Args:         os.Args,
		LookupEnv:    os.LookupEnv,
		Environ:      os.Environ,
		Stdin:        os.Stdin,
		Stdout:       os.Stdout,
		Stderr:       os.Stderr,
		StderrClosed: stderrClosed,
		FS:           os.DirFS("/"),
		Cwd:          os.Getwd,
		Kernel:       modprobe.Running(),
		Shell:        shell,
		Sub:          func(dir string) (fs.FS, error) { return sysroot(os.DirFS(dir)), nil },
		Syslog:       syslog,
		Now:          time.Now,
	}
}
