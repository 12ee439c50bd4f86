package check_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers that messages are made of, as they are written.
const (
	oidSignedData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
	oidData       = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
	oidEnveloped  = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
	oidIndirect   = "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04" // of Authenticode
	oidNobodys    = "\x2b\x06\x01\x04\x01\x82\x37\x63\x63"
	oidNIST       = "\x60\x86\x48\x01\x65\x03\x04\x02" // the digests of NIST
	oidECDSA      = "\x2a\x86\x48\xce\x3d\x04\x03"     // with SHA-2
	oidPKCS1      = "\x2a\x86\x48\x86\xf7\x0d\x01\x01"
)

// mark ends a signed module.
const mark = "~Module signature appended~\n"

// A sigForm is a signature's message in parts. Each part is complete, with its tag and length, but for identifiers.
type sigForm struct {
	outer, version, digests, kind []byte
	content, certs, crls          []byte // optional
	signers                       []signerForm
	end                           []byte // behind the signers
}

type signerForm struct {
	version, id, digest []byte
	signed              []byte // attributes; optional
	algorithm           []byte
	signature           []byte // its contents
	unsigned            []byte // attributes; optional
	end                 []byte
}

// tlv makes a value of parts.
func tlv(tag asn1.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, p := range parts {
			b.AddBytes(p)
		}
	})
	return b.BytesOrPanic()
}

func number(n ...byte) []byte { return tlv(asn1.INTEGER, n) }

func contextTag(n asn1.Tag) asn1.Tag { return n.ContextSpecific().Constructed() }

func oidOf(id string) []byte { return tlv(asn1.OBJECT_IDENTIFIER, []byte(id)) }

// algorithm makes the identifier of an algorithm.
func algorithm(oid string, parameter ...[]byte) []byte {
	return tlv(asn1.SEQUENCE, append([][]byte{tlv(asn1.OBJECT_IDENTIFIER, []byte(oid))}, parameter...)...)
}

func (f *sigForm) bytes() []byte {
	var signers []byte
	for _, s := range f.signers {
		signers = append(signers, s.bytes()...)
	}
	inner := tlv(asn1.SEQUENCE, tlv(asn1.OBJECT_IDENTIFIER, f.kind), f.content)
	data := tlv(asn1.SEQUENCE, f.version, f.digests, inner, f.certs, f.crls, tlv(asn1.SET, signers), f.end)
	return tlv(asn1.SEQUENCE, tlv(asn1.OBJECT_IDENTIFIER, f.outer), tlv(contextTag(0), data))
}

func (s *signerForm) bytes() []byte {
	return tlv(asn1.SEQUENCE, s.version, s.id, s.digest, s.signed, s.algorithm, tlv(asn1.OCTET_STRING, s.signature), s.unsigned, s.end)
}

func (f *sigForm) clone() *sigForm {
	own := *f
	own.signers = slices.Clone(f.signers)
	return &own
}

// readForm takes a message as Debian's builds make it apart.
func readForm(t testing.TB, msg []byte) *sigForm {
	t.Helper()
	s := cryptobyte.String(msg)
	var all, body, inner, set, info cryptobyte.String
	f, si := new(sigForm), signerForm{}
	element := func(from *cryptobyte.String, to *[]byte) bool {
		var v cryptobyte.String
		ok := from.ReadAnyASN1Element(&v, nil)
		*to = v
		return ok
	}
	ok := s.ReadASN1(&all, asn1.SEQUENCE) && all.ReadASN1Bytes(&f.outer, asn1.OBJECT_IDENTIFIER) && all.ReadASN1(&body, contextTag(0)) &&
		body.ReadASN1(&body, asn1.SEQUENCE) && element(&body, &f.version) && element(&body, &f.digests) && body.ReadASN1(&inner, asn1.SEQUENCE) &&
		inner.ReadASN1Bytes(&f.kind, asn1.OBJECT_IDENTIFIER) && body.ReadASN1(&set, asn1.SET) && set.ReadASN1(&info, asn1.SEQUENCE) &&
		element(&info, &si.version) && element(&info, &si.id) && element(&info, &si.digest) && element(&info, &si.algorithm) &&
		info.ReadASN1Bytes(&si.signature, asn1.OCTET_STRING)
	f.signers = []signerForm{si}
	if !ok || !bytes.Equal(f.bytes(), msg) {
		t.Fatal("the message of a module is not as expected")
	}
	return f
}

// A tampering is one trial: what is appended to a body.
type tampering struct {
	name    string
	body    []byte
	trailer []byte
}

// A forger makes tamperings of one signed module.
type forger struct {
	t     testing.TB
	body  []byte
	msg   []byte
	form  *sigForm
	cert  []byte // of the key that signed
	skid  []byte // its subject key identifier
	other []byte // a certificate that the kernel does not have

	revoked []byte // a list of revoked certificates
	out     []tampering
}

// trailer puts a message into the frame that ends a module.
func trailer(msg []byte) []byte {
	info := make([]byte, 12)
	info[2] = 2
	binary.BigEndian.PutUint32(info[8:], uint32(len(msg)))
	return slices.Concat(msg, info, []byte(mark))
}

// raw adds a message as it is.
func (f *forger) raw(name string, msg []byte) {
	f.out = append(f.out, tampering{name, f.body, trailer(msg)})
}

// with adds a message with parts changed.
func (f *forger) with(name string, change func(m *sigForm, s *signerForm)) {
	m := f.form.clone()
	change(m, &m.signers[0])
	f.raw(name, m.bytes())
}

// forge makes all tamperings but those of single bytes.
func (f *forger) forge() {
	f.raw("as built", f.msg)
	f.messages()
	f.signerFields()
	f.manySigners()
	f.lengths()
	f.frames()
	f.bodies()
}

var null = tlv(asn1.NULL)

// messages changes what is around the signers.
func (f *forger) messages() {
	for name, oid := range map[string]string{"data": oidData, "enveloped data": oidEnveloped, "nobody's": oidNobodys} {
		f.with("outer type "+name, func(m *sigForm, _ *signerForm) { m.outer = []byte(oid) })
	}
	for name, oid := range map[string]string{"signed data": oidSignedData, "Authenticode": oidIndirect, "nobody's": oidNobodys, "empty": ""} {
		f.with("content type "+name, func(m *sigForm, _ *signerForm) { m.kind = []byte(oid) })
	}
	for _, v := range [][]byte{{0}, {1}, {2}, {3}, {4}, {5}, {0xff}, {1, 1}, {0, 1}, {}} {
		f.with(fmt.Sprintf("version %x", v), func(m *sigForm, _ *signerForm) { m.version = number(v...) })
		f.with(fmt.Sprintf("signer version %x", v), func(_ *sigForm, s *signerForm) { s.version = number(v...) })
	}
	f.with("no version", func(m *sigForm, _ *signerForm) { m.version = nil })
	f.with("no signer version", func(_ *sigForm, s *signerForm) { s.version = nil })
	sha256, sha512 := algorithm(oidNIST+"\x01"), algorithm(oidNIST+"\x03")
	for name, d := range map[string][]byte{
		"none": tlv(asn1.SET), "missing": nil, "sha512": tlv(asn1.SET, sha512), "two": tlv(asn1.SET, sha256, sha512), "twice": tlv(asn1.SET, sha256, sha256),
		"with null": tlv(asn1.SET, algorithm(oidNIST+"\x01", null)), "nobody's": tlv(asn1.SET, algorithm(oidNobodys)), "a sequence": tlv(asn1.SEQUENCE, sha256),
		"with two parameters": tlv(asn1.SET, algorithm(oidNIST+"\x01", null, null)), "an integer": tlv(asn1.SET, number(1)),
		"without identifier": tlv(asn1.SET, tlv(asn1.SEQUENCE)),
	} {
		f.with("digest algorithms "+name, func(m *sigForm, _ *signerForm) { m.digests = d })
	}
	octets := tlv(asn1.OCTET_STRING, []byte("text"))
	for name, c := range map[string][]byte{
		"empty": tlv(contextTag(0)), "no octets": tlv(contextTag(0), tlv(asn1.OCTET_STRING)), "octets": tlv(contextTag(0), octets), "a number": tlv(contextTag(0), number(1)),
		"two": tlv(contextTag(0), octets, octets), "not explicit": octets, "null": null,
	} {
		f.with("content "+name, func(m *sigForm, _ *signerForm) { m.content = c })
	}
	damaged := bytes.Clone(f.other)
	damaged[len(damaged)/2] ^= 1
	for name, c := range map[string][]byte{
		"none": tlv(contextTag(0)), "the kernel's": tlv(contextTag(0), f.cert), "another": tlv(contextTag(0), f.other), "both": tlv(contextTag(0), f.other, f.cert),
		"damaged": tlv(contextTag(0), damaged), "an empty sequence": tlv(contextTag(0), tlv(asn1.SEQUENCE)), "a number": tlv(contextTag(0), number(1)),
		"version 9": tlv(contextTag(0), bytes.Replace(f.other, []byte("\xa0\x03\x02\x01\x02"), []byte("\xa0\x03\x02\x01\x09"), 1)),
	} {
		f.with("certificates "+name, func(m *sigForm, _ *signerForm) { m.certs = c })
	}
	f.with("certificates as a sequence, none", func(m *sigForm, _ *signerForm) { m.certs = tlv(contextTag(2)) })
	f.with("certificates as a sequence, the kernel's", func(m *sigForm, _ *signerForm) { m.certs = tlv(contextTag(2), f.cert) })
	f.with("certificates twice", func(m *sigForm, _ *signerForm) { m.certs = append(tlv(contextTag(0)), tlv(contextTag(0))...) })
	f.with("revocations a list", func(m *sigForm, _ *signerForm) { m.crls = tlv(contextTag(1), f.revoked) })
	f.with("revocations as a sequence, a list", func(m *sigForm, _ *signerForm) { m.crls = tlv(contextTag(3), f.revoked) })
	f.with("revocations as a sequence, none", func(m *sigForm, _ *signerForm) { m.crls = tlv(contextTag(3)) })
	f.with("revocations none", func(m *sigForm, _ *signerForm) { m.crls = tlv(contextTag(1)) })
	f.with("revocations empty sequence", func(m *sigForm, _ *signerForm) { m.crls = tlv(contextTag(1), tlv(asn1.SEQUENCE)) })
	f.with("revocations a number", func(m *sigForm, _ *signerForm) { m.crls = tlv(contextTag(1), number(1)) })
	f.with("revocations and certificates", func(m *sigForm, _ *signerForm) {
		m.certs, m.crls = tlv(contextTag(0), f.cert), tlv(contextTag(1), tlv(asn1.SEQUENCE))
	})
	f.with("more than signed data", func(m *sigForm, _ *signerForm) { m.end = null })
	f.with("more than a signer", func(_ *sigForm, s *signerForm) { s.end = null })
}

// rdn makes a name of one part.
func rdn(oid string, tag asn1.Tag, value string) []byte {
	return tlv(asn1.SEQUENCE, tlv(asn1.SET, tlv(asn1.SEQUENCE, oidOf(oid), tlv(tag, []byte(value)))))
}

// strangersID tells a signer whom no kernel knows.
func strangersID() []byte {
	return tlv(asn1.SEQUENCE, rdn("\x55\x04\x03", asn1.UTF8String, "a stranger"), number(1))
}

// signerFields changes what is said of the signer.
func (f *forger) signerFields() {
	var id, name, serial cryptobyte.String
	whole := cryptobyte.String(f.form.signers[0].id)
	if !whole.ReadASN1(&id, asn1.SEQUENCE) || !id.ReadASN1(&name, asn1.SEQUENCE) || !id.ReadASN1(&serial, asn1.INTEGER) {
		f.t.Fatal("the signer is not told by issuer and serial number")
	}
	issuer := tlv(asn1.SEQUENCE, name)
	key := func(n []byte) []byte { return tlv(asn1.SEQUENCE, issuer, number(n...)) }
	skid := asn1.Tag(0).ContextSpecific()
	for name, v := range map[string][]byte{
		"serial number with a zero before": key(append([]byte{0}, serial...)), "serial number cut": key(serial[:len(serial)-1]), "serial number longer": key(append(bytes.Clone(serial), 0)),
		"serial number empty": key(nil), "serial number 0": key([]byte{0}), "serial number of 200 bytes": key(bytes.Repeat([]byte{1}, 200)),
		"issuer empty": tlv(asn1.SEQUENCE, tlv(asn1.SEQUENCE), number(serial...)), "issuer missing": tlv(asn1.SEQUENCE, number(serial...)),
		"issuer other": tlv(asn1.SEQUENCE, rdn("\x55\x04\x03", asn1.UTF8String, "nobody"), number(serial...)), "nothing": tlv(asn1.SEQUENCE),
		"issuer twice": tlv(asn1.SEQUENCE, tlv(asn1.SEQUENCE, name, name), number(serial...)), "issuer only": tlv(asn1.SEQUENCE, issuer),
		"issuer not text":  tlv(asn1.SEQUENCE, rdn("\x55\x04\x03", asn1.INTEGER, "\x01"), number(serial...)),
		"issuer not UTF-8": tlv(asn1.SEQUENCE, rdn("\x55\x04\x03", asn1.UTF8String, "\xff"), number(serial...)),
		"issuer a set":     tlv(asn1.SEQUENCE, tlv(asn1.SET, name), number(serial...)), "more behind": tlv(asn1.SEQUENCE, issuer, number(serial...), null),
		"key": tlv(skid, f.skid), "key cut": tlv(skid, f.skid[:max(len(f.skid)-1, 0)]), "key's end": tlv(skid, f.skid[min(1, len(f.skid)):]), "key longer": tlv(skid, f.skid, []byte{0}),
		"key empty": tlv(skid), "key other": tlv(skid, []byte("an other key's one..")), "key of 1000 bytes": tlv(skid, make([]byte, 1000)),
		"key and issuer": append(tlv(skid, f.skid), key(serial)...), "key constructed": tlv(contextTag(0), tlv(asn1.OCTET_STRING, f.skid)), "missing": nil,
	} {
		f.with("signer "+name, func(_ *sigForm, s *signerForm) { s.id = v })
	}
	for _, v := range []byte{1, 2, 3} {
		f.with(fmt.Sprintf("key, versions %d", v), func(m *sigForm, s *signerForm) { m.version, s.version, s.id = number(v), number(v), tlv(skid, f.skid) })
		f.with(fmt.Sprintf("other key, versions %d", v), func(m *sigForm, s *signerForm) {
			m.version, s.version, s.id = number(v), number(v), tlv(skid, []byte("an other key's one.."))
		})
	}
	for name, v := range map[string][]byte{
		"key cut": tlv(skid, f.skid[:max(len(f.skid)-1, 0)]), "key's end": tlv(skid, f.skid[min(1, len(f.skid)):]), "key longer": tlv(skid, f.skid, []byte{0}), "key empty": tlv(skid),
		"key constructed": tlv(contextTag(0), tlv(asn1.OCTET_STRING, f.skid)), "issuer": key(serial), "key of 1000 bytes": tlv(skid, make([]byte, 1000)), "number": number(1),
	} {
		f.with(name+", versions 3", func(m *sigForm, s *signerForm) { m.version, s.version, s.id = number(3), number(3), v })
	}
	f.with("key, and more than a signer", func(_ *sigForm, s *signerForm) { s.id, s.end = tlv(skid, f.skid), null })
	f.with("key, and digest unknown", func(_ *sigForm, s *signerForm) { s.id, s.digest = tlv(skid, f.skid), algorithm(oidNobodys) })
	f.with("issuer, versions 3, and digest unknown", func(m *sigForm, s *signerForm) {
		m.version, s.version, s.digest = number(3), number(3), algorithm(oidNobodys)
	})
	f.with("issuer, versions 3, and stranger", func(m *sigForm, s *signerForm) { m.version, s.version, s.id = number(3), number(3), key([]byte{1}) })
	f.with("content, and digest unknown", func(m *sigForm, s *signerForm) {
		m.content, s.digest = tlv(contextTag(0), tlv(asn1.OCTET_STRING)), algorithm(oidNobodys)
	})
	f.with("content, and stranger", func(m *sigForm, s *signerForm) {
		m.content, s.id = tlv(contextTag(0), tlv(asn1.OCTET_STRING)), key([]byte{1})
	})
	f.with("stranger, algorithm rsa", func(_ *sigForm, s *signerForm) { s.id, s.algorithm = key([]byte{1}), algorithm(oidPKCS1+"\x01", null) })
	f.with("stranger, algorithm ecrdsa", func(_ *sigForm, s *signerForm) {
		s.id, s.algorithm = key([]byte{1}), algorithm("\x2a\x85\x03\x07\x01\x01\x01\x01")
	})
	for _, d := range []string{"\x2a\x81\x1c\xcf\x55\x01\x83\x11", "\x2a\x85\x03\x07\x01\x01\x02\x02", "\x2b\x0e\x03\x02\x1a", oidNIST + "\x03", oidNIST + "\x09", "\x2a\x86\x48\x86\xf7\x0d\x02\x05"} {
		f.with(fmt.Sprintf("stranger, digest %x", d), func(_ *sigForm, s *signerForm) { s.id, s.digest = key([]byte{1}), algorithm(d) })
		f.with(fmt.Sprintf("digest %x, and more than a signer", d), func(_ *sigForm, s *signerForm) { s.digest, s.end = algorithm(d), null })
	}
	for i := byte(0); i <= 13; i++ {
		f.with(fmt.Sprintf("digest of NIST %d", i), func(_ *sigForm, s *signerForm) { s.digest = algorithm(oidNIST + string(i)) })
		f.with(fmt.Sprintf("digest of NIST %d everywhere", i), func(m *sigForm, s *signerForm) {
			s.digest = algorithm(oidNIST + string(i))
			m.digests = tlv(asn1.SET, s.digest)
		})
	}
	for name, d := range map[string][]byte{
		"sha1": algorithm("\x2b\x0e\x03\x02\x1a"), "md4": algorithm("\x2a\x86\x48\x86\xf7\x0d\x02\x04"), "md5": algorithm("\x2a\x86\x48\x86\xf7\x0d\x02\x05"),
		"sm3": algorithm("\x2a\x81\x1c\xcf\x55\x01\x83\x11"), "ripemd160": algorithm("\x2b\x24\x03\x02\x01"), "streebog": algorithm("\x2a\x85\x03\x07\x01\x01\x02\x02"),
		"nobody's": algorithm(oidNobodys), "sha256 with null": algorithm(oidNIST+"\x01", null), "sha256 with octets": algorithm(oidNIST+"\x01", tlv(asn1.OCTET_STRING, []byte("x"))),
		"sha256 with two parameters": algorithm(oidNIST+"\x01", null, null), "rsaEncryption": algorithm(oidPKCS1 + "\x01"), "missing": nil,
		"only an identifier": tlv(asn1.OBJECT_IDENTIFIER, []byte(oidNIST+"\x01")), "ecdsa": algorithm(oidECDSA + "\x02"),
	} {
		f.with("digest "+name, func(_ *sigForm, s *signerForm) { s.digest = d })
	}
	f.algorithms()
	f.attributes(key([]byte{1}))
	f.values()
}

// algorithms changes the algorithm of the signature.
func (f *forger) algorithms() {
	algorithms := map[string][]byte{
		"nobody's": algorithm(oidNobodys), "id-ecPublicKey": algorithm("\x2a\x86\x48\xce\x3d\x02\x01"), "ecdsa-with-sha1": algorithm("\x2a\x86\x48\xce\x3d\x04\x01"),
		"dsa": algorithm("\x2a\x86\x48\xce\x38\x04\x03"), "ed25519": algorithm("\x2b\x65\x70"), "sm2": algorithm("\x2a\x81\x1c\xcf\x55\x01\x83\x75"),
		"ecrdsa": algorithm("\x2a\x85\x03\x07\x01\x01\x01\x01"), "sha256": algorithm(oidNIST + "\x01"), "missing": nil, "ML-DSA-44": algorithm("\x60\x86\x48\x01\x65\x03\x04\x03\x11"),
		"as built, with null": slices.Clone(f.form.signers[0].algorithm), "sha256WithRSA, two nulls": algorithm(oidPKCS1+"\x0b", null, null),
	}
	var alg cryptobyte.String
	whole := cryptobyte.String(f.form.signers[0].algorithm)
	var oid []byte
	if whole.ReadASN1(&alg, asn1.SEQUENCE) && alg.ReadASN1Bytes(&oid, asn1.OBJECT_IDENTIFIER) {
		algorithms["as built, with null"], algorithms["as built, without"] = algorithm(string(oid), null), algorithm(string(oid))
		algorithms["as built, with octets"] = algorithm(string(oid), tlv(asn1.OCTET_STRING, []byte("x")))
	}
	for i := byte(0); i <= 19; i++ {
		algorithms[fmt.Sprintf("PKCS#1 %d", i)] = algorithm(oidPKCS1+string(i), null)
		algorithms[fmt.Sprintf("PKCS#1 %d without null", i)] = algorithm(oidPKCS1 + string(i))
		algorithms[fmt.Sprintf("ecdsa with SHA-2 %d", i)] = algorithm(oidECDSA + string(i))
		algorithms[fmt.Sprintf("ecdsa with SHA-3 %d", i)] = algorithm("\x60\x86\x48\x01\x65\x03\x04\x03" + string(i))
	}
	for name, a := range algorithms {
		f.with("algorithm "+name, func(_ *sigForm, s *signerForm) { s.algorithm = a })
	}
}

// attributes adds attributes, signed ones and others.
func (f *forger) attributes(stranger []byte) {
	attribute := func(oid string, values ...[]byte) []byte {
		return tlv(asn1.SEQUENCE, tlv(asn1.OBJECT_IDENTIFIER, []byte(oid)), tlv(asn1.SET, values...))
	}
	kind := attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03", tlv(asn1.OBJECT_IDENTIFIER, []byte(oidData)))
	digest := attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04", tlv(asn1.OCTET_STRING, make([]byte, 32)))
	for name, a := range map[string][]byte{
		"none": {}, "type": kind, "digest": digest, "both": append(bytes.Clone(kind), digest...), "a number": number(1), "twice the same": append(bytes.Clone(kind), kind...),
		"nobody's": attribute(oidNobodys, null), "digest first": append(bytes.Clone(digest), kind...), "and nobody's": slices.Concat(kind, digest, attribute(oidNobodys, null)),
		"without values": append(attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"), digest...), "of two values": append(attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03", oidOf(oidData), oidOf(oidData)), digest...),
		"of another type": append(attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03", oidOf(oidSignedData)), digest...), "digest short": append(bytes.Clone(kind), attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04", tlv(asn1.OCTET_STRING, make([]byte, 20)))...),
		"digest a number":         append(bytes.Clone(kind), attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04", number(1))...),
		"nobody's without values": slices.Concat(kind, digest, attribute(oidNobodys)), "type a number": append(attribute("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03", number(1)), digest...),
		"type alone, nobody's": slices.Concat(kind, attribute(oidNobodys, null)), "of no identifier": tlv(asn1.SEQUENCE, tlv(asn1.SET, null)), "without a set": slices.Concat(kind, digest, tlv(asn1.SEQUENCE, oidOf(oidNobodys), null)),
	} {
		f.with("signed attributes "+name, func(_ *sigForm, s *signerForm) { s.signed = tlv(contextTag(0), a) })
		f.with("signed attributes "+name+", Authenticode", func(m *sigForm, s *signerForm) { m.kind, s.signed = []byte(oidIndirect), tlv(contextTag(0), a) })
		f.with("signed attributes "+name+", stranger", func(_ *sigForm, s *signerForm) { s.id, s.signed = stranger, tlv(contextTag(0), a) })
		f.with("signed attributes "+name+", more than a signer", func(_ *sigForm, s *signerForm) { s.end, s.signed = null, tlv(contextTag(0), a) })
		f.with("signed attributes "+name+", algorithm unknown", func(_ *sigForm, s *signerForm) { s.algorithm, s.signed = algorithm(oidNobodys), tlv(contextTag(0), a) })
		f.with("attributes not signed "+name, func(_ *sigForm, s *signerForm) { s.unsigned = tlv(contextTag(1), a) })
	}
}

// values changes the signature itself.
func (f *forger) values() {
	sig := f.form.signers[0].signature
	for name, v := range map[string][]byte{
		"empty": {}, "cut": sig[:len(sig)-1], "longer": append(bytes.Clone(sig), 0), "with a zero before": append([]byte{0}, sig...), "zeros": make([]byte, len(sig)),
		"two zeros": tlv(asn1.SEQUENCE, number(0), number(0)), "two ones": tlv(asn1.SEQUENCE, number(1), number(1)), "of 10000 bytes": make([]byte, 10000), "one byte": {1},
		"all ones": bytes.Repeat([]byte{0xff}, len(sig)), "doubled": append(bytes.Clone(sig), sig...),
	} {
		f.with("signature "+name, func(_ *sigForm, s *signerForm) { s.signature = v })
	}
	var pair, r, q cryptobyte.String
	if s := cryptobyte.String(sig); s.ReadASN1(&pair, asn1.SEQUENCE) && pair.ReadASN1(&r, asn1.INTEGER) && pair.ReadASN1(&q, asn1.INTEGER) {
		for name, v := range map[string][]byte{
			"numbers exchanged": tlv(asn1.SEQUENCE, number(q...), number(r...)), "zero before r": tlv(asn1.SEQUENCE, number(append([]byte{0}, r...)...), number(q...)),
			"three numbers": tlv(asn1.SEQUENCE, number(r...), number(q...), number(1)), "r without sign": tlv(asn1.SEQUENCE, number(bytes.TrimLeft(r, "\x00")...), number(q...)),
			"long length": append([]byte{0x30, 0x81, sig[1]}, sig[2:]...), "more behind": append(bytes.Clone(sig), 5, 0), "s only": tlv(asn1.SEQUENCE, number(q...)),
			"s without sign": tlv(asn1.SEQUENCE, number(r...), number(bytes.TrimLeft(q, "\x00")...)), "zero before s": tlv(asn1.SEQUENCE, number(r...), number(append([]byte{0}, q...)...)),
			"zeros before r": tlv(asn1.SEQUENCE, number(append(make([]byte, 30), r...)...), number(q...)), "open length": slices.Concat([]byte{0x30, 0x80}, sig[2:], []byte{0, 0}),
		} {
			f.with("signature "+name, func(_ *sigForm, s *signerForm) { s.signature = v })
		}
	}
}

// manySigners has none, and two of which the second is another one.
func (f *forger) manySigners() {
	good := f.form.signers[0]
	f.with("no signer", func(m *sigForm, _ *signerForm) { m.signers = nil })
	broken, stranger, digest, kind := good, good, good, good
	broken.signature = bytes.Clone(good.signature)
	broken.signature[len(broken.signature)-1] ^= 1
	stranger.id = strangersID()
	digest.digest = algorithm(oidNobodys)
	kind.algorithm = algorithm(oidNobodys)
	unsound := good
	unsound.digest = nil
	signed := good
	signed.signed = tlv(contextTag(0))
	all := map[string]signerForm{"good": good, "broken": broken, "stranger": stranger, "digest unknown": digest, "algorithm unknown": kind, "unsound": unsound, "with attributes": signed}
	for a, first := range all {
		for b, second := range all {
			f.with("signers "+a+" and "+b, func(m *sigForm, _ *signerForm) { m.signers = []signerForm{first, second} })
		}
	}
	f.with("signers five strangers and good", func(m *sigForm, _ *signerForm) {
		m.signers = []signerForm{stranger, stranger, stranger, stranger, stranger, good}
	})
}

// lengths writes lengths of values otherwise: those of the values that hold the others, from outside in.
func (f *forger) lengths() {
	heads := []int{}
	for at, n := 0, len(f.msg); at < n; {
		tag := f.msg[at]
		head, size := 2, int(f.msg[at+1])
		if size >= 0x80 {
			head += size - 0x80
			size = 0
			for _, b := range f.msg[at+2 : at+head] {
				size = size<<8 | int(b)
			}
		}
		heads = append(heads, at)
		if at += head; tag&0x20 == 0 {
			at += size
		}
	}
	for _, at := range heads {
		for _, n := range []int{1, 2, 3, 4, 8} {
			if msg, ok := relength(f.msg, at, n); ok {
				f.raw(fmt.Sprintf("length at %d of %d bytes", at, n), msg)
			}
		}
		if msg, ok := relength(f.msg, at, 0); ok {
			f.raw(fmt.Sprintf("length at %d open", at), msg)
		}
	}
	param := f.form.clone()
	param.signers[0].digest = algorithm(oidNIST+"\x01", null)
	for at := range param.bytes() {
		if msg, ok := relength(param.bytes(), at, 0); ok && !bytes.Equal(msg, param.bytes()) {
			f.raw(fmt.Sprintf("length at %d open, digest with null", at), msg)
		}
	}
	for _, n := range []int{65000 - len(f.msg), 65535 - len(f.msg), 65536 - len(f.msg), 70000} {
		f.raw(fmt.Sprintf("%d bytes behind", n), append(bytes.Clone(f.msg), make([]byte, n)...))
	}
	f.raw("more behind the message", append(bytes.Clone(f.msg), 0))
	f.raw("more behind the message, sound", append(bytes.Clone(f.msg), null...))
	f.raw("message twice", append(bytes.Clone(f.msg), f.msg...))
	head := heads[1]
	f.raw("no end mark", append([]byte{0x30, 0x80}, f.msg[head:]...))
	f.raw("long tag", slices.Concat(f.msg[:head], []byte{0x1f, 0x81, 1, 0}, f.msg[head:]))
	for _, n := range []int{1, 2, 4, 15, 30, 60, 100, 150, 200, len(f.msg) - 1} {
		f.raw(fmt.Sprintf("cut to %d bytes", n), f.msg[:n])
	}
	f.raw("zeros", make([]byte, 100))
	f.raw("text", bytes.Repeat([]byte("no message "), 20))
	f.raw("end marks", make([]byte, 2))
	f.raw("null", null)
	f.raw("empty sequence", tlv(asn1.SEQUENCE))
	deep := []byte{}
	for range 200 {
		deep = tlv(asn1.SEQUENCE, deep)
	}
	f.raw("sequences in sequences", deep)
	f.raw("open lengths", append(bytes.Repeat([]byte{0x30, 0x80}, 100), make([]byte, 200)...))
	f.raw("large", append(bytes.Clone(f.msg), make([]byte, 100000)...))
}

// relength writes the length of the value at an offset with n bytes behind the first, or leaves it open, and mends
// those around it.
func relength(msg []byte, at, n int) ([]byte, bool) {
	ok := true
	var rewrite func(b []byte, off int) []byte
	rewrite = func(b []byte, off int) []byte {
		var out []byte
		for s := cryptobyte.String(b); len(s) > 0; {
			start := off + len(b) - len(s)
			var body cryptobyte.String
			var tag asn1.Tag
			before := len(s)
			if !s.ReadAnyASN1(&body, &tag) {
				return append(out, s...)
			}
			head := before - len(s) - len(body)
			inner := []byte(body)
			if tag&0x20 != 0 {
				inner = rewrite(body, start+head)
			}
			if start != at {
				out = append(out, tlv(tag, inner)...)
				continue
			}
			out = append(out, byte(tag))
			if n == 0 {
				ok = ok && tag&0x20 != 0
				out = append(append(append(out, 0x80), inner...), 0, 0)
				continue
			}
			size := make([]byte, 8)
			binary.BigEndian.PutUint64(size, uint64(len(inner)))
			ok = ok && (n >= 2 || len(inner) < 0x100) && n <= 8
			out = append(append(append(out, 0x80|byte(n)), size[8-n:]...), inner...)
		}
		return out
	}
	return rewrite(msg, 0), ok
}

// frames changes what is between the message and the end.
func (f *forger) frames() {
	good := trailer(f.msg)
	n := len(good)
	add := func(name string, change func(b []byte) []byte) {
		f.out = append(f.out, tampering{name, f.body, change(bytes.Clone(good))})
	}
	for i := range 12 {
		for _, x := range []byte{1, 2, 0x80} {
			add(fmt.Sprintf("frame's byte %d, bits %#x", i, x), func(b []byte) []byte { b[n-len(mark)-12+i] ^= x; return b })
		}
	}
	for _, d := range []int{-300, -2, -1, 1, 2, 100, 1 << 20} {
		add(fmt.Sprintf("length %+d", d), func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[n-len(mark)-4:], uint32(len(f.msg)+d))
			return b
		})
	}
	all := len(f.body) + len(f.msg)
	for _, d := range []int{-1, 0, 1, 12} {
		add(fmt.Sprintf("length of the file %+d", d), func(b []byte) []byte { binary.BigEndian.PutUint32(b[n-len(mark)-4:], uint32(all+d)); return b })
	}
	add("length 0", func(b []byte) []byte { clear(b[n-len(mark)-4 : n-len(mark)]); return b })
	for _, i := range []int{0, 5, 20, 27} {
		add(fmt.Sprintf("mark's byte %d", i), func(b []byte) []byte { b[n-len(mark)+i] ^= 1; return b })
	}
	add("without signature", func([]byte) []byte { return nil })
	add("mark only", func([]byte) []byte { return []byte(mark) })
	add("frame only", func(b []byte) []byte { return b[len(f.msg):] })
	add("signed twice", func(b []byte) []byte { return append(b, good...) })
	add("byte behind", func(b []byte) []byte { return append(b, 0) })
	add("zeros between", func(b []byte) []byte { return append(make([]byte, 8), b...) })
}

// bodies changes the module itself below its signature, and below messages that are not sound.
func (f *forger) bodies() {
	at := []int{9, 40, len(f.body) / 3, len(f.body) / 2, len(f.body) - 1, bytes.Index(f.body, []byte("license=")) + 8, bytes.Index(f.body, []byte("vermagic=")) + 9}
	anywhere := mathrand.New(mathrand.NewPCG(uint64(len(f.body)), 1))
	for range 60 {
		at = append(at, 10+anywhere.IntN(len(f.body)-10))
	}
	stranger, unsupported, unsound := f.form.clone(), f.form.clone(), f.form.clone()
	stranger.signers[0].id = strangersID()
	unsupported.signers[0].digest = algorithm(oidNobodys)
	unsound.end = null
	for _, i := range at {
		body := bytes.Clone(f.body)
		body[i] ^= 1
		for name, msg := range map[string][]byte{"": f.msg, ", stranger": stranger.bytes(), ", digest unknown": unsupported.bytes(), ", unsound": unsound.bytes()} {
			if (name == ", stranger" || name == ", digest unknown") && i > 9 && f.body[i-1] != '=' {
				continue // without sig_enforce the rules on what was changed decide, which are not the subject
			}
			f.out = append(f.out, tampering{fmt.Sprintf("body's byte %d%s", i, name), body, trailer(msg)})
		}
	}
	f.out = append(f.out, tampering{"body longer", append(bytes.Clone(f.body), 0), trailer(f.msg)}, tampering{"body cut", f.body[:len(f.body)-1], trailer(f.msg)})
}

// flip changes bits of single bytes of the message: of all, or of every so many.
func (f *forger) flip(step int, bits ...byte) {
	for i := 0; i < len(f.msg); i += step {
		for _, x := range bits {
			msg := bytes.Clone(f.msg)
			msg[i] ^= x
			f.raw(fmt.Sprintf("message's byte %d, bits %#x", i, x), msg)
		}
	}
}
