package tool_test

import (
	"encoding/asn1"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// writeModule writes a module file with one field, and signed so.
func writeModule(t *testing.T, s *kmodtest.Signature) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "m.ko")
	image := kmodtest.Module{Name: "m", Bare: true, Info: []string{"a=b"}, Signature: s}.Bytes()
	if err := os.WriteFile(name, image, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestModinfoSignatures compares with kmod on signatures of every kind.
func TestModinfoSignatures(t *testing.T) {
	const p = kmodtest.PKCS7
	nist := func(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n} }
	signatures := []*kmodtest.Signature{
		nil,
		{Kind: p, KeyID: []byte{1, 2, 3}}, // no common name
		{Kind: p, Signer: "x", KeyID: []byte{0}},
		{Kind: p, Signer: "x", KeyID: []byte{0xff, 1}},
		{Kind: p, Signer: "x", KeyID: []byte{0, 0xff, 1}},
		{Kind: p, Signer: "x", KeyID: []byte(strings.Repeat("\x11", 20))},
		{Kind: p, Signer: "x", KeyID: []byte(strings.Repeat("\x11", 21))},
		{Kind: p, Signer: "x", KeyID: []byte{1}, Digest: asn1.ObjectIdentifier{2, 999, 3}},
		{Kind: p, Signer: "x", KeyID: []byte{1}, Digest: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 4}},
		{Kind: p, Signer: "x", KeyID: []byte{1}, Digest: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}},
		{Kind: p, Signer: "x", KeyID: []byte{1}, Digest: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}},
		{Kind: p, Signer: "x", KeyID: []byte{1}, Digest: asn1.ObjectIdentifier{1, 3, 36, 3, 2, 1}},
		{Kind: p, Signer: "x", KeyID: []byte{1}, Digest: asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401}},
		{Kind: kmodtest.PGP, Signer: "pgp", KeyID: []byte{1}, Hash: 2},
		{Kind: kmodtest.X509, Hash: 8},
		{Kind: kmodtest.X509, Hash: 9}, // no such digest: not a signature
	}
	for n := 1; n <= 12; n++ {
		signatures = append(signatures, &kmodtest.Signature{Kind: p, Signer: "x", KeyID: []byte{1}, Digest: nist(n)})
	}
	for _, s := range signatures {
		if s != nil {
			s.Sig = []byte("not a signature")
		}
		name := writeModule(t, s)
		for _, options := range [][]string{{}, {"-0"}, {"-F", "sig_key"}} {
			sameAsOracle(t, options, []string{name})
		}
	}
}

// TestModinfoUnknownSignature has a signature that cannot be understood: kmod
// shows nothing of it, and we say that there is one.
func TestModinfoUnknownSignature(t *testing.T) {
	name := writeModule(t, &kmodtest.Signature{Kind: kmodtest.PKCS7, Raw: []byte("0\x00")})
	got, want := ours(t, "modinfo", name), kmods(t, "modinfo", name)
	if got.stdout != want.stdout || got.status != want.status || want.stderr != "" {
		t.Errorf("%+v; want %+v", got, want)
	}
	if !strings.HasPrefix(got.stderr, "modinfo: NOTICE: "+name+" has a signature that is not shown") {
		t.Errorf("stderr %q", got.stderr)
	}
}

// TestModinfoSubjectKey has a signer told by the identifier of the key, as
// sign-file -k does it: kmod shows nothing of the signature, we show it.
func TestModinfoSubjectKey(t *testing.T) {
	name := writeModule(t, &kmodtest.Signature{Kind: kmodtest.PKCS7, SubjectKey: true, KeyID: []byte{1, 0xab}, Sig: []byte("sig")})
	want := result{stdout: "filename:       " + name + "\na:              b\n" +
		"sig_id:         PKCS#7\nsigner:         \nsig_key:        01:AB\nsig_hashalgo:   sha256\nsignature:      73:69:67\n"}
	if got := ours(t, "modinfo", name); got != want {
		t.Errorf("%+v; want %+v", got, want)
	}
}
