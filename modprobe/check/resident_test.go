package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// TestResident judges modules that use another one, which is loaded, and may be another build than its file.
func TestResident(t *testing.T) {
	const id, otherID = "\x01\x02\x03\x04", "\x01\x02\x03\x05"
	note := func(id string) string { return "\x04\x00\x00\x00\x04\x00\x00\x00\x03\x00\x00\x00GNU\x00" + id }
	layout := kmodtest.Import{Name: "module_layout", CRC: 0x11, VersionOnly: true}
	api := kmodtest.Import{Name: "bar_api", CRC: 5}
	bar := kmodtest.Module{Name: "bar", Info: []string{"intree=Y", "srcversion=AAA"}, BuildID: []byte(id), Imports: []kmodtest.Import{layout},
		Exports: []kmodtest.Export{{Name: "bar_api", CRC: 5}}}
	foo := kmodtest.Module{Name: "foo", Depends: "bar", Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, api}}
	gpl := kmodtest.Module{Name: "gpl", Depends: "bar", Info: []string{"intree=Y"},
		Imports: []kmodtest.Import{layout, {Name: "gpl_thing", CRC: 0x22}, api}}
	tests := []struct {
		name    string
		loaded  map[string]string // of /sys/module/bar; nil: it is not loaded
		asked   string
		outcome check.Outcome
		errno   syscall.Errno
		says    string
	}{
		{"not loaded", nil, "foo", check.Loads, 0, ""},
		{"the same", map[string]string{"notes/.note.gnu.build-id": note(id), "srcversion": "AAA\n", "taint": "\n"}, "foo", check.Loads, 0, ""},
		{"forced, the same", map[string]string{"notes/.note.gnu.build-id": note(id), "taint": "FE\n"}, "foo", check.Loads, 0, ""},
		{"another build", map[string]string{"notes/.note.gnu.build-id": note(otherID), "srcversion": "AAA\n"}, "foo", check.Unknown, 0,
			"bar is loaded, and is not the file /lib/modules/6.1.0/kernel/bar.ko: its build-id is 01020305, the file's 01020304"},
		{"other sources", map[string]string{"srcversion": "BBB\n", "taint": "\n"}, "foo", check.Unknown, 0, "its srcversion is BBB, the file's AAA"},
		{"from elsewhere", map[string]string{"taint": "O\n"}, "foo", check.Unknown, 0, "it is marked O, other than a load of the file would be"},
		{"nothing is told", map[string]string{}, "foo", check.Loads, 0, ""},
		{"proprietary", map[string]string{"taint": "P\n"}, "gpl", check.Fails, syscall.ENOENT, "the proprietary module bar"},
		{"not proprietary", map[string]string{"taint": "\n"}, "gpl", check.Loads, 0, ""},
		{"asked for itself", map[string]string{"srcversion": "BBB\n"}, "bar", check.Loads, 0, "which is not this file: its srcversion is BBB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := kmodtest.Tree(t, "6.1.0", bar, foo, gpl)
			write := func(name, text string) {
				t.Helper()
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write("boot/config-6.1.0", "#\nCONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\n# CONFIG_MODULE_SIG is not set\n")
			write("symvers", "0x00000011\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n0x00000022\tgpl_thing\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
			write("proc/modules", "")
			if tt.loaded != nil {
				write("proc/modules", "bar 16384 0 - Live 0x0000000000000000\n")
				write("sys/module/bar/initstate", "live\n")
			}
			for name, text := range tt.loaded {
				write("sys/module/bar/"+name, text)
			}
			c := checker(t, modprobe.Options{FS: modprobe.Root(root), Kernel: &modprobetest.Kernel{Version: "6.1.0"}, NoConfig: true},
				&check.Options{Symvers: "/symvers"})
			v := verdict(t, c, tt.asked)
			text := strings.Join(v.Notes, "\n")
			for _, f := range v.Findings {
				text += "\n" + f.Text
			}
			if v.Outcome != tt.outcome || v.Errno != tt.errno || !strings.Contains(text, tt.says) {
				t.Errorf("%v, %v, %s\nwant %v, %v, %s\n%+v", v.Outcome, v.Errno, text, tt.outcome, tt.errno, tt.says, v)
			}
		})
	}
}
