package coldplug_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
)

// TestReportJSON: a report is marshalled as docs/json.md shows it, and without any content has all its lists.
func TestReportJSON(t *testing.T) {
	const ms = time.Millisecond
	report := &coldplug.Report{
		Devices: 3, Took: 212*ms + 700*time.Microsecond, Waiting: []string{"sda1"}, Unmatched: []string{"pci:v00009999d1"},
		Modules: []coldplug.Module{
			{
				Name: "base", Path: "/lib/modules/6.1.0/kernel/base.ko", By: "disk",
				Asked: 3 * ms, Ready: 3 * ms, Start: 4 * ms, End: 9 * ms,
			},
			{
				Name: "disk", Path: "/lib/modules/6.1.0/kernel/disk.ko", Params: "speed=3",
				Device: "sys/bus/pci/devices/0000:00:01.0", Alias: "pci:v00002222d1",
				Asked: 3 * ms, Ready: 9 * ms, Start: 9 * ms, End: 11 * ms, Err: errors.New("disk: No such device"),
			},
		},
	}
	got := document(t, report)
	page, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n```json\n"+got+"```\n") {
		t.Errorf("docs/json.md does not have this report:\n%s", got)
	}
	if text := document(t, coldplug.Module{Params: "name=<a&b>"}); !strings.Contains(text, `"name=<a&b>"`) {
		t.Errorf("a parameter is not as it was:\n%s", text)
	}
	empty := document(t, coldplug.Report{})
	for _, list := range []string{"waiting", "unmatched", "deferred", "modules"} {
		if !strings.Contains(empty, `"`+list+`": []`) {
			t.Errorf("the empty report does not have %s:\n%s", list, empty)
		}
	}
}

// document marshals as the tools do.
func document(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
