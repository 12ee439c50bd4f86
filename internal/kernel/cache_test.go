package kernel_test

import (
	"reflect"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// TestImageCache writes down what was read out of an image, and reads it again.
func TestImageCache(t *testing.T) {
	image, _ := shapes[0].raw()
	im, err := kernel.FromImage("raw", image, 0)
	if err != nil {
		t.Fatal(err)
	}
	im.Keys = []kernel.Key{kernel.NewKey(newCertificate(t, 1)), kernel.NewKey([]byte("no certificate"))}
	im.Signing = &kernel.Signing{Builtin: []string{"sha1", "sha256"}, Identifiers: []string{"\x2a\x03", "\x2a\x04"}}
	im.Features = kernel.Features{ForceLoad: kernel.Yes, Strict: kernel.No, LicenceAgain: kernel.Yes}
	im.Words, _ = kernel.ReadWords([]byte("\x013%s: version magic '%s' should be '%s'\n\x00\x013Module %s is blacklisted\n\x00"))
	data := im.Encode("label 1 2")
	got, err := kernel.DecodeImage("label 1 2", data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, im) {
		t.Errorf("got %+v\nwant %+v", got, im)
	}
	if _, err := kernel.DecodeImage("label 1 3", data); err == nil {
		t.Error("another label is accepted")
	}
	for cut := range len(data) {
		if _, err := kernel.DecodeImage("label 1 2", data[:cut]); err == nil {
			t.Fatalf("cut at %d of %d: accepted", cut, len(data))
		}
	}
}
