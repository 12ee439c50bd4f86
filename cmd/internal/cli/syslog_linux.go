package cli

import "golang.org/x/sys/unix"

// syslog sends a datagram to /dev/log; package log/syslog would bring package net.
func syslog(datagram []byte) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, datagram, unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: "/dev/log"})
}

// stderrClosed reports whether the process was started without standard error. The Go runtime has opened /dev/null for
// reading and writing in its place by now, which tells it from a shell's 2>/dev/null, open for writing only.
func stderrClosed() bool {
	flags, err := unix.FcntlInt(2, unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	var st unix.Stat_t
	if flags&unix.O_ACCMODE != unix.O_RDWR || unix.Fstat(2, &st) != nil {
		return false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && unix.Major(uint64(st.Rdev)) == 1 &&
		unix.Minor(uint64(st.Rdev)) == 3
}
