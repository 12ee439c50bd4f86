package kernel

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/format/pkcs7"
)

// SigState is what the kernel would make of a module's signature.
type SigState int

// The states of a signature.
const (
	SigNone        SigState = iota // no signature
	SigUnknownKey                  // sound, but none of the kernel's keys made it
	SigUnsupported                 // of a kind that the kernel does not know
	SigBadTrailer                  // it or the description behind it is damaged
	SigBroken                      // it does not fit the module
	SigValid                       // made by a key of the kernel
	SigUnverified                  // it cannot be found out here
	SigWrong                       // something in it has a value that it may not have
	SigTooLong                     // longer than the kernel reads
	SigEnrolled                    // made by a key of the firmware, which the kernel may know or not
	SigMisfit                      // it does not fit the module, and the kernel may know the key or not
)

// A Signature is what is appended to a module, taken apart as far as no kernel has to be known for it.
type Signature struct {
	Present bool          // the mark that announces a signature ends the file
	Signer  *pkcs7.Signer // who made it, for people; nil if that cannot be read
	message []byte
	found   SigFinding // SigNone, or what is wrong before the message is looked at
}

// A SigFinding is a state, and how it was found.
type SigFinding struct {
	State  SigState // what it is
	Why    string   // what is wrong, or not known
	Line   string   // what the kernel prints about it
	MayLog string   // what it may print before
}

// A Signing is what a kernel's image tells of how the kernel reads signatures.
type Signing struct {
	Identifiers []string // the object identifiers that it knows, of those of which not all kernels know
	Builtin     []string // digests that are built in, by their names in OpenSSL, and kinds of keys, by the kernel's
}

// A Trust is what a kernel accepts signatures by.
type Trust struct {
	Keys     []Key    // keys that the kernel accepts signatures of; nil: not known
	Enrolled []Key    // keys in the machine's firmware, which some kernels accept, too
	MoreKeys bool     // there may be more of these, which cannot be read
	Signing  *Signing // how it reads signatures; nil: not known
}

// splitTrailer cuts a signature off as the kernel does, which is less forgiving than programs are.
func splitTrailer(image []byte) ([]byte, Signature) {
	rest, ok := bytes.CutSuffix(image, []byte(elf.SigMark))
	if !ok || len(rest) == 0 {
		return image, Signature{}
	}
	s := Signature{Present: true}
	if len(rest) <= elf.SigInfoSize {
		s.found = SigFinding{State: SigBadTrailer, Why: "nothing is before its mark"}
		return rest, s
	}
	info := rest[len(rest)-elf.SigInfoSize:]
	n := binary.BigEndian.Uint32(info[8:])
	switch {
	case uint64(n) >= uint64(len(rest)-elf.SigInfoSize):
		s.found = SigFinding{State: SigBadTrailer, Why: "it claims to be longer than the file"}
		return rest, s
	case info[2] != elf.SigPKCS7:
		s.found = SigFinding{State: SigUnsupported, Why: "it is no PKCS#7 message",
			Line: "module: not signed with expected PKCS#7 message"}
		return rest, s
	case info[0]|info[1]|info[3]|info[4]|info[5]|info[6]|info[7] != 0:
		s.found = SigFinding{State: SigBadTrailer, Why: "its description has numbers where zeros have to be",
			Line: "module: PKCS#7 signature info has unexpected non-zero params"}
		return rest, s
	}
	at := len(rest) - elf.SigInfoSize - int(n)
	s.message = rest[at : at+int(n)]
	s.Signer, _ = pkcs7.Parse(s.message)
	return rest[:at], s
}

// Judge judges a module's signature by what it says of itself and by the keys of the kernel.
func (k *Trust) Judge(m *Module) SigFinding {
	s := &m.Signature
	if !s.Present || s.found.State != SigNone {
		return s.found
	}
	msg, refused := k.dialect().Read(s.message)
	if refused != nil {
		states := [...]SigState{pkcs7.Damaged: SigBadTrailer, pkcs7.Wrong: SigWrong,
			pkcs7.Unsupported: SigUnsupported, pkcs7.Rejected: SigBroken,
			pkcs7.TooLong: SigTooLong, pkcs7.Unclear: SigUnverified}
		return SigFinding{State: states[refused.Refusal], Why: refused.Error(), MayLog: refused.Line}
	}
	attributes := func(s pkcs7.SignerInfo) bool { return s.Attributes }
	switch {
	case msg.Content:
		return SigFinding{SigBadTrailer, "it has the content in it", "PKCS#7 signature with non-detached data",
			"PKCS7: Data already supplied"}
	case !slices.ContainsFunc(msg.Signers, attributes):
		return k.trust(m, msg.Signers)
	case slices.ContainsFunc(msg.Signers, func(s pkcs7.SignerInfo) bool { return s.Algorithm == pkcs7.MLDSA }):
		return SigFinding{State: SigUnverified, Why: "it has signed attributes"}
	case !slices.ContainsFunc(msg.Signers, func(s pkcs7.SignerInfo) bool { return !s.Attributes }):
		return SigFinding{State: SigBroken, Why: "it has signed attributes",
			MayLog: "PKCS7: Invalid module sig (has authattrs)"}
	}
	return SigFinding{State: SigBadTrailer, Why: "not all of its signers have signed attributes",
		MayLog: "PKCS7: Inconsistently supplied authAttrs"}
}

// dialect is how the kernel reads messages.
func (k *Trust) dialect() pkcs7.Dialect {
	if k.Signing == nil {
		return pkcs7.Dialect{}
	}
	return pkcs7.Dialect{Knows: func(identifier string) bool {
		return slices.Contains(k.Signing.Identifiers, identifier)
	}}
}

// trust asks for the keys of the signers: one signature that does not fit is enough to refuse the module, one that
// does to take it.
func (k *Trust) trust(m *Module, signers []pkcs7.SignerInfo) SigFinding {
	result := SigFinding{State: SigUnknownKey}
	for i := range signers {
		found := k.trustOne(m, &signers[i])
		switch {
		case found.State == SigUnknownKey || result.State == SigUnverified:
		case result.State == SigUnknownKey || found.State == SigUnverified:
			result = found
		case found.State != result.State:
			switch {
			case found.State == SigBroken, result.State == SigBroken:
				result = SigFinding{State: SigBroken}
			default:
				result = SigFinding{State: SigUnverified,
					Why: "it has several signers, and not all kernels know the keys of all"}
			}
		}
	}
	return result
}

func (k *Trust) trustOne(m *Module, s *pkcs7.SignerInfo) SigFinding {
	switch {
	case k.Keys == nil:
		return SigFinding{State: SigUnverified, Why: "the kernel's keys are not known"}
	case k.Signing == nil || !slices.Contains(k.Signing.Builtin, s.Hash):
		return SigFinding{State: SigUnverified, Why: "the kernel may lack the digest " + s.Hash}
	}
	own := k.tryKeys(m, s, k.Keys)
	if own.State != SigUnknownKey {
		return own
	}
	enrolled := k.tryKeys(m, s, k.Enrolled)
	switch {
	case enrolled.State == SigValid:
		return SigFinding{State: SigEnrolled,
			Why: "its key is enrolled in the firmware, and not all kernels take these keys"}
	case enrolled.State == SigBroken:
		return SigFinding{State: SigMisfit,
			Why: "it does not fit the module, but its key is enrolled in the firmware, and not all " +
				"kernels know these keys"}
	case enrolled.State == SigUnknownKey && k.MoreKeys:
		return SigFinding{State: SigUnverified,
			Why: "its key may be one of those enrolled in the firmware, which cannot be read"}
	}
	return enrolled
}

// tryKeys looks for the key of a signer.
func (k *Trust) tryKeys(m *Module, s *pkcs7.SignerInfo, keys []Key) SigFinding {
	result := SigFinding{State: SigUnknownKey}
	for i := range keys {
		key := &keys[i]
		switch {
		case key.issuer == nil: // it may be this one
			result = SigFinding{State: SigUnverified,
				Why: "one of the keys that the kernel has is not understood"}
		case key.made(s):
			ok, known := key.verifies(s, m.Image)
			switch {
			case !known:
				return SigFinding{State: SigUnverified,
					Why: "it is of a kind that cannot be verified here"}
			case ok && !slices.Contains(k.Signing.Builtin, key.kind()):
				return SigFinding{State: SigUnverified, Why: "the kernel may lack " + key.kind()}
			case ok:
				return SigFinding{State: SigValid}
			}
			// so it is for a kernel that lacks what it takes to verify it
			return SigFinding{State: SigBroken}
		}
	}
	return result
}

// made tells whether a signer is the owner of the key.
func (k *Key) made(s *pkcs7.SignerInfo) bool {
	if s.KeyID != nil {
		return bytes.Equal(s.KeyID, k.identifier)
	}
	return bytes.Equal(s.Serial, k.serial) && bytes.Equal(s.Issuer, k.issuer)
}

// signing finds out how a kernel reads signatures: words is where its constants are, data where its variables are. It
// is nil if the list of identifiers is not found.
func signing(words, data []byte) *Signing {
	list := identifierList(words)
	if list == nil {
		return nil
	}
	s := new(Signing)
	for _, id := range pkcs7.Identifiers() {
		if bytes.Contains(list, []byte(id)) {
			s.Identifiers = append(s.Identifiers, id)
		}
	}
	known := []string{"md4", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-384",
		"sha3-512", "sm3", "rsa", "ecdsa-nist-p256", "ecdsa-nist-p384", "ecdsa-nist-p521"}
	// An algorithm is a record with two names, each in so much space, before 4.12 in half of it: its own, and that
	// of the code.
	const space = 128
	for _, code := range []string{"-generic\x00", "-lib\x00"} {
		for off := 0; ; off += len(code) {
			i := bytes.Index(data[off:], []byte(code))
			if i < 0 {
				break
			}
			off += i
			start := max(0, off-space)
			start += bytes.LastIndexByte(data[start:off], 0) + 1
			name := string(data[start:off])
			record := func(space int) bool {
				return start >= space && bytes.HasPrefix(data[start-space:], []byte(name+"\x00"))
			}
			if slices.Contains(known, name) && !slices.Contains(s.Builtin, name) &&
				(record(space) || record(space/2)) {
				s.Builtin = append(s.Builtin, name)
			}
		}
	}
	slices.Sort(s.Builtin)
	return s
}

// identifierList finds the kernel's list of object identifiers: they stand one behind the other, without what tells
// their lengths.
func identifierList(words []byte) []byte {
	const around = 2 << 10 // more than is in front of it and behind it in any list
	first, second := []byte(oidRSA), []byte("\x60\x86\x48\x01\x65\x03\x04\x02\x01")
	for off := 0; ; {
		i := bytes.Index(words[off:], first)
		if i < 0 {
			return nil
		}
		at := off + i
		off = at + len(first)
		if bytes.HasSuffix(words[:at], []byte{6, byte(len(first))}) {
			continue // in a certificate
		}
		if list := words[max(0, at-around):min(len(words), at+around)]; bytes.Contains(list, second) {
			return list
		}
	}
}
