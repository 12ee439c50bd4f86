package tool_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// imageBench is a system in a folder, and this machine, for goinitramfs.
type imageBench struct {
	root string
	ran  []string // by the shell
}

func newImageBench(t *testing.T) *imageBench {
	t.Helper()
	spec, err := kmodtest.ParseSpec("release 6.1.0\nmodule kernel/a.ko\n\texport a_sym 0x11223344\nmodule kernel/b.ko\n\timport a_sym 0x11223344\nmodule kernel/gone.ko\n\texport g_sym 0x11223344\nmodule kernel/user.ko\n\timport g_sym 0x11223344\n")
	if err != nil {
		t.Fatal(err)
	}
	b := &imageBench{root: spec.Tree(t)}
	tables, err := depmod.Build(t.Context(), &depmod.Options{FS: os.DirFS(b.root), Release: "6.1.0"})
	if err == nil {
		err = tables.Install(filepath.Join(b.root, "lib/modules/6.1.0"))
	}
	if err := errors.Join(err, os.Remove(filepath.Join(b.root, "lib/modules/6.1.0/kernel/gone.ko"))); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *imageBench) write(t *testing.T, name, text string, perm fs.FileMode) {
	t.Helper()
	name = filepath.Join(b.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), perm), os.Chmod(name, perm)); err != nil {
		t.Fatal(err)
	}
}

// run runs goinitramfs on this machine.
func (b *imageBench) run(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = tool.Main(&cli.Env{
		Args: append([]string{"goinitramfs"}, args...), LookupEnv: func(string) (string, bool) { return "", false },
		FS: os.DirFS("/"), Stdout: &out, Stderr: &err, Cwd: os.Getwd, Now: time.Now,
		Sub:   func(dir string) (fs.FS, error) { return sysroot.New(os.DirFS(dir)), nil },
		Shell: func(command string, _ []string) error { b.ran = append(b.ran, command); return nil },
	})
	return status, out.String(), err.String()
}

// build builds an image below the root, and returns its list.
func (b *imageBench) build(t *testing.T, args ...string) (list, stderr string, status int) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	status, _, stderr = b.run(append([]string{"build", "--root", b.root, "-k6.1.0", "--program=none", "--no-init", "-o", image}, args...)...)
	if status == 0 {
		_, list, _ = b.run("ls", image)
	}
	return list, stderr, status
}

// TestInitramfsHook: a hook brings its modules, programs and scripts; what may be missing may, and mistakes are named.
func TestInitramfsHook(t *testing.T) {
	b := newImageBench(t)
	b.write(t, "usr/bin/opener", "#!/bin/sh\n", 0o755)
	b.write(t, "bin/sh", "shell", 0o755)
	b.write(t, "usr/share/gomodprobe/hooks/open/list", "# what opens\nprogram opener\nprogram? none\nmodule b\nmodule? none\nfile? /etc/none\nscript before-mount.d/10-open\n", 0o644)
	b.write(t, "usr/share/gomodprobe/hooks/open/before-mount.d/10-open", "#!/bin/sh\n", 0o644)
	list, stderr, status := b.build(t, "--hook=open")
	for _, want := range []string{"usr/bin/opener", "bin/sh", "etc/gomodprobe/before-mount.d/10-open", "lib/modules/6.1.0/kernel/a.ko", "lib/modules/6.1.0/kernel/b.ko"} {
		if !strings.Contains("\n"+list, "\n"+want+"\n") {
			t.Errorf("%s is missing; status %d, %s, list:\n%s", want, status, stderr, list)
		}
	}
	for list, want := range map[string]string{
		"program none\n":         "the hook bad, line 1 of its list: the program none: it is in none of /usr/local/sbin",
		"\nprograms x\n":         `bad/list:2: "programs" is none of program, module, file and script`,
		"module # nothing\n":     "bad/list:1: module names nothing",
		"module none\n":          "--add=none: no module of the kernel 6.1.0 has that name or alias",
		"script after-mount.d/x": "the hook bad, line 1 of its list: ",
	} {
		b.write(t, "etc/gomodprobe/hooks/bad/list", list, 0o644)
		if _, stderr, status := b.build(t, "--hook=bad"); status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%q: status %d, %s; want %s", list, status, stderr, want)
		}
	}
	if _, stderr, status := b.build(t, "--hook=nothing"); status != 1 || !strings.Contains(stderr, `--hook=nothing: no folder nothing with a file "list" in /etc/gomodprobe/hooks`) {
		t.Errorf("no hook: status %d, %s", status, stderr)
	}
}

// TestInitramfsMissing: what modules.dep lists and is gone is named, and may be missing if that is said; a file that
// only root can read makes an image that only root can read.
func TestInitramfsMissing(t *testing.T) {
	b := newImageBench(t)
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--add=gone"}, 1, "modules.dep lists kernel/gone.ko, which is not there; run depmod"},
		{[]string{"--add=gone", "--allow-missing=b"}, 1, "run depmod"},
		{[]string{"--add=gone", "--add=a", "--allow-missing=gone"}, 0, "WARNING: gone (added as gone): modules.dep lists"},
		{[]string{"--add=no-one", "--allow-missing=no_one"}, 0, "WARNING"},
		{[]string{"--add=g*"}, 1, "--add=g*: no module of the kernel 6.1.0 matches"},
		{[]string{"--add=kernel/[ab]*"}, 0, ""},
		{[]string{"--add=user"}, 1, "gone (dependency of user): modules.dep lists kernel/gone.ko"},
		{[]string{"--add=user", "--allow-missing=gone"}, 0, "WARNING: gone (dependency of user): modules.dep lists"},
		{[]string{"--add=a", "--file=/nothing"}, 1, "/nothing: no such file"},
	} {
		if _, stderr, status := b.build(t, tt.args...); status != tt.status || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: status %d, %s; want %d, %s", tt.args, status, stderr, tt.status, tt.want)
		}
	}
	b.write(t, "key", "secret", 0o600)
	image := filepath.Join(b.root, "image")
	if status, _, stderr := b.run("build", "--root", b.root, "-k6.1.0", "--program=none", "--no-init", "--add=a", "--file=/key", "-o", image); status != 0 {
		t.Fatal(stderr)
	}
	if info, err := os.Stat(image); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("an image with a key: %v, %v; want mode 0600", info.Mode(), err)
	}
}

// TestInitramfsUpdate: an image is built anew only if it would change, and the one before is kept.
func TestInitramfsUpdate(t *testing.T) {
	b := newImageBench(t)
	if err := os.Mkdir(filepath.Join(b.root, "boot"), 0o755); err != nil {
		t.Fatal(err)
	}
	update := func(args ...string) {
		t.Helper()
		if status, _, stderr := b.run(append([]string{"update", "--root", b.root, "-k6.1.0"}, args...)...); status != 0 {
			t.Fatalf("status %d, %s", status, stderr)
		}
	}
	boot := func() string {
		t.Helper()
		list, err := os.ReadDir(filepath.Join(b.root, "boot"))
		if err != nil {
			t.Fatal(err)
		}
		var text string
		for _, e := range list {
			_, names, _ := b.run("ls", filepath.Join(b.root, "boot", e.Name()))
			text += e.Name() + ":"
			for _, m := range []string{"a", "b"} {
				if strings.Contains(names, "kernel/"+m+".ko\n") {
					text += m
				}
			}
			text += " "
		}
		return text
	}
	const config = "# a comment\nprogram=none\nno-init\nadd = a\n"
	b.write(t, "etc/gomodprobe/initramfs.conf", config, 0o644)
	update()
	if got, want := boot(), "initrd.img-6.1.0:a "; got != want {
		t.Errorf("first: %s, want %s", got, want)
	}
	b.write(t, "etc/gomodprobe/initramfs.conf", config+"--add=b\n", 0o644)
	for range 2 { // the second time nothing changes
		update()
		if got, want := boot(), "initrd.img-6.1.0:ab initrd.img-6.1.0.old:a "; got != want {
			t.Errorf("second: %s, want %s", got, want)
		}
	}
	b.write(t, "etc/gomodprobe/initramfs.conf", "add=none\nprogram=none\nno-init\n", 0o644)
	if status, _, stderr := b.run("update", "--root", b.root, "-k6.1.0"); status != 1 || !strings.Contains(stderr, "--add=none") {
		t.Errorf("a mistake: status %d, %s", status, stderr)
	}
	if got, want := boot(), "initrd.img-6.1.0:ab initrd.img-6.1.0.old:a "; got != want {
		t.Errorf("after a mistake: %s, want %s", got, want)
	}
	update("--remove")
	if got := boot(); got != "" {
		t.Errorf("removed: %s is left", got)
	}
}

// TestInitramfsInstallHooks: the hooks of kernels come and go, and others' files of those names stay.
func TestInitramfsInstallHooks(t *testing.T) {
	b := newImageBench(t)
	names := []string{"etc/kernel/postinst.d/zy-gomodprobe", "etc/kernel/postrm.d/zy-gomodprobe", "etc/kernel/install.d/50-gomodprobe.install"}
	for range 2 {
		if status, _, stderr := b.run("install-hooks", "--root", b.root); status != 0 {
			t.Fatal(stderr)
		}
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(b.root, name)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v", name, err)
		}
	}
	config, err := os.ReadFile(filepath.Join(b.root, "etc/gomodprobe/initramfs.conf"))
	if err != nil || !strings.Contains(string(config), "\nhost\n") {
		t.Errorf("configuration %q, %v", config, err)
	}
	b.write(t, names[0], "#!/bin/sh\n# somebody's\n", 0o755)
	if status, _, stderr := b.run("install-hooks", "--root", b.root, "--remove"); status != 1 || !strings.Contains(stderr, "zy-gomodprobe is not from goinitramfs, and was left as it is") {
		t.Errorf("others' file: status %d, %s", status, stderr)
	}
	for i, name := range names {
		if _, err := os.Stat(filepath.Join(b.root, name)); (err == nil) != (i == 0) {
			t.Errorf("%s after removal: %v", name, err)
		}
	}
}

// TestInitramfsBoot: the command for an image is printed, or run.
func TestInitramfsBoot(t *testing.T) {
	b := newImageBench(t)
	b.write(t, "image", "", 0o644)
	b.write(t, "vmlinuz", strings.Repeat("\x00", 0x202)+"HdrS", 0o644)
	b.write(t, "Image", strings.Repeat("\x00", 0x38)+"ARM\x64", 0o644)
	b.write(t, "disk,1", "QFI\xfb", 0o644)
	image := filepath.Join(b.root, "image")
	status, out, stderr := b.run("boot", "-n", "-k", filepath.Join(b.root, "vmlinuz"), "--disk", filepath.Join(b.root, "disk,1"), "--append=it's", image)
	want := "qemu-system-x86_64 -accel kvm -accel tcg -m 1024 -smp 2 -nographic -no-reboot -kernel " + b.root + "/vmlinuz -initrd " + b.root + "/image -snapshot -drive if=virtio,format=qcow2,file=" +
		b.root + `/disk,,1 -append 'console=ttyS0 panic=-1 root=/dev/vda it'\''s'` + "\n"
	if status != 0 || out != want {
		t.Errorf("status %d, %s%s; want %s", status, stderr, out, want)
	}
	if status, _, stderr := b.run("boot", "-k", filepath.Join(b.root, "Image"), "--append=root=/dev/sda", image); status != 0 || len(b.ran) != 1 ||
		!strings.HasPrefix(b.ran[0], "exec qemu-system-aarch64 -machine virt -cpu max ") || !strings.HasSuffix(b.ran[0], " -append 'console=ttyAMA0 panic=-1 root=/dev/sda'") {
		t.Errorf("status %d, %s, ran %q", status, stderr, b.ran)
	}
	if status, _, stderr := b.run("boot", image); status != 1 || !strings.Contains(stderr, "--kernel names its file") {
		t.Errorf("no kernel: status %d, %s", status, stderr)
	}
}
