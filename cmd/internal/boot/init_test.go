package boot

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/initramfs/boot"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// TestReport: boot.json is as docs/json.md shows it. What did not happen is not in it; what took no time is.
func TestReport(t *testing.T) {
	const ms = time.Millisecond
	begin := time.Unix(1, 0)
	run := func(r boot.Report, took time.Duration) *initRun {
		env := &cli.Env{Now: func() time.Time { return begin.Add(took) }}
		return &initRun{env: env, Boot: boot.Boot{Begin: begin, Config: boot.Config{Root: "UUID=0a1b-2c3d"}, Report: r}}
	}
	got := document(t, run(boot.Report{
		Device: &boot.Device{Node: "sda1", PartUUID: "5e3f-01", Content: boot.Content{Type: "ext4", UUID: "0a1b-2c3d"}},
		Type:   "ext4", Init: "/sbin/init", Found: 180 * ms, Mounted: 183 * ms, Loaded: 191 * ms,
		Cold: &coldplug.Report{
			Devices: 12, Took: 190 * ms,
			Modules: []coldplug.Module{{
				Name: "ahci", Path: "/lib/modules/6.1.0/kernel/ahci.ko", Device: "sys/bus/pci/devices/0000:00:1f.2",
				Alias: "pci:v00008086d00002922", Asked: 2 * ms, Ready: 5 * ms, Start: 5 * ms, End: 60 * ms,
			}},
		},
	}, 192*ms))
	page, err := os.ReadFile("../../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n```json\n"+got+"```\n") {
		t.Errorf("docs/json.md does not have this report:\n%s", got)
	}
	want := "{\n  \"root\": \"UUID=0a1b-2c3d\",\n  \"mounted_ms\": 0,\n  \"took_ms\": 5\n}\n"
	if got := document(t, run(boot.Report{Mounted: time.Microsecond}, 5*ms)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func document(t *testing.T, i *initRun) string {
	t.Helper()
	data, err := i.report()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
