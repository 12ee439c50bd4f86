package compress

import "io"

// NewSmallZstdWriter is NewZstdWriter with segments that are small enough for a test to have many of them.
func NewSmallZstdWriter(w io.Writer) io.WriteCloser { return newZstdWriter(w, 1000, 300) }
