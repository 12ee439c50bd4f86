package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
)

// TestStrerror has glibc's words, which scripts see.
func TestStrerror(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{syscall.EPERM, "Operation not permitted"},
		{syscall.ENOENT, "No such file or directory"},
		{syscall.ESRCH, "No such process"},
		{syscall.EINTR, "Interrupted system call"},
		{syscall.EIO, "Input/output error"},
		{syscall.ENXIO, "No such device or address"},
		{syscall.E2BIG, "Argument list too long"},
		{syscall.ENOEXEC, "Exec format error"},
		{syscall.EAGAIN, "Resource temporarily unavailable"},
		{syscall.ENOMEM, "Cannot allocate memory"},
		{syscall.EACCES, "Permission denied"},
		{syscall.EFAULT, "Bad address"},
		{syscall.EBUSY, "Device or resource busy"},
		{syscall.EEXIST, "File exists"},
		{syscall.ENODEV, "No such device"},
		{syscall.ENOTDIR, "Not a directory"},
		{syscall.EISDIR, "Is a directory"},
		{syscall.EINVAL, "Invalid argument"},
		{syscall.ENFILE, "Too many open files in system"},
		{syscall.EMFILE, "Too many open files"},
		{syscall.ETXTBSY, "Text file busy"},
		{syscall.EFBIG, "File too large"},
		{syscall.ENOSPC, "No space left on device"},
		{syscall.EROFS, "Read-only file system"},
		{syscall.ERANGE, "Numerical result out of range"},
		{syscall.ENAMETOOLONG, "File name too long"},
		{syscall.ENOSYS, "Function not implemented"},
		{syscall.ELOOP, "Too many levels of symbolic links"},
		{syscall.ENODATA, "No data available"},
		{syscall.ENOPKG, "Package not installed"},
		{syscall.EBADMSG, "Bad message"},
		{syscall.ELIBBAD, "Accessing a corrupted shared library"},
		{syscall.EILSEQ, "Invalid or incomplete multibyte or wide character"},
		{syscall.EOPNOTSUPP, "Operation not supported"},
		{syscall.ETIMEDOUT, "Connection timed out"},
		{syscall.EUCLEAN, "Structure needs cleaning"},
		{syscall.ENOKEY, "Required key not available"},
		{syscall.EKEYEXPIRED, "Key has expired"},
		{syscall.EKEYREVOKED, "Key has been revoked"},
		{syscall.EKEYREJECTED, "Key was rejected by service"},
		{syscall.Errno(524), "Unknown error 524"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "Permission denied"},
		{fmt.Errorf("more: %w", fs.ErrNotExist), "No such file or directory"},
		{errors.ErrUnsupported, "Operation not supported"},
		{errors.New("own words"), "Own words"},
	} {
		if got := Strerror(tt.err); got != tt.want {
			t.Errorf("Strerror(%v) = %q; want %q", tt.err, got, tt.want)
		}
	}
}
