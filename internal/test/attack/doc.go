// Package attack runs the tools as root where another user has prepared the ground: environment, limits, folders,
// descriptors, caches; and kills them. docs/security.md names the tests that hold each row. They never ask the kernel
// to load anything.
package attack
