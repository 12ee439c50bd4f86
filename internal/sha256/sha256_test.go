package sha256

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// TestSum: both implementations give the same for all lengths around a block's, written in pieces of all sizes.
func TestSum(t *testing.T) {
	data := make([]byte, 300)
	for i := range data {
		data[i] = byte(i * i)
	}
	for n := range data {
		for piece := 1; piece <= 130; piece += 1 + piece/3 {
			d, e := newDigest(), New()
			for rest := data[:n]; len(rest) > 0; {
				k := min(piece, len(rest))
				d.Write(rest[:k])
				e.Write(rest[:k])
				d.Sum(nil)
				rest = rest[k:]
			}
			want := sha256.Sum256(data[:n])
			if got := d.Sum([]byte("x")); !bytes.Equal(got[1:], want[:]) || got[0] != 'x' {
				t.Fatalf("%d bytes, %d at a time: %x, want %x", n, piece, got[1:], want)
			}
			if got := e.Sum(nil); !bytes.Equal(got, want[:]) {
				t.Fatalf("%d bytes: %x, want %x", n, got, want)
			}
		}
	}
}
