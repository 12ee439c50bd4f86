package check

import (
	"crypto/sha256"
	"sync"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// Files keeps what Checkers of many kernels have in common: the modules that are named as files, and the types of the
// kernels that these were built for. The zero value is empty. Checkers in several goroutines may have the same, if
// they are over one file system.
type Files struct {
	mu      sync.Mutex
	modules map[string]*sharedModule
	kernels map[string]*sharedKernel
}

// A sharedModule is a module file that is read once.
type sharedModule struct {
	once sync.Once
	m    *kernel.Module
	err  error
}

// A sharedKernel is a kernel that modules were built for, whose types are read once.
type sharedKernel struct {
	once sync.Once
	k    *kernelTypes
	err  error
}

// module returns a module file, which it reads with read if nobody has yet.
func (f *Files) module(file string, read func(string) (*kernel.Module, error)) (*kernel.Module, error) {
	f.mu.Lock()
	if f.modules == nil {
		f.modules = map[string]*sharedModule{}
	}
	s := f.modules[file]
	if s == nil {
		s = new(sharedModule)
		f.modules[file] = s
	}
	f.mu.Unlock()
	s.once.Do(func() { s.m, s.err = read(file) })
	return s.m, s.err
}

// kernel returns the types of a kernel, which it reads with read if nobody has yet. A nil f keeps nothing.
func (f *Files) kernel(key string, read func() (*kernelTypes, error)) (*kernelTypes, error) {
	if f == nil {
		return read()
	}
	f.mu.Lock()
	if f.kernels == nil {
		f.kernels = map[string]*sharedKernel{}
	}
	s := f.kernels[key]
	if s == nil {
		s = new(sharedKernel)
		f.kernels[key] = s
	}
	f.mu.Unlock()
	s.once.Do(func() { s.k, s.err = read() })
	return s.k, s.err
}

// digest is the check sum of what modules hold, in their order.
func digest(modules []*kernel.Module) [sha256.Size]byte {
	h := sha256.New()
	for _, m := range modules {
		sum := sha256.Sum256(m.Image)
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
