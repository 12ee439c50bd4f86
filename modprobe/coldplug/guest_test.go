//go:build linux

package coldplug_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// manyDevices are qemu's arguments for a machine with disks on five kinds of controllers and a dozen other devices. The
// disks are in dir.
func manyDevices(t *testing.T, dir string) (args []string) {
	t.Helper()
	for i := 1; i <= 5; i++ {
		name := filepath.Join(dir, fmt.Sprintf("d%d", i))
		if err := os.WriteFile(name, make([]byte, 2<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-drive", fmt.Sprintf("file=%s,if=none,id=d%d,format=raw", name, i))
	}
	for _, d := range []string{
		"virtio-blk-pci,drive=d1", "nvme,drive=d2,serial=x", "ide-hd,drive=d3", "virtio-scsi-pci,id=vs", "scsi-hd,bus=vs.0,drive=d4",
		"qemu-xhci,id=xhci", "usb-storage,bus=xhci.0,drive=d5", "usb-kbd,bus=xhci.0", "usb-tablet,bus=xhci.0",
		"e1000e", "virtio-net-pci", "vmxnet3", "rtl8139", "virtio-rng-pci", "virtio-balloon-pci", "virtio-serial-pci",
		"intel-hda", "megasas", "mptsas1068", "sdhci-pci", "i6300esb", "ich9-usb-ehci1", "virtio-keyboard-pci",
	} {
		args = append(args, "-device", d)
	}
	return args
}

// coldModules cover the devices of that machine, and more.
var coldModules = []string{
	"=drivers/ata", "=drivers/block", "=drivers/nvme", "=drivers/scsi", "=drivers/message", "=drivers/virtio", "=drivers/usb/host",
	"=drivers/usb/storage", "=drivers/hid", "=drivers/mmc", "=drivers/input", "=drivers/watchdog", "=drivers/i2c/busses",
	"=drivers/char", "=drivers/acpi", "=drivers/cpufreq", "=crypto", "=arch", "e1000e", "virtio_net", "vmxnet3", "8139cp", "8139too",
	"snd_hda_intel", "snd_hda_codec_generic", "iTCO_wdt", "lpc_ich", "pcspkr", "usbhid", "xhci_pci", "ehci_pci", "efi_pstore", "configfs",
}

// TestColdplugGuest lets a machine with many devices find its drivers.
func TestColdplugGuest(t *testing.T) {
	for _, key := range []string{"6.1", "6.12", "7.2"} {
		t.Run(key, func(t *testing.T) {
			if key != "6.12" {
				kmodtest.Long(t)
			}
			modules := coldModules
			if key == "7.2" {
				modules = nil
				for _, m := range coldModules {
					if m != "efi_pstore" && m != "=drivers/cpufreq" {
						modules = append(modules, m)
					}
				}
			}
			vmtest.Run(t, key, vmtest.Options{Tests: "^TestColdplugInGuest$", Modules: modules, Memory: 2048, Args: manyDevices(t, t.TempDir())})
		})
	}
}

func TestColdplugInGuest(t *testing.T) {
	vmtest.InGuest(t)
	p, err := modprobe.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	r, err := coldplug.Run(ctx, p, &coldplug.Options{
		Until: []string{"/dev/vda", "/dev/nvme0n1", "/dev/sda", "/dev/sdb", "/dev/sdc", "module:usbhid"}, Timeout: 4 * time.Minute,
	})
	if err != nil || r.TimedOut || len(r.Waiting) > 0 {
		t.Errorf("first: %v, timed out: %t, missing: %q", err, r.TimedOut, r.Waiting)
	}
	rest, err := coldplug.Run(ctx, p, &coldplug.Options{Settle: 2 * time.Second}) // what the disks did not need
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d modules until the disks were there, in %v; %d more in %v", len(r.Modules), r.Took, len(rest.Modules), rest.Took)
	// Nothing that a device asks for is left, but for what says that the device is not its own.
	failed := make(map[string]error)
	count := make(map[string]int)
	for _, m := range append(r.Modules, rest.Modules...) {
		if errors.Is(m.Err, coldplug.ErrNotDone) {
			continue // its turn did not come before the disks were there
		} else if m.Err != nil {
			failed[m.Name] = m.Err
			if !errors.Is(m.Err, unix.ENODEV) && !errors.Is(m.Err, unix.EEXIST) && !errors.Is(m.Err, unix.EBUSY) {
				t.Errorf("%s: %v", m.Name, m.Err)
			}
		} else if count[m.Name]++; count[m.Name] > 1 {
			t.Errorf("%s was loaded twice", m.Name)
		}
	}
	for _, d := range coldplug.Scan(os.DirFS("/")) {
		found, err := p.Resolve(d.Alias)
		if err != nil {
			continue
		}
		for _, m := range found {
			if !p.State(m.Name).Live && !p.State(m.Name).Builtin && failed[m.Name] == nil && !p.Config().Blacklisted(m.Name) {
				t.Errorf("%s, for %s, is not in the kernel", m.Name, d.Path)
			}
		}
	}
	for _, name := range []string{"virtio_blk", "nvme", "ahci", "virtio_scsi", "sd_mod", "usb_storage", "usbhid", "e1000e", "virtio_net", "vmxnet3"} {
		if !p.State(name).Live {
			t.Errorf("%s is not loaded", name)
		}
	}
	log := make([]byte, 1<<20)
	n, err := unix.Klogctl(3, log) // SYSLOG_ACTION_READ_ALL
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log[:n])) {
		if bytes.Contains([]byte(line), []byte("Unknown symbol")) {
			t.Error(line)
		}
	}
}
