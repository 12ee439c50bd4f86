package modinfo

import (
	"errors"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/format/pkcs7"
)

// A Signature is what a signed module tells about its signature. Nobody has
// verified it.
type Signature struct {
	ID     string // its kind: "PKCS#7", or "X509" or "PGP" on kernels before 4.3
	Signer string // common name of the signer
	Key    []byte // serial number, or identifier, of the key's certificate
	Hash   string // the digest, such as "sha256"; "unknown" if Err is set
	Value  []byte // the signature itself

	// Err is set if the signature cannot be understood; then only ID and Hash
	// are set. The kernel would refuse it.
	Err error
}

// Signature returns the signature appended to the module; nil if it is not
// signed.
func (m *Module) Signature() *Signature {
	s := m.sig
	if s == nil {
		return nil
	}
	if s.IDType != elf.SigPKCS7 {
		id := [...]string{elf.SigPGP: "PGP", elf.SigX509: "X509"}[s.IDType]
		hash := [...]string{"md4", "md5", "sha1", "rmd160", "sha256", "sha384", "sha512", "sha224",
			"sm3"}[s.Hash]
		return &Signature{ID: id, Signer: string(s.Signer), Key: s.KeyID, Hash: hash, Value: s.Data}
	}
	p, err := pkcs7.Parse(s.Data)
	if err != nil {
		off := s.Off + int64(len(s.Signer)+len(s.KeyID))
		var syntax *pkcs7.SyntaxError
		if errors.As(err, &syntax) {
			off += int64(syntax.Off)
		}
		return &Signature{ID: "PKCS#7", Hash: "unknown",
			Err: &FormatError{"", off, "signature: " + syntax.What, err}}
	}
	key := p.Serial
	if p.KeyID != nil {
		key = p.KeyID
	}
	return &Signature{ID: "PKCS#7", Signer: p.Issuer, Key: key, Hash: p.Hash, Value: p.Signature}
}
