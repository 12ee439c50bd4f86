//go:build linux

package check_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
)

// withKeys returns a kernel of a corpus kernel, as an ELF file, that trusts other keys: their certificates stand in
// its image in place of its own.
func withKeys(t *testing.T, key string, keys []*testKey) []byte {
	t.Helper()
	dir, _ := kmodtest.Corpus(t, key)
	packed, err := os.ReadFile(filepath.Join(dir, "boot/vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	image, _, err := kernel.Unwrap(packed)
	if err != nil {
		t.Fatal(err)
	}
	im, err := kernel.FromImage("vmlinuz", packed, 0)
	if err != nil {
		t.Fatal(err)
	}
	old := im.Keys[0].Certificate
	at := bytes.Index(image, old)
	var list []byte
	for _, k := range keys {
		list = append(list, k.certificate...)
	}
	if len(im.Keys) != 1 || at < 0 || len(list) > len(old) {
		t.Fatalf("no room for %d bytes of certificates", len(list))
	}
	clear(image[at : at+len(old)])
	copy(image[at:], list)
	// Behind the list stand its size and that of the part with the keys for modules.
	sizes := 0
	for i := (at + len(old) + 3) &^ 3; i < at+len(old)+32; i += 4 {
		if binary.LittleEndian.Uint64(image[i:]) == uint64(len(old)) {
			binary.LittleEndian.PutUint64(image[i:], uint64(len(list)))
			sizes++
		}
	}
	if sizes != 2 {
		t.Fatalf("%d sizes of the list of certificates", sizes)
	}
	return image
}

// TestSignatureKeys offers modules signed by keys of ours to kernels that trust these.
func TestSignatureKeys(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	kmodtest.Long(t)
	for key, kinds := range map[string][]string{"6.1": {"p384", "rsa"}, "6.12": {"p384"}} {
		t.Run(key, func(t *testing.T) {
			k := kernelOf(t, key)
			f := newForger(t, key, k)
			f.out = []tampering{{"Debian's", f.body, trailer(f.msg)}}
			var keys []*testKey
			for i, kind := range kinds {
				keys = append(keys, newTestKey(t, kind, int64(0x1234567+i)))
			}
			image := withKeys(t, key, keys)
			file := filepath.Join(t.TempDir(), "vmlinux")
			if err := os.WriteFile(file, image, 0o644); err != nil {
				t.Fatal(err)
			}
			im, err := kernel.FromImage("vmlinux", image, 0)
			if err != nil {
				t.Fatal(err)
			}
			if k.Use(im); len(k.Keys) != len(keys) {
				t.Fatalf("%d keys in the image", len(k.Keys))
			}
			for i, own := range keys {
				f.own(own, keys[(i+1)%len(keys)], kinds[i])
			}
			unknown := f.run(t, key, k, vmtest.Options{Kernel: file})
			// 6.1 has ECDSA and most digests as modules, which are not in the guest.
			if unknown > len(f.out)/5 && key != "6.1" || unknown > len(f.out)*3/2 {
				t.Errorf("%d of %d are UNKNOWN", unknown, 2*len(f.out))
			}
		})
	}
}

// own adds signatures by a key of ours, in the forms that a sound one may have, and in some that it may not.
func (f *forger) own(key, other *testKey, kind string) {
	add := func(name string, digest byte, change func(m *sigForm, s *signerForm)) {
		m := key.sign(f.t, f.body, digest)
		change(m, &m.signers[0])
		f.raw(kind+": "+name, m.bytes())
		body := bytes.Clone(f.body)
		body[9] ^= 1
		f.out = append(f.out, tampering{kind + ": " + name + ", body changed", body, trailer(m.bytes())})
	}
	nothing := func(*sigForm, *signerForm) {}
	for _, digest := range []byte{1, 2, 3, 4, 8, 9, 10} {
		add(fmt.Sprintf("digest %d", digest), digest, nothing)
		add(fmt.Sprintf("digest %d, said to be sha256", digest), digest, func(_ *sigForm, s *signerForm) { s.digest = algorithm(oidNIST + "\x01") })
	}
	add("by key", 1, func(m *sigForm, s *signerForm) {
		m.version, s.version, s.id = number(3), number(3), tlv(asn1.Tag(0).ContextSpecific(), key.parsed.SubjectKeyId)
	})
	theirs := other.sign(f.t, f.body, 1).signers[0]
	add("another's name", 1, func(_ *sigForm, s *signerForm) { s.id = theirs.id })
	add("another's signature", 1, func(_ *sigForm, s *signerForm) { s.signature = theirs.signature })
	add("another's algorithm", 1, func(_ *sigForm, s *signerForm) { s.algorithm = theirs.algorithm })
	add("two signers", 1, func(m *sigForm, _ *signerForm) { m.signers = append(m.signers, theirs) })
	add("serial number of another, issuer of this one", 1, func(_ *sigForm, s *signerForm) {
		s.id = tlv(asn1.SEQUENCE, key.parsed.RawIssuer, number(other.parsed.SerialNumber.Bytes()...))
	})
	add("signature with a zero before", 1, func(_ *sigForm, s *signerForm) { s.signature = append([]byte{0}, s.signature...) })
	add("signature with a zero behind", 1, func(_ *sigForm, s *signerForm) { s.signature = append(s.signature, 0) })
	add("signed attributes", 1, func(_ *sigForm, s *signerForm) { s.signed, s.signature = key.attributes(f.t, f.body) })
	for range 30 { // numbers that begin with zeros now and then
		add("again", 1, nothing)
	}
}

// attributes makes signed attributes, which are sound, and their signature.
func (k *testKey) attributes(t testing.TB, body []byte) (attributes, signature []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	const prefix = "\x2a\x86\x48\x86\xf7\x0d\x01\x09"
	list := append(tlv(asn1.SEQUENCE, oidOf(prefix+"\x03"), tlv(asn1.SET, oidOf(oidData))), tlv(asn1.SEQUENCE, oidOf(prefix+"\x04"), tlv(asn1.SET, tlv(asn1.OCTET_STRING, sum[:])))...)
	sum = sha256.Sum256(tlv(asn1.SET, list))
	signature, err := k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return tlv(contextTag(0), list), signature
}
