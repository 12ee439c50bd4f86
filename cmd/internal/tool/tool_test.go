package tool_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// TestMessages has what our tools say where kmod says nothing, or something else.
func TestMessages(t *testing.T) {
	spec, err := kmodtest.ParseSpec(`
module kernel/base.ko
	export base_sym 0x1
module kernel/mid.ko
	import base_sym 0x1
	depends base
module kernel/bad.ko
module kernel/busy.ko
`)
	if err != nil {
		t.Fatal(err)
	}
	root := spec.Tree(t)
	tables, err := depmod.Build(context.Background(), &depmod.Options{FS: os.DirFS(root), Release: spec.Release})
	if err != nil {
		t.Fatal(err)
	}
	if err := tables.Install(filepath.Join(root, "lib/modules", spec.Release)); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(root, "etc/modprobe.d/x.conf")
	if err := os.MkdirAll(filepath.Dir(conf), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte("blacklist x\nalias gone nothing\nalias xx x\nforbid evil CVE-1\nalias evil evil\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", filepath.Join(root, "loop")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line           string
		stdout, stderr string
		status         int
	}{
		{"modprob x", "", "modprob: no tool of this name; link me as modprobe, depmod, modinfo, insmod, rmmod, lsmod, kmod or goinitramfs\n", 1},
		{"gomodprobe nope", "", "gomodprobe: FATAL: Module nope not found in directory /lib/modules/6.1.0\n", 1},
		{"modprobe -C /loop -n base", "", "modprobe: ERROR: Cannot stat directory entry: /loop\n", 0},
		{"modprobe -r x[y", "", "modprobe: FATAL: Module x[y not found.\n", 1},
		{"modprobe -vv xx", "", "modprobe: INFO: Module x is blacklisted: not inserted\n", 0},
		{"modprobe xx", "", "", 0},
		{"modprobe gone", "", "modprobe: ERROR: could not find module by name='nothing'\n" +
			"modprobe: ERROR: could not insert 'nothing': Unknown symbol in module, or unknown parameter (see dmesg)\n", 1},
		{"modprobe evil", "", "modprobe: ERROR: could not insert 'evil': Operation not permitted\n" +
			"modprobe: NOTICE: loading evil is forbidden by /etc/modprobe.d/x.conf:4 (CVE-1); --allow-forbidden overrides\n", 1},
		{"modprobe -q evil", "", "", 1},
		{"modprobe bad", "", "modprobe: ERROR: could not insert 'bad': Exec format error\n" +
			"modprobe: NOTICE: bad: no symbols\n", 1},
		{"modprobe -q bad", "", "", 1},
		{"insmod lib/modules/6.1.0/kernel/bad.ko", "", "insmod: ERROR: could not insert module lib/modules/6.1.0/kernel/bad.ko: Invalid module format\n" +
			"insmod: NOTICE: bad: no symbols\n", 1},
		{"modprobe busy", "", "modprobe: ERROR: could not insert 'busy': Text file busy\n" +
			"modprobe: NOTICE: the file is open for writing\n", 1},
		{"insmod lib/modules/6.1.0/kernel/busy.ko", "", "insmod: ERROR: could not insert module lib/modules/6.1.0/kernel/busy.ko: Text file busy\n" +
			"insmod: NOTICE: the file is open for writing\n", 1},
		{"modprobe -S 9.9 base", "", "modprobe: FATAL: Module base not found in directory /lib/modules/9.9\n" +
			"modprobe: NOTICE: there is no module tree /lib/modules/9.9; there are modules for 6.1.0\n", 1},
		{"modprobe --show-alias base", "base\n", "", 0},
		{"modprobe --show-al base", "", "modprobe: unrecognized option '--show-al'\nmodprobe: NOTICE: did you mean --show-alias? --help lists the options\n", 1},
		{"insmod --force-vermagic", "", "insmod: ERROR: missing filename.\n", 1},
		{"modprobe --show-exports base", "0x00000001\tbase_sym\n", "", 0},
		{"modprobe --show-exports lib/modules/6.1.0/kernel/base.ko", "0x00000001\tbase_sym\n", "", 0},
		{"modprobe -D mid", "insmod /lib/modules/6.1.0/kernel/base.ko \ninsmod /lib/modules/6.1.0/kernel/mid.ko \n", "", 0},
		{"modprobe mid", "", "", 0},
		{"modprobe -r base", "", "modprobe: FATAL: Module base is in use.\n" +
			"modprobe: NOTICE: base is used by mid; --remove-holders removes them first\n", 1},
		{"modprobe -r mid", "", "", 0},
	} {
		kernel := &modprobetest.Kernel{
			Dir:  root,
			Fail: map[string]error{"bad": syscall.ENOEXEC, "busy": syscall.ETXTBSY},
			Says: map[string][]string{"bad": {"bad: no symbols"}},
		}
		if strings.Contains(tt.line, " -r base") || strings.HasSuffix(tt.line, " -r mid") {
			if err := kernel.Preload(map[string][]string{"mid": {"base"}}, "base", "mid"); err != nil {
				t.Fatal(err)
			}
		}
		var stdout, stderr bytes.Buffer
		status := tool.Main(&cli.Env{
			Args:      strings.Fields(tt.line),
			LookupEnv: func(string) (string, bool) { return "", false },
			Stdout:    &stdout, Stderr: &stderr,
			FS:     os.DirFS(root),
			Cwd:    func() (string, error) { return "/", nil },
			Kernel: kernel,
		})
		if stdout.String() != tt.stdout || stderr.String() != tt.stderr || status != tt.status {
			t.Errorf("%s:\nstdout %q\nstderr %q\nstatus %d; want\nstdout %q\nstderr %q\nstatus %d",
				tt.line, &stdout, &stderr, status, tt.stdout, tt.stderr, tt.status)
		}
		os.RemoveAll(filepath.Join(root, "sys"))
	}
}
