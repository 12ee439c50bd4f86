// Package pkcs7 reads from the signature of a kernel module who made it and
// how. It verifies nothing.
//
// The signature is a PKCS#7 (CMS) message without content, certificates or
// attributes, in DER or what OpenSSL and the kernel take for it. The parser walks the few nested values that lead to
// the signers and decodes nothing else; it neither allocates by what the message claims nor recurses.
package pkcs7

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
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

// Tags that the library has no names for.
const (
	constructed  = asn1.Tag(0x20)
	tagNumeric   = asn1.Tag(0x12)
	tagUniversal = asn1.Tag(0x1c)
	tagBMP       = asn1.Tag(0x1e)
)

// context returns the tag of a constructed value that the grammar tells by this number.
func context(n asn1.Tag) asn1.Tag { return n.ContextSpecific().Constructed() }

// signedData is the object identifier 1.2.840.113549.1.7.2.
const signedData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"

// Parse reads the message. Bytes behind it are ignored, but within it
// everything has to be in its place, since OpenSSL and the kernel would not
// take it otherwise. Errors are of type *[SyntaxError].
func Parse(msg []byte) (*Signer, error) {
	const digits = 7 // OpenSSL takes leading zeros in any number; nobody writes them
	r := reader{document: &document{digits: digits}, rest: cryptobyte.String(msg)}
	content := r.enter(asn1.SEQUENCE, "ContentInfo")
	if oid := content.oid("content type"); string(oid) != signedData {
		content.fail("content other than SignedData")
	}
	explicit := content.enter(context(0), "content")
	content.end("ContentInfo")
	data := explicit.enter(asn1.SEQUENCE, "SignedData")
	explicit.end("content")
	data.integer("version")
	for digests := data.enter(asn1.SET, "digest algorithms"); digests.more(); {
		digests.algorithm("digest algorithm")
	}
	inner := data.enter(asn1.SEQUENCE, "content info")
	inner.oid("type of the content that is signed")
	inner.skip(context(0))
	inner.end("content info")
	data.skip(context(0)) // certificates
	data.skip(context(1)) // revocation lists
	signers := data.enter(asn1.SET, "signers")
	data.end("SignedData")
	first := signers.signer()
	for signers.more() {
		signers.signer()
	}
	if r.unended {
		r.fail("no end of a value of open length")
	}
	if r.err != nil {
		return nil, r.err
	}
	return first, nil
}

// signer takes a SignerInfo.
func (r *reader) signer() *Signer {
	s := new(Signer)
	info := r.enter(asn1.SEQUENCE, "SignerInfo")
	info.integer("signer version")
	if keyID := asn1.Tag(0).ContextSpecific(); info.next() == keyID {
		s.KeyID = info.take(keyID, "key identifier")
	} else {
		id := info.enter(asn1.SEQUENCE, "issuer and serial number")
		name := id.enter(asn1.SEQUENCE, "issuer")
		s.Issuer = name.commonName()
		s.Serial = magnitude(id.integer("serial number"))
		id.end("issuer and serial number")
	}
	s.Hash = hashName(info.algorithm("digest algorithm"))
	info.attributes(context(0)) // signed
	info.algorithm("signature algorithm")
	s.Signature = info.take(asn1.OCTET_STRING, "signature")
	info.attributes(context(1)) // not signed
	info.end("SignerInfo")
	return s
}

// attributes passes over the attributes with that tag, if there are any.
func (r *reader) attributes(tag asn1.Tag) {
	if r.next() != tag {
		return
	}
	for all := r.enter(tag, "attributes"); all.more(); {
		one := all.enter(asn1.SEQUENCE, "attribute")
		one.oid("type of an attribute")
		one.take(asn1.SET, "values of an attribute")
		one.end("attribute")
	}
}

// commonName returns the first common name of a distinguished name or, if it
// has none, its last part.
func (r *reader) commonName() string {
	const oidCommonName = "\x55\x04\x03" // 2.5.4.3
	var name, last []byte
	found := false
	for r.more() {
		for set := r.enter(asn1.SET, "part of a name"); set.more(); {
			pair := set.enter(asn1.SEQUENCE, "name and value")
			oid := pair.oid("name")
			last = pair.text("value of a name")
			pair.end("name and value")
			if !found && string(oid) == oidCommonName {
				name, found = last, true
			}
		}
	}
	if found {
		return string(name)
	}
	return string(last)
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
	case oidMD4:
		return "md4"
	case oidMD5:
		return "md5"
	case oidSHA1:
		return "sha1"
	case "\x2b\x24\x03\x02\x01":
		return "ripemd160"
	case oidSM3:
		return "sm3"
	}
	if len(oid) == len(oidNIST)+1 && string(oid[:len(oidNIST)]) == oidNIST {
		names := [...]string{1: "sha256", "sha384", "sha512", "sha224", "sha512-224", "sha512-256",
			"sha3-224", "sha3-256", "sha3-384", "sha3-512", "shake128", "shake256"}
		if n := int(oid[len(oidNIST)]); n > 0 && n < len(names) {
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
