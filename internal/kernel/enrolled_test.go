package kernel_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestEnrolledKeys reads one certificate between lists of check sums.
func TestEnrolledKeys(t *testing.T) {
	certificate := []byte("a certificate")
	sums := kmodtest.SignatureList(kmodtest.ListSHA256, make([]byte, 32), make([]byte, 32))
	variable := slices.Concat(sums, kmodtest.SignatureList(kmodtest.ListX509, certificate), sums)
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
	fuzzseed.Add(f, slices.Concat(kmodtest.SignatureList(kmodtest.ListSHA256, make([]byte, 32)), kmodtest.SignatureList(kmodtest.ListX509, []byte("certificate one"), []byte("certificate two"))))
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
