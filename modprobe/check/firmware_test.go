package check_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gomodprobe/gomodprobe/internal/format/compress"
	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// owner makes a key with its certificate, whose name is written as kmodtest writes the name of a signer.
func owner(t *testing.T) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var name cryptobyte.Builder
	name.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier([]int{2, 5, 4, 3})
				b.AddASN1(asn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte("DKMS module signing key")) })
			})
		})
	})
	c := x509.Certificate{SerialNumber: big.NewInt(0x3d46), RawSubject: name.BytesOrPanic(), NotBefore: time.Unix(1.6e9, 0), NotAfter: time.Unix(4e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// signedBy signs a module's file anew.
func signedBy(t *testing.T, key *rsa.PrivateKey, body []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(body)
	value, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	s := kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "DKMS module signing key", KeyID: []byte{0x3d, 0x46}, Sig: value}
	like := kmodtest.Module{Name: "m", Signature: &s}.Bytes()
	rest, _ := elf.SplitSignature(like)
	return slices.Concat(body, like[len(rest):])
}

// TestCheckFirmware judges a module that its owner has signed, on machines whose firmware has the key, another one,
// or does not tell.
func TestCheckFirmware(t *testing.T) {
	dir, release := kmodtest.Corpus(t, "6.12")
	image, err := os.ReadFile(filepath.Join(dir, "boot/vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("lib/modules", release, "kernel/drivers/net/mii.ko.xz")
	built, _, err := compress.ReadFile(os.DirFS(dir), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := elf.SplitSignature(built)
	key, certificate := owner(t)
	signed := signedBy(t, key, body)
	changed := bytes.Clone(signed)
	changed[9] ^= 1
	list := func(certificate []byte) []byte {
		b := []byte("\x07\x00\x00\x00\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72")
		for _, n := range []int{28 + 16 + len(certificate), 0, 16 + len(certificate)} {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
		return append(append(b, make([]byte, 16)...), certificate...)
	}
	const efi, mok = "sys/firmware/efi/", "MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
	_, stranger := owner(t)
	cache := &memory{data: map[string][]byte{}}
	for _, test := range []struct {
		name     string
		module   []byte
		enforce  string
		firmware map[string][]byte
		want     check.Outcome
	}{
		{"no EFI", signed, "Y", nil, check.Fails},
		{"no EFI, not enforcing", signed, "N", nil, check.LoadsTaints},
		{"enrolled", signed, "Y", map[string][]byte{"efivars/" + mok: list(certificate)}, check.Unknown},
		{"enrolled, not enforcing", signed, "N", map[string][]byte{"efivars/" + mok: list(certificate)}, check.Loads},
		{"enrolled, changed", changed, "Y", map[string][]byte{"efivars/" + mok: list(certificate)}, check.Fails},
		{"in db, changed, not enforcing", changed, "N", map[string][]byte{"efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f": list(certificate)}, check.Unknown},
		{"another enrolled", signed, "Y", map[string][]byte{"efivars/" + mok: list(stranger)}, check.Fails}, // of the same name and number
		{"damaged list", signed, "Y", map[string][]byte{"efivars/" + mok: list(certificate)[:100]}, check.Unknown},
		{"nothing enrolled", signed, "Y", map[string][]byte{"efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": {0, 0, 0, 0, 0}}, check.Fails},
		{"variables not to be seen", signed, "Y", map[string][]byte{"runtime": {'1'}}, check.Unknown},
		{"variables not to be seen, built with the kernel", built, "Y", map[string][]byte{"runtime": {'1'}}, check.Loads},
	} {
		fsys := fstest.MapFS{
			"boot/vmlinuz-" + release:                               {Data: image},
			"lib/modules/" + release + "/kernel/drivers/net/mii.ko": {Data: test.module},
			"lib/modules/" + release + "/modules.dep":               {Data: []byte("kernel/drivers/net/mii.ko:\n")},
			"sys/module/module/parameters/sig_enforce":              {Data: []byte(test.enforce + "\n")},
			"proc/cmdline": {}, "proc/modules": {},
		}
		for name, data := range test.firmware {
			fsys[efi+name] = &fstest.MapFile{Data: data}
		}
		o := modprobe.Options{FS: fsys, Release: release, NoConfig: true, Kernel: &modprobetest.Kernel{Version: release}}
		v := verdict(t, checker(t, o, &check.Options{Cache: cache}), "mii")
		if v.Outcome != test.want {
			t.Errorf("%s: %v %v %+v; want %v", test.name, v.Outcome, v.Errno, v, test.want)
		}
	}
}
