package kernel

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A Key is a certificate in a kernel's image: whose signatures the kernel accepts.
type Key struct {
	Certificate []byte // in DER

	// As they are written in it; nil if the certificate is not understood.
	serial, issuer []byte
	identifier     []byte // of the subject's key; nil without one
	algorithm      []byte // identifier of the key's algorithm
	parameters     []byte // of the algorithm, with tag and length
	public         []byte // the key itself
}

// Identifiers, as they are written.
const (
	oidRSA        = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" // rsaEncryption
	oidEC         = "\x2a\x86\x48\xce\x3d\x02\x01"         // id-ecPublicKey
	oidSubjectKey = "\x55\x1d\x0e"                         // subjectKeyIdentifier
)

// NewKey reads a certificate. It never fails: of one that is not understood nothing is known, but that it is there.
func NewKey(certificate []byte) Key {
	k := Key{Certificate: certificate}
	if !k.read() {
		return Key{Certificate: certificate}
	}
	return k
}

// read takes the certificate apart: only what tells whose key it is, and the key.
func (k *Key) read() bool {
	var all, c, subject, public, name, algorithm, bits cryptobyte.String
	s := cryptobyte.String(k.Certificate)
	ok := s.ReadASN1(&all, asn1.SEQUENCE) && all.ReadASN1(&c, asn1.SEQUENCE) &&
		c.SkipOptionalASN1(context(0)) && c.ReadASN1Bytes(&k.serial, asn1.INTEGER) &&
		c.SkipASN1(asn1.SEQUENCE) && c.ReadASN1(&name, asn1.SEQUENCE) && c.SkipASN1(asn1.SEQUENCE) &&
		c.ReadASN1(&subject, asn1.SEQUENCE) &&
		c.ReadASN1(&public, asn1.SEQUENCE) &&
		public.ReadASN1(&algorithm, asn1.SEQUENCE) &&
		algorithm.ReadASN1Bytes(&k.algorithm, asn1.OBJECT_IDENTIFIER) &&
		public.ReadASN1(&bits, asn1.BIT_STRING) && bits.Skip(1)
	k.issuer, k.parameters, k.public = name, algorithm, bits
	return ok && k.extensions(c)
}

// extensions looks for the identifier of the subject's key.
func (k *Key) extensions(c cryptobyte.String) bool {
	var outer, list cryptobyte.String
	var present bool
	if !c.SkipOptionalASN1(asn1.Tag(1).ContextSpecific()) || !c.SkipOptionalASN1(asn1.Tag(2).ContextSpecific()) ||
		!c.ReadOptionalASN1(&outer, &present, context(3)) || !present {
		return !present
	}
	if !outer.ReadASN1(&list, asn1.SEQUENCE) {
		return false
	}
	for !list.Empty() {
		var one, value cryptobyte.String
		var id []byte
		if !list.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1Bytes(&id, asn1.OBJECT_IDENTIFIER) ||
			!one.SkipOptionalASN1(asn1.BOOLEAN) || !one.ReadASN1(&value, asn1.OCTET_STRING) {
			return false
		}
		if string(id) == oidSubjectKey && !value.ReadASN1Bytes(&k.identifier, asn1.OCTET_STRING) {
			return false
		}
	}
	return true
}

// Curves, as they are written.
const (
	oidP256 = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
	oidP384 = "\x06\x05\x2b\x81\x04\x00\x22"
	oidP521 = "\x06\x05\x2b\x81\x04\x00\x23"
)

// kind is the kernel's name for the algorithm of the key; "" for one that is not verified here.
func (k *Key) kind() string {
	if string(k.algorithm) == oidRSA {
		return "rsa"
	}
	if string(k.algorithm) == oidEC {
		switch string(k.parameters) {
		case oidP256:
			return "ecdsa-nist-p256"
		case oidP384:
			return "ecdsa-nist-p384"
		case oidP521:
			return "ecdsa-nist-p521"
		}
	}
	return ""
}

// context is the tag of a constructed value that the grammar tells by this number.
func context(n asn1.Tag) asn1.Tag { return n.ContextSpecific().Constructed() }

// keys finds the certificates in a kernel: the keys that its modules may be signed with.
func keys(kernel []byte) []Key {
	start := []byte("\xa0\x03\x02\x01\x02\x02") // version 3, then the serial number
	var all []Key
	for off, tries := 0, 0; ; {
		i := bytes.Index(kernel[off:], start)
		if tries++; i < 0 || tries > maxTries {
			return all
		}
		off += i + len(start)
		// Before it are the heads of two sequences, the outer one not much longer than the inner one.
		for _, head := range []int{8, 7, 6, 5, 4} {
			at := off - len(start) - head
			if at < 0 {
				continue
			}
			s := cryptobyte.String(kernel[at:min(len(kernel), at+maxCertificate)])
			var whole, outer, inner cryptobyte.String
			before := s
			if s.ReadASN1Element(&whole, asn1.SEQUENCE) && before.ReadASN1(&outer, asn1.SEQUENCE) &&
				outer.ReadASN1(&inner, asn1.SEQUENCE) && bytes.HasPrefix(inner, start) {
				all = append(all, NewKey(bytes.Clone(whole)))
				off = at + len(whole)
				break
			}
		}
	}
}

// maxCertificate bounds the size of a certificate; kernels have some of 2 KiB.
const maxCertificate = 1 << 14
