//go:build !kmod_nozstd && (kmod_boot || !amd64)

package compress

// zstdLibrary does nothing here.
func zstdLibrary([]byte, []byte, int) ([]byte, bool) { return nil, false }
