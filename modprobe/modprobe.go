// Package modprobe loads and removes kernel modules by name, alias or path, with their dependencies and the
// configuration of modprobe.d, as modprobe(8) of kmod does, and can say beforehand what it would do.
package modprobe
