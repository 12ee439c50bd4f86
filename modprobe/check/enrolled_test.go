//go:build linux

package check_test

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// TestEnrolledKey: whether a kernel takes a key of the firmware for modules is not known; a key that is not there either is unknown for sure.
func TestEnrolledKey(t *testing.T) {
	key, stranger := newTestKey(t, "p384", 1), newTestKey(t, "rsa", 2)
	k := own()
	k.Enrolled = []kernel.Key{kernel.NewKey(key.certificate)}
	k.Signing = &kernel.Signing{Digests: []string{"sha256"}, Identifiers: []string{oidECDSA + "\x02"}}
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
