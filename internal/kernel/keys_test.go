package kernel_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"reflect"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// TestKeys finds the keys of certificates that are in a kernel.
func TestKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ecKey.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := shapes[0].raw()
	certificate := func(serial int64, public, private any) {
		c := x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "me"}}
		der, err := x509.CreateCertificate(rand.Reader, &c, &c, public, private)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, der...)
	}
	certificate(0x1234567, &rsaKey.PublicKey, rsaKey)
	certificate(0x7654321, &ecKey.PublicKey, ecKey)
	im, err := kernel.FromImage("raw", raw, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []kernel.Key{{Serial: "01234567", Modulus: rsaKey.N.Bytes()}, {Serial: "07654321", Point: point[1:]}}
	if !reflect.DeepEqual(im.Keys, want) {
		t.Errorf("got %+v\nwant %+v", im.Keys, want)
	}
}
