// Package errno names the errors that a Linux kernel answers with, so that code that compares with them builds on every
// system: package syscall has all of the names on Linux only.
package errno
