package modinfo

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// TestShowTypes: a type of the running kernel, of a file of BTF, and of neither.
func TestShowTypes(t *testing.T) {
	data := func(size uint32) *fstest.MapFile {
		b := &kmodtest.BTF{}
		b.Struct("card", size, kmodtest.At("id", b.Int("int", 4), size-4))
		return &fstest.MapFile{Data: b.Bytes()}
	}
	old := data(16)
	fsys := fstest.MapFS{"sys/kernel/btf/vmlinux": data(8), "old.btf": old, "text": {Data: bytes.Repeat([]byte("no\n"), 999)}}
	for _, test := range []struct {
		args   string
		status int
		want   string // in what is printed
	}{
		{"--type card", 0, "/* size: 8, members: 1 */"},
		{"--type=struct\u00a0card /old.btf", 0, "/* size: 16, members: 1 */"},
		{"--dump-btf /old.btf", 0, string(old.Data)},
		{"--type=union\u00a0card /old.btf", 1, "/old.btf: No type union card in it"},
		{"--type card /nothing", 1, "/nothing: No such file or directory"},
		{"--type card /text", 1, "/text: Not a kernel image"},
		{"--type card /old.btf /old.btf", 1, "takes one file"},
		{"--dump-btf", 1, "missing module or filename"},
		{"--type card --json /old.btf", 1, "only one of"},
	} {
		args := strings.Fields(strings.ReplaceAll("modinfo "+test.args, "\u00a0", "\x01"))
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "\x01", " ")
		}
		var out bytes.Buffer
		status := Main(&cli.Env{
			Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Writer(&out), FS: fsys,
			LookupEnv: func(string) (string, bool) { return "", false }, StderrClosed: func() bool { return false },
			Cwd: func() (string, error) { return "/", nil }, Kernel: &modprobetest.Kernel{Version: "6.1.0"},
		})
		if status != test.status || !strings.Contains(out.String(), test.want) {
			t.Errorf("%s: status %d\n%s\nwant %d, %q", test.args, status, out.String(), test.status, test.want)
		}
	}
}
