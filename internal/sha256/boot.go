//go:build kmod_boot

package sha256

import "hash"

// New returns a hash that computes SHA-256.
func New() hash.Hash { return newDigest() }
