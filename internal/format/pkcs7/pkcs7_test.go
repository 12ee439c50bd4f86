package pkcs7_test

import (
	"encoding/asn1"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/format/pkcs7"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// message returns a signature as kmodtest makes it.
func message(t testing.TB, s kmodtest.Signature) []byte {
	t.Helper()
	s.Kind = kmodtest.PKCS7
	_, sig := elf.SplitSignature(kmodtest.Module{Name: "m", Signature: &s}.Bytes())
	if sig == nil {
		t.Fatal("no signature")
		return nil
	}
	return sig.Data
}

func TestParse(t *testing.T) {
	long := []byte(strings.Repeat("\x81", 0x1234))
	for _, test := range []struct {
		name string
		in   kmodtest.Signature
		want pkcs7.Signer
	}{
		{"usual", kmodtest.Signature{Signer: "Build key", KeyID: []byte{0x3d, 0x46}, Sig: []byte("sig")},
			pkcs7.Signer{Issuer: "Build key", Serial: []byte{0x3d, 0x46}, Hash: "sha256", Signature: []byte("sig")}},
		{"serial number with the high bit", kmodtest.Signature{Signer: "k", KeyID: []byte{0, 0x80, 1}, Sig: []byte("sig")},
			pkcs7.Signer{Issuer: "k", Serial: []byte{0x80, 1}, Hash: "sha256", Signature: []byte("sig")}},
		{"negative serial number", kmodtest.Signature{Signer: "k", KeyID: []byte{0xff, 0x01}, Sig: []byte("sig")},
			pkcs7.Signer{Issuer: "k", Serial: []byte{0xff}, Hash: "sha256", Signature: []byte("sig")}},
		{"serial number 0", kmodtest.Signature{Signer: "k", KeyID: []byte{0}, Sig: []byte("sig")},
			pkcs7.Signer{Issuer: "k", Hash: "sha256", Signature: []byte("sig")}},
		{"long signature", kmodtest.Signature{Signer: "k", KeyID: []byte{1}, Sig: long},
			pkcs7.Signer{Issuer: "k", Serial: []byte{1}, Hash: "sha256", Signature: long}},
		{"sha512", kmodtest.Signature{Signer: "k", KeyID: []byte{1}, Sig: []byte("s"), Digest: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}},
			pkcs7.Signer{Issuer: "k", Serial: []byte{1}, Hash: "sha512", Signature: []byte("s")}},
		{"sha3-256", kmodtest.Signature{Signer: "k", KeyID: []byte{1}, Sig: []byte("s"), Digest: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 8}},
			pkcs7.Signer{Issuer: "k", Serial: []byte{1}, Hash: "sha3-256", Signature: []byte("s")}},
		{"sha1", kmodtest.Signature{Signer: "k", KeyID: []byte{1}, Sig: []byte("s"), Digest: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}},
			pkcs7.Signer{Issuer: "k", Serial: []byte{1}, Hash: "sha1", Signature: []byte("s")}},
		{"digest nobody knows", kmodtest.Signature{Signer: "k", KeyID: []byte{1}, Sig: []byte("s"), Digest: asn1.ObjectIdentifier{2, 999, 3, 400000}},
			pkcs7.Signer{Issuer: "k", Serial: []byte{1}, Hash: "2.999.3.400000", Signature: []byte("s")}},
		{"subject key identifier", kmodtest.Signature{SubjectKey: true, KeyID: []byte{1, 2}, Sig: []byte("s")},
			pkcs7.Signer{KeyID: []byte{1, 2}, Hash: "sha256", Signature: []byte("s")}},
	} {
		msg := message(t, test.in)
		got, err := pkcs7.Parse(msg)
		if err != nil || !reflect.DeepEqual(*got, test.want) {
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, err, test.want)
		}
		if _, err := pkcs7.Parse(append(msg[:len(msg):len(msg)], "rest"...)); err != nil {
			t.Errorf("%s: with more behind it: %v", test.name, err)
		}
		if len(msg) > 0x1000 {
			continue
		}
		for n := range msg {
			var bad *pkcs7.SyntaxError
			if got, err := pkcs7.Parse(msg[:n]); got != nil || !errors.As(err, &bad) || bad.Off > n {
				t.Errorf("%s: cut to %d bytes: %+v, %v", test.name, n, got, err)
			}
		}
	}
}

// TestParseUnsound has messages with one thing that OpenSSL does not take.
func TestParseUnsound(t *testing.T) {
	msg := message(t, kmodtest.Signature{Signer: "Build key", KeyID: []byte{0x3d, 0x46}, Sig: []byte("signature")})
	for _, test := range []struct{ name, old, new string }{
		{"name that is not UTF-8", "Build", "Bu\xffld"},
		{"name that is not text", "\x0c\x09Build", "\x05\x09Build"},
		{"serial number with a needless byte", "\x02\x02\x3d\x46", "\x02\x02\x00\x46"},
		{"digest number that does not end", "\x03\x04\x02\x01", "\x03\x04\x02\x81"},
		{"digest number with a leading zero", "\x60\x86\x48\x01\x65", "\x60\x80\x48\x01\x65"},
		{"more than a signature", "\x04\x09signature", "\x04\x08signature"},
		{"other content", "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"},
	} {
		bad := []byte(strings.Replace(string(msg), test.old, test.new, 1))
		if string(bad) == string(msg) {
			t.Errorf("%s: not found in the message", test.name)
		}
		var syntax *pkcs7.SyntaxError
		if s, err := pkcs7.Parse(bad); s != nil || !errors.As(err, &syntax) {
			t.Errorf("%s: %+v, %v", test.name, s, err)
		}
	}
}

// TestParseNoCommonName has an issuer without a common name: as in kmod, the
// last part of the name stands for it.
func TestParseNoCommonName(t *testing.T) {
	got, err := pkcs7.Parse(message(t, kmodtest.Signature{KeyID: []byte{1}, Sig: []byte("s")}))
	if err != nil || got.Issuer == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzParse wants a result if and only if there is no error, and agreement
// with encoding/asn1 where both accept the message.
func FuzzParse(f *testing.F) {
	fuzzseed.Add(f, message(f, kmodtest.Signature{Signer: "Build key", KeyID: []byte{0x3d, 0x46}, Sig: []byte("signature")}))
	fuzzseed.Add(f, message(f, kmodtest.Signature{SubjectKey: true, KeyID: []byte{1, 2}, Sig: []byte("signature")}))
	fuzzseed.Add(f, message(f, kmodtest.Signature{KeyID: []byte{0x81}, Sig: []byte("signature"), Digest: asn1.ObjectIdentifier{2, 999, 3}}))
	f.Fuzz(func(t *testing.T, msg []byte) {
		got, err := pkcs7.Parse(msg)
		var bad *pkcs7.SyntaxError
		if (got == nil) != (err != nil) || (err != nil && (!errors.As(err, &bad) || bad.Off < 0 || bad.Off > len(msg))) {
			t.Fatalf("%+v, %v", got, err)
		}
		// encoding/asn1 also takes a value that is longer than the one it is in.
		want, ok := slowParse(msg)
		if ok && err == nil && (string(got.Signature) != string(want.Signature) || string(got.KeyID) != string(want.KeyID)) {
			t.Errorf("%+v; encoding/asn1: %+v", got, want)
		}
	})
}

// FuzzRead wants a message with signers if and only if there is no error, and agreement with Parse where both accept
// the message.
func FuzzRead(f *testing.F) {
	fuzzseed.Add(f, message(f, kmodtest.Signature{Signer: "Build key", KeyID: []byte{0x3d, 0x46}, Sig: []byte("signature")}))
	fuzzseed.Add(f, message(f, kmodtest.Signature{SubjectKey: true, KeyID: []byte{1, 2}, Sig: []byte("signature")}))
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x80"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		for _, knows := range []func(string) bool{nil, func(string) bool { return true }, func(string) bool { return false }} {
			got, err := pkcs7.Dialect{Knows: knows}.Read(msg)
			if (got == nil) != (err != nil) || got != nil && len(got.Signers) == 0 || err != nil && (err.Off < 0 || err.Off > len(msg) || err.What == "") {
				t.Fatalf("%+v, %v", got, err)
			}
			first, parseErr := pkcs7.Parse(msg)
			if err == nil && parseErr == nil && (string(first.Signature) != string(got.Signers[0].Signature) || first.Hash != got.Signers[0].Hash) {
				t.Errorf("%+v; Parse: %+v", got, first)
			}
		}
	})
}

// signedData is the message as encoding/asn1 sees it.
type signedData struct {
	Type    asn1.ObjectIdentifier
	Content struct {
		Version int
		Digests []asn1.RawValue `asn1:"set"`
		Info    asn1.RawValue
		Signers []signerInfo `asn1:"set"`
	} `asn1:"explicit,tag:0"`
}

type signerInfo struct {
	Version   int
	ID        asn1.RawValue
	Digest    algorithm
	Algorithm algorithm
	Signature []byte
}

type algorithm struct {
	ID     asn1.ObjectIdentifier
	Params asn1.RawValue `asn1:"optional"`
}

// slowParse is Parse by the standard library, for messages whose signer is
// told by a key identifier or by a name that is a sound sequence.
func slowParse(msg []byte) (s pkcs7.Signer, ok bool) {
	var m signedData
	if _, err := asn1.Unmarshal(msg, &m); err != nil || len(m.Content.Signers) == 0 ||
		!m.Type.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}) || m.Content.Info.FullBytes[0] != 0x30 {
		return s, false
	}
	info := m.Content.Signers[0]
	s.Signature = info.Signature
	switch info.ID.FullBytes[0] {
	case 0x80:
		s.KeyID = info.ID.Bytes
		return s, true
	case 0x30:
		var id struct {
			Issuer [][]struct {
				Type  asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			Serial asn1.RawValue
		}
		_, err := asn1.Unmarshal(info.ID.FullBytes, &id)
		return s, err == nil && id.Serial.FullBytes[0] == 0x02
	}
	return s, false
}
