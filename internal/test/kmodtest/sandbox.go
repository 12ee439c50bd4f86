package kmodtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Sandbox is a root folder in which our tools and real kmod run alike, on top of a kernel that loads nothing: the
// calls with an effect on modules are stopped by a seccomp filter, written down, and answered by the test. It
// works for any program, so the two can be compared call by call, and no module ever reaches the real kernel.
//
// The folder is what the programs see as /: module trees, configuration, /proc and /sys are plain files there.
// A Sandbox runs one program at a time.
type Sandbox struct {
	// Root is the folder.
	Root string
	// Release is what uname says. Default: 6.1.0.
	Release string
	// Answer decides calls: ok means that errno, 0 for success, is the answer. Otherwise, or if Answer is nil, the
	// kernel's usual rules hold: EEXIST for a module that is there, ENOENT and EAGAIN on removing one that is not
	// there or in use.
	Answer func(Call) (errno syscall.Errno, ok bool)
	kmod   *OracleCmd // nil: not here
	rec    *recorder
}

// Call is a system call that changes modules.
type Call struct {
	// Name is finit_module, init_module or delete_module.
	Name string
	// Module is the file's path for finit_module, and the module's name for the others and for files without a
	// path.
	Module string
	// Params is the parameter string.
	Params string
	// Flags are the flags of finit_module and delete_module.
	Flags int
	// Image is the module as init_module or a finit_module without a path got it. Nil for other calls.
	Image []byte
}

// String returns the call in one line, as scripts write it: finit_module /lib/modules/6.1.0/a.ko "a=1" 0.
func (c Call) String() string {
	switch c.Name {
	case "finit_module":
		return fmt.Sprintf("%s %s %q %d", c.Name, c.Module, c.Params, c.Flags)
	case "init_module":
		return fmt.Sprintf("%s %s %q", c.Name, c.Module, c.Params)
	}
	return fmt.Sprintf("%s %s %#o", c.Name, c.Module, c.Flags)
}

// ModuleName returns the name of the module the call is about, as the kernel has it.
func (c Call) ModuleName() string {
	base, _, _ := strings.Cut(path.Base(c.Module), ".")
	return strings.ReplaceAll(base, "-", "_")
}

// Result is what a program did.
type Result struct {
	// Stdout and Stderr are what it printed.
	Stdout, Stderr string
	// Status is its exit status, or -1 when a signal ended it.
	Status int
	// Calls are the system calls it made, in order, refused ones included.
	Calls []Call
}

// String returns all of it, for comparing and for messages.
func (r *Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stdout:\n%sstderr:\n%sstatus: %d\n", r.Stdout, r.Stderr, r.Status)
	for _, c := range r.Calls {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// Run is a program to run in a Sandbox.
type Run struct {
	// Args is the command line; Args[0] is the name the program sees as its own: modprobe, or /sbin/modprobe.
	Args []string
	// Env is its environment. Nil: PATH, HOME and TERM, as the kernel starts modprobe.
	Env []string
	// Dir is the folder it starts in, as it sees it. Default: /.
	Dir string
	// Stdin is its input.
	Stdin string
}

// programs is where a sandbox keeps the programs; it is not part of its state.
const programs = ".programs"

// NewSandbox returns an empty sandbox: /proc/cmdline, /proc/modules and the usual folders are there. It skips the
// test where the machine cannot have one. It works as root, also in a container, and for others if they may make
// user namespaces.
func NewSandbox(t testing.TB) *Sandbox {
	t.Helper()
	return SandboxAt(t, t.TempDir())
}

// SandboxAt returns a sandbox in a folder that is there already, and may hold files.
func SandboxAt(t testing.TB, root string) *Sandbox {
	t.Helper()
	s := &Sandbox{Root: root}
	for _, dir := range []string{"proc", "sys/module", "etc/modprobe.d", "lib/modules", "bin", "dev", "tmp",
		programs} {
		if err := os.MkdirAll(filepath.Join(s.Root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"proc/cmdline", "proc/modules", "dev/null"} {
		if exists(filepath.Join(root, name)) {
			continue
		}
		if err := os.WriteFile(filepath.Join(s.Root, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.install(t, Build(t), "gomodprobe")
	s.link(t, "ours", "../gomodprobe")
	s.installOracle(t)
	s.installShell(t)
	s.rec = newRecorder(t, s)
	probe := exec.Command("/"+programs+"/gomodprobe", "-V")
	if _, err := s.rec.run(probe); err != nil && probe.Process == nil {
		Missing(t, "no chroot here: %v", err)
	}
	return s
}

// link makes a folder of programs with a link for each tool; one such folder is /sbin while a program runs, so that
// shell commands of modprobe.d call the same implementation.
func (s *Sandbox) link(t testing.TB, folder, to string) {
	t.Helper()
	dir := filepath.Join(s.Root, programs, folder)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"modprobe", "depmod", "modinfo", "insmod", "rmmod", "lsmod", "kmod"} {
		if err := os.Symlink(to, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
}

// HasOracle says whether real kmod is there.
func (s *Sandbox) HasOracle() bool { return s.kmod != nil }

func (s *Sandbox) installOracle(t testing.TB) {
	if runtime.GOARCH != "amd64" ||
		os.Getenv("CI") != "true" && !exists(filepath.Join(CacheDir(t), "oracle", "done")) && !canFetch() {
		return
	}
	s.kmod = Oracle(t)
	s.install(t, s.kmod.Kmod, "kmod")
	s.link(t, "real", "../kmod")
	// A kmod that a shell starts finds its loader and libraries where its ELF header and the loader look.
	s.install(t, s.kmod.Loader, "ld-linux-x86-64.so.2")
	for _, name := range []string{"lib64", "lib/x86_64-linux-gnu"} {
		if err := os.Symlink("/"+programs, filepath.Join(s.Root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range strings.Split(s.kmod.Libs, ":") {
		for _, lib := range []string{"c.so.6", "crypto.so.3", "kmod.so.2", "lzma.so.5", "zstd.so.1", "z.so.1"} {
			if name := filepath.Join(dir, "lib"+lib); exists(name) {
				s.install(t, name, "lib"+lib)
			}
		}
	}
}

// installShell puts Debian's static busybox in place as the shell for install commands.
func (s *Sandbox) installShell(t testing.TB) {
	if !HasShell(t) {
		return
	}
	s.install(t, busybox(t), "busybox")
	for _, applet := range []string{"sh", "echo", "true", "false", "cat", "sleep", "env", "touch"} {
		if err := os.Symlink("/"+programs+"/busybox", filepath.Join(s.Root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
}

// HasShell says whether sandboxes have /bin/sh and a few commands: echo, true, false, cat, sleep, env, touch.
func HasShell(t testing.TB) bool { return busybox(t) != "" }

// busybox returns the path of a static one, or nothing.
func busybox(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(CacheDir(t), "packages/bookworm/busybox-static")
	if !exists(filepath.Join(dir, "done")) {
		if os.Getenv("CI") != "true" && !canFetch() {
			return ""
		}
		dir = Fetch(t, "package", "bookworm", "busybox-static")
	}
	return filepath.Join(dir, "root/bin/busybox")
}

func canFetch() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil
}

// install copies a program into the sandbox, by a hard link where it can.
func (s *Sandbox) install(t testing.TB, from, as string) {
	t.Helper()
	from, err := filepath.EvalSymlinks(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(s.Root, programs, as)
	if os.Link(from, to) == nil {
		return
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeProgram(to, data); err != nil {
		t.Fatal(err)
	}
}

// Ours runs one of our tools: the static binary as make build makes it.
func (s *Sandbox) Ours(t testing.TB, run Run) *Result {
	t.Helper()
	return s.run(t, "ours", "/"+programs+"/gomodprobe", run.Args, run)
}

// Kmod runs real kmod, and skips the test if there is none.
func (s *Sandbox) Kmod(t testing.TB, run Run) *Result {
	t.Helper()
	if s.kmod == nil {
		Missing(t, "real kmod is not here")
	}
	dir := "/" + programs
	loader := dir + "/ld-linux-x86-64.so.2"
	args := append([]string{loader, "--argv0", run.Args[0], "--library-path", dir, dir + "/kmod"}, run.Args[1:]...)
	return s.run(t, "real", loader, args, run)
}

// Compare runs the same command line by our tool and by real kmod, each from the same state, and returns both
// results and the files they left. The state afterwards is ours.
func (s *Sandbox) Compare(t testing.TB, run Run) (ours, kmod *Result, ourState, kmodState State) {
	t.Helper()
	before := s.State(t)
	kmod = s.Kmod(t, run)
	kmodState = s.State(t)
	s.SetState(t, kmodState, before)
	ours = s.Ours(t, run)
	return ours, kmod, s.State(t), kmodState
}

func (s *Sandbox) run(t testing.TB, sbin, program string, args []string, run Run) *Result {
	t.Helper()
	link := filepath.Join(s.Root, "sbin")
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.Symlink("/"+programs+"/"+sbin, link); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = args
	cmd.Env = run.Env
	if cmd.Env == nil {
		cmd.Env = []string{"HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin"}
	}
	cmd.Dir = or(run.Dir, "/")
	cmd.Stdin = strings.NewReader(run.Stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	calls, err := s.rec.run(cmd)
	if ctx.Err() != nil {
		t.Fatalf("%v takes more than five minutes", run.Args)
	}
	if err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatalf("%v: %v", run.Args, err)
		}
	}
	return &Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), calls}
}

// SetLoaded makes exactly these modules loaded, as /sys/module and /proc/modules show it.
func (s *Sandbox) SetLoaded(t testing.TB, names ...string) {
	t.Helper()
	dir := filepath.Join(s.Root, "sys/module")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(dir, 0o755)
	for _, name := range names {
		if err := s.insert(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.writeProcModules(); err != nil {
		t.Fatal(err)
	}
}

// WriteFile writes a file of the sandbox, and the folders above it.
func (s *Sandbox) WriteFile(t testing.TB, name, text string) {
	t.Helper()
	if err := writeFile(filepath.Join(s.Root, name), []byte(text)); err != nil {
		t.Fatal(err)
	}
}
