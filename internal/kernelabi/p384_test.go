package kernelabi

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/fuzzseed"
)

// multiple returns the point k·G of P-384, as an uncompressed point: 4, x, y.
func multiple(t testing.TB, k *big.Int) []byte {
	t.Helper()
	key, err := ecdh.P384().NewPrivateKey(k.FillBytes(make([]byte, 48)))
	if err != nil {
		t.Fatal(err)
	}
	return key.PublicKey().Bytes()
}

// sign makes an ECDSA signature with the private key d and the secret k.
func sign(t testing.TB, d, k *big.Int, digest []byte) (r, s *big.Int) {
	t.Helper()
	n := elliptic.P384().Params().N
	r = new(big.Int).SetBytes(multiple(t, k)[1:49])
	r.Mod(r, n)
	s = new(big.Int).Mul(r, d)
	s.Add(s, new(big.Int).SetBytes(digest))
	s.Mul(s, new(big.Int).ModInverse(k, n))
	return r, s.Mod(s, n)
}

// sameAnswer asks ecdsaVerify and crypto/ecdsa and returns what both say.
func sameAnswer(t testing.TB, key []byte, r, s *big.Int, digest []byte) bool {
	t.Helper()
	sig, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		t.Fatal(err)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), key)
	if err != nil {
		t.Fatal(err)
	}
	want := ecdsa.VerifyASN1(public, digest, sig)
	if got := ecdsaVerify(key[1:], sig, digest); got != want {
		t.Fatalf("key %x, digest %x, r %x, s %x: %v; crypto/ecdsa says %v", key, digest, r, s, got, want)
	}
	return want
}

// TestECDSA verifies signatures by keys so small, or so near to the order of the group, that points meet that are equal or
// opposite, and with numbers that no signature may have.
func TestECDSA(t *testing.T) {
	n := elliptic.P384().Params().N
	small := []*big.Int{}
	for i := range int64(5) {
		small = append(small, big.NewInt(i+1), new(big.Int).Sub(n, big.NewInt(i+1)))
	}
	small = append(small, new(big.Int).Rsh(n, 1), new(big.Int).Rsh(n, 200))
	digests := [][]byte{[]byte("a digest of 32 bytes, as SHA-256"), make([]byte, 32)}
	for i, d := range small {
		key := multiple(t, d)
		for _, digest := range digests {
			r, s := sign(t, d, small[len(small)-1-i], digest)
			if !sameAnswer(t, key, r, s, digest) {
				t.Errorf("key %d: a good signature is refused", i)
			}
		}
		r, s := sign(t, d, small[len(small)-1-i], digests[i%2])
		for _, s := range []*big.Int{big.NewInt(0), big.NewInt(1), r, n, new(big.Int).Sub(n, s), new(big.Int).Sub(n, big.NewInt(1)), new(big.Int).Lsh(n, 1)} {
			sameAnswer(t, key, r, s, digests[i%2])
			sameAnswer(t, key, s, r, digests[i%2])
		}
	}
}

// FuzzECDSA: crypto/ecdsa says the same, of sound signatures and of changed ones.
func FuzzECDSA(f *testing.F) {
	fuzzseed.Add(f, []byte("private"), []byte("secret"), []byte("digest"), []byte{1})
	f.Add([]byte{1}, []byte{2}, make([]byte, 32), []byte{1})
	f.Add([]byte{0xff}, []byte{3}, []byte{0xff, 0, 0xff}, []byte{0, 0x80})
	n := elliptic.P384().Params().N
	scalar := func(b []byte) *big.Int {
		k := new(big.Int).SetBytes(b)
		k.Mod(k, new(big.Int).Sub(n, big.NewInt(1)))
		return k.Add(k, big.NewInt(1))
	}
	f.Fuzz(func(t *testing.T, private, secret, digest, change []byte) {
		if len(digest) > 48 {
			return
		}
		d := scalar(private)
		r, s := sign(t, d, scalar(secret), digest)
		if r.Sign() == 0 || s.Sign() == 0 {
			return
		}
		key := multiple(t, d)
		if !sameAnswer(t, key, r, s, digest) {
			t.Fatalf("a good signature is refused")
		}
		x := new(big.Int).SetBytes(change)
		sameAnswer(t, key, r.Xor(r, x), s.Xor(s, x.Rsh(x, 8)), digest)
	})
}

func BenchmarkECDSA(b *testing.B) {
	digest := make([]byte, 32)
	d := big.NewInt(1234567)
	r, s := sign(b, d, new(big.Int).Rsh(elliptic.P384().Params().N, 1), digest)
	sig, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
	if err != nil {
		b.Fatal(err)
	}
	key := multiple(b, d)[1:]
	b.ReportAllocs()
	for b.Loop() {
		if !ecdsaVerify(key, sig, digest) {
			b.Fatal("refused")
		}
	}
}
