package coldplug_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// stageTree has a module for each purpose; the first of the devices is the one that nobody waits for.
const stageTree = `
release 6.1.0
order kernel/drivers/block/disk.ko
builtin kernel/bi.ko
module kernel/arch/x86/crypto/fast.ko
	alias pci:v00001111d*
module kernel/arch/x86/crypto/sha256-ssse3.ko
	alias pci:v00006666d*
module kernel/drivers/net/net.ko
	alias pci:v00002222d*
module kernel/drivers/char/other.ko
	alias pci:v00003333d*
module kernel/drivers/usb/host/usb.ko
	alias pci:v00004444d*
module kernel/crypto/helper.ko
	export help 1
module kernel/drivers/block/disk.ko
	import help 1
	depends helper
	alias pci:v00005555d*
module kernel/drivers/scsi/sd.ko
	alias scsi:t-0x00*
`

var stageDevices = []string{"pci:v00001111d1", "pci:v00002222d1", "pci:v00003333d1", "pci:v00004444d1", "pci:v00005555d1", "pci:v00006666d1"}

// loading is a kernel that calls a function before it loads a module.
type loading struct {
	*modprobetest.Kernel
	before func(module string)
}

func (l loading) FinitModule(f fs.File, params string, flags int) error {
	if info, err := f.Stat(); err == nil {
		l.before(alias.FromPath(info.Name()))
	}
	return l.Kernel.FinitModule(f, params, flags)
}

// TestColdplugStages: when a disk is waited for, what it may be behind is loaded first, and the rest only if it does
// not appear. Time is made up.
func TestColdplugStages(t *testing.T) {
	disk := []string{"/dev/vda"}
	for _, tt := range []struct {
		name  string
		until []string
		at    string        // the module that brings the disk
		slow  time.Duration // that disk.ko takes
		want  []string      // modules in the order of loading, one at a time
		began map[string]time.Duration
		took  time.Duration
	}{
		{name: "there at once", until: disk, at: "disk", want: []string{"helper", "disk"}},
		{name: "behind USB", until: disk, at: "sd", want: []string{"helper", "disk", "usb", "sd"}, took: 100 * time.Millisecond},
		{name: "nowhere", until: disk, want: []string{"helper", "disk", "usb", "sd", "other", "net", "sha256_ssse3", "fast"},
			began: map[string]time.Duration{"usb": 100 * time.Millisecond, "other": 200 * time.Millisecond, "net": 1200 * time.Millisecond},
			took:  time.Minute},
		{name: "behind a driver that takes long", until: disk, at: "disk", slow: 10 * time.Second,
			want:  []string{"helper", "usb", "sd", "other", "net", "sha256_ssse3", "fast", "disk"},
			began: map[string]time.Duration{"usb": time.Second, "other": 2 * time.Second, "net": 5 * time.Second}, took: 10 * time.Second},
		{name: "a module is waited for", until: []string{"module:fast"}, want: []string{"usb", "sha256_ssse3", "helper", "disk", "net", "other", "fast"}},
		{name: "nothing is waited for", want: []string{"usb", "sha256_ssse3", "helper", "disk", "net", "other", "fast"}, took: 250 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := coldRoot(t, stageTree, stageDevices...)
			synctest.Test(t, func(t *testing.T) {
				u := newNews()
				k := loading{Kernel: &modprobetest.Kernel{Dir: root}}
				k.before = func(module string) {
					switch {
					case module == "disk":
						time.Sleep(tt.slow)
					case module == "usb" && slices.Equal(tt.until, disk): // a disk appears behind it
						u.c <- coldplug.Uevent{Action: "add", Device: "/devices/usb1/disk", Alias: "scsi:t-0x00"}
						synctest.Wait() // until that is known
					}
					if module == tt.at {
						if err := os.MkdirAll(filepath.Join(root, "sys/class/block/vda"), 0o755); err != nil {
							t.Error(err)
						}
					}
				}
				p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(root), Kernel: k})
				if err != nil {
					t.Fatal(err)
				}
				o := &coldplug.Options{Uevents: u, Until: tt.until, Workers: 2}
				if tt.slow == 0 {
					o.Workers = 1 // one after the other
				}
				if tt.at == "" {
					o.Timeout = tt.took
				}
				begin := time.Now()
				r, err := coldplug.Run(t.Context(), p, o)
				if err != nil {
					t.Fatal(err)
				}
				if got := loads(k.Kernel); !slices.Equal(got, tt.want) {
					t.Errorf("loaded %q, want %q", got, tt.want)
				}
				for _, m := range r.Modules {
					if want, ok := tt.began[m.Name]; ok && m.Start != want {
						t.Errorf("%s was begun after %v, want %v", m.Name, m.Start, want)
					}
					if slices.Contains(tt.want, m.Name) && m.Err != nil || !slices.Contains(tt.want, m.Name) && !errors.Is(m.Err, coldplug.ErrNotDone) {
						t.Errorf("%s: %v", m.Name, m.Err)
					}
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// storm are uevents of ten thousand devices that come and go, ten times each, some of which are lost, and then of one
// that comes and goes for ever.
type storm struct {
	n    int
	news *news
	heap [2]uint64 // early and late
}

func (s *storm) Next() (coldplug.Uevent, error) {
	const devices, kinds, all = 10_000, 50, 100_000
	s.n++
	e := coldplug.Uevent{Action: "add", Device: fmt.Sprintf("/devices/%d", s.n%devices), Alias: fmt.Sprintf("pci:v0000%d%[1]d%[1]d%[1]dd%[2]d", s.n%8+1, s.n%kinds)}
	switch {
	case s.n > all:
		select {
		case <-s.news.quit:
			return e, io.EOF
		case <-time.After(100 * time.Millisecond):
		}
	case s.n%(all/20) == 0:
		return coldplug.Uevent{}, coldplug.ErrUeventsLost
	case s.n == devices:
		s.heap[0] = heap()
	case s.n == all-1:
		s.heap[1] = heap()
	}
	if s.n/devices%2 == 1 {
		e.Action = "remove"
	}
	return e, nil
}

func (s *storm) Close() error { return s.news.Close() }

// heap is how many bytes are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestColdplugStorm: whatever devices do, each module is loaded once, memory grows with the kinds of devices and not
// with the uevents, and there is an end.
func TestColdplugStorm(t *testing.T) {
	root := coldRoot(t, stageTree, stageDevices...)
	synctest.Test(t, func(t *testing.T) {
		k := &modprobetest.Kernel{Dir: root}
		p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(root), Kernel: k})
		if err != nil {
			t.Fatal(err)
		}
		u := &storm{news: newNews()}
		r, err := coldplug.Run(t.Context(), p, &coldplug.Options{Uevents: u})
		if err != nil {
			t.Fatal(err)
		}
		names := slices.Sorted(slices.Values(loads(k)))
		if want := []string{"disk", "fast", "helper", "net", "other", "sha256_ssse3", "usb"}; !slices.Equal(names, want) {
			t.Errorf("loaded %q, want %q", names, want)
		}
		if r.Took > 6*time.Second {
			t.Errorf("it took %v of made-up time", r.Took)
		}
		if n := len(r.Unmatched); n == 0 || n > 400 {
			t.Errorf("%d aliases without a module, of 400 kinds of devices", n)
		}
		if early, late := u.heap[0], u.heap[1]; late > early+4<<20 {
			t.Errorf("%d KiB in use early, %d late", early>>10, late>>10)
		}
	})
}
