package kernel

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"
)

// typeX509 tells lists of certificates from other lists in the firmware: a5c059a1-94e4-4aa7-87b5-ab155c2bf072.
const typeX509 = "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72"

// EnrolledKeys reads the certificates in a variable of the firmware, as UEFI has them: lists of entries, each with an
// owner before it. Lists of anything else, such as check sums, are passed over; ok is false if the variable is
// damaged.
func EnrolledKeys(variable []byte) (keys []Key, ok bool) {
	const guid, head = 16, 16 + 3*4
	for s := cryptobyte.String(variable); !s.Empty(); {
		var kind, sizes, rest []byte
		if !s.ReadBytes(&kind, guid) || !s.ReadBytes(&sizes, head-guid) {
			return keys, false
		}
		all, header, each := binary.LittleEndian.Uint32(sizes), binary.LittleEndian.Uint32(sizes[4:]),
			binary.LittleEndian.Uint32(sizes[8:])
		if all < head || uint64(all)-head > uint64(len(s)) || uint64(header) > uint64(all)-head ||
			each <= guid || !s.ReadBytes(&rest, int(all)-head) {
			return keys, false
		}
		for rest = rest[header:]; len(rest) >= int(each); rest = rest[each:] {
			if string(kind) == typeX509 {
				keys = append(keys, NewKey(rest[guid:each:each]))
			}
		}
	}
	return keys, true
}
