package matrix

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// Options say how [Run] judges.
type Options struct {
	// From is where modules and configuration are; Release is not used.
	From modprobe.Options
	// Check are the options for each kernel; Image, Symvers and Names are not used.
	Check check.Options
	// Message puts an error into words. Default: its own.
	Message func(error) string
}

// atOnce is how many kernels are read at a time. An image takes up to 80 MB while it is read.
const atOnce = 2

// Run judges modules, each a name, an alias or an absolute path, against kernels. All of them are one set, as for
// [check.Checker.Check]: one may need another. The kernels are judged as after a start: that a module is loaded in the
// running one does not count.
func Run(o *Options, kernels []Kernel, names []string) *Report {
	r := &run{o: *o, kernels: slices.Clone(kernels), names: names, rows: map[string]int{}}
	if r.o.Message == nil {
		r.o.Message = error.Error
	}
	r.cache = &memory{next: o.Check.Cache, kept: map[string][]byte{}}
	// First every image, since the modules may have been built for the kernel of any of them.
	each(len(r.kernels), func(i int) { r.readImage(&r.kernels[i]) })
	label(r.kernels)
	answers := make([]answer, len(r.kernels))
	each(len(r.kernels), func(i int) { answers[i] = r.ask(&r.kernels[i]) })
	return r.report(answers)
}

// each calls f for all numbers below n, some at a time.
func each(n int, f func(int)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0), atOnce) {
		workers.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
}

// A run is one call of Run.
type run struct {
	o       Options
	kernels []Kernel
	names   []string
	cache   *memory
	files   check.Files
	rows    map[string]int // by the key of a row
}

// An answer is what one kernel says.
type answer struct {
	cells  map[string]Cell // by the key of a row
	keys   []string        // in their order
	labels map[string][2]string
}

// readImage finds out the release of an image.
func (r *run) readImage(k *Kernel) {
	if k.Image == "" || k.Error != "" {
		return
	}
	release, err := check.ImageRelease(r.o.From.FS, k.Image, r.cache)
	switch {
	case err != nil:
		k.Error = r.o.Message(err)
	case release == "":
		k.Error = k.Image + ": the image does not say which release it is"
	}
	k.Release = release
}

// ask asks one kernel.
func (r *run) ask(k *Kernel) (a answer) {
	a = answer{cells: map[string]Cell{}, labels: map[string][2]string{}}
	if k.Error != "" {
		return a
	}
	from := r.o.From
	from.Release = k.Release
	if k.dir != "" {
		from.Dir = k.dir
	}
	p, err := modprobe.New(&from)
	var checker *check.Checker
	if err == nil {
		o := r.o.Check
		o.Image, o.Symvers, o.Names, o.Cache = k.Image, k.Symvers, r.names, r.cache
		o.Files, o.Installed, o.Brief = &r.files, true, true
		checker, err = check.New(p, &o)
	}
	if err != nil {
		k.Error = r.o.Message(err)
		return a
	}
	k.Source = checker.Source()
	verdicts, err := checker.Check(r.names...)
	for _, v := range verdicts {
		a.add(r.key(v.Module, v.Path), v.Module, v.Path, newCell(v))
	}
	for _, e := range causes(err) {
		name, file := "", ""
		var of *modprobe.Error
		if errors.As(e, &of) {
			name, file = of.Module, of.Path
		}
		a.add(r.key(name, file), name, file, Cell{Outcome: NotFound, Text: r.o.Message(e)})
	}
	return a
}

func (a *answer) add(key, module, file string, c Cell) {
	if _, twice := a.cells[key]; !twice {
		a.keys = append(a.keys, key)
		a.labels[key] = [2]string{module, file}
		a.cells[key] = c
	}
}

// key tells rows apart: files that were named by their path, all others by the module's name.
func (r *run) key(module, file string) string {
	if file != "" && slices.Contains(r.names, file) {
		return file
	}
	return strings.ReplaceAll(module, "-", "_")
}

// report puts the answers together.
func (r *run) report(answers []answer) *Report {
	rep := &Report{Kernels: r.kernels, Modules: []Row{}}
	row := func(key, module, file string) {
		if _, ok := r.rows[key]; ok {
			return
		}
		r.rows[key] = len(rep.Modules)
		rep.Modules = append(rep.Modules, Row{Module: module, Path: file, Cells: make([]Cell, len(r.kernels))})
	}
	for _, a := range answers {
		for _, key := range a.keys {
			row(key, a.labels[key][0], r.asked(a.labels[key][1]))
		}
	}
	if len(rep.Modules) == 0 { // no kernel could be read
		for _, name := range r.names {
			row(name, alias.FromPath(name), r.asked(name))
		}
	}
	for key, at := range r.rows {
		for i := range r.kernels {
			k, c := &r.kernels[i], Cell{Outcome: NotFound, Text: "the kernel has no such module"}
			if found, ok := answers[i].cells[key]; ok {
				c = found
			} else if k.Error != "" {
				c = Cell{Outcome: check.Unknown, Kind: kindKernel, Text: k.Error}
			}
			if c.Kind == "" && c.Outcome == NotFound {
				c.Kind = kindNotFound
			}
			c.Kernel = k.Label
			rep.Modules[at].Cells[i] = c
		}
	}
	rep.finish()
	return rep
}

// asked returns a file if it was named by its path: otherwise it differs from kernel to kernel.
func (r *run) asked(file string) string {
	if slices.Contains(r.names, file) && strings.HasPrefix(file, "/") {
		return file
	}
	return ""
}

// causes returns the errors that were joined to one.
func causes(err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	}
	return []error{err}
}

// memory keeps what the cache behind it does not keep, as in a container whose files cannot be written.
type memory struct {
	next check.Cache
	mu   sync.Mutex
	kept map[string][]byte
}

// Get returns the data of a key.
func (m *memory) Get(key string) []byte {
	m.mu.Lock()
	data := m.kept[key]
	m.mu.Unlock()
	if data == nil && m.next != nil {
		data = m.next.Get(key)
	}
	return data
}

// Put stores the data of a key.
func (m *memory) Put(key string, data []byte) {
	if m.next != nil {
		m.next.Put(key, data)
		if m.next.Get(key) != nil {
			return
		}
	}
	m.mu.Lock()
	m.kept[key] = data
	m.mu.Unlock()
}
