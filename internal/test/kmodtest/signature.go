package kmodtest

import (
	"encoding/asn1"
	"encoding/binary"
)

// SignatureKind is how a module is signed.
type SignatureKind byte

const (
	// PKCS7 is the form of 4.3 and later.
	PKCS7 SignatureKind = 2
	// X509 is the form of 3.7 to 4.2: signer and key id are stored before the signature.
	X509 SignatureKind = 1
	// PGP was never used by a released kernel.
	PGP SignatureKind = 0
)

// Signature is appended to a module. It has the right form, but no key ever made it.
type Signature struct {
	// Kind is the id_type. The zero value is PGP: set it.
	Kind SignatureKind
	// Signer is the issuer's common name, or the signer's name of the older forms. An issuer named with
	// PKCS7 and an empty Signer has an organization only.
	Signer string
	// KeyID is the serial number (PKCS7, most significant byte first) or the key id.
	KeyID []byte
	// Hash is the number of the digest in the older forms: 4 is sha256.
	Hash byte
	// Digest is the digest's object identifier (PKCS7). Default: sha256.
	Digest asn1.ObjectIdentifier
	// SubjectKey identifies the signer by KeyID as subject key identifier (PKCS7, version 3).
	SubjectKey bool
	// Sig holds the signature's bytes.
	Sig []byte
	// Raw replaces the signature's structure (PKCS7).
	Raw []byte
}

const signatureMarker = "~Module signature appended~\n"

// bytes returns what follows the ELF image.
func (s *Signature) bytes() []byte {
	info := make([]byte, 12)
	info[2] = byte(s.Kind)
	var b, sig []byte
	if s.Kind == PKCS7 {
		sig = s.Raw
		if sig == nil {
			sig = s.signedData()
		}
	} else {
		info[0], info[1] = 1, s.Hash // RSA
		info[3], info[4] = byte(len(s.Signer)), byte(len(s.KeyID))
		b = append(append(b, s.Signer...), s.KeyID...)
		sig = s.Sig
	}
	binary.BigEndian.PutUint32(info[8:], uint32(len(sig)))
	b = append(b, sig...)
	b = append(b, info...)
	return append(b, signatureMarker...)
}

// signedData returns a CMS SignedData without certificates and signed attributes, as sign-file writes it.
func (s *Signature) signedData() []byte {
	digest := s.Digest
	if digest == nil {
		digest = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	}
	attribute, value := asn1.ObjectIdentifier{2, 5, 4, 3}, s.Signer // commonName
	if value == "" {
		attribute, value = asn1.ObjectIdentifier{2, 5, 4, 10}, "an organization"
	}
	algorithm := der(0x30, oid(digest))
	issuer := der(0x30, der(0x31, der(0x30, oid(attribute), der(0x0c, []byte(value)))))
	version, signer := byte(1), der(0x30, issuer, der(0x02, s.KeyID))
	if s.SubjectKey {
		version, signer = 3, der(0x80, s.KeyID)
	}
	rsa := der(0x30, oid(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}), der(0x05))
	info := der(0x30, der(0x02, []byte{version}), signer, algorithm, rsa, der(0x04, s.Sig))
	data := der(0x30, oid(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}))
	signed := der(0x30, der(0x02, []byte{version}), der(0x31, algorithm), data, der(0x31, info))
	return der(0x30, oid(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}), der(0xa0, signed))
}

// der returns an element with the parts as content.
func der(tag byte, parts ...[]byte) []byte {
	var content []byte
	for _, p := range parts {
		content = append(content, p...)
	}
	n := len(content)
	switch {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, content...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, content...)
	}
	return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, content...)
}

func oid(id asn1.ObjectIdentifier) []byte {
	b, err := asn1.Marshal(id)
	if err != nil {
		panic("kmodtest: " + err.Error()) // only an identifier that a test wrote wrongly
	}
	return b
}
