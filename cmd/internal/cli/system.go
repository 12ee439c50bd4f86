package cli

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// System returns the running process.
func System() *Env {
	spareDescriptors()
	return &Env{
		Args:         os.Args,
		LookupEnv:    os.LookupEnv,
		Environ:      os.Environ,
		Stdin:        os.Stdin,
		Stdout:       newVisible(os.Stdout),
		Stderr:       newVisible(os.Stderr),
		StderrClosed: stderrClosed,
		FS:           sysroot.Host("/"),
		WriteFile:    writeFile,
		WriteOwned:   trusted.ReplaceOwned,
		Cwd:          sync.OnceValues(os.Getwd), // no tool changes it
		Kernel:       modprobe.Running(),
		Shell:        shell,
		Sub:          func(dir string) (fs.FS, error) { return sysroot.New(sysroot.Host(dir)), nil },
		Syslog:       syslog,
		Kmsg:         kmsg,
		Machine:      func() (boot.System, error) { return boot.Machine(os.Environ()) },
		Now:          time.Now,
	}
}

// writeFile writes a file, and makes the folders it is in.
func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return trusted.Replace(name, false, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// kmsg writes one line to the kernel's log.
func kmsg(line []byte) error {
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
