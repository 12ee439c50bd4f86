package kernel_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"reflect"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// newCertificate makes a key and returns its certificate.
func newCertificate(t *testing.T, serial int64) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "me"}, SubjectKeyId: []byte("identity")}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestKeys finds the certificates that are in a kernel.
func TestKeys(t *testing.T) {
	raw, _ := shapes[0].raw()
	var want []kernel.Key
	for serial := range int64(3) {
		der := newCertificate(t, serial+1)
		raw = append(raw, der...)
		want = append(want, kernel.NewKey(der))
	}
	im, err := kernel.FromImage("raw", raw, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(im.Keys, want) {
		t.Errorf("got %+v\nwant %+v", im.Keys, want)
	}
}
