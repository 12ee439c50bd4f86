//go:build linux

package kernelabi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/elf"
	"encoding/hex"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernelabi"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

const magic = "6.1.0 SMP mod_unload modversions "

// newer are words of sentences that 6.1 lacks.
var newer = []string{"name table type", "string table type", "section must", "must occupy", "must match", "module namespace", "extended",
	"no flags", "obsolete section"}

// own is a kernel of Debian's kind with a few exports.
func own() *kernelabi.Kernel {
	k := &kernelabi.Kernel{
		Release: "6.1.0", Vermagic: magic, Machine: uint16(elf.EM_X86_64), Class: 64,
		Features: kernelabi.Features{ForceLoad: kernelabi.Yes, Signatures: kernelabi.Yes, Versions: kernelabi.Yes, SizeCheck: kernelabi.No,
			Namespaces: kernelabi.Yes, Strict: kernelabi.Yes, Livepatch: kernelabi.Yes, Retpoline: kernelabi.Yes},
		Words: kernelabi.WordsOf(kernelabi.TodaysWords(newer...)),
		Keys:  []kernelabi.Key{},
		Core: kernelabi.NewTable("test", []kernelabi.Symbol{
			{Name: "module_layout", Owner: "vmlinux", CRC: 0x11, HasCRC: true},
			{Name: "plain", Owner: "vmlinux", CRC: 1, HasCRC: true},
			{Name: "gpl", Owner: "vmlinux", CRC: 2, HasCRC: true, GPL: true},
			{Name: "spaced", Owner: "vmlinux", CRC: 3, HasCRC: true, Namespace: "NS"},
			{Name: "only", Owner: "vmlinux", CRC: 4, HasCRC: true, Namespace: "module:m,other-*"},
			{Name: "unversioned", Owner: "vmlinux"},
		}),
	}
	return k
}

var layout = kmodtest.Import{Name: "module_layout", CRC: 0x11, VersionOnly: true}

// TestCheck has a row for each rule. Real kernels have judged the same rules in TestTrials.
func TestCheck(t *testing.T) {
	imports := func(list ...kmodtest.Import) []kmodtest.Import { return append([]kmodtest.Import{layout}, list...) }
	intree := []string{"intree=Y"}
	tests := []struct {
		name    string
		m       kmodtest.Module
		kernel  func(k *kernelabi.Kernel)
		flags   int
		outcome kernelabi.Outcome
		errno   syscall.Errno
		taints  string
		log     []string // lines that must be there, without the taints' own
	}{
		{name: "accepted", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 1}, kmodtest.Import{Name: "gpl", CRC: 2})}, outcome: kernelabi.Taints, taints: "E"},
		{name: "without signatures", kernel: func(k *kernelabi.Kernel) { k.Features.Signatures = kernelabi.No }, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.Loads},
		{name: "CRC differs", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 9})}, outcome: kernelabi.Fails, errno: syscall.EINVAL, taints: "E",
			log: []string{"m: disagrees about version of symbol plain", "m: Unknown symbol plain (err -22)"}},
		{name: "last failure's errno", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 9}, kmodtest.Import{Name: "gone", CRC: 9})}, outcome: kernelabi.Fails, errno: syscall.ENOENT, taints: "E",
			log: []string{"m: Unknown symbol plain (err -22)", "m: Unknown symbol gone (err -2)"}},
		{name: "layout differs", m: kmodtest.Module{Imports: []kmodtest.Import{{Name: "module_layout", CRC: 0x12, VersionOnly: true}}}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC,
			log: []string{"m: disagrees about version of symbol module_layout"}},
		{name: "no version, strict", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", NoVersion: true})}, outcome: kernelabi.Fails, errno: syscall.EINVAL, taints: "E",
			log: []string{"m: no symbol version for plain"}},
		{name: "no version, mainline", kernel: func(k *kernelabi.Kernel) { k.Features.Strict = kernelabi.No }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", NoVersion: true})}, outcome: kernelabi.Taints, taints: "E",
			log: []string{"m: no symbol version for plain"}},
		{name: "no version, who knows", kernel: func(k *kernelabi.Kernel) { k.Features.Strict = kernelabi.Maybe }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", NoVersion: true})}, outcome: kernelabi.NotKnown, taints: "E"},
		{name: "the kernel has no version", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "unversioned", CRC: 5})}, outcome: kernelabi.Taints, taints: "E"},
		{name: "weak and missing", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "gone", CRC: 5, Weak: true})}, outcome: kernelabi.Taints, taints: "E"},
		{name: "weak does not excuse a CRC", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 5, Weak: true})}, outcome: kernelabi.Fails, errno: syscall.EINVAL, taints: "E"},
		{name: "GPL symbol", m: kmodtest.Module{License: "Proprietary", Imports: imports(kmodtest.Import{Name: "gpl", CRC: 2})}, outcome: kernelabi.Fails, errno: syscall.ENOENT, taints: "PE",
			log: []string{"m: module license 'Proprietary' taints kernel.", "m: Unknown symbol gpl (err -2)"}},
		{name: "namespace", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "spaced", CRC: 3})}, outcome: kernelabi.Fails, errno: syscall.EINVAL, taints: "E",
			log: []string{"m: module uses symbol (spaced) from namespace NS, but does not import it."}},
		{name: "namespace imported", m: kmodtest.Module{Info: []string{"import_ns=NS"}, Imports: imports(kmodtest.Import{Name: "spaced", CRC: 3})}, outcome: kernelabi.Taints, taints: "E"},
		{name: "namespace only warned about", kernel: func(k *kernelabi.Kernel) { k.Features.Namespaces = kernelabi.No }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "spaced", CRC: 3})}, outcome: kernelabi.Taints, taints: "E",
			log: []string{"m: module uses symbol (spaced) from namespace NS, but does not import it."}},
		{name: "namespace of this module", kernel: func(k *kernelabi.Kernel) { k.Words = kernelabi.WordsOf(kernelabi.TodaysWords()) }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "only", CRC: 4})}, outcome: kernelabi.Taints, taints: "E"},
		{name: "namespace of this module, which the kernel does not know of", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "only", CRC: 4})}, outcome: kernelabi.Fails, errno: syscall.EINVAL, taints: "E"},
		{name: "duplicates in the order of the table", m: kmodtest.Module{Imports: imports(), Exports: []kmodtest.Export{{Name: "gpl", CRC: 1, GPL: true}, {Name: "spaced", CRC: 1}, {Name: "plain", CRC: 1}}}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC, taints: "E",
			log: []string{"m: exports duplicate symbol plain (owned by kernel)"}},
		{name: "duplicate", m: kmodtest.Module{Imports: imports(), Exports: []kmodtest.Export{{Name: "plain", CRC: 1}}}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC, taints: "E",
			log: []string{"m: exports duplicate symbol plain (owned by kernel)"}},
		{name: "vermagic", m: kmodtest.Module{Vermagic: "6.1.0 SMP preempt mod_unload modversions ", Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC,
			log: []string{"m: version magic '6.1.0 SMP preempt mod_unload modversions ' should be '6.1.0 SMP mod_unload modversions '"}},
		{name: "other release", m: kmodtest.Module{Vermagic: "6.1.1 SMP mod_unload modversions ", Imports: imports()}, outcome: kernelabi.Taints, taints: "E"},
		{name: "other release, CRCs forced", flags: 1, m: kmodtest.Module{Vermagic: "6.1.1 SMP mod_unload modversions ", Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC, taints: "F",
			log: []string{"m: module_layout: kernel tainted."}},
		{name: "other release, forced", flags: 3, m: kmodtest.Module{Vermagic: "6.1.1 SMP mod_unload modversions ", Imports: []kmodtest.Import{{Name: "module_layout", CRC: 0x99, VersionOnly: true}, {Name: "plain", CRC: 9}}}, outcome: kernelabi.Taints, taints: "FE",
			log: []string{"m: module_layout: kernel tainted."}},
		{name: "forced, not allowed", flags: 3, kernel: func(k *kernelabi.Kernel) { k.Features.ForceLoad = kernelabi.No }, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC},
		{name: "forced, enforcing", flags: 3, kernel: func(k *kernelabi.Kernel) { k.Enforce = true }, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.EKEYREJECTED,
			log: []string{"Loading of unsigned module is rejected"}},
		{name: "lockdown", kernel: func(k *kernelabi.Kernel) { k.Lockdown = true }, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.EPERM},
		{name: "modules disabled", kernel: func(k *kernelabi.Kernel) { k.Disabled = true }, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.EPERM},
		{name: "blacklisted by the kernel", kernel: func(k *kernelabi.Kernel) { k.Blacklist = []string{"m"} }, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.EPERM,
			log: []string{"Module m is blacklisted"}},
		{name: "livepatch without support", kernel: func(k *kernelabi.Kernel) { k.Features.Livepatch = kernelabi.No }, m: kmodtest.Module{Info: []string{"livepatch=Y"}, Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC},
		{name: "machine", m: kmodtest.Module{Machine: elf.EM_AARCH64, Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC, log: []string{"Invalid architecture in ELF header: 183"}},
		{name: "struct size, checked", kernel: func(k *kernelabi.Kernel) {
			k.Features.SizeCheck = kernelabi.Yes
			k.This.Size = 1280
			k.Words = kernelabi.WordsOf(kernelabi.TodaysWords())
		}, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.Fails, errno: syscall.ENOEXEC,
			log: []string{"module m: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time"}},
		{name: "struct size, not checked", kernel: func(k *kernelabi.Kernel) { k.This = kernelabi.This{Size: 1280, Init: 1, Exit: 2} }, m: kmodtest.Module{Imports: imports()}, outcome: kernelabi.NotKnown, taints: "E"},
		{name: "nothing known of the kernel's exports", kernel: func(k *kernelabi.Kernel) { k.Core = nil }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 1})}, outcome: kernelabi.NotKnown, taints: "E"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := own()
			if tt.kernel != nil {
				tt.kernel(k)
			}
			tt.m.Name, tt.m.Info = "m", append(tt.m.Info, intree...)
			if tt.m.Vermagic == "" {
				tt.m.Vermagic = magic
			}
			v := k.Check(kernelabi.ReadModule("m.ko", tt.m.Bytes()), tt.flags)
			letters := ""
			for _, x := range v.Taints {
				letters += string(x.Letter)
			}
			if v.Outcome != tt.outcome || v.Errno != tt.errno || letters != tt.taints {
				t.Errorf("%v, errno %v, taints %q; want %v, %v, %q\n%+v", v.Outcome, v.Errno, letters, tt.outcome, tt.errno, tt.taints, v)
			}
			for _, l := range tt.log {
				if !slices.Contains(v.Log, l) {
					t.Errorf("log %q lacks %q", v.Log, l)
				}
			}
			if v.Outcome == kernelabi.Fails && (len(v.Reasons) == 0 || !v.Reasons[0].Fatal) {
				t.Errorf("fails without a reason: %+v", v.Reasons)
			}
		})
	}
}

// beside puts modules into a kernel that are loaded before.
func beside(k *kernelabi.Kernel, list ...kmodtest.Module) {
	var all []kernelabi.Symbol
	for _, m := range list {
		m.Vermagic = magic
		all = append(all, kernelabi.ReadModule(m.Name, m.Bytes()).Exports...)
	}
	table := kernelabi.NewTable("beside", all)
	k.Modules = func(symbol string) (kernelabi.Symbol, bool) {
		s, answer := table.Lookup(symbol)
		return s, answer == kernelabi.Found
	}
}

// TestInherited: a module that uses a proprietary one counts as proprietary from there on, in the order of its symbol table.
func TestInherited(t *testing.T) {
	api := kmodtest.Import{Name: "bar_api", CRC: 5}
	viaBar := kmodtest.Import{Name: "mid_api", CRC: 6}
	gpl, plain := kmodtest.Import{Name: "gpl", CRC: 2}, kmodtest.Import{Name: "plain", CRC: 1}
	bar := kmodtest.Module{Name: "bar", License: "Proprietary", Exports: []kmodtest.Export{{Name: "bar_api", CRC: 5}}}
	mid := kmodtest.Module{Name: "mid", Imports: []kmodtest.Import{layout, api}, Exports: []kmodtest.Export{{Name: "mid_api", CRC: 6}}}
	const inherits = "m: module uses symbols bar_api from proprietary module bar, inheriting taint."
	for _, tt := range []struct {
		name    string
		imports []kmodtest.Import
		license string
		outcome kernelabi.Outcome
		log     []string
	}{
		{"no GPL-only symbol", []kmodtest.Import{plain, api}, "", kernelabi.Taints, []string{inherits}},
		{"GPL-only symbol before", []kmodtest.Import{gpl, api}, "", kernelabi.Fails,
			[]string{"m: module using GPL-only symbols uses symbols bar_api from proprietary module bar.", "m: Unknown symbol bar_api (err -2)"}},
		{"GPL-only symbol behind", []kmodtest.Import{api, gpl}, "", kernelabi.Fails, []string{inherits, "m: Unknown symbol gpl (err -2)"}},
		{"through a module between", []kmodtest.Import{viaBar, plain}, "", kernelabi.Taints,
			[]string{"m: module uses symbols mid_api from proprietary module mid, inheriting taint."}},
		{"itself proprietary", []kmodtest.Import{api}, "Proprietary", kernelabi.Taints, []string{"m: module license 'Proprietary' taints kernel."}},
	} {
		k := own()
		beside(k, bar, mid)
		m := kmodtest.Module{Name: "m", Vermagic: magic, License: tt.license, Info: []string{"intree=Y"}, Imports: append([]kmodtest.Import{layout}, tt.imports...)}
		v := k.Check(kernelabi.ReadModule("m", m.Bytes()), 0)
		said := slices.DeleteFunc(v.Log, func(l string) bool { return strings.Contains(l, "verification") })
		if v.Outcome != tt.outcome || !slices.Equal(said, tt.log) || v.Outcome == kernelabi.Fails && v.Errno != syscall.ENOENT {
			t.Errorf("%s: %v, %v, %q", tt.name, v.Outcome, v.Errno, said)
		}
		if !slices.ContainsFunc(v.Taints, func(x kernelabi.Taint) bool { return x.Letter == 'P' }) && tt.outcome == kernelabi.Taints {
			t.Errorf("%s: not marked: %v", tt.name, v.Taints)
		}
	}
	// Kernels up to 5.8 do not mind, and 5.10 does not name the symbol.
	k := own()
	k.Words = kernelabi.WordsOf(kernelabi.TodaysWords(append(newer, "inheriting", "GPL-only")...))
	beside(k, bar)
	both := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, gpl, api}}
	if v := k.Check(kernelabi.ReadModule("m", both.Bytes()), 0); v.Outcome != kernelabi.Taints {
		t.Errorf("an old kernel: %v %q", v.Outcome, v.Log)
	}
	k.Words = kernelabi.WordsOf(strings.Replace(kernelabi.TodaysWords(newer...), "uses symbols %s from", "uses symbols from", 2))
	if v := k.Check(kernelabi.ReadModule("m", both.Bytes()), 0); !slices.Contains(v.Log, "m: module using GPL-only symbols uses symbols from proprietary module bar.") {
		t.Errorf("5.10: %q", v.Log)
	}
}

// TestExportFlags: 7.x does not load a module that exports as modules before did, and does not look at exports for GPL modules in a table of
// their own.
func TestExportFlags(t *testing.T) {
	k := own()
	k.Words = kernelabi.WordsOf(kernelabi.TodaysWords())
	plain, gpl := kmodtest.Export{Name: "old", CRC: 1}, kmodtest.Export{Name: "old_gpl", CRC: 1, GPL: true}
	for _, tt := range []struct {
		exports []kmodtest.Export
		flags   bool
		want    kernelabi.Outcome
	}{{[]kmodtest.Export{plain}, false, kernelabi.Fails}, {[]kmodtest.Export{plain, gpl}, false, kernelabi.Fails},
		{[]kmodtest.Export{gpl}, false, kernelabi.Taints}, {[]kmodtest.Export{plain, gpl}, true, kernelabi.Taints}} {
		m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}, Exports: tt.exports, FlagsTable: tt.flags}
		v := k.Check(kernelabi.ReadModule("m", m.Bytes()), kernelabi.IgnoreVermagic)
		if v.Outcome != tt.want || v.Outcome == kernelabi.Fails && (v.Errno != syscall.ENOEXEC || !slices.Contains(v.Log, "m: no flags for exported symbols")) {
			t.Errorf("%+v: %v %v %q", tt, v.Outcome, v.Errno, v.Log)
		}
	}
	beside(k, kmodtest.Module{Name: "bar", Exports: []kmodtest.Export{gpl}})
	uses := kmodtest.Module{Name: "m", Vermagic: magic, Imports: []kmodtest.Import{layout, {Name: "old_gpl", CRC: 1}}}
	if v := k.Check(kernelabi.ReadModule("m", uses.Bytes()), 0); v.Errno != syscall.ENOENT {
		t.Errorf("uses an export that is not looked at: %v %v", v.Outcome, v.Errno)
	}
}

// TestNameInSysfs: a module whose folder in /sys/module is there already, or that has no name for one.
func TestNameInSysfs(t *testing.T) {
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}}.Bytes()
	for taken, want := range map[kernelabi.Tri]kernelabi.Outcome{kernelabi.Yes: kernelabi.Fails, kernelabi.No: kernelabi.Taints, kernelabi.Maybe: kernelabi.NotKnown} {
		k := own()
		k.Taken = func(string) kernelabi.Tri { return taken }
		v := k.Check(kernelabi.ReadModule("m", m), 0)
		if v.Outcome != want || v.Outcome == kernelabi.Fails && (v.Errno != syscall.EINVAL || !slices.Contains(v.Log, "m: module is already loaded")) {
			t.Errorf("%v: %v %v %q", taken, v.Outcome, v.Errno, v.Log)
		}
	}
	f, err := elf.NewFile(bytes.NewReader(m))
	if err != nil {
		t.Fatal(err)
	}
	m[f.Section(".gnu.linkonce.this_module").Offset+24] = 0
	if v := own().Check(kernelabi.ReadModule("m", m), 0); v.Errno != syscall.EINVAL {
		t.Errorf("no name: %v %v", v.Outcome, v.Errno)
	}
}

// TestVersionName: a name in __versions that does not end is no name that anybody exports; the others count.
func TestVersionName(t *testing.T) {
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}, {Name: "gpl", CRC: 2}}}.Bytes()
	f, err := elf.NewFile(bytes.NewReader(m))
	if err != nil {
		t.Fatal(err)
	}
	at := int(f.Section("__versions").Offset) + 64
	for i := at + 8; i < at+64; i++ {
		if m[i] == 0 {
			m[i] = 'x'
		}
	}
	v := own().Check(kernelabi.ReadModule("m", m), 0)
	if v.Errno != syscall.EINVAL || !slices.Contains(v.Log, "m: no symbol version for plain") || len(v.Unknown) > 0 {
		t.Errorf("%v %v %q %q", v.Outcome, v.Errno, v.Log, v.Unknown)
	}
}

// TestVerify signs with the library and verifies with our arithmetic, by keys found in certificates.
func TestVerify(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kernel, _ := shapes[0].raw()
	certificate := func(serial int64, public, private any) {
		c := x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "me"}}
		der, err := x509.CreateCertificate(rand.Reader, &c, &c, public, private)
		if err != nil {
			t.Fatal(err)
		}
		kernel = append(kernel, der...)
	}
	certificate(0x1234567, &rsaKey.PublicKey, rsaKey)
	certificate(0x7654321, &ecKey.PublicKey, ecKey)
	im, err := kernelabi.FromImage("raw", kernel, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := own()
	k.Keys, k.Enforce = im.Keys, true
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}}
	plain := m.Bytes()
	sum := sha256.Sum256(plain)
	rsaSig, err := rsa.SignPKCS1v15(rand.Reader, rsaKey, 5, sum[:]) // crypto.SHA256
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		ecSig, err := ecdsa.SignASN1(rand.Reader, ecKey, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []struct {
			serial string
			sig    []byte
		}{{"01234567", rsaSig}, {"07654321", ecSig}} {
			m.Signature = &kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "me", Sig: s.sig}
			m.Signature.KeyID, _ = hex.DecodeString(s.serial)
			image := m.Bytes()
			if v := k.Check(kernelabi.ReadModule("m.ko", image), 0); v.Outcome != kernelabi.Loads {
				t.Errorf("%s: %v %+v", s.serial, v.Outcome, v.Reasons)
			}
			image[9] ^= 1
			if v := k.Check(kernelabi.ReadModule("m.ko", image), 0); v.Errno != syscall.EKEYREJECTED || len(v.Log) != 0 {
				t.Errorf("%s, changed: %v %v", s.serial, v.Errno, v.Log)
			}
			m.Signature.Sig = bytes.Clone(s.sig)
			m.Signature.Sig[len(s.sig)-1] ^= 1
			if v := k.Check(kernelabi.ReadModule("m.ko", m.Bytes()), 0); v.Errno != syscall.EKEYREJECTED {
				t.Errorf("%s, signature changed: %v", s.serial, v.Errno)
			}
		}
	}
	m.Signature.KeyID = []byte{9}
	if v := k.Check(kernelabi.ReadModule("m.ko", m.Bytes()), 0); v.Errno != syscall.EKEYREJECTED || !slices.Contains(v.Log, "Loading of module with unavailable key is rejected") {
		t.Errorf("unknown key: %v %q", v.Errno, v.Log)
	}
}

func TestImageCache(t *testing.T) {
	image, _ := shapes[0].raw()
	im, err := kernelabi.FromImage("raw", image, 0)
	if err != nil {
		t.Fatal(err)
	}
	im.Keys = []kernelabi.Key{{Serial: "01ab", Modulus: []byte{1, 2}}, {Serial: "02", Point: []byte{3}}}
	im.Features = kernelabi.Features{ForceLoad: kernelabi.Yes, Strict: kernelabi.No, LicenceAgain: kernelabi.Yes}
	im.Words = kernelabi.WordsOf(kernelabi.TodaysWords("ELF"))
	data := im.Encode("label 1 2")
	got, err := kernelabi.DecodeImage("label 1 2", data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Keys { // nil and empty are the same
		if len(got.Keys[i].Modulus) == 0 {
			got.Keys[i].Modulus = nil
		}
		if len(got.Keys[i].Point) == 0 {
			got.Keys[i].Point = nil
		}
	}
	if !reflect.DeepEqual(got, im) {
		t.Errorf("got %+v\nwant %+v", got, im)
	}
	if _, err := kernelabi.DecodeImage("label 1 3", data); err == nil {
		t.Error("another label is accepted")
	}
	for cut := range len(data) {
		if _, err := kernelabi.DecodeImage("label 1 2", data[:cut]); err == nil {
			t.Fatalf("cut at %d of %d: accepted", cut, len(data))
		}
	}
}

// TestSignatureFirst: kernels differ in whether they look at the signature or at the ELF header first, and in the errno of a signature
// that is missing. Their sentences tell, and among those that say nothing of ELF headers the release.
func TestSignatureFirst(t *testing.T) {
	const silent, elf = "rejected", "ELF"
	for _, tt := range []struct {
		release string
		lacks   []string
		want    syscall.Errno
	}{{"4.14.0", []string{silent, elf}, syscall.ENOKEY}, {"4.19.0", []string{silent, elf}, syscall.ENOEXEC}, {"5.4.0", []string{elf}, syscall.ENOEXEC},
		{"5.4.0", nil, syscall.EKEYREJECTED}, {"5.10.0", []string{"ELF header"}, syscall.EKEYREJECTED}, {"6.12.0", nil, syscall.EKEYREJECTED}} {
		k := own()
		k.Release, k.Enforce, k.Words = tt.release, true, kernelabi.WordsOf(kernelabi.TodaysWords(tt.lacks...))
		if v := k.Check(kernelabi.ReadModule("f", []byte("no module")), 0); v.Errno != tt.want {
			t.Errorf("%s without %q: %v, want %v", tt.release, tt.lacks, v.Errno, tt.want)
		}
	}
}

// TestSentences: what is said is what the kernel's image has; without an image, what differs between kernels is only possible.
func TestSentences(t *testing.T) {
	two := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y", "test=Y"}, License: "Proprietary", Imports: []kmodtest.Import{layout}}
	k := own()
	k.Features.LicenceAgain = kernelabi.Yes
	lacks := func(lines []string, part string) bool {
		return !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, part) })
	}
	m := kernelabi.ReadModule("m", two.Bytes())
	v := k.Check(m, 0)
	if lacks(v.Log, "m: loading test module taints kernel.") || lacks(v.Log, "m: module license taints kernel.") {
		t.Errorf("all sentences: %q", v.Log)
	}
	constants := strings.Replace(kernelabi.TodaysWords("test module"), "%s: module license '%s' taints kernel.", "the module license '%s' taints kernel, said %s!", 1)
	k.Words, k.Features.LicenceAgain = kernelabi.WordsOf(constants), kernelabi.No
	if v = k.Check(m, 0); !lacks(v.Log, "test") || !lacks(v.Log, "license taints") || lacks(v.Log, "the module license 'm' taints kernel, said Proprietary!") {
		t.Errorf("other sentences: %q", v.Log)
	}
	k.Words = kernelabi.WordsOf(strings.Replace(kernelabi.TodaysWords(), "%s: module license '%s' taints kernel.", "module license '%s' taints kernel", 1))
	if v = k.Check(m, 0); !lacks(v.Log, "license '") || lacks(v.Maybe, "license '") {
		t.Errorf("a sentence that takes less: %q, %q", v.Log, v.Maybe)
	}
	k.Words, k.Features.LicenceAgain = kernelabi.Words{}, kernelabi.Maybe
	if v = k.Check(m, 0); !lacks(v.Log, "test") || lacks(v.Maybe, "test") || lacks(v.Log, "m: module license 'Proprietary' taints kernel.") || lacks(v.Maybe, "license taints") {
		t.Errorf("no sentences: %q, %q", v.Log, v.Maybe)
	}
}

// TestBackported: a kernel of an older release that looks at ELF files as newer ones do says what those say.
func TestBackported(t *testing.T) {
	for _, tt := range []struct {
		words kernelabi.Words
		log   string
	}{
		{kernelabi.WordsOf(kernelabi.TodaysWords()), "module m: Exactly one .gnu.linkonce.this_module section must exist."},
		{kernelabi.WordsOf(strings.Replace(kernelabi.TodaysWords(), "Exactly one", "Only one", 1)), "module m: Only one .gnu.linkonce.this_module section must exist."},
	} {
		k := own()
		k.Words, k.Features.SizeCheck = tt.words, kernelabi.Yes
		image := kmodtest.Module{Name: "m", Vermagic: magic, Imports: []kmodtest.Import{layout}}.Bytes()
		image = bytes.Replace(image, []byte(".gnu.linkonce.this_module\x00"), []byte(".gnu.linkonce.that_module\x00"), 1)
		if v := k.Check(kernelabi.ReadModule("m", image), 0); v.Errno != syscall.ENOEXEC || !slices.Equal(v.Log, []string{tt.log}) {
			t.Errorf("%v %q, want %q", v.Errno, v.Log, tt.log)
		}
	}
}

func TestUnion(t *testing.T) {
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y", "import_ns=USB", "import_ns=NET"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}, {Name: "inside", CRC: 3}, {Name: "other_sym", CRC: 7}}}
	usb := kmodtest.Module{Name: "usb", Vermagic: magic, Info: []string{"intree=Y", "import_ns=USB"}, Imports: []kmodtest.Import{layout, {Name: "inside", CRC: 3}}}
	other := kmodtest.Module{Name: "other", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}}, Exports: []kmodtest.Export{{Name: "other_sym", CRC: 7}}}
	foreign := kmodtest.Module{Name: "foreign", Vermagic: "9" + magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{{Name: "plain", CRC: 99}, {Name: "alien", CRC: 1}}}
	outside := kmodtest.Module{Name: "outside", Vermagic: magic, Imports: []kmodtest.Import{{Name: "wild", CRC: 99}}}
	var modules []*kernelabi.Module
	for _, x := range []kmodtest.Module{foreign, outside, m, usb, other} {
		modules = append(modules, kernelabi.ReadModule("x", x.Bytes()))
	}
	table := kernelabi.Union("modules", "6.1.0", slices.Values(modules))
	var names []string
	for _, s := range table.Symbols() {
		names = append(names, s.Name+"/"+s.Namespace)
	}
	if got := strings.Join(names, " "); got != "inside/USB module_layout/ plain/" {
		t.Errorf("names %q", got)
	}
	if _, answer := table.Lookup("gone"); answer != kernelabi.Unknown {
		t.Error("a union knows what is not exported")
	}
	// What may be in a namespace, or for GPL modules only, is said to be unknown.
	k := own()
	k.Core = table
	asks := kmodtest.Module{Name: "asks", Vermagic: magic, License: "BSD", Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "inside", CRC: 3}, {Name: "plain", CRC: 1}, {Name: "gone", CRC: 1}}}
	v := k.Check(kernelabi.ReadModule("asks", asks.Bytes()), 0)
	want := []string{`that the kernel lets a module with the licence "BSD" use inside, plain`, "that inside may be used without importing the namespace USB", "that the kernel exports gone"}
	if v.Outcome != kernelabi.NotKnown || !slices.Equal(v.Unknown, want) {
		t.Errorf("%v, %q", v.Outcome, v.Unknown)
	}
}

func FuzzReadModule(f *testing.F) {
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}}, Exports: []kmodtest.Export{{Name: "x", CRC: 1, GPL: true}}}
	fuzzseed.Add(f, m.Bytes())
	m.Signature = &kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "me", KeyID: []byte{1}, Sig: make([]byte, 64)}
	fuzzseed.Add(f, m.Bytes())
	m.Class, m.Big = 32, true
	fuzzseed.Add(f, m.Bytes())
	f.Fuzz(func(t *testing.T, image []byte) {
		for _, size := range []kernelabi.Tri{kernelabi.Yes, kernelabi.No} {
			for _, words := range []kernelabi.Words{{}, kernelabi.WordsOf(kernelabi.TodaysWords("ELF header")), own().Words, kernelabi.WordsOf(kernelabi.TodaysWords())} {
				k := own()
				k.Words, k.Features.SizeCheck = words, size
				v := k.Check(kernelabi.ReadModule("f", image), 0)
				// A refusal has an errno and a reason, anything else has neither a fatal reason nor an errno.
				fatal := slices.ContainsFunc(v.Reasons, func(r kernelabi.Reason) bool { return r.Fatal })
				if failed := v.Outcome == kernelabi.Fails; failed != fatal || failed != (v.Errno != 0) {
					t.Fatalf("%v, errno %v, reasons %+v", v.Outcome, v.Errno, v.Reasons)
				}
			}
		}
	})
}
