//go:build linux && !kmod_boot

package tool_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// TestReason has a real kernel refuse modules: see TestGuestReason.
func TestReason(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	kmodtest.Long(t)
	dir, release := kmodtest.Corpus(t, "6.1")
	read := func(dir, release, file string) []byte {
		image, _, err := compress.ReadFile(os.DirFS(filepath.Join(dir, "lib/modules", release)), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	const dummy = "kernel/drivers/net/dummy.ko"
	own := read(dir, release, dummy)
	plain, _ := elf.SplitSignature(own)
	replace := func(image []byte, from, to string) []byte {
		if !bytes.Contains(image, []byte(from)) {
			t.Fatalf("no %q in the module", from)
		}
		return bytes.ReplaceAll(image, []byte(from), []byte(to))
	}
	other, otherRelease := kmodtest.Corpus(t, "6.1-prev")
	vmtest.Run(t, "6.1", vmtest.Options{
		Tests:   "^TestGuestReason$",
		Modules: []string{"mii"},
		Append:  "module_blacklist=mii",
		Files: map[string][]byte{
			"m/dummy.ko":         own,
			"m/ENOEXEC/dummy.ko": read(other, otherRelease, dummy),
			"m/ENOENT/dummy.ko":  replace(plain, "\x00ether_setup\x00", "\x00ether_sotup\x00"),
			"m/BROKEN/dummy.ko":  replace(own, "depends=", "depands="),
			"m/EPERM/mii.ko":     read(dir, release, "kernel/drivers/net/mii.ko"),
		},
	})
}

// TestGuestReason wants the reason, which the rules find by the kernel's own memory, after each load that fails. No
// boot image is there.
func TestGuestReason(t *testing.T) {
	vmtest.InGuest(t)
	run := func(args ...string) (int, string) {
		env := cli.System()
		var out bytes.Buffer
		env.Args, env.Stdout, env.Stderr = args, &out, &out
		return tool.Main(env), out.String()
	}
	for _, tt := range []struct {
		file, want string
		check      int // status of --check: without tables, and without the keys, not everything is known
	}{
		{"/m/ENOEXEC/dummy.ko", "NOTICE: built for another kernel: module_layout is 0x160c03af in the module, 0x", 1},
		{"/m/ENOENT/dummy.ko", "Unknown symbol ether_sotup (err -2)", 2},
		{"/m/BROKEN/dummy.ko", "NOTICE: the module's signature is missing or not from a key", 0},
		{"/m/EPERM/mii.ko", "NOTICE: the kernel's command line has it in module_blacklist=", 1},
	} {
		if status, out := run("insmod", tt.file); status != 1 || !strings.Contains(out, tt.want) {
			t.Errorf("%s: status %d\n%s; want %q", tt.file, status, out, tt.want)
		}
		if status, out := run("modprobe", "--check", tt.file); status != tt.check || !strings.Contains(out, "compared with /proc/kcore") {
			t.Errorf("%s: status %d\n%s; want %d", tt.file, status, out, tt.check)
		}
	}
	if status, out := run("insmod", "/m/dummy.ko"); status != 0 || out != "" {
		t.Errorf("the kernel's own: status %d\n%s", status, out)
	}
}
