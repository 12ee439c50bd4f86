package boot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// fakeSystem writes down what is done to it.
type fakeSystem struct {
	calls   []string
	links   sync.Map
	mounted map[string]bool
	fail    map[string]error // by call
	hook    func(program string, variables []string) error
}

func (s *fakeSystem) call(format string, args ...any) error {
	c := fmt.Sprintf(format, args...)
	s.calls = append(s.calls, c)
	return s.fail[c]
}

func (s *fakeSystem) Mount(source, dir, fstype string, flags uint, data string) error {
	if err := s.call("mount %s %s %s %#x %q", source, dir, fstype, flags, data); err != nil {
		return err
	}
	s.mounted[dir] = true
	return nil
}

func (s *fakeSystem) Mounted(dir string) bool { return s.mounted[dir] }

func (s *fakeSystem) Run(_ context.Context, program string, variables []string) error {
	if err := s.call("run %s %s", program, strings.Join(variables, " ")); err != nil || s.hook == nil {
		return err
	}
	return s.hook(program, variables)
}

func (s *fakeSystem) Switch(root, program string, args []string) error { return s.call("switch") }
func (s *fakeSystem) Link(target, name string) error                   { s.links.Store(name, target); return nil }
func (s *fakeSystem) Shell() error                                     { return s.call("shell") }
func (s *fakeSystem) Reboot() error                                    { return s.call("reboot") }

// fakeUevents passes on what a test sends.
type fakeUevents struct {
	c    chan coldplug.Uevent
	quit chan struct{}
	once *sync.Once
}

func (u fakeUevents) Next() (coldplug.Uevent, error) {
	select {
	case e := <-u.c:
		return e, nil
	case <-u.quit:
		return coldplug.Uevent{}, io.EOF
	}
}

func (u fakeUevents) Close() error { u.once.Do(func() { close(u.quit) }); return nil }

// machine is a made machine in a folder.
type machine struct {
	boot.Boot
	root   string
	system *fakeSystem
	kernel *modprobetest.Kernel
	events chan coldplug.Uevent
}

func newMachine(t *testing.T, cmdline string) *machine {
	t.Helper()
	spec, err := kmodtest.ParseSpec("release 6.1.0\nmodule kernel/fs/ext4.ko\n\talias fs-ext4\nmodule kernel/fs/xfs.ko\n")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{root: spec.Tree(t), events: make(chan coldplug.Uevent), system: &fakeSystem{mounted: make(map[string]bool), fail: make(map[string]error)}}
	fsys := os.DirFS(m.root)
	tables, err := depmod.Build(t.Context(), &depmod.Options{FS: fsys, Release: "6.1.0"})
	if err == nil {
		err = tables.Install(filepath.Join(m.root, "lib/modules/6.1.0"))
	}
	if err != nil {
		t.Fatal(err)
	}
	m.kernel = &modprobetest.Kernel{Version: "6.1.0", Dir: m.root}
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Kernel: m.kernel})
	if err != nil {
		t.Fatal(err)
	}
	config, bad := boot.ParseCmdline(cmdline)
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	m.Boot = boot.Boot{
		FS: fsys, System: m.system, Prober: p, Config: config, Begin: time.Now(),
		Sub: func(dir string) (fs.FS, error) { return sysroot.New(os.DirFS(filepath.Join(m.root, dir))), nil },
		Uevents: func() (coldplug.Uevents, error) {
			return fakeUevents{m.events, make(chan struct{}), new(sync.Once)}, nil
		},
	}
	m.write(t, "proc/filesystems", "nodev\tproc\n\tvfat\n", 0o644)
	m.write(t, "sysroot/lib/systemd/systemd", "", 0o755)
	m.write(t, "sysroot/sbin/other", "", 0o644)
	if err := os.Symlink("/lib/systemd/systemd", filepath.Join(m.root, "sysroot/sbin/init")); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) write(t *testing.T, name, text string, perm fs.FileMode) {
	t.Helper()
	name = filepath.Join(m.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), perm)); err != nil {
		t.Fatal(err)
	}
}

// plug adds a disk whose superblock is that of ext4 with a label.
func (m *machine) plug(t *testing.T, name, label string) {
	t.Helper()
	image := make([]byte, 8192)
	copy(image[1024+56:], "\x53\xef")
	image[1024+96] = 0x40 // extents, which only ext4 has
	copy(image[1024+120:], label)
	m.write(t, "dev/"+name, string(image), 0o644)
	m.write(t, "sys/class/block/"+name+"/size", "16\n", 0o644)
	m.write(t, "sys/class/block/"+name+"/dev", "8:0\n", 0o644) // last: without it there is no device
}

func (m *machine) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(m.system.calls, want) {
		t.Errorf("done:\n%s\nwant:\n%s", strings.Join(m.system.calls, "\n"), strings.Join(want, "\n"))
	}
}

const mountExt4 = `mount /dev/sdb /sysroot ext4 0x401 "discard"`

func TestPrepare(t *testing.T) {
	m := newMachine(t, "root=LABEL=here rootflags=noatime,discard")
	m.write(t, "etc/gomodprobe/after-mount.d/20-b", "", 0o755)
	m.write(t, "etc/gomodprobe/after-mount.d/10-a", "", 0o755)
	m.write(t, "etc/gomodprobe/after-mount.d/README", "", 0o644)
	m.plug(t, "sda", "not this one")
	go func() {
		m.plug(t, "sdb", "here")
		m.events <- coldplug.Uevent{Action: "add", Device: "/devices/x/block/sdb"}
	}()
	if err := m.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	const env = " NEWROOT=/sysroot ROOT=LABEL=here"
	m.wantCalls(t, mountExt4, "run /etc/gomodprobe/after-mount.d/10-a"+env, "run /etc/gomodprobe/after-mount.d/20-b"+env)
	r := &m.Report
	if r.Device == nil || r.Device.Node != "sdb" || r.Type != "ext4" || r.Init != "/sbin/init" || r.Cold == nil {
		t.Errorf("report %+v", r)
	}
	if r.Found <= 0 || r.Mounted < r.Found || r.Loaded < r.Mounted {
		t.Errorf("found %v, mounted %v, loaded %v", r.Found, r.Mounted, r.Loaded)
	}
	if calls := m.kernel.Calls(); len(calls) != 1 || calls[0].Module != "ext4" {
		t.Errorf("loaded: %v, want ext4", calls)
	}
}

func TestPrepareByHook(t *testing.T) {
	m := newMachine(t, "init=/lib/systemd/systemd")
	m.write(t, "etc/gomodprobe/before-mount.d/net", "", 0o755)
	m.system.hook = func(string, []string) error { m.system.mounted[boot.Root] = true; return nil }
	if err := m.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.wantCalls(t, "run /etc/gomodprobe/before-mount.d/net NEWROOT=/sysroot ROOT=")
	if m.Report.Device != nil || m.Report.Init != "/lib/systemd/systemd" {
		t.Errorf("report %+v", m.Report)
	}
}

// TestPrepareFails: what fails says so, and nothing is mounted, or can be tried again.
func TestPrepareFails(t *testing.T) {
	for _, tt := range []struct {
		name, cmdline string
		set           func(m *machine)
		want          string
	}{
		{"no root", "root=/dev/sdc rootwait=0", nil, "root=/dev/sdc did not appear within"},
		{"no second disk", "root=/dev/sdb rootflags=compress,device=/dev/sdc", nil, "rootflags=device=/dev/sdc did not appear within"},
		{"no device", "root=sdb", nil, "root=sdb: it names no device: there are"},
		{"no root=", "", nil, "there is no root="},
		{"hook", "root=/dev/sdb", func(m *machine) {
			m.write(t, "etc/gomodprobe/before-mount.d/bad", "", 0o755)
			m.system.hook = func(string, []string) error { return errors.New("exit status 1") }
		}, "the hook /etc/gomodprobe/before-mount.d/bad: exit status 1"},
		{"no driver", "root=/dev/sdb rootfstype=btrfs", nil, "goinitramfs build --add btrfs"},
		{"init=", "root=/dev/sdb init=/sbin/other", nil, "init=/sbin/other is not a program on the root file system, which has lib sbin"},
		{"mount", "root=/dev/sdb rootfstype=vfat", func(m *machine) {
			m.system.fail[`mount /dev/sdb /sysroot vfat 0x1 ""`] = syscall.EINVAL
		}, "mounting /dev/sdb as vfat: invalid argument\nit holds ext4, and the kernel's command line says rootfstype=vfat"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t, tt.cmdline)
			late := tt.name == "no root" || tt.name == "no second disk"
			if late {
				m.Config.Wait = time.Millisecond
			}
			m.plug(t, "sdb", "")
			if tt.set != nil {
				tt.set(m)
			}
			err := m.Prepare(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if errors.Is(err, boot.ErrNoRoot) != late {
				t.Errorf("%v is ErrNoRoot: %t", err, errors.Is(err, boot.ErrNoRoot))
			}
		})
	}
}

// TestPrepareMember: a root inside something is said to be there as soon as that is seen, although the time for it is
// not over.
func TestPrepareMember(t *testing.T) {
	luks := make([]byte, 8192)
	copy(luks, "LUKS\xba\xbe")
	copy(luks[168:], "0a1b2c3d-0000-4000-8000-000000000000")
	lvm := make([]byte, 8192)
	copy(lvm[512:], "LABELONE")
	copy(lvm[512+24:], "LVM2 001aaaaaabbbbccccddddeeeeffffgggggg")
	for _, tt := range []struct {
		root, content string
		hook          bool
		want          string
	}{
		{"UUID=0A1B2C3D-0000-4000-8000-000000000000", string(luks), false, "is on /dev/sdb, which is encrypted (LUKS), not a file system: goinitramfs build --hook luks"},
		{"UUID=0a1b2c3d-0000-4000-8000-000000000000", string(luks), true, "the hooks of this image have not opened it; the kernel's command line then says rd.luks.uuid=0a1b2c3d-"},
		{"/dev/mapper/root", string(luks), false, "--hook luks"},
		{"/dev/vg0/root", string(lvm), false, "a disk of a volume group (LVM), not a file system: goinitramfs build --hook lvm"},
		{"UUID=aaaaaa-bbbb-cccc-dddd-eeee-ffff-gggggg", string(lvm), false, "--hook lvm"},
		{"/dev/sdb", string(luks), false, "root=/dev/sdb is on /dev/sdb, which is encrypted"},
	} {
		m := newMachine(t, "rootwait root="+tt.root)
		if tt.hook {
			m.write(t, "etc/gomodprobe/before-mount.d/x", "", 0o755)
		}
		m.write(t, "dev/sdb", tt.content, 0o644)
		m.write(t, "sys/class/block/sdb/size", "16\n", 0o644)
		m.write(t, "sys/class/block/sdb/dev", "8:0\n", 0o644)
		err := m.Prepare(t.Context())
		var member *boot.MemberError
		if !errors.As(err, &member) || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "root="+tt.root+" is on") {
			t.Errorf("root=%s: %v, want %s", tt.root, err, tt.want)
		}
		if tt.hook {
			if to, ok := m.system.links.Load("/dev/disk/by-uuid/0a1b2c3d-0000-4000-8000-000000000000"); !ok || to != "../../sdb" {
				t.Errorf("link for hooks: %v", to)
			}
		}
	}
}

// TestHasDriver: a device is without a module only if none has its driver.
func TestHasDriver(t *testing.T) {
	m := newMachine(t, "")
	for _, d := range []struct{ name, modalias string }{{"a", "pci:1"}, {"b", "pci:1"}, {"c", "pci:2"}} {
		m.write(t, "sys/bus/pci/devices/"+d.name+"/modalias", d.modalias+"\n", 0o644)
	}
	m.write(t, "sys/bus/pci/devices/a/driver/x", "", 0o644)
	m.write(t, "sys/bus/pci/devices/c/driver/x", "", 0o644)
	m.write(t, "sys/module/slow/initstate", "coming\n", 0o644)
	m.write(t, "sys/module/done/initstate", "live\n", 0o644)
	has := boot.HasDriver(m.FS)
	if has("pci:1") || !has("pci:2") || has("pci:3") {
		t.Errorf("drivers: %t %t %t, want false true false", has("pci:1"), has("pci:2"), has("pci:3"))
	}
	if got := boot.Loading(m.FS); !slices.Equal(got, []string{"slow"}) {
		t.Errorf("loading %q", got)
	}
}

// TestPrepareReadOnly: a medium that cannot be written is mounted all the same, and the second type if the first is
// wrong.
func TestPrepareReadOnly(t *testing.T) {
	m := newMachine(t, "root=8:0 rw rootfstype=xfs,ext4")
	m.plug(t, "sdb", "")
	m.system.fail[`mount /dev/sdb /sysroot xfs 0x0 ""`] = syscall.EINVAL
	m.system.fail[`mount /dev/sdb /sysroot ext4 0x0 ""`] = syscall.EROFS
	if err := m.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.wantCalls(t, `mount /dev/sdb /sysroot xfs 0x0 ""`, `mount /dev/sdb /sysroot ext4 0x0 ""`, `mount /dev/sdb /sysroot ext4 0x1 ""`)
}

func TestSetup(t *testing.T) {
	s := &fakeSystem{mounted: make(map[string]bool), fail: make(map[string]error)}
	if err := boot.Setup(s); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run"} {
		if !s.mounted[dir] {
			t.Errorf("%s is not mounted", dir)
		}
	}
}
