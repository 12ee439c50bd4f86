package check

import (
	"bytes"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/sysroot"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// modules returns the modules that a name stands for, in the order of loading, without what they depend on.
func (c *Checker) modules(name string) ([]modprobe.Module, error) {
	if strings.HasPrefix(name, "/") {
		return []modprobe.Module{{Name: alias.FromPath(name), Path: name}}, nil
	}
	modules, err := c.p.Resolve(name)
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if m.Builtin {
			return nil, &modprobe.Error{Op: "check", Module: m.Name, Err: modprobe.ErrBuiltin}
		}
		if m.Path == "" {
			return nil, &modprobe.Error{Op: "check", Module: m.Name, Err: modprobe.ErrNotFound}
		}
	}
	return modules, nil
}

// module returns a module of the tree by its name, or nil.
func (c *Checker) module(name string) *kernel.Module {
	if m, ok := c.byName[name]; ok {
		return m
	}
	var m *kernel.Module
	if file := c.file(name); file != "" {
		m, _ = c.read(file)
	}
	c.byName[name] = m
	return m
}

// file returns the file of a module of the tree, "" if there is no such module.
func (c *Checker) file(name string) string {
	m, ok := c.p.Module(name)
	if !ok || m.Name != name {
		return "" // there is none, or name is an alias of a builtin module
	}
	return m.Path
}

// provide finds a symbol among the modules checked together and those of the tree.
func (c *Checker) provide(symbol string) (kernel.Symbol, bool) {
	for _, m := range c.set {
		if m == c.judged {
			continue
		}
		if e, ok := c.export(m, symbol); ok {
			return e, true
		}
	}
	if owner, ok := c.p.Exporter(symbol); ok {
		if m := c.module(owner); m != nil {
			return c.export(m, symbol)
		}
	}
	if c.added != nil {
		s, answer := c.added.Lookup(symbol)
		return s, answer == kernel.Found
	}
	return kernel.Symbol{}, false
}

// export finds a symbol among what a module exports.
func (c *Checker) export(m *kernel.Module, symbol string) (kernel.Symbol, bool) {
	table := c.tables[m]
	if table == nil {
		table = kernel.NewTable(m.Path, slices.Clone(m.Exports))
		c.tables[m] = table
	}
	s, answer := table.Lookup(symbol)
	return s, answer == kernel.Found
}

// readAhead reads, in parallel, the modules that names stand for and those that they need. What cannot be found or read
// is left out: [Checker.Check] gives the error when it asks for it.
func (c *Checker) readAhead(names []string) map[string]*kernel.Module {
	found := map[string]*kernel.Module{}
	var files []string
	add := func(file string) {
		if _, twice := found[file]; !twice {
			found[file] = nil
			files = append(files, file)
		}
	}
	for _, name := range names {
		asked, _ := c.modules(name)
		for _, m := range asked {
			add(m.Path)
			for _, s := range c.plan(m.Path) {
				if s.Module.Path != "" {
					add(s.Module.Path)
				}
			}
		}
	}
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := 0
	for range min(len(files), runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for next < len(files) {
				file := files[next]
				next++
				mu.Unlock()
				m, _ := c.readShared(file)
				mu.Lock()
				found[file] = m
			}
		})
	}
	workers.Wait()
	return found
}

// read returns a module file, from those read ahead if it is there.
func (c *Checker) read(file string) (*kernel.Module, error) {
	if m := c.ahead[file]; m != nil {
		return m, nil
	}
	return c.readShared(file)
}

// readShared reads a module file, or has it from Options.Files if it was named as a file.
func (c *Checker) readShared(file string) (*kernel.Module, error) {
	if c.o.Files != nil && slices.Contains(c.o.Names, file) {
		return c.o.Files.module(file, c.readFile)
	}
	return c.readFile(file)
}

// readFile reads a module file.
func (c *Checker) readFile(file string) (*kernel.Module, error) {
	name, err := sysroot.Name(c.fsys, file)
	if err != nil {
		return nil, err
	}
	var m *kernel.Module
	err = compress.UseFile(c.fsys, name, 0, func(image []byte, _ compress.Format) error {
		// The modules that are compared are in memory at the same time. All that are large count.
		if size := int64(len(image)); size > largeImage && c.kept.Add(size) > maxImages {
			c.kept.Add(-size)
			return compress.ErrTooLarge
		}
		m = kernel.ReadModule(file, bytes.Clone(image))
		return nil
	})
	if err != nil {
		return nil, &modprobe.Error{Op: "check", Module: alias.FromPath(file), Path: file, Err: err}
	}
	return m, nil
}

// A Checker keeps at most maxImages bytes of modules that are larger than largeImage.
const largeImage, maxImages = 16 << 20, compress.DefaultLimit

// tree reads the modules of the tree that belong to the kernel itself, at most atOnce at a time, and yields them in
// their order.
func (c *Checker) tree(atOnce int) iter.Seq[*kernel.Module] {
	return func(yield func(*kernel.Module) bool) {
		ahead := make(chan chan *kernel.Module, atOnce-1)
		stop := make(chan struct{})
		defer func() {
			close(stop)
			// Wait until nothing reads the tables any more: the Prober's owner may close them.
			for range ahead {
			}
		}()
		go func() {
			defer close(ahead)
			for file := range c.p.Files() {
				if !strings.HasPrefix(file, c.path("kernel/")) {
					continue
				}
				one := make(chan *kernel.Module, 1)
				select {
				case ahead <- one:
				case <-stop:
					return
				}
				go func() {
					m, _ := c.readFile(file)
					one <- m
				}()
			}
		}()
		for one := range ahead {
			if m := <-one; m != nil && !yield(m) {
				return
			}
		}
	}
}

// path returns the absolute path of a file in the module directory.
func (c *Checker) path(name string) string { return c.p.Dir() + "/" + name }
