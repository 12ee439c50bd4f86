package kernel_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

// signatureList makes a list as UEFI has it.
func signatureList(kind string, entries ...[]byte) []byte {
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

const (
	listX509   = "\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72"
	listSHA256 = "\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28"
)

// TestEnrolledKeys reads one certificate between lists of check sums.
func TestEnrolledKeys(t *testing.T) {
	certificate := []byte("a certificate")
	sums := signatureList(listSHA256, make([]byte, 32), make([]byte, 32))
	variable := slices.Concat(sums, signatureList(listX509, certificate), sums)
	list, ok := kernel.EnrolledKeys(variable)
	if len(list) != 1 || !ok || !bytes.Equal(list[0].Certificate, certificate) {
		t.Errorf("%d keys, %t", len(list), ok)
	}
	if list, ok := kernel.EnrolledKeys(variable[:len(variable)-1]); len(list) != 1 || ok {
		t.Errorf("damaged: %d keys, %t", len(list), ok)
	}
}

// FuzzEnrolledKeys: what comes out lies in the variable.
func FuzzEnrolledKeys(f *testing.F) {
	fuzzseed.Add(f, slices.Concat(signatureList(listSHA256, make([]byte, 32)), signatureList(listX509, []byte("certificate one"), []byte("certificate two"))))
	f.Fuzz(func(t *testing.T, variable []byte) {
		keys, _ := kernel.EnrolledKeys(variable)
		size := 0
		for _, k := range keys {
			size += len(k.Certificate)
			if !bytes.Contains(variable, k.Certificate) {
				t.Errorf("%q is not in %q", k.Certificate, variable)
			}
		}
		if size > len(variable) {
			t.Errorf("%d bytes of certificates in %d", size, len(variable))
		}
	})
}
