package pkcs7

import (
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A Message is a signature as the kernel takes it apart.
type Message struct {
	Content      bool // what is signed is in the message, too
	Authenticode bool // its type is that of signed Windows programs
	Signers      []SignerInfo
}

// A SignerInfo is one signer of a message. Slices are parts of the message.
type SignerInfo struct {
	Serial, Issuer []byte // of the certificate, as they are written; nil if it is told by KeyID
	KeyID          []byte
	Hash           string // the digest, as OpenSSL calls it
	Attributes     bool   // there are signed attributes
	Algorithm      Algorithm
	Signature      []byte
}

// An Algorithm is a kind of keys.
type Algorithm int

// The kinds of keys that kernels know.
const (
	RSA Algorithm = iota
	ECDSA
	ECRDSA
	SM2
	MLDSA
)

// A Refusal is why the kernel does not take a message.
type Refusal int

// The refusals, by the kernel's errors for them.
const (
	Damaged     Refusal = iota // EBADMSG
	Wrong                      // EINVAL: a value is none of those that it may have
	Unsupported                // ENOPKG: an algorithm that the kernel does not know
	Rejected                   // EKEYREJECTED
	TooLong                    // EMSGSIZE
	Unclear                    // here it is not known what the kernel makes of it
)

// A KernelError says why and where the kernel stops reading a message.
type KernelError struct {
	Refusal     Refusal // the kernel's error
	SyntaxError         // what the kernel does not take, and where
	Line        string  // what it prints, if that is known
}

// A Dialect is what differs between kernels.
type Dialect struct {
	// Knows tells whether an object identifier is in the kernel's list of them. Nil: that is not known, and then of
	// those that not all kernels have none is clear.
	Knows func(identifier string) bool
}

// maxMessage is how long a message may be for the kernel.
const maxMessage = 1<<16 - 1

// Content types other than [signedData].
const (
	plainData    = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"     // 1.2.840.113549.1.7.1
	authenticode = "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04" // 1.3.6.1.4.1.311.2.1.4
)

// Read reads a message as a kernel does. It takes less than OpenSSL in lengths and values, and more in identifiers
// and names, at which it does not look; it stops at the first thing that it does not take, so that the order counts.
// All this was found out by offering messages to kernels: see the trials in modprobe/check.
func (d Dialect) Read(msg []byte) (*Message, *KernelError) {
	if len(msg) > maxMessage {
		return nil, &KernelError{TooLong, SyntaxError{maxMessage, "more than the kernel reads"}, ""}
	}
	m := new(Message)
	r := reader{document: &document{digits: 2}, rest: cryptobyte.String(msg)}
	content := r.enter(asn1.SEQUENCE, "ContentInfo")
	if string(content.take(asn1.OBJECT_IDENTIFIER, "content type")) != signedData {
		content.refuse(Wrong, "content other than SignedData")
	}
	explicit := content.enter(context(0), "content")
	data := explicit.enter(asn1.SEQUENCE, "SignedData")
	d.read(&data, m)
	data.end("SignedData")
	explicit.end("content")
	content.end("ContentInfo")
	if r.unended {
		r.fail("no end of a value of open length")
	}
	switch err := r.err.(type) {
	case nil:
		return m, nil
	case *KernelError:
		return nil, err
	case *SyntaxError:
		return nil, &KernelError{Damaged, *err, ""}
	}
	return nil, &KernelError{Damaged, SyntaxError{0, "no message"}, ""}
}

// refuse notes what the kernel does not take, unless there is an error already.
func (r *reader) refuse(why Refusal, what string, line ...string) {
	if r.err == nil {
		r.err = &KernelError{why, SyntaxError{r.off, what}, strings.Join(line, "")}
	}
}

// read takes the contents of SignedData.
func (d Dialect) read(data *reader, m *Message) {
	version := data.version("version")
	digests := data.list("digest algorithms")
	for digests.some() {
		digests.kernelAlgorithm("digest algorithm")
	}
	inner := data.enter(asn1.SEQUENCE, "content info")
	kind := string(inner.take(asn1.OBJECT_IDENTIFIER, "type of the content that is signed"))
	if m.Content = inner.next() == context(0); m.Content {
		body := inner.enter(context(0), "content that is signed")
		body.enterAny("content that is signed")
		body.end("content that is signed")
	}
	inner.end("content info")
	m.Authenticode = kind == authenticode
	if kind != plainData && !m.Authenticode {
		data.refuse(Wrong, "type of the content that is signed is none that the kernel knows")
	}
	if tag := data.next(); tag == context(0) || tag == context(2) {
		certificates := data.enterAny("certificates")
		if certificates.more() {
			certificates.refuse(Unclear, "certificates, which are not looked at here,")
		} else if tag == context(2) {
			certificates.fail("no certificates")
		}
	}
	signers := data.list("signers")
	for signers.some() {
		m.Signers = append(m.Signers, d.signer(&signers.reader, version, kind))
	}
}

// version takes a version: 1, or 3 for a key identifier in place of issuer and serial number.
func (r *reader) version(what string) byte {
	n := r.take(asn1.INTEGER, what)
	if len(n) == 1 && (n[0] == 1 || n[0] == 3) {
		return n[0]
	}
	r.refuse(Wrong, what+" is neither 1 nor 3")
	return 0
}

// A list is a set, or a sequence, of at least one value.
type list struct {
	reader
	one bool
}

func (r *reader) list(what string) list {
	tag := asn1.SET
	if r.next() == asn1.SEQUENCE {
		tag = asn1.SEQUENCE
	}
	return list{reader: r.enter(tag, what)}
}

// some reports whether there is another value; there has to be one.
func (l *list) some() bool {
	first := !l.one
	l.one = true
	return first && l.err == nil || l.more()
}

// kernelAlgorithm takes the identifier of an algorithm, with or without a parameter.
func (r *reader) kernelAlgorithm(what string) []byte {
	id := r.enter(asn1.SEQUENCE, what)
	oid := id.take(asn1.OBJECT_IDENTIFIER, what)
	switch {
	case id.more():
		id.enterAny("parameter of the " + what)
	case id.open:
		id.fail("no parameter of the " + what) // the kernel takes the mark at the end for it
	}
	id.end(what)
	return oid
}

// signer takes a SignerInfo.
func (d Dialect) signer(r *reader, message byte, kind string) (s SignerInfo) {
	info := r.enter(asn1.SEQUENCE, "SignerInfo")
	version := info.version("signer version")
	if version != message {
		info.fail("signer version is not the message's")
	}
	byKey := info.next() == asn1.Tag(0).ContextSpecific()
	if byKey {
		s.KeyID = info.take(info.next(), "key identifier")
	} else {
		id := info.enter(asn1.SEQUENCE, "issuer and serial number")
		name := id.enter(asn1.SEQUENCE, "issuer")
		s.Issuer = name.rest
		name.kernelName()
		s.Serial = id.take(asn1.INTEGER, "serial number")
		id.end("issuer and serial number")
	}
	s.Hash = hashName([]byte(d.algorithm(&info, digests(), "digest algorithm").identifier))
	if info.next() == context(0) {
		s.Attributes = true
		info.signedAttributes(kind)
	} else if kind == authenticode {
		info.refuse(Damaged, "no signed attributes", "PKCS7: Authenticode requires AuthAttrs")
	}
	s.Algorithm = d.algorithm(&info, signatures(), "signature algorithm").key
	s.Signature = info.take(asn1.OCTET_STRING, "signature")
	if info.next() == context(1) {
		all := list{reader: info.enter(context(1), "attributes")}
		for all.some() {
			all.kernelAttribute(func([]byte, asn1.Tag, *reader) {})
		}
	}
	info.end("SignerInfo")
	if byKey != (version == 3) || byKey && len(s.KeyID) == 0 {
		info.refuse(Wrong, "version of a signer who is told otherwise")
	}
	return s
}

// kernelName passes over a name: at least one set of at least one pair of which nothing else is looked at.
func (r *reader) kernelName() {
	parts := list{reader: *r}
	for parts.some() {
		set := list{reader: parts.enter(asn1.SET, "part of a name")}
		for set.some() {
			pair := set.enter(asn1.SEQUENCE, "name and value")
			pair.take(asn1.OBJECT_IDENTIFIER, "name")
			pair.enterAny("value of a name")
			pair.end("name and value")
		}
	}
}

// kernelAttribute takes an attribute and calls see with each of its values, of which there is at least one.
func (r *reader) kernelAttribute(see func(oid []byte, tag asn1.Tag, value *reader)) {
	one := r.enter(asn1.SEQUENCE, "attribute")
	oid := one.take(asn1.OBJECT_IDENTIFIER, "type of an attribute")
	values := list{reader: one.enter(asn1.SET, "values of an attribute")}
	for values.some() {
		tag := values.next()
		value := values.enterAny("value of an attribute")
		see(oid, tag, &value)
	}
	one.end("attribute")
}

// signedAttributes takes signed attributes: once each the content's type and the digest; others as well, of which
// some are not for modules.
func (r *reader) signedAttributes(kind string) {
	const prefix = "\x2a\x86\x48\x86\xf7\x0d\x01\x09" // 1.2.840.113549.1.9
	seen := map[string]bool{}
	all := list{reader: r.enter(context(0), "attributes")}
	for all.some() {
		all.kernelAttribute(func(oid []byte, tag asn1.Tag, value *reader) {
			switch string(oid) {
			case prefix + "\x03":
				if seen["type"] && kind == string(value.rest) {
					value.refuse(Rejected, "content's type told twice",
						"PKCS7: Repeated/multivalue AuthAttrs not permitted")
				}
				if kind != string(value.rest) {
					value.refuse(Damaged, "content's type is not the one of the content")
				}
				seen["type"] = true
			case prefix + "\x04":
				if seen["digest"] {
					value.refuse(Rejected, "digest told twice",
						"PKCS7: Repeated/multivalue AuthAttrs not permitted")
				}
				if tag != asn1.OCTET_STRING {
					value.refuse(Damaged, "digest is no octets")
				}
				seen["digest"] = true
			case prefix + "\x05", prefix + "\x0f", "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0b",
				"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0c":
				value.refuse(Unclear, "a signed attribute that is not understood here,")
			}
		})
	}
	if !seen["type"] || !seen["digest"] {
		r.refuse(Damaged, "signed attributes without type or digest", "PKCS7: Missing required AuthAttr")
	}
}

// Pair takes the two numbers of a signature by a curve apart, as the kernel does: it does not look behind them.
func Pair(signature []byte) (r, s []byte, ok bool) {
	all := reader{document: &document{digits: 2}, rest: cryptobyte.String(signature)}
	pair := all.enter(asn1.SEQUENCE, "pair of numbers")
	r, s = pair.take(asn1.INTEGER, "number"), pair.take(asn1.INTEGER, "number")
	pair.end("pair of numbers")
	return r, s, all.err == nil
}
