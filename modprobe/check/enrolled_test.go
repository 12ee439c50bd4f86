//go:build linux

package check_test

import (
	"bytes"
	"slices"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestEnrolledKeys: whether a kernel takes a key of the firmware for modules is not known; a key that is not there
// either is unknown for sure.
func TestEnrolledKeys(t *testing.T) {
	key, stranger := newTestKey(t, "p384", 1), newTestKey(t, "rsa", 2)
	sums := kmodtest.SignatureList(kmodtest.ListSHA256, make([]byte, 32), make([]byte, 32))
	list, ok := kernel.EnrolledKeys(slices.Concat(sums, kmodtest.SignatureList(kmodtest.ListX509, key.certificate), sums))
	if len(list) != 1 || !ok || !bytes.Equal(list[0].Certificate, key.certificate) {
		t.Fatalf("%d keys, %t", len(list), ok)
	}
	k := own()
	k.Enrolled = list
	k.Signing = &kernel.Signing{Builtin: []string{"sha256", "rsa", "ecdsa-nist-p384"}, Identifiers: []string{oidECDSA + "\x02"}}
	body := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}}.Bytes()
	changed := bytes.Clone(body)
	changed[9] ^= 1
	for _, test := range []struct {
		name    string
		body    []byte
		by      *testKey
		enforce bool
		outcome check.Outcome
		errno   syscall.Errno
	}{
		{"enrolled", body, key, false, check.Loads, 0},
		{"enrolled, enforcing", body, key, true, check.Unknown, 0},
		{"enrolled, changed", changed, key, false, check.Unknown, 0},
		{"enrolled, changed, enforcing", changed, key, true, check.Fails, syscall.EKEYREJECTED},
		{"stranger", body, stranger, false, check.LoadsTaints, 0},
		{"stranger, enforcing", body, stranger, true, check.Fails, syscall.EKEYREJECTED},
	} {
		k.Enforce = test.enforce
		image := append(bytes.Clone(test.body), trailer(test.by.sign(t, body, 1).bytes())...)
		if v := k.Check(kernel.ReadModule("m", image), 0); v.Outcome != test.outcome || v.Errno != test.errno {
			t.Errorf("%s: %v %v %+v %q", test.name, v.Outcome, v.Errno, v.Findings, v.NotVerified)
		}
	}
	k.MoreKeys = true
	image := append(bytes.Clone(body), trailer(stranger.sign(t, body, 1).bytes())...)
	if v := k.Check(kernel.ReadModule("m", image), 0); v.Outcome != check.Unknown {
		t.Errorf("stranger, and keys that cannot be read: %v", v.Outcome)
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
