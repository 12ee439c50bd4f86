// Package pkcs7 reads from the signature of a kernel module who made it and
// how. It verifies nothing.
//
// The signature is a PKCS#7 (CMS) message without content, certificates or
// attributes, in DER. The parser walks the few nested values that lead to the
// first signer and decodes nothing else; it neither allocates by what the
// message claims nor recurses.
package pkcs7

import (
	"bytes"
	"fmt"
	"strconv"
)

// A Signer is the first signer of a message. Slices are parts of the message.
type Signer struct {
	// Issuer is the common name of the issuer of the signer's certificate or,
	// if it has none, the last part of the issuer's name. Empty when the
	// message tells the key by KeyID.
	Issuer string
	// Serial is the number of the certificate: the bytes of its magnitude,
	// without leading zeros. A negative one is a slice of its own.
	Serial []byte
	// KeyID is the subject key identifier of the signer's certificate, which
	// a message has instead of issuer and serial number; else nil.
	KeyID []byte
	// Hash is the digest algorithm: its name in OpenSSL, such as "sha256", or
	// the number of an unknown one, such as "1.2.3.4".
	Hash string
	// Signature is the signature itself.
	Signature []byte
}

// A SyntaxError is a message that is not a signature as this package knows it.
type SyntaxError struct {
	Off  int    // offset in the message
	What string // what is wrong or missing there
}

// Error returns the defect and its offset.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s at offset %d of the signature", e.What, e.Off)
}

// Tags of the values that are looked at.
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagOID      = 0x06
	tagSequence = 0x30
	tagSet      = 0x31
	tagContext0 = 0xa0 // [0], constructed
	tagContext1 = 0xa1 // [1], constructed
	tagKeyID    = 0x80 // [0], primitive
)

// signedData is the object identifier 1.2.840.113549.1.7.2.
const signedData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"

// Parse reads the message. Bytes behind it are ignored. Errors are of type
// *[SyntaxError].
func Parse(msg []byte) (*Signer, error) {
	r := reader{rest: msg}
	content := r.enter(tagSequence, "ContentInfo")
	if oid := content.take(tagOID, "content type"); content.err() == nil && string(oid) != signedData {
		return nil, &SyntaxError{content.off, "content other than SignedData"}
	}
	explicit := content.enter(tagContext0, "content")
	data := explicit.enter(tagSequence, "SignedData")
	data.take(tagInteger, "version")
	data.take(tagSet, "digest algorithms")
	data.take(tagSequence, "content info")
	data.skip(tagContext0) // certificates
	data.skip(tagContext1) // revocation lists
	signers := data.enter(tagSet, "signers")
	if signers.err() == nil && len(signers.rest) == 0 {
		return nil, &SyntaxError{signers.off, "no signer"}
	}
	info := signers.enter(tagSequence, "SignerInfo")
	info.take(tagInteger, "signer version")

	s := new(Signer)
	if info.next() == tagKeyID {
		s.KeyID = info.take(tagKeyID, "key identifier")
	} else {
		id := info.enter(tagSequence, "issuer and serial number")
		name := id.enter(tagSequence, "issuer")
		s.Issuer = commonName(&name)
		s.Serial = magnitude(id.take(tagInteger, "serial number"))
		info.fail(name.err())
		info.fail(id.err())
	}
	digest := info.enter(tagSequence, "digest algorithm")
	s.Hash = hashName(digest.take(tagOID, "digest algorithm"))
	info.fail(digest.err())
	info.skip(tagContext0) // signed attributes
	info.take(tagSequence, "signature algorithm")
	s.Signature = info.take(tagOctets, "signature")
	if err := info.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// commonName returns the common name of a distinguished name, or its last
// part.
func commonName(name *reader) string {
	const oidCommonName = "\x55\x04\x03" // 2.5.4.3
	last := ""
	for len(name.rest) > 0 && name.err() == nil {
		set := name.enter(tagSet, "part of a name")
		for len(set.rest) > 0 && set.err() == nil {
			pair := set.enter(tagSequence, "attribute")
			oid := pair.take(tagOID, "attribute type")
			value := pair.takeAny("attribute value")
			set.fail(pair.err())
			if string(oid) == oidCommonName {
				return string(value)
			}
			last = string(value)
		}
		name.fail(set.err())
	}
	return last
}

// magnitude returns the bytes of a number without its sign and leading zeros,
// as OpenSSL keeps it.
func magnitude(number []byte) []byte {
	if len(number) > 0 && number[0]&0x80 != 0 {
		number = bytes.Clone(number)
		carry := byte(1)
		for i := len(number) - 1; i >= 0; i-- {
			number[i] = ^number[i] + carry
			if number[i] != 0 {
				carry = 0
			}
		}
	}
	return bytes.TrimLeft(number, "\x00")
}

// hashName returns OpenSSL's name of a digest algorithm.
func hashName(oid []byte) string {
	switch string(oid) {
	case "\x2a\x86\x48\x86\xf7\x0d\x02\x04":
		return "md4"
	case "\x2a\x86\x48\x86\xf7\x0d\x02\x05":
		return "md5"
	case "\x2b\x0e\x03\x02\x1a":
		return "sha1"
	case "\x2b\x24\x03\x02\x01":
		return "ripemd160"
	case "\x2a\x81\x1c\xcf\x55\x01\x83\x11":
		return "sm3"
	}
	const nist = "\x60\x86\x48\x01\x65\x03\x04\x02" // 2.16.840.1.101.3.4.2
	if len(oid) == len(nist)+1 && string(oid[:len(nist)]) == nist {
		names := [...]string{1: "sha256", "sha384", "sha512", "sha224", "sha512-224", "sha512-256",
			"sha3-224", "sha3-256", "sha3-384", "sha3-512", "shake128", "shake256"}
		if n := int(oid[len(nist)]); n > 0 && n < len(names) {
			return names[n]
		}
	}
	return dotted(oid)
}

// dotted returns an object identifier in numbers: "1.2.840".
func dotted(oid []byte) string {
	var text []byte
	n := uint64(0)
	for _, b := range oid {
		if n > 1<<56 {
			return "unknown"
		}
		n = n<<7 | uint64(b&0x7f)
		if b&0x80 != 0 {
			continue
		}
		if text == nil {
			first := min(n/40, 2)
			text = strconv.AppendUint(text, first, 10)
			n -= first * 40
		}
		text = strconv.AppendUint(append(text, '.'), n, 10)
		n = 0
	}
	if len(oid) == 0 || oid[len(oid)-1]&0x80 != 0 {
		return "unknown"
	}
	return string(text)
}
