//go:build linux

package check_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// A testKey signs modules.
type testKey struct {
	certificate []byte
	parsed      *x509.Certificate
	signer      crypto.Signer
}

// newTestKey makes a key, rsa, p256, p384 or p521, and its certificate.
func newTestKey(t testing.TB, kind string, serial int64) *testKey {
	t.Helper()
	k := new(testKey)
	var err error
	switch kind {
	case "rsa":
		k.signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case "p256":
		k.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		k.signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		k.signer, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "key " + kind}, SubjectKeyId: fmt.Appendf(nil, "identity of %s %d", kind, serial),
		NotBefore: time.Unix(1.6e9, 0), NotAfter: time.Unix(4e9, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign}
	if k.certificate, err = x509.CreateCertificate(rand.Reader, &c, &c, k.signer.Public(), k.signer); err != nil {
		t.Fatal(err)
	}
	if k.parsed, err = x509.ParseCertificate(k.certificate); err != nil {
		t.Fatal(err)
	}
	return k
}

// sign makes the message of a signature of body, with the digest whose identifier of NIST ends so.
func (k *testKey) sign(t testing.TB, body []byte, digest byte) *sigForm {
	t.Helper()
	h := map[byte]crypto.Hash{1: crypto.SHA256, 2: crypto.SHA384, 3: crypto.SHA512, 4: crypto.SHA224, 8: crypto.SHA3_256, 9: crypto.SHA3_384, 10: crypto.SHA3_512}[digest]
	w := h.New()
	w.Write(body)
	sig, err := k.signer.Sign(rand.Reader, w.Sum(nil), h)
	if err != nil {
		t.Fatal(err)
	}
	s := signerForm{version: number(1), id: tlv(asn1.SEQUENCE, k.parsed.RawIssuer, number(k.parsed.SerialNumber.Bytes()...)),
		digest: algorithm(oidNIST + string(rune(digest))), algorithm: algorithm(oidECDSA + "\x02"), signature: sig}
	if _, ok := k.signer.(*rsa.PrivateKey); ok {
		s.algorithm = algorithm(oidPKCS1+"\x01", null)
	}
	return &sigForm{outer: []byte(oidSignedData), version: number(1), digests: tlv(asn1.SET, s.digest), kind: []byte(oidData), signers: []signerForm{s}}
}

// TestVerify signs and verifies by keys of all kinds.
func TestVerify(t *testing.T) {
	var keys []*testKey
	var list []kernel.Key
	for i, kind := range []string{"rsa", "p256", "p384", "p521"} {
		keys = append(keys, newTestKey(t, kind, int64(0x1234567+i)))
		list = append(list, kernel.NewKey(keys[i].certificate))
	}
	k := own()
	k.Keys, k.Enforce = list, true
	k.Signing = &kernel.Signing{Builtin: []string{"sha256", "sha512", "sha3-256", "rsa", "ecdsa-nist-p256", "ecdsa-nist-p384", "ecdsa-nist-p521"}, Identifiers: []string{oidECDSA + "\x02", oidNIST + "\x08"}}
	plain := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}}.Bytes()
	judge := func(body []byte, form *sigForm) *check.Verdict {
		return k.Check(kernel.ReadModule("m.ko", append(bytes.Clone(body), trailer(form.bytes())...)), 0)
	}
	first := kernel.ReadModule("m.ko", append(bytes.Clone(plain), trailer(keys[0].sign(t, plain, 1).bytes())...))
	ahead := []*kernel.Module{first, kernel.ReadModule("plain.ko", plain)}
	if k.Verify(ahead); k.Verified() != 2 || k.Signature(ahead[0]) != kernel.SigValid || k.Signature(ahead[1]) != kernel.SigNone {
		t.Errorf("ahead: %d, %v, %v", k.Verified(), k.Signature(ahead[0]), k.Signature(ahead[1]))
	}
	for i, key := range keys {
		for _, digest := range []byte{1, 3, 8} {
			form := key.sign(t, plain, digest)
			if v := judge(plain, form); v.Outcome != check.Loads {
				t.Errorf("key %d: %v %+v %v", i, v.Outcome, v.Findings, v.NotVerified)
			}
			body := bytes.Clone(plain)
			body[9] ^= 1
			if v := judge(body, form); v.Errno != syscall.EKEYREJECTED || len(v.Log) != 0 {
				t.Errorf("key %d, body changed: %v %v", i, v.Errno, v.Log)
			}
			form.signers[0].signature[10] ^= 1
			if v := judge(plain, form); v.Errno != syscall.EKEYREJECTED || len(v.Log) != 0 {
				t.Errorf("key %d, signature changed: %v %v", i, v.Errno, v.Log)
			}
		}
		if v := judge(plain, key.sign(t, plain, 2)); v.Outcome != check.Unknown {
			t.Errorf("key %d, a digest that the kernel may lack: %v", i, v.Outcome)
		}
		form := key.sign(t, plain, 1)
		form.signers[0].algorithm = keys[(i+1)%len(keys)].sign(t, plain, 1).signers[0].algorithm
		if v := judge(plain, form); i%3 == 0 && v.Errno != syscall.EKEYREJECTED {
			t.Errorf("key %d, algorithm of another: %v", i, v.Errno)
		}
	}
	if v := judge(plain, newTestKey(t, "p384", 0x1234567).sign(t, plain, 1)); v.Errno != syscall.EKEYREJECTED || !slices.Contains(v.Log, "Loading of module with unavailable key is rejected") {
		t.Errorf("unknown key: %v %q", v.Errno, v.Log)
	}
	k.Keys = append(k.Keys, kernel.NewKey([]byte("no certificate")))
	if v := judge(plain, newTestKey(t, "p384", 5).sign(t, plain, 1)); v.Outcome != check.Unknown {
		t.Errorf("unknown key, and one of the kernel's that is not understood: %v", v.Outcome)
	}
}

func BenchmarkVerify(b *testing.B) {
	body := make([]byte, 100<<10)
	for _, kind := range []string{"rsa", "p384"} {
		key := newTestKey(b, kind, 1)
		m := kernel.ReadModule("m", append(bytes.Clone(body), trailer(key.sign(b, body, 1).bytes())...))
		k := check.Target{Trust: kernel.Trust{Keys: []kernel.Key{kernel.NewKey(key.certificate)}, Signing: &kernel.Signing{Builtin: []string{"sha256", "rsa", "ecdsa-nist-p384"}, Identifiers: []string{oidECDSA + "\x02"}}}}
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Verify([]*kernel.Module{m})
			}
		})
	}
}
