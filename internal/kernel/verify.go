//go:build !kmod_boot

package kernel

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha1" // the digests that modules are signed with
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gomodprobe/gomodprobe/internal/format/pkcs7"
)

// digest returns the hash that OpenSSL calls by this name; 0 for one that is not known here.
func digest(name string) crypto.Hash {
	switch name {
	case "sha1":
		return crypto.SHA1
	case "sha224":
		return crypto.SHA224
	case "sha256":
		return crypto.SHA256
	case "sha384":
		return crypto.SHA384
	case "sha512":
		return crypto.SHA512
	case "sha3-256":
		return crypto.SHA3_256
	case "sha3-384":
		return crypto.SHA3_384
	case "sha3-512":
		return crypto.SHA3_512
	}
	return 0
}

// verifies tells whether the key made the signature of data; known is false if that cannot be found out here.
func (k *Key) verifies(s *pkcs7.SignerInfo, data []byte) (ok, known bool) {
	h := digest(s.Hash)
	if h == 0 {
		return false, false
	}
	w := h.New()
	w.Write(data)
	sum := w.Sum(nil)
	switch string(k.algorithm) {
	case oidRSA:
		return k.verifiesRSA(s, h, sum)
	case oidEC:
		return k.verifiesECDSA(s, sum)
	}
	return false, false
}

func (k *Key) verifiesRSA(s *pkcs7.SignerInfo, h crypto.Hash, sum []byte) (ok, known bool) {
	key := &rsa.PublicKey{N: new(big.Int)}
	var pair cryptobyte.String
	public := cryptobyte.String(k.public)
	if !public.ReadASN1(&pair, asn1.SEQUENCE) || !pair.ReadASN1Integer(key.N) || !pair.ReadASN1Integer(&key.E) ||
		key.N.BitLen() < 1024 {
		return false, false // the library takes no key so short
	}
	return s.Algorithm == pkcs7.RSA && rsa.VerifyPKCS1v15(key, h, sum, s.Signature) == nil, true
}

func (k *Key) verifiesECDSA(s *pkcs7.SignerInfo, sum []byte) (ok, known bool) {
	var curve elliptic.Curve
	switch string(k.parameters) {
	case oidP256:
		curve = elliptic.P256()
	case oidP384:
		curve = elliptic.P384()
	case oidP521:
		curve = elliptic.P521()
	default:
		return false, false
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, k.public)
	if err != nil {
		return false, false
	}
	if s.Algorithm != pkcs7.ECDSA {
		return false, true
	}
	sig, ok := ecdsaPair(s.Signature, (curve.Params().BitSize+7)/8)
	return ok && ecdsa.VerifyASN1(key, sum, sig), true
}

// ecdsaPair writes the two numbers of a signature anew. The kernel is less strict than the library: it ignores what
// is behind them, takes numbers without the zero that makes them positive, and lengths that DER forbids; but not two
// zeros before a number.
func ecdsaPair(sig []byte, size int) ([]byte, bool) {
	r, s, ok := pkcs7.Pair(sig)
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, n := range [][]byte{r, s} {
			if len(n) > size && n[0] == 0 {
				n = n[1:]
			}
			ok = ok && len(n) <= size
			b.AddASN1BigInt(new(big.Int).SetBytes(n))
		}
	})
	return b.BytesOrPanic(), ok
}
