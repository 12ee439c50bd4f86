package kmodtest

import "encoding/binary"

// Kinds of lists of signatures, as UEFI names them.
const (
	// ListX509 is the kind of lists of certificates.
	ListX509 = "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72"
	// ListSHA256 is the kind of lists of check sums.
	ListSHA256 = "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28"
)

// SignatureList makes an EFI_SIGNATURE_LIST of entries that are equally long.
func SignatureList(kind string, entries ...[]byte) []byte {
	b := []byte(kind)
	each := 16 + len(entries[0])
	for _, n := range []int{28 + each*len(entries), 0, each} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	for _, e := range entries {
		b = append(append(b, "sixteen bytes of"...), e...)
	}
	return b
}
