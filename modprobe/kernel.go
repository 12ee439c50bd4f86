package modprobe

import "io/fs"

// Flags of finit_module(2).
const (
	// IgnoreModversions makes the kernel skip the check of symbol versions (MODULE_INIT_IGNORE_MODVERSIONS).
	IgnoreModversions = 1
	// IgnoreVermagic makes the kernel skip the check of the version magic (MODULE_INIT_IGNORE_VERMAGIC).
	IgnoreVermagic = 2
	// CompressedFile tells the kernel that it has to expand the file itself (MODULE_INIT_COMPRESSED_FILE).
	CompressedFile = 4
)

// RemoveForce is O_TRUNC for [Kernel.DeleteModule]: remove the module even when it is in use. O_NONBLOCK, which
// delete_module(2) wants as well, is up to the implementation.
const RemoveForce = 1

// Kernel is what loading and removing needs of a kernel: three system calls and its release. [Running] is the one
// this process runs on, package modprobetest has one for tests.
//
// Errors are errno values (syscall.Errno), possibly wrapped; errors.ErrUnsupported where the call does not exist or
// cannot take this kind of file.
type Kernel interface {
	// Release returns what "uname -r" prints.
	Release() (string, error)
	// FinitModule loads the module in f, whose read offset does not matter, as finit_module(2).
	FinitModule(f fs.File, params string, flags int) error
	// InitModule loads the module image, as init_module(2).
	InitModule(image []byte, params string) error
	// DeleteModule removes a module, as delete_module(2) with O_NONBLOCK. Flags are 0 or RemoveForce.
	DeleteModule(name string, flags int) error
}

// Running returns the kernel this process runs on.
func Running() Kernel { return running{} }

// running is the kernel of this machine; its methods are in kernel_linux.go and kernel_other.go.
type running struct{}
