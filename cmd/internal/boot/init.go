// Package boot is /init of boot images as a command: it starts the system, or says why that cannot be.
package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// bootReport is where the started system finds the report of /init.
const bootReport = "/run/gomodprobe/boot.json"

// Main is /init of a boot image: it loads drivers until the root file system is there, and starts the system on it. It
// returns only where it is not the first program of a machine.
func Main(env *cli.Env) int {
	begin := env.Now()
	machine, err := env.Machine()
	if err != nil {
		cli.NewLogger(env, cli.LevelWarning).Errorf("%v", err)
		return 1
	}
	i := &initRun{env: env, machine: machine}
	if err := boot.Setup(machine); err != nil {
		i.fail(err)
	}
	line, err := fs.ReadFile(env.FS, "proc/cmdline")
	if err != nil {
		i.fail(err)
	}
	config, bad := boot.ParseCmdline(string(line))
	for _, err := range bad {
		i.say("%v", err)
	}
	p, err := modprobe.New(&modprobe.Options{FS: env.FS, Kernel: env.Kernel, Explain: check.Explain})
	if err != nil {
		i.fail(err)
	}
	i.Boot = boot.Boot{FS: env.FS, Sub: env.Sub, System: machine, Prober: p, Config: config, Begin: begin,
		Log: func(text string) { i.say("%s", text) }}
	for {
		err := i.Prepare(context.Background())
		if err == nil {
			err = i.start()
		}
		i.fail(err)
	}
}

// initRun is one run of Main.
type initRun struct {
	boot.Boot
	env     *cli.Env
	machine boot.System
	again   bool // a failure was shown, and boot is being retried
}

// say prints what is no failure, unless the kernel's command line has "quiet".
func (i *initRun) say(format string, args ...any) {
	if !i.Config.Quiet {
		fmt.Fprintf(i.env.Stdout, "init: "+format+"\n", args...)
	}
}

// start hands over to the system. It returns only if that fails.
func (i *initRun) start() error {
	r := &i.Report
	what := "what a hook has mounted"
	if r.Device != nil {
		what = fmt.Sprintf("/dev/%s (%s)", r.Device.Node, r.Type)
	}
	text := fmt.Sprintf("starting %s on %s, %d ms after /init was", r.Init, what,
		i.env.Now().Sub(i.Begin).Milliseconds())
	i.env.WriteFile("/dev/kmsg", []byte("<6>init: "+text+"\n")) // for readers of the log; it may fail
	doc, err := i.report()
	if err == nil {
		err = i.env.WriteFile(bootReport, doc)
	}
	if err != nil {
		i.say("%v", err)
	}
	return i.machine.Switch(boot.Root, r.Init, i.env.Args[1:])
}

// bootDoc is boot.json. Times are milliseconds since /init was started; events that did not happen are left out.
type bootDoc struct {
	Root      string           `json:"root,omitempty"`
	Device    string           `json:"device,omitempty"`
	UUID      string           `json:"uuid,omitempty"`
	Label     string           `json:"label,omitempty"`
	PartUUID  string           `json:"partuuid,omitempty"`
	PartLabel string           `json:"partlabel,omitempty"`
	Type      string           `json:"type,omitempty"`
	Init      string           `json:"init,omitempty"`
	Settled   *int64           `json:"settled_ms,omitempty"`
	Found     *int64           `json:"found_ms,omitempty"`
	Mounted   *int64           `json:"mounted_ms,omitempty"`
	Loaded    *int64           `json:"loaded_ms,omitempty"`
	Took      *int64           `json:"took_ms,omitempty"`
	Coldplug  *coldplug.Report `json:"coldplug,omitempty"`
}

// report is boot.json.
func (i *initRun) report() ([]byte, error) {
	r := &i.Report
	ms := func(d time.Duration) *int64 {
		if d <= 0 {
			return nil
		}
		n := d.Milliseconds()
		return &n
	}
	doc := bootDoc{
		Root: i.Config.Root, Type: r.Type, Init: r.Init, Settled: ms(r.Settled), Found: ms(r.Found),
		Mounted: ms(r.Mounted), Loaded: ms(r.Loaded), Took: ms(i.env.Now().Sub(i.Begin)), Coldplug: r.Cold,
	}
	if d := r.Device; d != nil {
		doc.Device, doc.UUID, doc.Label = "/dev/"+d.Node, d.UUID, d.Label
		doc.PartUUID, doc.PartLabel = d.PartUUID, d.PartLabel
	}
	var b bytes.Buffer
	err := cli.WriteJSON(&b, doc)
	return b.Bytes(), err
}

// fail says what went wrong and does what the kernel's command line says: restart, or a shell, after which boot is
// retried. Without a shell it returns to look for the root, which may be plugged in; after any other failure it waits
// for ever.
func (i *initRun) fail(err error) {
	later := i.again && errors.Is(err, boot.ErrNoRoot)
	i.again = true
	if !later {
		i.explain(err)
	}
	if i.Config.Panic != 0 {
		wait := time.Duration(max(i.Config.Panic, 0)) * time.Second
		fmt.Fprintf(i.env.Stdout, "init: restarting the machine in %v, as panic=%d says\n", wait,
			i.Config.Panic)
		time.Sleep(wait)
		fmt.Fprintf(i.env.Stdout, "init: cannot restart: %v\n", i.machine.Reboot())
	}
	if i.Prober != nil {
		defer i.Drivers()()
	}
	if i.Config.Panic == 0 && !i.Config.NoShell {
		if !later {
			fmt.Fprintln(i.env.Stdout, "init: starting a shell, if this image has one; "+
				"boot is retried when it exits")
		}
		err := i.machine.Shell()
		if err == nil {
			i.again = false
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(i.env.Stdout, "init: no shell: %v\n", err)
		}
	}
	if errors.Is(err, boot.ErrNoRoot) {
		if !later {
			fmt.Fprintln(i.env.Stdout, "init: still looking; a disk that is plugged in now will do")
		}
		return
	}
	fmt.Fprintln(i.env.Stdout, "init: nothing more can be done; Ctrl-Alt-Del restarts the machine")
	for {
		time.Sleep(time.Hour)
	}
}

// explain tells the person at the machine why it does not start.
func (i *initRun) explain(err error) {
	var b strings.Builder
	fmt.Fprintf(&b, "\ninit: the system cannot be started.\n\n    %v\n", err)
	i.explainDevices(&b)
	i.explainModules(&b)
	b.WriteString("\nThe kernel's own messages may say more: start it without \"quiet\". ")
	b.WriteString("The root is named by root=, its file system by rootfstype=, on the kernel's command line. ")
	b.WriteString("A module that is not here is added by goinitramfs build --add NAME.\n\n")
	i.env.Stdout.Write([]byte(b.String()))
}

// explainDevices lists the block devices.
func (i *initRun) explainDevices(b *strings.Builder) {
	names := boot.Names(i.env.FS)
	if len(names) == 0 {
		b.WriteString("\nThere are no block devices: no driver has found a disk.\n")
		return
	}
	b.WriteString("\nBlock devices:\n")
	for _, name := range names {
		d, err := boot.Stat(i.env.FS, name)
		if err != nil || d.Size == 0 {
			continue
		}
		d.Read(i.env.FS)
		fmt.Fprintf(b, "    /dev/%-12s %9d MiB", d.Node, d.Size>>20)
		for _, f := range [...][2]string{{" ", d.Type}, {" UUID=", d.UUID}, {" LABEL=", d.Label},
			{" PARTUUID=", d.PartUUID}, {" PARTLABEL=", d.PartLabel}} {
			if f[1] != "" {
				b.WriteString(f[0] + f[1])
			}
		}
		if d.Err != nil {
			fmt.Fprintf(b, " cannot be read: %v", d.Err)
		}
		b.WriteString("\n")
	}
}

// explainModules lists the modules that failed, and the devices without a module on buses that can have disks.
func (i *initRun) explainModules(b *strings.Builder) {
	cold := i.Report.Cold
	if cold == nil {
		return
	}
	list := func(title string, lines []string) {
		const most = 30
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(b, "\n%s:\n", title)
		for n, l := range lines {
			if n == most {
				fmt.Fprintf(b, "    and %d more\n", len(lines)-n)
				break
			}
			fmt.Fprintf(b, "    %s\n", l)
		}
	}
	var loaded, left, failed, unmatched []string
	for _, m := range cold.Modules {
		switch {
		case m.Err == nil:
			loaded = append(loaded, m.Name)
		case errors.Is(m.Err, coldplug.ErrNotDone):
			left = append(left, m.Name)
		default:
			failed = append(failed, m.Err.Error())
		}
	}
	bound := boot.HasDriver(i.env.FS) // a driver that is a part of the kernel needs no module
	for _, a := range cold.Unmatched {
		if bound(a) {
			continue
		}
		bus, _, _ := strings.Cut(a, ":")
		switch bus {
		case "pci", "usb", "virtio", "of", "mmc", "scsi", "vmbus", "xen", "ccw":
			unmatched = append(unmatched, a)
		}
	}
	if len(loaded) > 0 {
		list("Loaded for devices", []string{strings.Join(loaded, " ")})
	}
	if len(left) > 0 {
		list("Not loaded before this failure", []string{strings.Join(left, " ")})
	}
	if now := boot.Loading(i.env.FS); len(now) > 0 {
		list("Still being loaded", []string{strings.Join(now, " ")})
	}
	list("Modules that failed", failed)
	list("Devices that no module in this image is for", unmatched)
	list("Devices that wait for another device", cold.Deferred)
}
