//go:build linux

package check_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/internal/test/vmtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// signatureTrials is what a guest gets: files that are a body and what is appended to it.
type signatureTrials struct {
	Module   string
	Bodies   [][]byte
	Body     []int // of each trial
	Trailers [][]byte
}

// TestGuestSignatures runs in the guest: it loads every module, first as the kernel is, then while it takes signed ones only, and says what the kernel said.
func TestGuestSignatures(t *testing.T) {
	vmtest.InGuest(t)
	data, err := os.ReadFile("/trials/signatures")
	if err != nil {
		t.Fatal(err)
	}
	var all signatureTrials
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&all); err != nil {
		t.Fatal(err)
	}
	kmsg, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, enforce := range []bool{false, true} {
		if enforce {
			if err := os.WriteFile("/sys/module/module/parameters/sig_enforce", []byte("Y"), 0); err != nil {
				t.Fatal(err)
			}
		}
		for i, trailer := range all.Trailers {
			unix.Seek(kmsg, 0, unix.SEEK_END)
			err := unix.InitModule(slices.Concat(all.Bodies[all.Body[i]], trailer), "")
			errno, _ := err.(syscall.Errno)
			taint := []byte("-")
			if err == nil {
				taint, _ = os.ReadFile("/sys/module/" + all.Module + "/taint")
				if err := unix.DeleteModule(all.Module, unix.O_NONBLOCK); err != nil {
					t.Fatal(err)
				}
			}
			fmt.Printf("result %d %t %d %q %q\n", i, enforce, int(errno), bytes.TrimSpace(taint), strings.Join(logLines(kmsg), "\n"))
		}
	}
}

// logLines reads what the kernel has logged since.
func logLines(kmsg int) (lines []string) {
	buf := make([]byte, 8192)
	for {
		n, err := unix.Read(kmsg, buf)
		if err == unix.EPIPE {
			continue // records were overwritten
		}
		if err != nil || n <= 0 {
			return lines
		}
		_, text, _ := bytes.Cut(buf[:n], []byte{';'})
		line, _, _ := strings.Cut(string(text), "\n")
		lines = append(lines, line)
	}
}

// newForger prepares tamperings of a module of a corpus kernel.
func newForger(t testing.TB, key string, k *check.Target) *forger {
	t.Helper()
	signed := readModule(t, corpusModules(t, key, func(name string) bool { return name == "mii" })[0])
	n := len(signed) - len(mark) - 12
	at := n - int(binary.BigEndian.Uint32(signed[n+8:]))
	stranger := newTestKey(t, "p384", 77)
	list := x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Unix(1.6e9, 0), NextUpdate: time.Unix(2e9, 0)}
	revoked, err := x509.CreateRevocationList(rand.Reader, &list, stranger.parsed, stranger.signer)
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{t: t, body: signed[:at], msg: signed[at:n], form: readForm(t, signed[at:n]), other: stranger.certificate, revoked: revoked}
	for _, key := range k.Keys {
		c, err := x509.ParseCertificate(key.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(f.msg, c.SerialNumber.Bytes()) {
			f.cert, f.skid = key.Certificate, c.SubjectKeyId
		}
	}
	if f.cert == nil {
		t.Fatal("the key that signed the module is not in the image")
	}
	return f
}

// A sigResult is what a guest's kernel said to a trial.
type sigResult struct {
	trial   int
	enforce bool
	errno   syscall.Errno
	taint   string // of the module, once it is loaded
	log     []string
}

// readSigResults reads what TestGuestSignatures printed.
func readSigResults(t *testing.T, text string) (list []sigResult) {
	t.Helper()
	for line := range strings.Lines(text) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "result ")
		if !ok {
			continue
		}
		var r sigResult
		var log string
		var errno int
		if n, err := fmt.Sscanf(line, "%d %t %d %q %q", &r.trial, &r.enforce, &errno, &r.taint, &log); n != 5 || err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		r.errno = syscall.Errno(errno)
		for l := range strings.Lines(log) {
			l = strings.TrimSuffix(l, "\n")
			if slices.ContainsFunc(loaderWords, func(w string) bool { return strings.Contains(l, w) }) {
				r.log = append(r.log, l)
			}
		}
		list = append(list, r)
	}
	return list
}

// compareSignatures compares what the kernel said with what is predicted.
func compareSignatures(t *testing.T, k *check.Target, trials []tampering, results []sigResult) {
	t.Helper()
	if len(results) != 2*len(trials) {
		t.Errorf("%d results of %d trials, each without and with sig_enforce", len(results), len(trials))
	}
	counts := map[string]int{}
	k.Tainted = ""
	for _, r := range results {
		tr := &trials[r.trial]
		k.Enforce = r.enforce
		v := k.Check(kernel.ReadModule(tr.name, slices.Concat(tr.body, tr.trailer)), 0)
		counts[string(v.Outcome)]++
		k.Tainted += strings.ReplaceAll(r.taint, "-", "")
		name := fmt.Sprintf("%s, sig_enforce=%t", tr.name, r.enforce)
		if v.Outcome == check.Unknown {
			counts["UNKNOWN: "+v.NotVerified[0]]++
			continue
		}
		taint := "-"
		if r.errno == 0 {
			taint = ""
			for _, t := range v.Taints {
				taint += t.Letter
			}
		}
		if r.errno != v.Errno {
			t.Errorf("%s: %v; predicted %v (%v) %+v", name, r.errno, v.Errno, v.Outcome, v.Findings)
		} else if taint != r.taint && len(taint)+len(r.taint) > 0 && sortedLetters(taint) != sortedLetters(r.taint) {
			t.Errorf("%s: taint %q; predicted %q", name, r.taint, taint)
		}
		if lacking, extra := missing(v.Log, r.log), missing(r.log, append(v.Log, v.MayLog...)); len(lacking) > 0 || len(extra) > 0 {
			t.Errorf("%s: not printed: %q; not predicted: %q", name, lacking, extra)
		}
		body := bytes.Equal(tr.body, trials[0].body)
		if v.Outcome == check.Loads && !body {
			t.Errorf("%s: LOADS, and the body is another one", name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s: %d", kind, counts[kind])
	}
	if n := counts[string(check.Unknown)]; n > len(results)/20 {
		t.Errorf("%d of %d are UNKNOWN", n, len(results))
	}
}

func sortedLetters(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// run offers the trials to a guest and compares.
func (f *forger) run(t *testing.T, key string, k *check.Target, o vmtest.Options) {
	t.Helper()
	slices.SortStableFunc(f.out[1:], func(a, b tampering) int { return strings.Compare(a.name, b.name) })
	give := signatureTrials{Module: "mii"}
	for _, tr := range f.out {
		i := slices.IndexFunc(give.Bodies, func(b []byte) bool { return bytes.Equal(b, tr.body) })
		if i < 0 {
			i = len(give.Bodies)
			give.Bodies = append(give.Bodies, tr.body)
		}
		give.Body = append(give.Body, i)
		give.Trailers = append(give.Trailers, tr.trailer)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&give); err != nil {
		t.Fatal(err)
	}
	var results []sigResult
	o.Tests, o.Files, o.Memory = "^TestGuestSignatures$", map[string][]byte{"trials/signatures": b.Bytes()}, 1024
	o.Log = func(_, text string) { results = readSigResults(t, text) }
	vmtest.Run(t, key, o)
	compareSignatures(t, k, f.out, results)
}

// TestSignatureTrials offers modules with changed signatures to kernels, without and with sig_enforce. There is no private key of Debian's:
// the messages are made around its signature, which does not cover them. The default is one kernel and a sample; with GOMODPROBE_LONG=1
// it is four kernels, every tampering there is, and every byte of the message.
func TestSignatureTrials(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	keys, step := []string{"6.12"}, 5
	if os.Getenv("GOMODPROBE_LONG") != "" {
		keys, step = []string{"5.10", "6.1", "6.12", "7.2"}, 1
	}
	for _, key := range keys {
		t.Run(key, func(t *testing.T) {
			k := kernelOf(t, key)
			f := newForger(t, key, k)
			f.forge()
			if step > 1 {
				sample := f.out[:1:1]
				for i, tr := range f.out[1:] {
					if i%step == 0 || strings.HasPrefix(tr.name, "body") {
						sample = append(sample, tr)
					}
				}
				f.out = sample
			}
			f.flip(3*step-2, 1, 2, 0x80)
			f.run(t, key, k, vmtest.Options{})
		})
	}
}

// withKeys returns a kernel of a corpus kernel, as an ELF file, that trusts other keys: their certificates stand in its image in place of
// its own.
func withKeys(t *testing.T, key string, keys []*testKey) []byte {
	t.Helper()
	dir, _ := kmodtest.Corpus(t, key)
	packed, err := os.ReadFile(filepath.Join(dir, "boot/vmlinuz"))
	if err != nil {
		t.Fatal(err)
	}
	image, _, err := kernel.Unwrap(packed)
	if err != nil {
		t.Fatal(err)
	}
	im, err := kernel.FromImage("vmlinuz", packed, 0)
	if err != nil {
		t.Fatal(err)
	}
	old := im.Keys[0].Certificate
	at := bytes.Index(image, old)
	var list []byte
	for _, k := range keys {
		list = append(list, k.certificate...)
	}
	if len(im.Keys) != 1 || at < 0 || len(list) > len(old) {
		t.Fatalf("no room for %d bytes of certificates", len(list))
	}
	clear(image[at : at+len(old)])
	copy(image[at:], list)
	// Behind the list stand its size and that of the part with the keys for modules.
	sizes := 0
	for i := (at + len(old) + 3) &^ 3; i < at+len(old)+32; i += 4 {
		if binary.LittleEndian.Uint64(image[i:]) == uint64(len(old)) {
			binary.LittleEndian.PutUint64(image[i:], uint64(len(list)))
			sizes++
		}
	}
	if sizes != 2 {
		t.Fatalf("%d sizes of the list of certificates", sizes)
	}
	return image
}

// TestSignatureKeys offers modules signed by keys of ours to kernels that trust these.
func TestSignatureKeys(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	if os.Getenv("GOMODPROBE_LONG") == "" {
		t.Skip("set GOMODPROBE_LONG=1: boots two kernels")
	}
	for key, kinds := range map[string][]string{"6.1": {"p384", "rsa"}, "6.12": {"p384"}} {
		t.Run(key, func(t *testing.T) {
			k := kernelOf(t, key)
			f := newForger(t, key, k)
			f.out = []tampering{{"Debian's", f.body, trailer(f.msg)}}
			var keys []*testKey
			for i, kind := range kinds {
				keys = append(keys, newTestKey(t, kind, int64(0x1234567+i)))
			}
			image := withKeys(t, key, keys)
			file := filepath.Join(t.TempDir(), "vmlinux")
			if err := os.WriteFile(file, image, 0o644); err != nil {
				t.Fatal(err)
			}
			im, err := kernel.FromImage("vmlinux", image, 0)
			if err != nil {
				t.Fatal(err)
			}
			if k.Use(im); len(k.Keys) != len(keys) {
				t.Fatalf("%d keys in the image", len(k.Keys))
			}
			for i, own := range keys {
				f.own(own, keys[(i+1)%len(keys)], kinds[i])
			}
			f.run(t, key, k, vmtest.Options{Kernel: file})
		})
	}
}

// own adds signatures by a key of ours, in the forms that a sound one may have, and in some that it may not.
func (f *forger) own(key, other *testKey, kind string) {
	add := func(name string, digest byte, change func(m *sigForm, s *signerForm)) {
		m := key.sign(f.t, f.body, digest)
		change(m, &m.signers[0])
		f.raw(kind+": "+name, m.bytes())
		body := bytes.Clone(f.body)
		body[9] ^= 1
		f.out = append(f.out, tampering{kind + ": " + name + ", body changed", body, trailer(m.bytes())})
	}
	nothing := func(*sigForm, *signerForm) {}
	for _, digest := range []byte{1, 2, 3, 4, 8, 9, 10} {
		add(fmt.Sprintf("digest %d", digest), digest, nothing)
		add(fmt.Sprintf("digest %d, said to be sha256", digest), digest, func(_ *sigForm, s *signerForm) { s.digest = algorithm(oidNIST + "\x01") })
	}
	add("by key", 1, func(m *sigForm, s *signerForm) {
		m.version, s.version, s.id = number(3), number(3), tlv(asn1.Tag(0).ContextSpecific(), key.parsed.SubjectKeyId)
	})
	theirs := other.sign(f.t, f.body, 1).signers[0]
	add("another's name", 1, func(_ *sigForm, s *signerForm) { s.id = theirs.id })
	add("another's signature", 1, func(_ *sigForm, s *signerForm) { s.signature = theirs.signature })
	add("another's algorithm", 1, func(_ *sigForm, s *signerForm) { s.algorithm = theirs.algorithm })
	add("two signers", 1, func(m *sigForm, _ *signerForm) { m.signers = append(m.signers, theirs) })
	add("serial number of another, issuer of this one", 1, func(_ *sigForm, s *signerForm) {
		s.id = tlv(asn1.SEQUENCE, key.parsed.RawIssuer, number(other.parsed.SerialNumber.Bytes()...))
	})
	add("signature with a zero before", 1, func(_ *sigForm, s *signerForm) { s.signature = append([]byte{0}, s.signature...) })
	add("signature with a zero behind", 1, func(_ *sigForm, s *signerForm) { s.signature = append(s.signature, 0) })
	add("signed attributes", 1, func(_ *sigForm, s *signerForm) { s.signed, s.signature = key.attributes(f.t, f.body) })
	for range 30 { // numbers that begin with zeros now and then
		add("again", 1, nothing)
	}
}

// attributes makes signed attributes, which are sound, and their signature.
func (k *testKey) attributes(t testing.TB, body []byte) (attributes, signature []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	const prefix = "\x2a\x86\x48\x86\xf7\x0d\x01\x09"
	list := append(tlv(asn1.SEQUENCE, oidOf(prefix+"\x03"), tlv(asn1.SET, oidOf(oidData))), tlv(asn1.SEQUENCE, oidOf(prefix+"\x04"), tlv(asn1.SET, tlv(asn1.OCTET_STRING, sum[:])))...)
	sum = sha256.Sum256(tlv(asn1.SET, list))
	signature, err := k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return tlv(contextTag(0), list), signature
}
