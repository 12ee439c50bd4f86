package check_test

import (
	"debug/elf"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

const magic61 = "6.1.0 SMP mod_unload modversions "

var layout61 = kmodtest.Import{Name: "module_layout", CRC: 0x11, VersionOnly: true}

// TestCheckStray: of the modules of a tree without a boot image one is for another machine.
func TestCheckStray(t *testing.T) {
	in := func(name string, machine elf.Machine) kmodtest.Module {
		return kmodtest.Module{Name: name, Machine: machine, Vermagic: magic61, Info: []string{"intree=Y"},
			Imports: []kmodtest.Import{layout61}}
	}
	for _, stray := range []string{"a_stray", "m_stray", "z_stray"} {
		root := kmodtest.Tree(t, "6.1.0", in(stray, elf.EM_AARCH64), in("good", elf.EM_X86_64), in("other", elf.EM_X86_64),
			in("third", elf.EM_X86_64))
		c := checker(t, modprobe.Options{Dir: root, Release: "6.1.0", NoConfig: true}, nil)
		if v := verdict(t, c, "good"); v.Outcome == check.Fails {
			t.Errorf("%s: %+v", stray, v)
		}
		if v := verdict(t, c, stray); v.Errno != syscall.ENOEXEC {
			t.Errorf("%s itself: %+v", stray, v)
		}
	}
}

// TestCheckLoneStray: the only module in kernel/ is of another machine, another build or another configuration. Nothing
// fails on its word, and what fails without it does.
func TestCheckLoneStray(t *testing.T) {
	good := kmodtest.Module{Name: "good", Path: "updates/good.ko", Vermagic: magic61, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout61}}
	stray := func(change func(m *kmodtest.Module)) kmodtest.Module {
		m := kmodtest.Module{Name: "stray", Vermagic: magic61, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout61}}
		change(&m)
		return m
	}
	for name, m := range map[string]kmodtest.Module{
		"machine":  stray(func(m *kmodtest.Module) { m.Machine = elf.EM_AARCH64 }),
		"class":    stray(func(m *kmodtest.Module) { m.Class, m.Big = 32, true }),
		"vermagic": stray(func(m *kmodtest.Module) { m.Vermagic = "6.1.0 SMP preempt mod_unload modversions " }),
		"build": stray(func(m *kmodtest.Module) {
			m.Imports = []kmodtest.Import{{Name: "module_layout", CRC: 0x99, VersionOnly: true}}
		}),
	} {
		root := kmodtest.Tree(t, "6.1.0", good, m)
		c := checker(t, modprobe.Options{Dir: root, Release: "6.1.0", NoConfig: true}, nil)
		if v := verdict(t, c, "good"); v.Outcome != check.Unknown || v.Errno != 0 {
			t.Errorf("%s: %+v", name, v)
		}
		write(t, root, "broken.ko", "\x7fELF, and not a module, but long enough for the header that an ELF file has")
		if v := verdict(t, c, root+"/broken.ko"); v.Outcome != check.Fails || v.Errno != syscall.ENOEXEC {
			t.Errorf("%s, a file that is no module: %+v", name, v)
		}
	}
	// A Module.symvers with its CRC of module_layout confirms it: then its vermagic counts.
	root := kmodtest.Tree(t, "6.1.0", good, stray(func(m *kmodtest.Module) { m.Vermagic = "6.1.0 SMP preempt mod_unload modversions " }))
	write(t, root, "lib/modules/6.1.0/build/Module.symvers", "0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n")
	if v := verdict(t, checker(t, modprobe.Options{Dir: root, Release: "6.1.0", NoConfig: true}, nil), "good"); v.Outcome != check.Fails {
		t.Errorf("confirmed: %+v", v)
	}
}

// TestCheckSymversAdded: a Module.symvers without the kernel's own symbols is added to what the kernel exports.
func TestCheckSymversAdded(t *testing.T) {
	foo := kmodtest.Module{Name: "foo", Vermagic: magic61,
		Imports: []kmodtest.Import{layout61, {Name: "printk", CRC: 2}, {Name: "bar_api", CRC: 3}}}
	root := kmodtest.Tree(t, "6.1.0", foo)
	write(t, root, "lib/modules/6.1.0/build/Module.symvers",
		"0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n0x00000002\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
	write(t, root, "bar/Module.symvers", "0x00000003\tbar_api\t/src/bar/bar\tEXPORT_SYMBOL\t\n")
	o := modprobe.Options{Dir: root, Release: "6.1.0", NoConfig: true}
	const missing = "that the kernel exports bar_api"
	if v := verdict(t, checker(t, o, nil), "foo"); !slices.Contains(v.NotVerified, missing) {
		t.Errorf("without bar's: %+v", v)
	}
	v := verdict(t, checker(t, o, &check.Options{Symvers: root + "/bar/Module.symvers"}), "foo")
	if v.Outcome == check.Fails || slices.Contains(v.NotVerified, missing) || !slices.Equal(v.Needs, []string{"bar"}) {
		t.Errorf("with bar's: %+v", v)
	}
	if !strings.HasSuffix(v.Source, "/build/Module.symvers and "+root+"/bar/Module.symvers") {
		t.Errorf("compared with %q", v.Source)
	}
}

// TestCheckNameTaken: a file whose module has the name of a part of the running kernel, which has a folder in
// /sys/module.
func TestCheckNameTaken(t *testing.T) {
	mod := func(name string) *fstest.MapFile {
		m := kmodtest.Module{Name: name, Vermagic: magic61, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout61}}
		return &fstest.MapFile{Data: m.Bytes()}
	}
	fsys := fstest.MapFS{
		"lib/modules/6.1.0/modules.dep":    {Data: []byte("kernel/free.ko:\nkernel/other.ko:\n")},
		"lib/modules/6.1.0/kernel/free.ko": mod("free"), "lib/modules/6.1.0/kernel/other.ko": mod("other"),
		"lib/modules/6.1.0/build/Module.symvers": {Data: []byte("0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n")},
		"sys/module/printk/parameters/time":      {Data: []byte("Y\n")},
		"sys/module/loaded/initstate":            {Data: []byte("live\n")},
		"printk.ko":                              mod("printk"), "loaded.ko": mod("loaded"), "free.ko": mod("free"),
	}
	c := checker(t, modprobe.Options{FS: fsys, NoConfig: true, Kernel: &modprobetest.Kernel{Version: "6.1.0"}}, nil)
	for name, errno := range map[string]syscall.Errno{"/printk.ko": syscall.EINVAL, "/loaded.ko": syscall.EEXIST, "/free.ko": 0} {
		if v := verdict(t, c, name); v.Errno != errno {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
