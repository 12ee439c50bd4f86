package elf

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// SigMark ends a file with an appended signature.
const SigMark = "~Module signature appended~\n"

// SigInfoSize is the size in bytes of the description before the mark.
const SigInfoSize = 12

// The kinds of signature, values of [Signature.IDType].
const (
	SigPGP   = 0 // never used by a released kernel
	SigX509  = 1 // kernels 3.7 to 4.2
	SigPKCS7 = 2 // since kernel 4.3
)

// A Signature is what is appended to a module behind the ELF object. Its
// slices are parts of the image.
type Signature struct {
	Off    int64  // offset of Signer, which is where the signed part ends
	Algo   byte   // algorithm of the key: 0 DSA, 1 RSA; not used with PKCS#7
	Hash   byte   // digest, as numbered by the kernel; not used with PKCS#7
	IDType byte   // SigPGP, SigX509 or SigPKCS7
	Signer []byte // name of the signer; empty with PKCS#7
	KeyID  []byte // identifier of the key; empty with PKCS#7
	Data   []byte // the signature: with PKCS#7 a DER-encoded message
}

// Clone returns a copy with slices of its own.
func (s *Signature) Clone() *Signature {
	own := *s
	b := slices.Concat(s.Signer, s.KeyID, s.Data)
	for _, part := range []*[]byte{&own.Signer, &own.KeyID, &own.Data} {
		n := len(*part)
		*part, b = b[:n:n], b[n:]
	}
	return &own
}

// SplitSignature separates the signed part of a module file from the
// signature appended to it. A file without a sound one is returned whole, with
// nil. The trailer is only taken apart, nothing is verified.
func SplitSignature(image []byte) (elf []byte, sig *Signature) {
	rest, ok := bytes.CutSuffix(image, []byte(SigMark))
	if !ok || len(rest) < SigInfoSize {
		return image, nil
	}
	info := rest[len(rest)-SigInfoSize:]
	rest = rest[:len(rest)-SigInfoSize]
	sig = &Signature{Algo: info[0], Hash: info[1], IDType: info[2]}
	sigLen := binary.BigEndian.Uint32(info[8:])
	const algos, hashes, types = 2, 9, 3
	if sig.Algo >= algos || sig.Hash >= hashes || sig.IDType >= types || sigLen == 0 {
		return image, nil
	}
	for _, part := range []struct {
		to *[]byte
		n  uint32
	}{{&sig.Data, sigLen}, {&sig.KeyID, uint32(info[4])}, {&sig.Signer, uint32(info[3])}} {
		if uint64(part.n) > uint64(len(rest)) {
			return image, nil
		}
		at := len(rest) - int(part.n)
		*part.to = rest[at:len(rest):len(rest)]
		rest = rest[:at]
	}
	sig.Off = int64(len(rest))
	return rest[:len(rest):len(rest)], sig
}

// Signature returns the signature appended to the module, or nil; as
// [SplitSignature], for a module made by [Open] without reading the rest.
func (f *File) Signature() (*Signature, error) {
	if f.image != nil {
		_, sig := SplitSignature(f.image)
		return sig, nil
	}
	tail := f.tail.data
	if f.tail.off+uint64(len(tail)) != f.size {
		// More follows the section headers than a signature needs.
		n := min(f.size, maxTail)
		var err error
		if tail, err = f.read(f.size-n, n); err != nil {
			return nil, err
		}
	}
	_, sig := SplitSignature(tail)
	if sig != nil {
		sig.Off += int64(f.size) - int64(len(tail))
	}
	return sig, nil
}
