//go:build !kmod_boot

package kernel

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the digests that modules are signed with
	_ "crypto/sha512"
	"math/big"
)

// digest returns the hash that OpenSSL calls by this name; 0 for one that is not known here.
func digest(name string) crypto.Hash {
	switch name {
	case "sha256":
		return crypto.SHA256
	case "sha384":
		return crypto.SHA384
	case "sha512":
		return crypto.SHA512
	}
	return 0
}

// verifies tells whether the key made the signature of data; known is false if that cannot be found out here.
func (k *Key) verifies(hash string, signature, data []byte) (ok, known bool) {
	h := digest(hash)
	if h == 0 {
		return false, false
	}
	w := h.New()
	w.Write(data)
	sum := w.Sum(nil)
	switch {
	case len(k.Modulus) > 0:
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(k.Modulus), E: 65537}
		return rsa.VerifyPKCS1v15(key, h, sum, signature) == nil, true
	case len(k.Point) > 0:
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), append([]byte{4}, k.Point...))
		return err == nil && ecdsa.VerifyASN1(key, sum, signature), err == nil
	}
	return false, false
}
