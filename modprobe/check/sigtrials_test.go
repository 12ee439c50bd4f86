//go:build linux

package check_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/gob"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/format/pkcs7"
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

// TestGuestSignatures runs in the guest: it loads every module, first as the kernel is, then while it takes signed
// ones only, and says what the kernel said.
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
func compareSignatures(t *testing.T, k *check.Target, trials []tampering, results []sigResult) (unknown int) {
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
		if (v.Outcome == check.Loads || v.Outcome == check.LoadsTaints && r.enforce) && !body {
			t.Errorf("%s: %v, and the body is another one", name, v.Outcome)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s: %d", kind, counts[kind])
	}
	return counts[string(check.Unknown)]
}

func sortedLetters(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// run offers the trials to a guest and compares.
func (f *forger) run(t *testing.T, key string, k *check.Target, o vmtest.Options) (unknown int) {
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
	if *update && key == "6.12" && o.Kernel == "" {
		writeSigResults(t, f.out, results)
	}
	return compareSignatures(t, k, f.out, results)
}

var update = flag.Bool("update", false, "write testdata/signatures-6.12.txt anew, with GOMODPROBE_LONG=1")

// sigResultsFile holds what 6.12 said to the trials whose names do not depend on the module.
const sigResultsFile = "testdata/signatures-6.12.txt"

func writeSigResults(t *testing.T, trials []tampering, results []sigResult) {
	t.Helper()
	errnos := make([][2]syscall.Errno, len(trials))
	for _, r := range results {
		if r.enforce {
			errnos[r.trial][1] = r.errno
		} else {
			errnos[r.trial][0] = r.errno
		}
	}
	var b bytes.Buffer
	for i, e := range errnos {
		if name := trials[i].name; !strings.Contains(name, "byte") && !strings.Contains(name, " at ") {
			fmt.Fprintf(&b, "%s\t%d\t%d\n", name, int(e[0]), int(e[1]))
		}
	}
	if err := os.WriteFile(sigResultsFile, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestForged judges changed signatures by a key of ours, and compares with what 6.12 said to such of Debian's.
func TestForged(t *testing.T) {
	data, err := os.ReadFile(sigResultsFile)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, errnos, _ := strings.Cut(strings.TrimSpace(line), "\t")
		want[name] = errnos
	}
	key, stranger := newTestKey(t, "p384", 0x1234567), newTestKey(t, "rsa", 77)
	body := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}}.Bytes()
	form := key.sign(t, body, 1)
	f := &forger{t: t, body: body, msg: form.bytes(), form: form, cert: key.certificate, skid: key.parsed.SubjectKeyId, other: stranger.certificate, revoked: null}
	f.forge()
	k := own()
	k.Keys = []kernel.Key{kernel.NewKey(key.certificate)}
	k.Signing = &kernel.Signing{Builtin: []string{"ecdsa-nist-p384", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"}}
	for _, id := range pkcs7.Identifiers() { // of which 6.12 lacks MD4, MD5 and ML-DSA
		if !strings.HasPrefix(id, "\x2a\x86\x48\x86\xf7\x0d\x02") && (!strings.HasPrefix(id, "\x60\x86\x48\x01\x65\x03\x04\x03") || id[len(id)-1] < 17) {
			k.Signing.Identifiers = append(k.Signing.Identifiers, id)
		}
	}
	found, unknown := 0, 0
	for _, tr := range f.out {
		errnos, ok := want[tr.name]
		if !ok || strings.HasPrefix(tr.name, "signature zero before") { // which may be the one that makes a number positive
			continue
		}
		found++
		m := kernel.ReadModule(tr.name, slices.Concat(tr.body, tr.trailer))
		k.Enforce = false
		off := k.Check(m, 0)
		k.Enforce = true
		on := k.Check(m, 0)
		switch got := fmt.Sprintf("%d\t%d", int(off.Errno), int(on.Errno)); {
		case off.Outcome == check.Unknown:
			unknown++
		case got != errnos:
			t.Errorf("%s: %q, with sig_enforce %q; 6.12 says %q", tr.name, off.Errno, on.Errno, errnos)
		}
	}
	if found < 350 || unknown > found/10 {
		t.Errorf("%d trials, %d of them UNKNOWN", found, unknown)
	}
}

// TestSignatureTrials offers modules with changed signatures to kernels, without and with sig_enforce. There is no
// private key of Debian's: the messages are made around its signature, which does not cover them. The default is one
// kernel and a sample; with GOMODPROBE_LONG=1 it is four kernels, every tampering there is, and every byte of the
// message.
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
			if n := f.run(t, key, k, vmtest.Options{}); n > len(f.out)/20 { // of twice as many trials
				t.Errorf("%d are UNKNOWN", n)
			}
		})
	}
}
