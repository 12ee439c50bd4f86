//go:build !kmod_noxz

package compress

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/mikelolasagasti/xz"
)

func oneXz(in *counter) (io.ReadCloser, error) {
	z, err := xz.NewReader(&xzOne{in: in}, maxWindow)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(z), nil
}

// xzOne passes one xz stream on and then ends: the decoder would read on. A stream ends at a multiple of four of its
// length, with a footer: checksum of the six bytes that follow, size, flags as in the header, "YZ". Should the like of
// a footer be in the data, the decoder finds the stream too short.
type xzOne struct {
	in    *counter
	flags [2]byte  // from the header
	tail  [12]byte // the last bytes passed on
	ended bool
}

func (x *xzOne) Read(p []byte) (int, error) {
	if x.ended {
		return 0, io.EOF
	}
	// At least four bytes unless the file ends, so that every chunk begins at a multiple of four.
	if buf, err := x.in.r.Peek(4); len(buf) == 0 {
		return 0, err
	}
	buf, _ := x.in.r.Peek(min(len(p), x.in.r.Buffered()))
	n := len(buf)
	if n > 4 {
		n &^= 3
	}
	for i := 0; i+4 <= n; i += 4 {
		copy(x.tail[:], x.tail[4:])
		copy(x.tail[8:], buf[i:])
		switch x.in.n + int64(i) {
		case 4:
			x.flags = [2]byte{buf[i+2], buf[i+3]}
		default:
			if buf[i+2] == 'Y' && buf[i+3] == 'Z' && x.footer() {
				x.ended = true
				n = i + 4
			}
		}
	}
	return x.in.Read(p[:n])
}

// footer reports whether the last twelve bytes are a footer.
func (x *xzOne) footer() bool {
	return [2]byte(x.tail[8:10]) == x.flags && crc32.ChecksumIEEE(x.tail[4:10]) == binary.LittleEndian.Uint32(x.tail[:])
}
