package kernel

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestSignatures verifies a real module's signature by the key in the kernel's image, and no longer once a bit is
// changed.
func TestSignatures(t *testing.T) {
	dir, release := kmodtest.Corpus(t, "6.12")
	data, err := os.ReadFile(filepath.Join(dir, "boot/vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	im, err := FromImage("vmlinuz", data, 0)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(dir, "lib/modules", release, "kernel/fs/fat/vfat.ko.xz"))
	if err != nil {
		t.Fatal(err)
	}
	image, err := compress.Expand(nil, packed, 0)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, image []byte, keys []Key, want SigState) {
		t.Helper()
		k := Trust{Keys: keys, Signing: im.Signing}
		if got := k.Judge(ReadModule("vfat", image)).State; got != want {
			t.Errorf("%s: %v; want %v", name, got, want)
		}
	}
	check("as built", image, im.Keys, SigValid)
	check("no keys", image, []Key{}, SigUnknownKey)
	check("keys not known", image, nil, SigUnverified)
	changed := func(at int) []byte {
		b := append([]byte(nil), image...)
		b[at] ^= 1
		return b
	}
	check("changed text", changed(200), im.Keys, SigBroken)
	check("changed signature", changed(len(image)-100), im.Keys, SigBroken)
	check("cut", image[:len(image)-1], im.Keys, SigNone)
	check("changed id type", changed(len(image)-28-10), im.Keys, SigUnsupported)
	check("changed length", changed(len(image)-28-4), im.Keys, SigBadTrailer)
	check("changed padding", changed(len(image)-28-5), im.Keys, SigBadTrailer)
}

// FuzzNewKey: of what crypto/x509 takes for a certificate, the same is understood.
func FuzzNewKey(f *testing.F) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "me"}, SubjectKeyId: []byte("identity")}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, private.Public(), private)
	if err != nil {
		f.Fatal(err)
	}
	fuzzseed.Add(f, der)
	f.Fuzz(func(t *testing.T, der []byte) {
		k := NewKey(der)
		want, err := x509.ParseCertificate(der)
		if err != nil || want.Version != 3 {
			return
		}
		var issuer asn1.RawValue
		if _, err := asn1.Unmarshal(want.RawIssuer, &issuer); err != nil {
			t.Fatal(err)
		}
		if k.issuer == nil || !bytes.Equal(k.issuer, issuer.Bytes) || new(big.Int).SetBytes(k.serial).Cmp(new(big.Int).Abs(want.SerialNumber)) != 0 && want.SerialNumber.Sign() >= 0 ||
			!bytes.Equal(k.identifier, want.SubjectKeyId) {
			t.Errorf("%+v; want serial number %v, issuer %x, key %x", k, want.SerialNumber, issuer.Bytes, want.SubjectKeyId)
		}
	})
}
