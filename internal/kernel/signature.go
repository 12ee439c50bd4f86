package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"

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
	SigUnverified                  // names a key of the kernel, but cannot be verified here
)

// A Signature is what is appended to a module, taken apart as the kernel does.
type Signature struct {
	Present bool // the mark that announces a signature ends the file
	Signer  *pkcs7.Signer
	state   SigState // SigNone, or what is wrong before any key is tried
	Line    string   // what the kernel prints about it
}

// A Key is a public key in a kernel's image, or the name of one that is known to be there.
type Key struct {
	Serial  string // number of its certificate, hexadecimal
	Modulus []byte // of RSA with exponent 65537
	Point   []byte // of ECDSA on P-384: x and y
}

const (
	sigMark     = "~Module signature appended~\n"
	sigInfoSize = 12
	sigPKCS7    = 2
)

// splitTrailer cuts a signature off as the kernel does, which is less forgiving than programs are.
func splitTrailer(image []byte) ([]byte, Signature) {
	rest, ok := bytes.CutSuffix(image, []byte(sigMark))
	if !ok || len(rest) == 0 {
		return image, Signature{}
	}
	s := Signature{Present: true}
	if len(rest) <= sigInfoSize {
		s.state = SigBadTrailer
		return rest, s
	}
	info := rest[len(rest)-sigInfoSize:]
	n := binary.BigEndian.Uint32(info[8:])
	switch {
	case uint64(n) >= uint64(len(rest)-sigInfoSize):
		s.state = SigBadTrailer
		return rest, s
	case info[2] != sigPKCS7:
		s.state, s.Line = SigUnsupported, "module: not signed with expected PKCS#7 message"
		return rest, s
	case info[0]|info[1]|info[3]|info[4]|info[5]|info[6]|info[7] != 0:
		s.state, s.Line = SigBadTrailer, "module: PKCS#7 signature info has unexpected non-zero params"
		return rest, s
	}
	at := len(rest) - sigInfoSize - int(n)
	var err error
	if s.Signer, err = pkcs7.Parse(rest[at : at+int(n)]); err != nil {
		s.state = SigBadTrailer
	}
	return rest[:at], s
}

// Verify judges a module's signature by the keys of a kernel.
func (m *Module) Verify(keys []Key) SigState {
	s := m.Signature
	if !s.Present || s.state != SigNone {
		return s.state
	}
	serial := hex.EncodeToString(s.Signer.Serial)
	for _, k := range keys {
		if k.Serial != serial || serial == "" {
			continue
		}
		ok, known := k.verifies(s.Signer.Hash, s.Signer.Signature, m.Image)
		if !known {
			return SigUnverified
		}
		if ok {
			return SigValid
		}
		return SigBroken
	}
	return SigUnknownKey
}

// keys finds the certificates in a kernel: the keys that its modules may be signed with.
func keys(kernel []byte) []Key {
	start := []byte("\xa0\x03\x02\x01\x02\x02") // version 3, then the serial number
	rsa := []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82")
	p384 := []byte("\x2b\x81\x04\x00\x22\x03\x62\x00\x04")
	var all []Key
	for off, tries := 0, 0; ; {
		i := bytes.Index(kernel[off:], start)
		if tries++; i < 0 || tries > maxTries {
			return all
		}
		off += i + len(start)
		b := kernel[off:min(len(kernel), off+4096)]
		if off < len(start)+8 || len(b) < 2 || int(b[0]) > len(b)-1 || b[0] > 32 {
			continue
		}
		if head := kernel[off-len(start)-4:]; string(head[:2]) != "\x30\x82" && string(head[1:3]) != "\x30\x81" {
			continue
		}
		k := Key{Serial: hex.EncodeToString(bytes.TrimLeft(b[1:1+b[0]], "\x00"))}
		if at := bytes.Index(b, rsa); at >= 0 {
			// BIT STRING of 2+1 bytes more, SEQUENCE with a length of two bytes, INTEGER.
			if m := b[at+len(rsa):]; len(m) > 11 && m[3] == 0x30 && m[4] == 0x82 && m[7] == 2 && m[8] == 0x82 {
				n := int(binary.BigEndian.Uint16(m[9:]))
				if m = m[11:]; n+5 <= len(m) && string(m[n:n+5]) == "\x02\x03\x01\x00\x01" {
					k.Modulus = bytes.Clone(bytes.TrimLeft(m[:n], "\x00"))
				}
			}
		}
		if at := bytes.Index(b, p384); at >= 0 && len(b)-at >= len(p384)+96 {
			k.Point = bytes.Clone(b[at+len(p384):][:96])
		}
		all = append(all, k)
	}
}
