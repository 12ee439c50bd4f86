//go:build linux

package kernelabi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gomodprobe/gomodprobe/internal/vmtest"
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
			fmt.Printf("result %d %t %d %q %q\n", i, enforce, int(errno), bytes.TrimSpace(taint), logLines(kmsg))
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
func newForger(t testing.TB, key string) *forger {
	t.Helper()
	signed := readModule(t, corpusModules(t, key, func(name string) bool { return name == "mii" })[0])
	n := len(signed) - len(mark) - 12
	at := n - int(binary.BigEndian.Uint32(signed[n+8:]))
	f := &forger{t: t, body: signed[:at], msg: signed[at:n]}
	f.form = readForm(t, f.msg)
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := x509.Certificate{SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "a stranger"}, SubjectKeyId: []byte("a stranger's identity")}
	if f.other, err = x509.CreateCertificate(rand.Reader, &c, &c, &private.PublicKey, private); err != nil {
		t.Fatal(err)
	}
	c = x509.Certificate{SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "a stranger"}, SubjectKeyId: []byte("a stranger's identity"),
		NotBefore: time.Unix(1.6e9, 0), NotAfter: time.Unix(2e9, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign}
	if f.other, err = x509.CreateCertificate(rand.Reader, &c, &c, &private.PublicKey, private); err != nil {
		t.Fatal(err)
	}
	list := x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Unix(1.6e9, 0), NextUpdate: time.Unix(2e9, 0)}
	if f.revoked, err = x509.CreateRevocationList(rand.Reader, &list, &c, private); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSignatureTrials(t *testing.T) {
	if os.Getenv(vmtest.GuestEnv) != "" {
		t.Skip("in a guest")
	}
	key := "6.12"
	if x := os.Getenv("XKEY"); x != "" {
		key = x
	}
	f := newForger(t, key)
	f.cert, f.skid = f.other, []byte("xx")
	if c := os.Getenv("XCERT"); c != "" {
		f.cert, _ = os.ReadFile(c)
		cc, err := x509.ParseCertificate(f.cert)
		if err != nil {
			t.Fatal(err)
		}
		f.skid = cc.SubjectKeyId
	}
	f.forge()
	f.flip(1, 1, 2, 0x80)
	var gave signatureTrials
	gave.Module = "mii"
	slices.SortStableFunc(f.out[1:], func(a, b tampering) int { return strings.Compare(a.name, b.name) })
	for _, tr := range f.out {
		i := slices.IndexFunc(gave.Bodies, func(b []byte) bool { return bytes.Equal(b, tr.body) })
		if i < 0 {
			i = len(gave.Bodies)
			gave.Bodies = append(gave.Bodies, tr.body)
		}
		gave.Body = append(gave.Body, i)
		gave.Trailers = append(gave.Trailers, tr.trailer)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&gave); err != nil {
		t.Fatal(err)
	}
	out := "/tmp/cx/results-" + key
	os.WriteFile(out+".gob", b.Bytes(), 0o644)
	var names strings.Builder
	for _, tr := range f.out {
		names.WriteString(tr.name + "\n")
	}
	os.WriteFile(out+".names", []byte(names.String()), 0o644)
	t.Log(len(f.out), "trials")
	if os.Getenv("XDRY") != "" {
		return
	}
	vmtest.Run(t, key, vmtest.Options{Tests: "^TestGuestSignatures$", Files: map[string][]byte{"trials/signatures": b.Bytes()}, Memory: 1024,
		Log: func(test, text string) { os.WriteFile(out+".txt", []byte(text), 0o644) }})
}
