// Package initramfs puts kernel modules, with everything they need, into images that the kernel unpacks at boot.
package initramfs
