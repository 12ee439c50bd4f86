package btf

import (
	"bytes"
	"encoding/binary"
)

// maxFinds is how many places that look like BTF are tried in an image without sections.
const maxFinds = 16

// Find looks for a kernel's BTF in an image that has no sections, as arm64's has not. It returns nil if there is
// none.
func Find(image []byte) []byte {
	for _, order := range [...]binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if found := find(image, order); found != nil {
			return found
		}
	}
	return nil
}

func find(image []byte, order binary.ByteOrder) []byte {
	head := make([]byte, 12) // magic, version, flags, a header of 24 bytes, types directly behind it
	order.PutUint16(head, magic)
	head[2] = 1
	order.PutUint32(head[4:], headerSize)
	for tries := 0; tries < maxFinds; tries++ {
		i := bytes.Index(image, head)
		if i < 0 {
			return nil
		}
		image = image[i:]
		if len(image) < headerSize {
			return nil
		}
		types, off := uint64(order.Uint32(image[12:])), uint64(order.Uint32(image[16:]))
		n := uint64(order.Uint32(image[20:]))
		if off == types && headerSize+off+n <= uint64(len(image)) {
			data := image[:headerSize+off+n]
			if f, err := Parse(data, nil); err == nil && f.End() > 1 {
				return data
			}
		}
		image = image[1:]
	}
	return nil
}
