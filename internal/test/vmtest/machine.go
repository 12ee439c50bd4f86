//go:build linux

package vmtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The programs that Boot runs.
const (
	Qemu      = "qemu-system-x86_64"
	QemuArm64 = "qemu-system-aarch64"
)

// UserMode is the Machine.Arch of Linux as a program.
const UserMode = "um"

// What a guest writes to the debug port at ExitPort, and the status that qemu then ends with. Status 0
// is what a panic or a power-off gives, so it never means success.
const (
	ExitPort     = 0xf4
	ExitPass     = byte(21)
	ExitFail     = byte(22)
	StatusPass   = int(ExitPass)<<1 | 1
	StatusFail   = int(ExitFail)<<1 | 1
	ResultDevice = "/dev/ttyS1" // where the guest writes its results
)

// Machine is a guest. Only one runs at a time on this computer, whoever asks.
type Machine struct {
	Arch   string   // of the processor, as Debian calls it: amd64, i386 or arm64; "": amd64; um: Kernel is a program
	Kernel string   // boot image
	Initrd string   // archive
	Append string   // more words for the kernel's command line
	Memory int      // MiB; 0: 512
	Args   []string // more arguments for qemu, such as disks
	// Parallel emulates each of the two processors by a thread of its own, which is for measuring only: see Boot.
	Parallel bool
	Console  io.Writer // gets what comes out of the first serial port, the console; nil: nothing does
	Results  io.Writer // gets what comes out of the second serial port, which arm64 has not; nil: nothing does
	Keys     *os.File  // what is typed on the console; nil: nothing
	// Timeout ends the guest. It does not count while another guest runs. 0: none.
	Timeout time.Duration
	Waiting func() // called if another guest runs, before waiting for its end; may be nil
}

// Boot runs the guest to its end and returns qemu's exit status: StatusPass, StatusFail, or another one if the guest
// ended without saying, as it always does on arm64. It is software emulation; no /dev/kvm is needed or used. Both
// processors are emulated by one thread, unless Parallel is set: with a thread each, qemu now and then executes the
// breakpoint of a kernel that patches its own code, and the kernel dies of it ("Oops: int3"). The processors lack
// cmpxchg16b: qemu 7.2 leaves part of a pointer in the flags after it, and a kernel that goes on with the flag NT set
// dies of its next iret. On a busy computer the timer's first ticks come late, and the kernel then takes the timer
// for broken and hangs ("MP-BIOS bug: 8254 timer not connected"): it is told not to look.
func (m *Machine) Boot(ctx context.Context) (int, error) {
	unlock, err := lock(ctx, m.Waiting)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if m.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.Timeout,
			errors.New("it took longer than "+m.Timeout.String()))
		defer cancel()
	}
	results, in, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	memory := m.Memory
	if memory == 0 {
		memory = 512
	}
	program, args := Qemu, []string{
		"-M", "q35", "-cpu", "max,-cx16", "-device",
		fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=4", ExitPort),
	}
	words := "console=ttyS0 no_timer_check"
	if m.Arch == "arm64" {
		program, args, words = QemuArm64, []string{"-M", "virt", "-cpu", "cortex-a57"}, "console=ttyAMA0"
	}
	accel := "tcg,thread=single"
	if m.Parallel {
		accel = "tcg,thread=multi"
	}
	args = append(args, "-accel", accel, "-smp", "2", "-m", strconv.Itoa(memory),
		"-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console")
	if m.Arch != "arm64" {
		args = append(args, "-chardev", "file,id=results,path=/dev/fd/3", "-serial", "chardev:results")
	}
	args = append(args, "-kernel", m.Kernel, "-initrd", m.Initrd, "-append", words+" panic=-1 "+m.Append)
	if m.Arch == UserMode {
		program = m.Kernel
		args = append([]string{"mem=" + strconv.Itoa(memory) + "M", "initrd=" + m.Initrd, "con=null", "con0=null,fd:1", "ssl1=null,fd:3", "panic=-1"},
			strings.Fields(m.Append)...)
	}
	cmd := exec.CommandContext(ctx, program, append(args, m.Args...)...)
	cmd.Stdout = writer(m.Console)
	cmd.Stderr = cmd.Stdout
	if m.Keys != nil {
		cmd.Stdin = m.Keys
	}
	cmd.ExtraFiles = []*os.File{in}
	if err := cmd.Start(); err != nil {
		in.Close()
		results.Close()
		return 0, err
	}
	in.Close()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(writer(m.Results), results)
		results.Close()
		copied <- err
	}()
	err = cmd.Wait()
	if cerr := <-copied; err == nil && cerr != nil {
		err = cerr
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("the guest did not end: %w", context.Cause(ctx))
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	}
	return 0, err
}

func writer(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// lock waits until no other guest runs, and says so by calling waiting.
func lock(ctx context.Context, waiting func()) (unlock func(), err error) {
	dir, err := CacheDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "guest.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return func() { f.Close() }, nil
	}
	if err != syscall.EWOULDBLOCK {
		f.Close()
		return nil, err
	}
	if waiting != nil {
		waiting()
	}
	locked := make(chan error, 1)
	// the system serves those who wait in order
	go func() { locked <- syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }()
	select {
	case err := <-locked:
		if err != nil {
			f.Close()
			return nil, err
		}
		return func() { f.Close() }, nil
	case <-ctx.Done():
		go func() { // it cannot be interrupted
			<-locked
			f.Close()
		}()
		return nil, fmt.Errorf("waiting for another guest to end: %w", context.Cause(ctx))
	}
}

// CacheDir returns the folder where kernels and tools for tests are kept, as internal/test/kmodtest/fetch.sh
// chooses it.
func CacheDir() (string, error) {
	if dir := os.Getenv("GOMODPROBE_CACHE"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "gomodprobe"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".cache", "gomodprobe"), nil
}
