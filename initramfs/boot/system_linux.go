package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Machine returns the machine that this process is the first program of.
func Machine(environ []string) (System, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("this is the first program of a boot image, and nothing that can be run on a " +
			"system")
	}
	return &machine{environ}, nil
}

type machine struct{ environ []string }

func (m *machine) Mount(source, dir, fstype string, flags uint, data string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, dir, fstype, uintptr(flags), data); err != nil &&
		(err != unix.EBUSY || !m.Mounted(dir)) {
		return &fs.PathError{Op: "mount", Path: dir, Err: err}
	}
	return nil
}

// Mounted: what is mounted is another device than the root.
func (m *machine) Mounted(dir string) bool {
	var root, at unix.Stat_t
	return unix.Lstat("/", &root) == nil && unix.Lstat(dir, &at) == nil && root.Dev != at.Dev
}

func (m *machine) Run(ctx context.Context, program string, variables []string) error {
	return modprobe.Exec(ctx, append(m.environ[:len(m.environ):len(m.environ)], variables...), program)
}

func (m *machine) Link(target, name string) error {
	if old, err := os.Readlink(name); err == nil && old == target {
		return nil
	}
	if err := os.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	os.Remove(name) // if it is a folder the link fails
	return os.Symlink(target, name)
}

// shells are where a shell may be, with its arguments.
var shells = [...][]string{{"/bin/sh"}, {"/bin/bash"}, {"/bin/busybox", "sh"}, {"/bbin/gosh"}}

func (m *machine) Shell() error {
	for _, argv := range shells {
		if _, err := os.Stat(argv[0]); err != nil {
			continue
		}
		console, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer console.Close()
		child, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
			Dir: "/", Env: m.environ, Files: []*os.File{console, console, console},
			Sys: &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0},
		})
		if err != nil {
			return err
		}
		_, err = child.Wait()
		return err
	}
	return &fs.PathError{Op: "start", Path: "/bin/sh", Err: fs.ErrNotExist}
}

func (m *machine) Reboot() error {
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

func (m *machine) Switch(root, program string, args []string) error {
	if !m.Mounted(root) {
		return fmt.Errorf("nothing is mounted on %s", root)
	}
	for _, dir := range [...]string{"/dev", "/proc", "/sys", "/run"} {
		if err := unix.Mount(dir, root+dir, "", unix.MS_MOVE, ""); err == nil {
			continue
		}
		// A root file system without such a folder does not want it.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			return &fs.PathError{Op: "unmount", Path: dir, Err: err}
		}
	}
	if err := unix.Chdir(root); err != nil {
		return &fs.PathError{Op: "chdir", Path: root, Err: err}
	}
	if err := clearMemory(); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return &fs.PathError{Op: "move", Path: root, Err: err}
	}
	if err := unix.Chroot("."); err != nil {
		return &fs.PathError{Op: "chroot", Path: root, Err: err}
	}
	if err := unix.Chdir("/"); err != nil {
		return &fs.PathError{Op: "chdir", Path: "/", Err: err}
	}
	reopenConsole()
	err := unix.Exec(program, append([]string{program}, args...), m.environ)
	return &fs.PathError{Op: "start", Path: program, Err: err}
}

// reopenConsole gives the program a console that is not a file of the image.
func reopenConsole() {
	fd, err := unix.Open("/dev/console", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // it keeps the one it has
	}
	for i := range 3 {
		unix.Dup3(fd, i, 0)
	}
}

// clearMemory deletes the files of the image, which take memory for as long as the machine runs. It never leaves the
// file system that the kernel has unpacked the image into, and does nothing if the root is any other.
func clearMemory() error {
	var st unix.Statfs_t
	if err := unix.Statfs("/", &st); err != nil {
		return &fs.PathError{Op: "statfs", Path: "/", Err: err}
	}
	if t := uint32(st.Type); t != unix.RAMFS_MAGIC && t != unix.TMPFS_MAGIC {
		return nil
	}
	f, err := os.OpenFile("/", unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	var root unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &root); err != nil {
		f.Close()
		return err
	}
	removeBelow(f, uint64(root.Dev))
	return nil
}

// removeBelow removes what is in an open folder and on that device, and closes it. What cannot be removed stays.
func removeBelow(dir *os.File, device uint64) {
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // those that were read, if not all
	fd := int(dir.Fd())
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || uint64(st.Dev) != device {
			continue
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			unix.Unlinkat(fd, name, 0)
			continue
		}
		sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		removeBelow(os.NewFile(uintptr(sub), path.Base(name)), device)
		unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
	}
}
