package tool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/cmd/internal/tool"
	"github.com/gomodprobe/gomodprobe/internal/format/cpio"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// toolRun is a run of one tool on a machine that is not as it should be.
type toolRun struct {
	s              *setup
	request, want  string // a name, and the module that it stands for
	status         int
	stdout, stderr string
	kernel         *modprobetest.Kernel
	readOnly       bool
}

// toolKinds are the tools, each with its command line and with what is wrong with an answer of it.
var toolKinds = []struct {
	name  string
	args  func(r *toolRun) []string
	judge func(r *toolRun) string
}{
	{"modinfo", func(r *toolRun) []string { return []string{"modinfo", "-k", "6.1.0", "-F", "filename", r.request} }, judgeModinfo},
	{"depmod", func(r *toolRun) []string { return []string{"depmod", "--check", "6.1.0"} }, judgeDepmod},
	{"goinitramfs", func(r *toolRun) []string {
		return []string{"goinitramfs", "build", "--kernel=6.1.0", "--program=none", "--no-init", "--compress=none", "-o", "/image", "--add=" + r.request}
	}, judgeInitramfs},
	{"static-nodes", func(r *toolRun) []string { return []string{"kmod", "static-nodes", "--set-version", "6.1.0"} }, judgeNodes},
	{"lsmod", func(r *toolRun) []string { return []string{"lsmod"} }, judgeLsmod},
	{"rmmod", func(r *toolRun) []string { return []string{"rmmod", "base"} }, judgeRmmod},
}

// TestRandomTools: what TestRandomTables is to modprobe, to all other tools: never a wrong module, never success where
// nothing was done, never a failure without a word, and nothing said twice.
func TestRandomTools(t *testing.T) {
	n := 200
	if os.Getenv("GOMODPROBE_LONG") != "" {
		n = 5000
	}
	whole := wholeMachine(t)
	names := slices.Sorted(maps.Keys(requests))
	failed := 0
	for seed := range n {
		rnd := rand.New(rand.NewPCG(uint64(seed), 15))
		r := &toolRun{s: spoil(rnd, whole), kernel: new(modprobetest.Kernel), readOnly: rnd.IntN(8) == 0}
		r.request = names[rnd.IntN(len(names))]
		r.want = requests[r.request]
		kind := toolKinds[seed%len(toolKinds)]
		r.load(kind.name)
		var stdout, stderr bytes.Buffer
		fsys := sysroot.New(r.s.files)
		env := &cli.Env{
			Args:      kind.args(r),
			LookupEnv: func(string) (string, bool) { return "", false },
			FS:        fsys,
			Stdout:    &stdout,
			Stderr:    &stderr,
			Kernel:    r.kernel,
			Cwd:       func() (string, error) { return "/", nil },
			Sub:       func(string) (fs.FS, error) { return fsys, nil },
			WriteFile: func(name string, data []byte) error {
				if r.readOnly {
					return &fs.PathError{Op: "open", Path: name, Err: errors.New("read-only file system")}
				}
				stdout.Write(data)
				return nil
			},
		}
		if kind.name == "goinitramfs" {
			env.Args = slices.DeleteFunc(env.Args, func(arg string) bool { return arg == "-o" || arg == "/image" })
			if r.readOnly {
				env.Stdout = broken{}
			}
		}
		if rnd.IntN(3) == 0 {
			switch kind.name {
			case "goinitramfs":
				env.FS, env.Args = fstest.MapFS{}, append(env.Args, "--root=/image")
			case "depmod":
				env.FS, env.Args = below(r.s.files), []string{"depmod", "--check", "-b", "/image", "6.1.0"}
			}
		}
		r.status = tool.Main(env)
		r.stdout, r.stderr = stdout.String(), stderr.String()
		wrong := kind.judge(r)
		said := make(map[string]bool)
		for line := range strings.Lines(r.stderr) {
			if said[line] {
				wrong = "says twice: " + line
			}
			said[line] = true
		}
		if r.status != 0 && r.stderr == "" && r.stdout == "" {
			wrong = "a failure without a word"
		}
		if wrong != "" {
			t.Errorf("seed %d: %s: %s\nstatus %d\n%.300q\n%s%s", seed, strings.Join(env.Args, " "), wrong, r.status, r.stdout, r.stderr, strings.Join(r.s.what, "\n"))
			if failed++; failed == 10 {
				t.Fatal("and so on")
			}
		}
	}
}

// below returns files that are below /image.
func below(files fstest.MapFS) fs.FS {
	image := make(fstest.MapFS)
	for name, file := range files {
		image["image/"+name] = file
	}
	return image
}

// broken is an output that takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// load has the kernel of the machine have a module, as far as the machine shows what it has.
func (r *toolRun) load(tool string) {
	if tool != "lsmod" && tool != "rmmod" {
		return
	}
	if err := r.kernel.Preload(nil, "base"); err != nil {
		panic(err) // it writes nothing, so it cannot fail
	}
	if _, ok := r.s.files["proc/modules"]; ok {
		r.s.files["proc/modules"] = &fstest.MapFile{Data: []byte("base 16384 0 - Live 0x0000000000000000\n")}
	}
	if _, ok := r.s.files["sys/module/kernel/x"]; ok {
		for name, text := range map[string]string{"initstate": "live\n", "refcnt": "0\n", "coresize": "16384\n"} {
			r.s.files["sys/module/base/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		r.s.files["sys/module/base/holders"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	}
}

// judgeModinfo: the file is the module's own, and one that is in the tree is found.
func judgeModinfo(r *toolRun) string {
	file := strings.TrimSuffix(r.stdout, "\n")
	switch {
	case r.status == 0 && file == "":
		return "success, and nothing was said"
	case r.status == 0 && r.want == "" && file != "(builtin)":
		return "a builtin module has a file"
	case r.status == 0 && r.want != "" && alias.FromPath(file) != r.want:
		return "the file of another module"
	case r.status == 0 && r.want != "" && !r.s.gone[r.want] && r.s.files[strings.TrimPrefix(r.s.resolved(file), "/")] == nil:
		return "a file that is not there"
	case r.status != 0 && r.s.anywhere && r.s.listed(r.want):
		return "a module that is there is not found"
	}
	return ""
}

// resolved is a path without the links that relink has made.
func (s *setup) resolved(file string) string {
	if name, err := sysroot.Resolve(s.files, strings.TrimPrefix(file, "/")); err == nil {
		return name
	}
	return file
}

// judgeDepmod: success means that the tables are those of the tree.
func judgeDepmod(r *toolRun) string {
	switch bad := r.s.tablesBad(); {
	case r.status == 0 && bad:
		return "the tables are not as they should be, and nothing is said"
	case r.status != 0 && !bad:
		return "nothing is wrong with the tables"
	case r.status != 0 && !strings.Contains(r.stdout+r.stderr, "modules.") && !strings.Contains(r.stdout+r.stderr, ".ko"):
		return "names no file"
	}
	return ""
}

// tablesBad reports whether the tables are not those of the tree.
func (s *setup) tablesBad() bool {
	return slices.ContainsFunc(s.what, func(what string) bool {
		return !strings.Contains(what, " is a link to ") && !strings.HasPrefix(what, "no ")
	})
}

// judgeInitramfs: the archive has the module and what it needs, and no other.
func judgeInitramfs(r *toolRun) string {
	if r.status != 0 {
		switch {
		case r.stderr == "":
			return "a failure without a word"
		case !r.readOnly && r.s.anywhere && r.s.listed(r.want):
			return "a module that is there is not found"
		}
		return ""
	}
	if r.readOnly {
		return "success, and nothing can be written"
	}
	var got []string
	for archive := cpio.NewReader(strings.NewReader(r.stdout)); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "no archive: " + err.Error()
		}
		if name := path.Base(h.Name); strings.Contains(name, ".ko") {
			got = append(got, alias.FromPath(name))
		}
	}
	for _, name := range got {
		if name != r.want && !slices.Contains(needs[r.want], name) {
			return "the archive has " + name
		}
	}
	for _, name := range append([]string{r.want}, needs[r.want]...) {
		// The tables are made of what is there, and so know nothing of what is gone; that is said.
		if name != "" && !slices.Contains(got, name) && !(len(r.s.gone) > 0 && name != r.want && r.stderr != "") {
			return fmt.Sprintf("success, and the archive lacks %s: %v", name, got)
		}
	}
	return ""
}

// judgeNodes: the nodes that depmod has written down are printed, or it is said why not.
func judgeNodes(r *toolRun) string {
	data := r.s.files[r.s.dir()+"modules.devname"]
	whole := data != nil && !strings.Contains(strings.Join(r.s.what, "\n"), "modules.devname")
	switch has := strings.Contains(r.stdout, "/dev/net/tun"); {
	case whole && !has:
		return "the node is missing"
	case !whole && !has && r.stderr == "" && !(data != nil && (len(data.Data) == 0 || bytes.HasSuffix(data.Data, []byte("\n")))):
		return "no nodes, without a word" // an empty file is that of a kernel without such nodes; a cut between lines shows nowhere
	case r.stdout != "" && !has:
		return "another node"
	}
	return ""
}

// judgeLsmod: what /proc/modules or /sys/module has is listed; without both it is said so.
func judgeLsmod(r *toolRun) string {
	known := r.s.files["proc/modules"] != nil
	switch has := strings.HasPrefix(r.stdout, "Module") && strings.Contains(r.stdout, "\nbase "); {
	case known && !has:
		return "a loaded module is missing"
	case !known && r.status == 0 && !has && r.stderr == "":
		return "success, and nothing was listed"
	}
	return ""
}

// judgeRmmod: success means that the kernel was asked and has removed the module.
func judgeRmmod(r *toolRun) string {
	gone := !slices.Contains(r.kernel.Loaded(), "base")
	switch {
	case r.status == 0 && !gone:
		return "success, and the module is still there"
	case r.status != 0 && gone:
		return "a failure, and the module is gone"
	}
	return ""
}
