//go:build !linux

package modprobe

// errno stands for an error that only a Linux kernel answers with.
type errno string

// Error returns the text that Linux has for the error.
func (e errno) Error() string { return string(e) }

const (
	eAgain       errno = "resource temporarily unavailable"
	eBadMsg      errno = "bad message"
	eFBig        errno = "file too large"
	eKeyExpired  errno = "key has expired"
	eKeyRejected errno = "key was rejected by service"
	eNoDev       errno = "no such device"
	eNoExec      errno = "exec format error"
	eNoKey       errno = "required key not available"
	eNoMem       errno = "cannot allocate memory"
	eNoSys       errno = "function not implemented"
	eTextBusy    errno = "text file busy"
)
