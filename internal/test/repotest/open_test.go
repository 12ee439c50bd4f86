package repotest_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// opens are the functions that open files of the operating system by path: whoever does decides whether a link, a FIFO,
// a stranger's file or an endless one does harm.
var opens = map[string]bool{
	"os.Open": true, "os.OpenFile": true, "os.ReadFile": true, "os.WriteFile": true, "os.Create": true, "os.CreateTemp": true,
	"os.OpenRoot": true, "os.ReadDir": true, "os.Truncate": true, "syscall.Open": true, "syscall.Openat": true,
	"unix.Open": true, "unix.Openat": true, "unix.Openat2": true, "unix.Creat": true, "syscall.Creat": true,
}

// openers are the files of the product that may call them, how often, and why that is safe. Everything else goes by
// internal/trusted, or by a file system that it was given.
var openers = map[string]struct {
	calls int
	why   string
}{
	"internal/trusted/other.go":             {3, "it is internal/trusted"},
	"internal/trusted/replace.go":           {3, "it is internal/trusted"},
	"internal/trusted/replace_linux.go":     {2, "it is internal/trusted"},
	"internal/trusted/walk_linux.go":        {1, "it is internal/trusted"},
	"internal/sysroot/host_linux.go":        {4, "the file system that everybody is given"},
	"depmod/open_linux.go":                  {1, "modules: no wait, and only regular files are read, by descriptor"},
	"depmod/install_linux.go":               {2, "the lock, without links or a wait; /proc/locks"},
	"depmod/install.go":                     {5, "the tables and their folder, which depmod has made; a new file by O_EXCL"},
	"initramfs/boot/system_linux.go":        {4, "/dev/console and the root folder of the first process, which has no users yet"},
	"modprobe/kernel_linux.go":              {1, "/dev/kmsg"},
	"cmd/internal/cli/system.go":            {1, "/dev/kmsg, to write to"},
	"cmd/internal/initramfs/read.go":        {1, "the folder to extract into, by os.Root"},
	"cmd/internal/initramfs/update.go":      {1, "the folder of an image, to write its new name to the disk"},
	"modprobe/modprobetest/modprobetest.go": {3, "a fake kernel, for tests"},
}

// TestOpens: nothing else opens files.
func TestOpens(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || slices.ContainsFunc([]string{"testdata/", "initramfs/demo/", "initramfs/boot/guest/", "internal/release/"},
			func(dir string) bool { return strings.HasPrefix(s.name, dir) }) {
			continue
		}
		calls := 0
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && opens[id.Name+"."+sel.Sel.Name] {
				if calls++; calls > openers[s.name].calls {
					t.Errorf("%v: %s.%s: use internal/trusted, or say here why not", s.pos(n), id.Name, sel.Sel.Name)
				}
			}
			return true
		})
		if want := openers[s.name].calls; calls < want {
			t.Errorf("%s: %d calls that open files, not %d: the list is out of date", s.name, calls, want)
		}
	}
}
