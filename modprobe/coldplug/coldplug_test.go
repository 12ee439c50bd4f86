package coldplug_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// coldTree is a machine with devices and modules for them.
const coldTree = `
release 6.1.0
order kernel/base.ko
builtin kernel/bi.ko
module kernel/base.ko
	export base_do 1
module kernel/bus.ko
	import base_do 1
	export bus_do 2
	depends base
module kernel/net.ko
	import bus_do 2
	depends base,bus
	alias pci:v00001111d*
	softdep pre: crypto-hash post: phy
module kernel/disk.ko
	import bus_do 2
	depends base,bus
	alias pci:v00002222d*
module kernel/disk2.ko
	alias pci:v00002222d*
module kernel/hash.ko
	alias crypto-hash
module kernel/phy.ko
module kernel/bad.ko
	alias pci:v00003333d*
	export bad_do 3
module kernel/user.ko
	import bad_do 3
	depends bad
	alias pci:v00004444d*
module kernel/black.ko
	alias pci:v00005555d*
module kernel/forbidden.ko
	alias pci:v00006666d*
module kernel/late.ko
	alias usb:v1*
module kernel/loopa.ko
	alias pci:v00007777d*
	softdep pre: loopb
module kernel/loopb.ko
	softdep pre: loopa
`

// news are uevents that a test sends.
type news struct {
	c    chan coldplug.Uevent
	lost chan struct{}
	quit chan struct{}
	once sync.Once
}

func newNews() *news {
	return &news{c: make(chan coldplug.Uevent), lost: make(chan struct{}), quit: make(chan struct{})}
}

func (n *news) Next() (coldplug.Uevent, error) {
	select {
	case e := <-n.c:
		return e, nil
	case <-n.lost:
		return coldplug.Uevent{}, coldplug.ErrUeventsLost
	case <-n.quit:
		return coldplug.Uevent{}, io.EOF
	}
}

func (n *news) Close() error { n.once.Do(func() { close(n.quit) }); return nil }

// coldMachine makes a machine with the modules of coldTree and these devices.
func coldMachine(t *testing.T, config string, aliases ...string) (root string, k *modprobetest.Kernel, p *modprobe.Prober) {
	t.Helper()
	root = coldRoot(t, coldTree, aliases...)
	write(t, filepath.Join(root, "etc/modprobe.d/a.conf"), config)
	k = &modprobetest.Kernel{Dir: root}
	p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(root), Kernel: k})
	if err != nil {
		t.Fatal(err)
	}
	return root, k, p
}

// coldRoot makes the file system of a machine with these devices.
func coldRoot(t *testing.T, tree string, aliases ...string) string {
	t.Helper()
	spec, err := kmodtest.ParseSpec(tree)
	if err != nil {
		t.Fatal(err)
	}
	root := spec.Tree(t)
	kmodtest.Oracle(t).Depmod(t, root, "6.1.0")
	for i, a := range aliases {
		addDevice(t, root, i, a)
	}
	return root
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func addDevice(t *testing.T, root string, i int, a string) {
	t.Helper()
	write(t, filepath.Join(root, fmt.Sprintf("sys/bus/pci/devices/0000:00:%02x.0/modalias", i)), a+"\n")
}

// loads are the modules that the kernel was asked to load, in order.
func loads(k *modprobetest.Kernel) (names []string) {
	for _, c := range k.Calls() {
		names = append(names, c.Module)
	}
	return names
}

// before is an error if a was not loaded before b.
func before(t *testing.T, names []string, a, b string) {
	t.Helper()
	i, j := slices.Index(names, a), slices.Index(names, b)
	if i < 0 || j < 0 || i > j {
		t.Errorf("%s was not loaded before %s: %q", a, b, names)
	}
}

func TestColdplug(t *testing.T) {
	_, k, p := coldMachine(t, "options disk speed=3\nblacklist black\nforbid forbidden\n",
		"pci:v00001111d1", "pci:v00002222d1", "pci:v00002222d1", "pci:v00003333d1", "pci:v00004444d1", "pci:v00005555d1",
		"pci:v00007777d1", "pci:v00009999d1", "pci:v00006666d1")
	k.Fail = map[string]error{"bad": syscall.ENODEV}
	u := newNews()
	r, err := coldplug.Run(context.Background(), p, &coldplug.Options{Uevents: u, Settle: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	names := loads(k)
	sorted := slices.Sorted(slices.Values(names))
	if want := []string{"bad", "base", "bus", "disk", "disk2", "hash", "loopa", "loopb", "net", "phy"}; !cmp.Equal(sorted, want) {
		t.Errorf("loaded %q, want %q", sorted, want)
	}
	for _, pair := range [][2]string{{"base", "bus"}, {"bus", "net"}, {"bus", "disk"}, {"hash", "net"}, {"net", "phy"}} {
		before(t, names, pair[0], pair[1])
	}
	for _, c := range k.Calls() {
		if c.Module == "disk" && strings.TrimSpace(c.Params) != "speed=3" {
			t.Errorf("disk got the parameters %q", c.Params)
		}
	}
	byName := make(map[string]coldplug.Module)
	for _, m := range r.Modules {
		byName[m.Name] = m
	}
	if m := byName["bad"]; !errors.Is(m.Err, syscall.ENODEV) || m.Device != "sys/bus/pci/devices/0000:00:03.0" {
		t.Errorf("bad: %+v", m)
	}
	if m := byName["user"]; !errors.Is(m.Err, syscall.ENODEV) || !strings.Contains(m.Err.Error(), "it needs bad") {
		t.Errorf("user, which needs bad: %+v", m)
	}
	if m := byName["forbidden"]; !errors.Is(m.Err, modprobe.ErrForbidden) {
		t.Errorf("forbidden: %+v", m)
	}
	if m := byName["base"]; m.Err != nil || m.By == "" || m.End < m.Start || m.Start < m.Ready || m.Ready < m.Asked {
		t.Errorf("base: %+v", m)
	}
	if want := []string{"pci:v00009999d1"}; !cmp.Equal(r.Unmatched, want) {
		t.Errorf("unmatched %q, want %q", r.Unmatched, want)
	}
	if r.Devices != 9 || r.TimedOut {
		t.Errorf("%d devices, timed out: %t", r.Devices, r.TimedOut)
	}
}

// TestColdplugNews: devices appear later; Run waits for a module.
// TestColdplugPolicy: a device's driver that an allow line allows gets what it needs, whichever device comes first;
// what is forbidden by itself is refused for a device of its own.
func TestColdplugPolicy(t *testing.T) {
	for _, aliases := range [][]string{{"pci:v00003333d1", "pci:v00004444d1"}, {"pci:v00004444d1", "pci:v00003333d1"}} {
		_, k, p := coldMachine(t, "forbid *\nallow user\nallow net\nforbid phy\n", append(aliases, "pci:v00001111d1", "pci:v00002222d1")...)
		r, err := coldplug.Run(context.Background(), p, &coldplug.Options{Uevents: newNews(), Settle: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		names := loads(k)
		slices.Sort(names)
		if want := []string{"bad", "base", "bus", "hash", "net", "user"}; !cmp.Equal(names, want) {
			t.Errorf("devices %q: loaded %q, want %q", aliases, names, want)
		}
		refused := make(map[string]bool)
		for _, m := range r.Modules {
			refused[m.Name] = refused[m.Name] || errors.Is(m.Err, modprobe.ErrForbidden)
		}
		if aliases[0] == "pci:v00003333d1" && !refused["bad"] || !refused["disk"] || !refused["disk2"] || refused["user"] {
			t.Errorf("devices %q: refused %v", aliases, refused)
		}
	}
}

func TestColdplugNews(t *testing.T) {
	root, k, p := coldMachine(t, "", "pci:v00002222d1")
	u := newNews()
	go func() {
		u.c <- coldplug.Uevent{Action: "remove", Device: "/devices/x", Alias: "pci:v00001111d1"} // must not load net
		u.c <- coldplug.Uevent{Action: "add", Device: "/devices/usb1", Alias: "usb:v1p2"}
	}()
	r, err := coldplug.Run(context.Background(), p, &coldplug.Options{Uevents: u, Until: []string{"module:late"}})
	if err != nil || r.TimedOut || len(r.Waiting) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if names := loads(k); !slices.Contains(names, "late") || slices.Contains(names, "net") {
		t.Errorf("loaded %q", names)
	}
	// Uevents are lost: what appeared meanwhile is found all the same.
	u = newNews()
	go func() {
		addDevice(t, root, 9, "pci:v00001111d1")
		u.lost <- struct{}{}
	}()
	r, err = coldplug.Run(context.Background(), p, &coldplug.Options{Uevents: u, Until: []string{"module:net"}, Settle: time.Hour})
	if err != nil || r.TimedOut || len(r.Waiting) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestColdplugUntilDevice(t *testing.T) {
	root, _, p := coldMachine(t, "", "pci:v00002222d1")
	u := newNews()
	go func() {
		write(t, filepath.Join(root, "sys/class/block/sda1/dev"), "8:1\n")
		u.c <- coldplug.Uevent{Action: "add", Device: "/devices/pci/block/sda/sda1"}
	}()
	r, err := coldplug.Run(context.Background(), p, &coldplug.Options{Uevents: u, Until: []string{"/dev/sda1"}})
	if err != nil || r.TimedOut || len(r.Waiting) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	_, _, p = coldMachine(t, "") // nothing to load: what is loading at the timeout would outlive the test
	r, err = coldplug.Run(context.Background(), p, &coldplug.Options{Uevents: newNews(), Until: []string{"sdb"}, Timeout: 30 * time.Millisecond,
		Settle: time.Millisecond})
	if err != nil || !r.TimedOut || !cmp.Equal(r.Waiting, []string{"sdb"}) {
		t.Errorf("a device that does not appear: %+v, %v", r, err)
	}
	if _, err := coldplug.Run(context.Background(), p, &coldplug.Options{Until: []string{"UUID=1"}}); err == nil {
		t.Error("until UUID=1: no error")
	}
}

func TestColdplugDryRun(t *testing.T) {
	_, k, p := coldMachine(t, "", "pci:v00001111d1", "pci:v00003333d1")
	r, err := coldplug.Run(context.Background(), p, &coldplug.Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range r.Modules {
		names = append(names, m.Name)
	}
	for _, pair := range [][2]string{{"base", "bus"}, {"bus", "net"}, {"hash", "net"}, {"net", "phy"}} {
		before(t, names, pair[0], pair[1])
	}
	if len(names) != 6 || len(k.Calls()) != 0 {
		t.Errorf("would load %q; the kernel was asked %v", names, k.Calls())
	}
}

// TestColdplugCancelled: the context ends it.
func TestColdplugCancelled(t *testing.T) {
	_, _, p := coldMachine(t, "", "pci:v00001111d1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := coldplug.Run(ctx, p, &coldplug.Options{Uevents: newNews(), Until: []string{"sdb"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// TestColdplugEnough: the caller says when there is enough. Nothing happens for many times Settle, and yet the device
// that appears then gets its driver.
func TestColdplugEnough(t *testing.T) {
	root, k, p := coldMachine(t, "", "pci:v00003333d1")
	news, enough := newNews(), make(chan struct{})
	done := make(chan *coldplug.Report)
	go func() {
		r, err := coldplug.Run(t.Context(), p, &coldplug.Options{Enough: enough, Settle: time.Millisecond, Uevents: news})
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	select {
	case <-done:
		t.Fatal("it ended before there was enough")
	case <-time.After(50 * time.Millisecond):
	}
	addDevice(t, root, 7, "usb:v1p2")
	for !slices.Contains(loads(k), "late") {
		time.Sleep(time.Millisecond) // the test's timeout is the limit
	}
	close(enough)
	if r := <-done; r.TimedOut || len(r.Waiting) > 0 || len(r.Modules) != 2 {
		t.Errorf("report: %+v", r)
	}
}
