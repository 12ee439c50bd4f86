// Package modprobetest has a kernel for the tests of programs that load modules by package modprobe. It loads nothing:
// it records the calls, and can keep /sys/module and /proc/modules of a folder up to date.
package modprobetest

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Kernel is a modprobe.Kernel. With its zero value every call succeeds. It is safe for concurrent use; the fields must
// not change then.
type Kernel struct {
	// Version is what Release returns. Default: 6.1.0.
	Version string
	// Dir is a folder that is the root of a file system, or empty. In Dir/sys/module and Dir/proc/modules the
	// modules that are loaded come and go, with reference counts after the "depends=" in the modules, so that a
	// Prober on os.DirFS(Dir) sees what it has done.
	Dir string
	// Fail holds the errors that calls about a module, by its name, are answered with.
	Fail map[string]error
	// Says holds the lines that the kernel logs when a call about a module fails.
	Says map[string][]string
	// Decompress names the format that FinitModule expands if asked to: gzip, xz or zstd. Any other is EINVAL, and
	// a line in the log says that it could not be expanded.
	Decompress string

	mu     sync.Mutex
	calls  []Call
	log    []string
	loaded []loaded // the newest last
}

// Call is one call that a Kernel was asked for.
type Call struct {
	// Name is finit_module, init_module or delete_module.
	Name string
	// Module is the name of the module.
	Module string
	// Params is the text of the parameters.
	Params string
	// Flags are the flags of FinitModule or DeleteModule.
	Flags int
	// Err is how the call was answered.
	Err error
}

// String returns the call in one line, such as `finit_module ext4 "a=1" 0`; delete_module has no parameters.
func (c Call) String() string {
	switch c.Name {
	case "finit_module":
		return fmt.Sprintf("%s %s %q %d", c.Name, c.Module, c.Params, c.Flags)
	case "init_module":
		return fmt.Sprintf("%s %s %q", c.Name, c.Module, c.Params)
	}
	return fmt.Sprintf("%s %s %d", c.Name, c.Module, c.Flags)
}

// loaded is a module in the kernel.
type loaded struct {
	name  string
	size  int
	needs []string
}

// Calls returns the calls so far, refused ones included.
func (k *Kernel) Calls() []Call {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

// Loaded returns the names of the modules that are loaded, the oldest first.
func (k *Kernel) Loaded() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	for _, m := range k.loaded {
		names = append(names, m.name)
	}
	return names
}

// Release returns Version.
func (k *Kernel) Release() (string, error) {
	if k.Version == "" {
		return "6.1.0", nil
	}
	return k.Version, nil
}

// FinitModule loads the module in f. A file that is neither an ELF object nor compressed, such as a few words of a
// test, is taken for a module named after the file.
func (k *Kernel) FinitModule(f fs.File, params string, flags int) error {
	name := ""
	if info, err := f.Stat(); err == nil {
		name = alias.FromPath(info.Name())
	}
	image, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if flags&modprobe.CompressedFile != 0 {
		expanded, err := compress.Expand(nil, image, 0)
		if err != nil || compress.Detect(image).String() != k.Decompress {
			return k.done(Call{"finit_module", name, params, flags, syscall.EINVAL},
				"decompression failed with status 6")
		}
		image = expanded
	}
	return k.load(Call{Name: "finit_module", Module: name, Params: params, Flags: flags}, image)
}

// InitModule loads a module from memory.
func (k *Kernel) InitModule(image []byte, params string) error {
	return k.load(Call{Name: "init_module", Params: params}, image)
}

// load answers a call that loads a module.
func (k *Kernel) load(c Call, image []byte) error {
	m := loaded{name: c.Module, size: len(image)}
	info, ok := modinfo(image, c.Name == "finit_module")
	if !ok {
		c.Err = syscall.ENOEXEC
		return k.done(c)
	}
	for _, text := range info {
		if name, ok := strings.CutPrefix(text, "name="); ok {
			m.name = name
		}
		if list, ok := strings.CutPrefix(text, "depends="); ok && list != "" {
			m.needs = strings.Split(strings.ReplaceAll(list, "-", "_"), ",")
		}
	}
	c.Module = m.name
	k.mu.Lock()
	defer k.mu.Unlock()
	switch fail, ok := k.Fail[m.name]; {
	case ok:
		c.Err = fail
	case k.find(m.name) >= 0:
		c.Err = syscall.EEXIST
	default:
		k.loaded = append(k.loaded, m)
		c.Err = k.publish()
	}
	return k.note(c)
}

// modinfo returns what a module says of itself; ok is false for what is not a module. A file that is neither an ELF
// object nor compressed is taken for one that says nothing.
func modinfo(image []byte, file bool) (info []string, ok bool) {
	if file && compress.Detect(image) == compress.None && !bytes.HasPrefix(image, []byte("\x7fELF")) {
		return nil, true
	}
	f, err := elf.Parse(image)
	if err != nil {
		return nil, false
	}
	info, _ = f.Modinfo()
	return info, true
}

// DeleteModule removes a module.
func (k *Kernel) DeleteModule(name string, flags int) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := Call{Name: "delete_module", Module: name, Flags: flags}
	i := k.find(name)
	switch fail, ok := k.Fail[name]; {
	case ok:
		c.Err = fail
	case i < 0:
		c.Err = syscall.ENOENT
	case len(k.holders(name)) > 0:
		c.Err = syscall.EAGAIN
	default:
		k.loaded = slices.Delete(k.loaded, i, i+1)
		c.Err = k.publish()
	}
	return k.note(c)
}

// Preload puts modules into the kernel as if they had been loaded before, the oldest first. needs holds, by name, the
// modules that one needs.
func (k *Kernel) Preload(needs map[string][]string, names ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range names {
		k.loaded = append(k.loaded, loaded{name: name, size: 4096, needs: needs[name]})
	}
	return k.publish()
}

// done records a call, and adds lines to the kernel's log.
func (k *Kernel) done(c Call, says ...string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, says...)
	return k.note(c)
}

// note records a call and returns its answer.
func (k *Kernel) note(c Call) error {
	k.calls = append(k.calls, c)
	if c.Err != nil {
		k.log = append(k.log, k.Says[c.Module]...)
	}
	return c.Err
}

// find returns the position of a module, or -1.
func (k *Kernel) find(name string) int {
	return slices.IndexFunc(k.loaded, func(m loaded) bool { return m.name == name })
}

// holders returns the modules that need one, the oldest first.
func (k *Kernel) holders(name string) (names []string) {
	for _, m := range k.loaded {
		if slices.Contains(m.needs, name) {
			names = append(names, m.name)
		}
	}
	return names
}

// publish writes /sys/module and /proc/modules.
func (k *Kernel) publish() error {
	if k.Dir == "" {
		return nil
	}
	dir := filepath.Join(k.Dir, "sys/module")
	old, _ := os.ReadDir(dir)
	for _, e := range old {
		if e.IsDir() && k.find(e.Name()) < 0 {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	var list strings.Builder
	for _, m := range slices.Backward(k.loaded) {
		holders := k.holders(m.name)
		files := map[string]string{
			"initstate": "live\n", "refcnt": fmt.Sprintln(len(holders)), "coresize": fmt.Sprintln(m.size),
		}
		if err := k.publishModule(filepath.Join(dir, m.name), files, holders); err != nil {
			return err
		}
		users := "-"
		if len(holders) > 0 {
			users = strings.Join(holders, ",") + ","
		}
		fmt.Fprintf(&list, "%s %d %d %s Live 0x0000000000000000\n", m.name, m.size, len(holders), users)
	}
	if err := os.MkdirAll(filepath.Join(k.Dir, "proc"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(k.Dir, "proc/modules"), []byte(list.String()), 0o644)
}

// publishModule writes the folder of one module.
func (k *Kernel) publishModule(dir string, files map[string]string, holders []string) error {
	if err := os.RemoveAll(filepath.Join(dir, "holders")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "holders"), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, name := range holders {
		if err := os.Symlink("../../"+name, filepath.Join(dir, "holders", name)); err != nil {
			return err
		}
	}
	return nil
}

// Listen returns the log, to which a failing call adds the lines of Says.
func (k *Kernel) Listen() (modprobe.Log, error) {
	l := &log{k: k}
	l.Skip()
	return l, nil
}

// log is a position in a kernel's log.
type log struct {
	k    *Kernel
	next int
}

// Skip goes to the end.
func (l *log) Skip() { l.Lines() }

// Lines returns what is new.
func (l *log) Lines() []string {
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	lines := slices.Clone(l.k.log[l.next:])
	l.next = len(l.k.log)
	return lines
}

// Close does nothing.
func (l *log) Close() error { return nil }
