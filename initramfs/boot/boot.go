// Package boot is what /init of a boot image does: it finds the root file system, mounts it, and starts the first
// program there.
//
// What is decided (the kernel's command line, which device is meant, what it holds) is plain data made from an fs.FS;
// what is done to the machine goes through a [System]. Devices get their drivers by modprobe's cold-plug, beside which
// this package watches for the root to appear. RAID, LVM and encryption are not known here: hooks do that.
package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// Root is the folder that the root file system is mounted on.
const Root = "/sysroot"

// Hooks is the folder with the folders of hooks.
const Hooks = "/etc/gomodprobe"

// A System does to a machine what Prepare decides. [Machine] is the real one.
type System interface {
	// Mount mounts a file system on a folder, which it makes if it is not there. The flags are those of mount(2).
	// Something that is mounted there already is no error.
	Mount(source, dir, fstype string, flags uint, data string) error
	// Mounted reports whether something is mounted on the folder.
	Mounted(dir string) bool
	// Run runs a hook with variables added to its environment, and waits for its end.
	Run(ctx context.Context, program string, variables []string) error
	// Switch moves what is mounted on /dev, /proc, /sys and /run below root, makes root the root of this process,
	// frees the memory of the old one, and starts the program, whose argv[0] is its name. It returns only if that
	// fails.
	Switch(root, program string, args []string) error
	// Link makes a symbolic link, in place of what has that name, and the folders it is in.
	Link(target, name string) error
	// Shell runs a shell on the console if there is one; the error is fs.ErrNotExist if not.
	Shell() error
	// Reboot restarts the machine.
	Reboot() error
}

// Boot is one start of a machine. The fields are set before Prepare, but for Report.
type Boot struct {
	// FS is the file system of the image; its root is "/".
	FS fs.FS
	// Sub returns the file system below a folder, which links do not leave.
	Sub func(dir string) (fs.FS, error)
	// System is the machine.
	System System
	// Prober loads modules.
	Prober *modprobe.Prober
	// Config is what the kernel's command line says.
	Config Config
	// Uevents returns news about devices. Default: coldplug.ListenUevents.
	Uevents func() (coldplug.Uevents, error)
	// Begin is when /init was started; the times of Report count from there.
	Begin time.Time
	// Log gets what a person may want to know while waiting.
	Log func(string)
	// Report is what happened.
	Report Report

	cold   chan struct{} // closed when cold-plug has ended; nil if it was not begun
	linked bool          // links in /dev/disk are being made
}

// Report is what happened, and when: since Boot.Begin; 0 for what did not happen.
type Report struct {
	// Settled is when devices had their drivers, so that hooks could run; only if there are hooks.
	Settled time.Duration
	// Found is when the device was there and known to be the root.
	Found time.Duration
	// Mounted is when the root file system was mounted.
	Mounted time.Duration
	// Loaded is when no more modules were being loaded.
	Loaded time.Duration
	// Device is the root; nil if a hook mounted it.
	Device *Device
	// Type is the file system it was mounted as.
	Type string
	// Init is the first program, a path on the root.
	Init string
	// Cold is what cold-plug did; nil if there was none.
	Cold *coldplug.Report
}

// ErrNoRoot reports that the root device has not appeared in time. Trying again may help.
var ErrNoRoot = errors.New("did not appear")

// Setup mounts what programs expect to be there.
func Setup(s System) error {
	for _, m := range [...]struct {
		fs, dir string
		flags   uint
		data    string
	}{
		{"proc", "/proc", noSuid | noDev | noExec, ""},
		{"sysfs", "/sys", noSuid | noDev | noExec, ""},
		{"devtmpfs", "/dev", noSuid, "mode=0755"},
		{"tmpfs", "/run", noSuid | noDev, "mode=0755,size=20%"},
	} {
		if err := s.Mount(m.fs, m.dir, m.fs, m.flags, m.data); err != nil {
			return err
		}
	}
	return nil
}

// Prepare does all that comes before Switch: it loads drivers until the root is there, mounts it on Root, runs hooks,
// and finds the first program. It can be called again after a failure.
func (b *Boot) Prepare(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	b.linked = false
	defer func() {
		cancel()
		if b.cold != nil {
			<-b.cold // Report is complete when Prepare returns
		}
	}()
	if !b.System.Mounted(Root) {
		if err := b.beforeMount(ctx); err != nil {
			return err
		}
	}
	if !b.System.Mounted(Root) { // no hook has done it
		if err := b.findAndMount(ctx); err != nil {
			return err
		}
	}
	b.Report.Mounted = b.since()
	if err := b.hooks(ctx, "after-mount"); err != nil {
		return err
	}
	if err := b.findInit(); err != nil {
		return err
	}
	if b.cold != nil {
		<-b.cold // modules that are being loaded must not lose their files
	}
	b.Report.Loaded = b.since()
	return nil
}

func (b *Boot) since() time.Duration { return time.Since(b.Begin) }

func (b *Boot) log(format string, args ...any) {
	if b.Log != nil {
		b.Log(fmt.Sprintf(format, args...))
	}
}

// beforeMount runs the hooks that make a root, of devices which have to be there for that.
func (b *Boot) beforeMount(ctx context.Context) error {
	list, err := b.hookList("before-mount")
	if len(list) == 0 {
		return err
	}
	if b.Report.Cold, err = coldplug.Run(ctx, b.Prober, nil); err != nil {
		return err
	}
	b.Report.Settled = b.since()
	return b.hooks(ctx, "before-mount")
}

// hookList returns the programs of a folder of hooks, in the order of their names.
func (b *Boot) hookList(when string) (list []string, err error) {
	dir := Hooks + "/" + when + ".d"
	entries, err := fs.ReadDir(b.FS, dir[1:])
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if info, err := fs.Stat(b.FS, name[1:]); err == nil && info.Mode().IsRegular() &&
			info.Mode()&0o111 != 0 {
			list = append(list, name)
		}
	}
	return list, err
}

// hooks runs the hooks of a folder. One that fails ends the start: who adds a hook that checks something wants that.
func (b *Boot) hooks(ctx context.Context, when string) error {
	list, err := b.hookList(when)
	if len(list) > 0 {
		b.startLinks(ctx)
	}
	for _, name := range list {
		b.log("running %s", name)
		if err := b.System.Run(ctx, name, []string{"NEWROOT=" + Root, "ROOT=" + b.Config.Root}); err != nil {
			return fmt.Errorf("the hook %s: %w", name, err)
		}
	}
	return err
}

// findAndMount waits for the root beside cold-plug, and mounts it.
func (b *Boot) findAndMount(ctx context.Context) error {
	if b.Config.Root == "" {
		return errors.New("there is no root= on the kernel's command line")
	}
	spec, err := ParseSpec(b.Config.Root)
	if err != nil {
		return fmt.Errorf("root=%s: %w", b.Config.Root, err)
	}
	enough, ended := make(chan struct{}), make(chan struct{})
	b.cold = ended
	go func() {
		defer close(ended)
		b.Report.Cold, _ = coldplug.Run(ctx, b.Prober, &coldplug.Options{Enough: enough, Timeout: never})
	}()
	if len(b.Config.Types) > 0 {
		go b.driver(ctx, b.Config.Types[0]) // beside the others; what goes wrong shows when it is needed
	}
	d, err := b.Find(ctx, spec)
	if err != nil {
		return fmt.Errorf("root=%s %w", b.Config.Root, err)
	}
	if d.Member() && len(b.Config.Types) == 0 {
		return fmt.Errorf("root=%s %w", b.Config.Root, &MemberError{d, b.hasHooks()})
	}
	if err := b.findOthers(ctx); err != nil {
		return err
	}
	time.Sleep(b.Config.Delay - b.since())
	b.Report.Found, b.Report.Device = b.since(), d
	close(enough)
	return b.mount(ctx, d)
}

// findOthers waits for the devices that rootflags= names: the other disks of a file system, or its journal.
func (b *Boot) findOthers(ctx context.Context) error {
	for o := range strings.SplitSeq(b.Config.Flags, ",") {
		node, ok := strings.CutPrefix(o, "device=/dev/")
		if !ok {
			continue
		}
		if _, err := b.Find(ctx, Spec{Kind: Node, Value: node}); err != nil {
			return fmt.Errorf("rootflags=%s %w", o, err)
		}
	}
	return nil
}

// never is a timeout for what something else ends.
const never = 1 << 62

// Drivers loads the drivers of all devices, of those that appear later as well, until stop is called. It is for the
// time after Prepare has failed, perhaps before the keyboard had its driver, and makes the links in /dev/disk.
func (b *Boot) Drivers() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	b.linked = false
	b.startLinks(ctx)
	go func() {
		defer close(ended)
		coldplug.Run(ctx, b.Prober, &coldplug.Options{Enough: make(chan struct{}), Timeout: never})
	}()
	return func() { cancel(); <-ended }
}

// inits are the programs that the kernel tries if nothing is said.
var inits = [...]string{"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"}

// findInit chooses the first program. Links are followed inside the root.
func (b *Boot) findInit() error {
	root, err := b.Sub(Root)
	if err != nil {
		return err
	}
	names := inits[:]
	if b.Config.Init != "" {
		names = []string{b.Config.Init}
	}
	for _, name := range names {
		info, err := fs.Stat(root, strings.TrimPrefix(path.Clean("/"+name), "/"))
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			b.Report.Init = name
			return nil
		}
	}
	what := "init=" + b.Config.Init + " is not a program on the root file system"
	if b.Config.Init == "" {
		what = "there is no program " + strings.Join(names, ", ") + " on the root file system"
	}
	return fmt.Errorf("%s, which has %s", what, b.contents(root))
}

// contents names what is at the top of a file system.
func (b *Boot) contents(root fs.FS) string {
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		return "no folder that can be read"
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	const most = 20
	if len(names) > most {
		names = append(names[:most], "…")
	}
	if len(names) == 0 {
		return "nothing in it"
	}
	return strings.Join(names, " ")
}
