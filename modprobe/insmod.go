package modprobe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/gomodprobe/gomodprobe/alias"
	"github.com/gomodprobe/gomodprobe/internal/errno"
	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
)

// Insmod loads the module in f, without looking at names, dependencies or configuration. Flags are IgnoreModversions
// and IgnoreVermagic. Errors are errno values, possibly wrapped.
//
// A compressed file goes to the kernel as it is if /sys/module/compression names its format. A file the kernel does
// not expand, or refuses to, is expanded here and given to the kernel as memory. A kernel without finit_module(2) gets
// the image by init_module(2), with what the flags tell it to ignore taken out. Once the
// kernel has looked at the module itself, the load is not tried again, whatever the answer.
func (p *Prober) Insmod(f fs.File, params string, flags int) error {
	r := runner{p: p}
	defer r.close()
	r.listen()
	return r.insmod(f, params, flags)
}

// insmod is Insmod; the caller has called listen.
func (r *runner) insmod(f fs.File, params string, flags int) error {
	k := r.p.kernel
	head, whole := peek(f)
	if len(head) < headLen {
		if isDir(f) {
			return syscall.EISDIR
		}
		return syscall.EINVAL
	}
	format := compress.Detect(head)
	byKernel := format != compress.None && r.p.decompressor() == format.String()
	var refused error
	if format == compress.None || byKernel {
		how := flags
		if byKernel {
			how |= CompressedFile
		}
		refused = k.FinitModule(f, params, how)
		if !noCall(refused) && (!byKernel || refused == nil || !r.unexpanded(refused, whole)) {
			return refused
		}
	}
	data, err := whole()
	if err != nil {
		return err
	}
	image, err := compress.Expand(nil, data, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", syscall.EINVAL, err)
	}
	// As a file the image can have flags, and keeps its signature.
	if format != compress.None && (flags != 0 || byKernel) && !errors.Is(refused, errno.ENOSYS) {
		if err := k.FinitModule(&imageFile{image: image}, params, flags); !noCall(err) {
			return err
		}
	}
	return initModule(k, image, params, flags)
}

// noCall reports whether finit_module(2) could not be called: the kernel lacks it, or the file has no descriptor. The
// errno EOPNOTSUPP, which is errors.ErrUnsupported as well, is an answer of the kernel.
func noCall(err error) bool {
	var code syscall.Errno
	if errors.As(err, &code) {
		return errors.Is(err, errno.ENOSYS)
	}
	return err != nil && errors.Is(err, errors.ErrUnsupported)
}

// unexpanded reports whether the kernel has refused a compressed file without looking at the module in it. Its log says
// so; without a log that is assumed of files that no kernel can expand. The errno alone does not tell: a module that
// fails may return the same.
func (r *runner) unexpanded(err error, whole func() ([]byte, error)) bool {
	for _, line := range r.logged() {
		if notExpanded(line) {
			return true
		}
	}
	if !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errno.ENOEXEC) && !errors.Is(err, errno.ENOMEM) {
		return false
	}
	data, err := whole()
	return err == nil && compress.BeyondKernel(data)
}

// InsmodFile loads the module in the file of that name in Options.FS, as [Prober.Insmod]. The name is an absolute path,
// such as Module.Path, or one of [fs.FS]. The error is an *Error with what the kernel said.
func (p *Prober) InsmodFile(name, params string, flags int) error {
	r := runner{p: p}
	defer r.close()
	name = strings.TrimPrefix(path.Clean(name), "/")
	f, err := p.fsys.Open(name)
	s := &Step{Op: OpInsmod, Module: Module{Name: alias.FromPath(name), Path: "/" + name}}
	if err == nil {
		defer f.Close()
		r.listen()
		err = r.insmod(f, params, flags)
	}
	if err != nil {
		return &Error{Op: "insert", Module: s.Module.Name, Path: s.Module.Path, Err: err,
			Reason: r.reason(s, err)}
	}
	return nil
}

// decompressor returns the name of the format that the kernel expands itself, which is read once.
func (p *Prober) decompressor() string {
	p.formatOnce.Do(func() {
		data, _ := fs.ReadFile(p.fsys, "sys/module/compression")
		p.format = strings.TrimSuffix(string(data), "\n")
	})
	return p.format
}

// headLen is the number of bytes that tell the format of a file.
const headLen = 6

// initModule loads an image by init_module(2), which has no flags: what the kernel is to ignore is removed from a
// copy.
func initModule(k Kernel, image []byte, params string, flags int) error {
	if flags != 0 {
		f, err := elf.Parse(image)
		if err != nil {
			return fmt.Errorf("%w: %w", errno.ENOEXEC, err)
		}
		image, err = f.Unversioned(flags&IgnoreModversions != 0, flags&IgnoreVermagic != 0)
		if err != nil {
			return err
		}
	}
	return k.InitModule(image, params)
}

// peek returns the first bytes of a file, and a function for all of them. A file that can be read at an offset
// keeps its position: finit_module(2) does not care, but another reader of the file would.
func peek(f fs.File) (head []byte, whole func() ([]byte, error)) {
	head = make([]byte, headLen)
	if at, ok := f.(io.ReaderAt); ok {
		n, _ := at.ReadAt(head, 0)
		return head[:n], func() ([]byte, error) { return readAll(io.NewSectionReader(at, 0, maxModule+1)) }
	}
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	return head, func() ([]byte, error) {
		rest, err := readAll(f)
		return append(head, rest...), err
	}
}

// maxModule is the size in bytes up to which a module file is read.
const maxModule = compress.DefaultLimit

// readAll reads a module file; EFBIG if it is larger than maxModule.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err == nil && len(data) > maxModule {
		err = errno.EFBIG
	}
	return data, err
}

// isDir reports whether f is a folder.
func isDir(f fs.File) bool {
	info, err := f.Stat()
	return err == nil && info.IsDir()
}

// imageFile is a module in memory given to FinitModule.
type imageFile struct {
	image []byte
	off   int
}

// Read reads the image from where the last Read ended.
func (f *imageFile) Read(b []byte) (int, error) {
	if f.off == len(f.image) {
		return 0, io.EOF
	}
	n := copy(b, f.image[f.off:])
	f.off += n
	return n, nil
}

// Close does nothing.
func (f *imageFile) Close() error { return nil }

// Stat describes the image.
func (f *imageFile) Stat() (fs.FileInfo, error) { return imageInfo{f}, nil }

// imageInfo is the fs.FileInfo of an imageFile.
type imageInfo struct{ f *imageFile }

// Name returns a name for messages.
func (i imageInfo) Name() string { return "module in memory" }

// Size returns the length of the image.
func (i imageInfo) Size() int64 { return int64(len(i.f.image)) }

// Mode returns that of a plain file.
func (i imageInfo) Mode() fs.FileMode { return 0o400 }

// ModTime returns no time.
func (i imageInfo) ModTime() time.Time { return time.Time{} }

// IsDir returns false.
func (i imageInfo) IsDir() bool { return false }

// Sys returns nil.
func (i imageInfo) Sys() any { return nil }
