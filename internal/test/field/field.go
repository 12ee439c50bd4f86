// Package field proves that the tools do their work where people use them, with the real programs that call them:
// Debian's initramfs-tools, dracut, dkms and systemd, containers with nothing else in them, u-root, other
// architectures. It has tests only; "make test-field" runs them, and docs/field.md says what each one shows.
//
// They need root rights (for chroot and overlay mounts), debootstrap and a Debian archive. No module is ever loaded
// into the computer's own kernel: what runs in a chroot lacks CAP_SYS_MODULE, what loads modules runs in a guest.
package field
