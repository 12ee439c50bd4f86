package coldplug_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// TestColdplugPlaces: more modules are loaded at a time than usually if all that are being loaded sleep, but only if
// the processors have nothing to do, and never more than the caller wants. Time is made up.
func TestColdplugPlaces(t *testing.T) {
	usual := max(4, 2*runtime.GOMAXPROCS(0))
	modules := usual + 2*runtime.GOMAXPROCS(0)
	var tree strings.Builder
	var devices []string
	tree.WriteString("release 6.1.0\norder kernel/drivers/char/m0.ko\nbuiltin kernel/bi.ko\n")
	for i := range modules {
		fmt.Fprintf(&tree, "module kernel/drivers/char/m%d.ko\n\talias pci:v%08X*\n", i, i+1)
		devices = append(devices, fmt.Sprintf("pci:v%08Xd1", i+1))
	}
	for _, tt := range []struct {
		name          string
		load          string // /proc/loadavg
		workers, most int
	}{
		{name: "idle", load: "0.00 0.00 0.00 1/99 42\n", most: modules},
		{name: "busy", load: "9.00 9.00 9.00 9999/12345 42\n", most: usual},
		{name: "not known", most: usual},
		{name: "not what it is", load: "0.00 0.00\n", most: usual},
		{name: "not a number", load: "0.00 0.00 0.00 x/99 42\n", most: usual},
		{name: "one wanted", load: "0.00 0.00 0.00 1/99 42\n", workers: 1, most: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := coldRoot(t, tree.String(), devices...)
			if tt.load != "" {
				write(t, filepath.Join(root, "proc/loadavg"), tt.load)
			}
			synctest.Test(t, func(t *testing.T) {
				var now, most atomic.Int64
				k := loading{Kernel: &modprobetest.Kernel{Dir: root}, before: func(string) {
					n := now.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					time.Sleep(10 * time.Second)
					now.Add(-1)
				}}
				p, err := modprobe.New(&modprobe.Options{FS: os.DirFS(root), Kernel: k})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := coldplug.Run(t.Context(), p, &coldplug.Options{Uevents: newNews(), Workers: tt.workers}); err != nil {
					t.Fatal(err)
				}
				if got := len(loads(k.Kernel)); got != modules {
					t.Errorf("%d modules were loaded, want %d", got, modules)
				}
				if got := int(most.Load()); got != tt.most {
					t.Errorf("%d modules were loaded at a time, want %d", got, tt.most)
				}
			})
		})
	}
}
