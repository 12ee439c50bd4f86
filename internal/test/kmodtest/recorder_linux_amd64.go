package kmodtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A recorder starts programs under a seccomp filter that hands the calls of interest to it.
//
// A filter belongs to a thread and is inherited by what the thread starts. So one goroutine, locked to a thread of
// its own, installs the filter and starts all programs; the thread ends with it. Another goroutine answers.
type recorder struct {
	sandbox  *Sandbox
	listener int
	wake     int // an eventfd that ends the answering goroutine
	start    chan *exec.Cmd
	started  chan error

	mu    sync.Mutex
	calls []Call
	err   error
}

// notification and response are struct seccomp_notif and struct seccomp_notif_resp of seccomp_unotify(2).
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

const (
	ioctlRecv   = 0xc0502100
	ioctlSend   = 0xc0182101
	auditX86_64 = 0xc000003e
)

func newRecorder(t testing.TB, s *Sandbox) *recorder {
	t.Helper()
	r := &recorder{sandbox: s, start: make(chan *exec.Cmd), started: make(chan error)}
	go r.launch()
	if err := <-r.started; err != nil {
		Missing(t, "system calls cannot be recorded here: %v", err)
	}
	var err error
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); r.serve() }()
	t.Cleanup(func() {
		close(r.start)
		unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		<-done
		unix.Close(r.wake)
		unix.Close(r.listener)
		if r.err != nil {
			t.Error(r.err)
		}
	})
	return r
}

// launch runs on its own thread, which it never gives back.
func (r *recorder) launch() {
	runtime.LockOSThread()
	err := r.filter()
	r.started <- err
	if err != nil {
		return
	}
	for cmd := range r.start {
		r.started <- cmd.Start()
	}
}

// filter makes the current thread ask for leave before the four calls.
func (r *recorder) filter() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4}, // arch
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditX86_64, Jf: 5},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FINIT_MODULE, Jt: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_INIT_MODULE, Jt: 3},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_DELETE_MODULE, Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_UNAME, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	r.listener = int(fd)
	return nil
}

// run starts a program in the sandbox and waits for its end.
func (r *recorder) run(cmd *exec.Cmd) ([]Call, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: r.sandbox.Root}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	r.mu.Lock()
	r.calls = nil
	r.mu.Unlock()
	r.start <- cmd
	if err := <-r.started; err != nil {
		return nil, err
	}
	err := cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls, err
}

// serve answers until woken.
func (r *recorder) serve() {
	for {
		fds := []unix.PollFd{{Fd: int32(r.listener), Events: unix.POLLIN},
			{Fd: int32(r.wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			r.fail(fmt.Errorf("poll: %w", err))
			return
		}
		if fds[1].Revents != 0 {
			return
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			continue
		}
		var n notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), ioctlRecv,
			uintptr(unsafe.Pointer(&n))); errno != 0 {
			continue // the program was killed in the meantime
		}
		a := response{id: n.id}
		if errno := r.handle(&n); errno != 0 {
			a.errno = -int32(errno)
		}
		// An error here means likewise that nobody waits for the answer.
		unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), ioctlSend, uintptr(unsafe.Pointer(&a)))
	}
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// handle writes a call down and decides it. What cannot be read from the program's memory is EFAULT, as usual.
// The lock also orders the test's changes to the sandbox before this goroutine's look at it.
func (r *recorder) handle(n *notification) syscall.Errno {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.nr == unix.SYS_UNAME {
		return r.uname(n)
	}
	var c Call
	var image []byte
	var err error
	switch n.nr {
	case unix.SYS_FINIT_MODULE:
		c.Name, c.Flags = "finit_module", int(int32(n.args[2]))
		image, c.Module, err = r.file(n)
		if c.Module == "" {
			c.Module, c.Image = modinfoValue(image, "name"), image
		}
	case unix.SYS_INIT_MODULE:
		c.Name = "init_module"
		image, err = readMemory(n, n.args[0], int(n.args[1]))
		c.Module, c.Image = modinfoValue(image, "name"), image
	case unix.SYS_DELETE_MODULE:
		c.Name, c.Flags = "delete_module", int(int32(n.args[1]))
		c.Module, err = readString(n, n.args[0])
	}
	if err == nil {
		switch n.nr {
		case unix.SYS_FINIT_MODULE:
			c.Params, err = readString(n, n.args[1])
		case unix.SYS_INIT_MODULE:
			c.Params, err = readString(n, n.args[2])
		}
	}
	r.calls = append(r.calls, c)
	if err != nil {
		return errnoOf(err)
	}
	return r.sandbox.answer(c, image)
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return unix.EFAULT
}

// file returns the content and, if it has one, the path of the descriptor in finit_module's first argument.
func (r *recorder) file(n *notification) (image []byte, name string, err error) {
	link := fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(n.args[0]))
	target, err := os.Readlink(link)
	if err != nil {
		return nil, "", unix.EBADF
	}
	if image, err = os.ReadFile(link); err != nil {
		return nil, "", err
	}
	if rest, ok := strings.CutPrefix(target, r.sandbox.Root+"/"); ok {
		name = "/" + rest
	}
	return image, name, nil
}

// uname fills in struct utsname: six fields of 65 bytes.
func (r *recorder) uname(n *notification) syscall.Errno {
	var b [390]byte
	for i, s := range []string{"Linux", "sandbox", or(r.sandbox.Release, "6.1.0"), "#1 SMP", "x86_64", "(none)"} {
		copy(b[65*i:65*i+64], s)
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(n.args[0]), Len: len(b)}}
	if _, err := unix.ProcessVMWritev(int(n.pid), local, remote, 0); err != nil {
		return errnoOf(err)
	}
	return 0
}

func readMemory(n *notification, addr uint64, size int) ([]byte, error) {
	if size <= 0 || size > 1<<30 {
		return nil, unix.EFAULT
	}
	b := make([]byte, size)
	local := []unix.Iovec{{Base: &b[0], Len: uint64(size)}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: size}}
	got, err := unix.ProcessVMReadv(int(n.pid), local, remote, 0)
	return b[:max(got, 0)], err
}

// readString reads up to a NUL, page by page, since the next page need not be there.
func readString(n *notification, addr uint64) (string, error) {
	var all []byte
	for len(all) < 1<<20 {
		b, err := readMemory(n, addr, 4096-int(addr%4096))
		if err != nil {
			return "", err
		}
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return string(append(all, b[:i]...)), nil
		}
		all = append(all, b...)
		addr += uint64(len(b))
	}
	return "", unix.E2BIG
}
