//go:build linux

package check_test

import (
	"bytes"
	"debug/elf"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

const magic = "6.1.0 SMP mod_unload modversions "

// newer are words of sentences that 6.1 lacks.
var newer = []string{"name table type", "string table type", "section must", "must occupy", "must match", "module namespace", "extended",
	"no flags", "obsolete section"}

// own is a kernel of Debian's kind with a few exports.
func own() *check.Target {
	k := &check.Target{
		Release: "6.1.0", Vermagic: magic, Machine: uint16(elf.EM_X86_64), Class: 64,
		Features: kernel.Features{ForceLoad: kernel.Yes, Signatures: kernel.Yes, Versions: kernel.Yes, SizeCheck: kernel.No,
			Namespaces: kernel.Yes, Strict: kernel.Yes, Livepatch: kernel.Yes, Retpoline: kernel.Yes},
		Words: check.WordsOf(check.TodaysWords(newer...)),
		Trust: kernel.Trust{Keys: []kernel.Key{}},
		Core: kernel.NewTable("test", []kernel.Symbol{
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
		kernel  func(k *check.Target)
		flags   int
		outcome check.Outcome
		errno   syscall.Errno
		taints  string
		log     []string // lines that must be there, without the taints' own
	}{
		{name: "accepted", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 1}, kmodtest.Import{Name: "gpl", CRC: 2})}, outcome: check.LoadsTaints, taints: "E"},
		{name: "without signatures", kernel: func(k *check.Target) { k.Features.Signatures = kernel.No }, m: kmodtest.Module{Imports: imports()}, outcome: check.Loads},
		{name: "CRC differs", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 9})}, outcome: check.Fails, errno: syscall.EINVAL, taints: "E",
			log: []string{"m: disagrees about version of symbol plain", "m: Unknown symbol plain (err -22)"}},
		{name: "last failure's errno", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 9}, kmodtest.Import{Name: "gone", CRC: 9})}, outcome: check.Fails, errno: syscall.ENOENT, taints: "E",
			log: []string{"m: Unknown symbol plain (err -22)", "m: Unknown symbol gone (err -2)"}},
		{name: "layout differs", m: kmodtest.Module{Imports: []kmodtest.Import{{Name: "module_layout", CRC: 0x12, VersionOnly: true}}}, outcome: check.Fails, errno: syscall.ENOEXEC,
			log: []string{"m: disagrees about version of symbol module_layout"}},
		{name: "no version, strict", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", NoVersion: true})}, outcome: check.Fails, errno: syscall.EINVAL, taints: "E",
			log: []string{"m: no symbol version for plain"}},
		{name: "no version, mainline", kernel: func(k *check.Target) { k.Features.Strict = kernel.No }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", NoVersion: true})}, outcome: check.LoadsTaints, taints: "E",
			log: []string{"m: no symbol version for plain"}},
		{name: "no version, who knows", kernel: func(k *check.Target) { k.Features.Strict = kernel.Maybe }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", NoVersion: true})}, outcome: check.Unknown, taints: "E"},
		{name: "the kernel has no version", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "unversioned", CRC: 5})}, outcome: check.LoadsTaints, taints: "E"},
		{name: "weak and missing", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "gone", CRC: 5, Weak: true})}, outcome: check.LoadsTaints, taints: "E"},
		{name: "weak does not excuse a CRC", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 5, Weak: true})}, outcome: check.Fails, errno: syscall.EINVAL, taints: "E"},
		{name: "GPL symbol", m: kmodtest.Module{License: "Proprietary", Imports: imports(kmodtest.Import{Name: "gpl", CRC: 2})}, outcome: check.Fails, errno: syscall.ENOENT, taints: "PE",
			log: []string{"m: module license 'Proprietary' taints kernel.", "m: Unknown symbol gpl (err -2)"}},
		{name: "namespace", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "spaced", CRC: 3})}, outcome: check.Fails, errno: syscall.EINVAL, taints: "E",
			log: []string{"m: module uses symbol (spaced) from namespace NS, but does not import it."}},
		{name: "namespace imported", m: kmodtest.Module{Info: []string{"import_ns=NS"}, Imports: imports(kmodtest.Import{Name: "spaced", CRC: 3})}, outcome: check.LoadsTaints, taints: "E"},
		{name: "namespace only warned about", kernel: func(k *check.Target) { k.Features.Namespaces = kernel.No }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "spaced", CRC: 3})}, outcome: check.LoadsTaints, taints: "E",
			log: []string{"m: module uses symbol (spaced) from namespace NS, but does not import it."}},
		{name: "namespace of this module", kernel: func(k *check.Target) { k.Words = check.WordsOf(check.TodaysWords()) }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "only", CRC: 4})}, outcome: check.LoadsTaints, taints: "E"},
		{name: "namespace of this module, which the kernel does not know of", m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "only", CRC: 4})}, outcome: check.Fails, errno: syscall.EINVAL, taints: "E"},
		{name: "duplicates in the order of the table", m: kmodtest.Module{Imports: imports(), Exports: []kmodtest.Export{{Name: "gpl", CRC: 1, GPL: true}, {Name: "spaced", CRC: 1}, {Name: "plain", CRC: 1}}}, outcome: check.Fails, errno: syscall.ENOEXEC, taints: "E",
			log: []string{"m: exports duplicate symbol plain (owned by kernel)"}},
		{name: "duplicate", m: kmodtest.Module{Imports: imports(), Exports: []kmodtest.Export{{Name: "plain", CRC: 1}}}, outcome: check.Fails, errno: syscall.ENOEXEC, taints: "E",
			log: []string{"m: exports duplicate symbol plain (owned by kernel)"}},
		{name: "vermagic", m: kmodtest.Module{Vermagic: "6.1.0 SMP preempt mod_unload modversions ", Imports: imports()}, outcome: check.Fails, errno: syscall.ENOEXEC,
			log: []string{"m: version magic '6.1.0 SMP preempt mod_unload modversions ' should be '6.1.0 SMP mod_unload modversions '"}},
		{name: "other release", m: kmodtest.Module{Vermagic: "6.1.1 SMP mod_unload modversions ", Imports: imports()}, outcome: check.LoadsTaints, taints: "E"},
		{name: "other release, CRCs forced", flags: 1, m: kmodtest.Module{Vermagic: "6.1.1 SMP mod_unload modversions ", Imports: imports()}, outcome: check.Fails, errno: syscall.ENOEXEC, taints: "F",
			log: []string{"m: module_layout: kernel tainted."}},
		{name: "other release, forced", flags: 3, m: kmodtest.Module{Vermagic: "6.1.1 SMP mod_unload modversions ", Imports: []kmodtest.Import{{Name: "module_layout", CRC: 0x99, VersionOnly: true}, {Name: "plain", CRC: 9}}}, outcome: check.LoadsTaints, taints: "FE",
			log: []string{"m: module_layout: kernel tainted."}},
		{name: "forced, not allowed", flags: 3, kernel: func(k *check.Target) { k.Features.ForceLoad = kernel.No }, m: kmodtest.Module{Imports: imports()}, outcome: check.Fails, errno: syscall.ENOEXEC},
		{name: "forced, enforcing", flags: 3, kernel: func(k *check.Target) { k.Enforce = true }, m: kmodtest.Module{Imports: imports()}, outcome: check.Fails, errno: syscall.EKEYREJECTED,
			log: []string{"Loading of unsigned module is rejected"}},
		{name: "lockdown", kernel: func(k *check.Target) { k.Lockdown = true }, m: kmodtest.Module{Imports: imports()}, outcome: check.Fails, errno: syscall.EPERM},
		{name: "modules disabled", kernel: func(k *check.Target) { k.Disabled = true }, m: kmodtest.Module{Imports: imports()}, outcome: check.Fails, errno: syscall.EPERM},
		{name: "blacklisted by the kernel", kernel: func(k *check.Target) { k.Blacklist = []string{"m"} }, m: kmodtest.Module{Imports: imports()}, outcome: check.Fails, errno: syscall.EPERM,
			log: []string{"Module m is blacklisted"}},
		{name: "livepatch without support", kernel: func(k *check.Target) { k.Features.Livepatch = kernel.No }, m: kmodtest.Module{Info: []string{"livepatch=Y"}, Imports: imports()}, outcome: check.Fails, errno: syscall.ENOEXEC},
		{name: "machine", m: kmodtest.Module{Machine: elf.EM_AARCH64, Imports: imports()}, outcome: check.Fails, errno: syscall.ENOEXEC, log: []string{"Invalid architecture in ELF header: 183"}},
		{name: "struct size, checked", kernel: func(k *check.Target) {
			k.Features.SizeCheck = kernel.Yes
			k.This.Size = 1280
			k.Words = check.WordsOf(check.TodaysWords())
		}, m: kmodtest.Module{Imports: imports()}, outcome: check.Fails, errno: syscall.ENOEXEC,
			log: []string{"module m: .gnu.linkonce.this_module section size must match the kernel's built struct module size at run time"}},
		{name: "struct size, not checked", kernel: func(k *check.Target) { k.This = check.StructModule{Size: 1280, Init: 1, Exit: 2} }, m: kmodtest.Module{Imports: imports()}, outcome: check.Unknown, taints: "E"},
		{name: "nothing known of the kernel's exports", kernel: func(k *check.Target) { k.Core = nil }, m: kmodtest.Module{Imports: imports(kmodtest.Import{Name: "plain", CRC: 1})}, outcome: check.Unknown, taints: "E"},
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
			v := k.Check(kernel.ReadModule("m.ko", tt.m.Bytes()), tt.flags)
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
			if v.Outcome == check.Fails && (len(v.Findings) == 0 || !v.Findings[0].Fatal) {
				t.Errorf("fails without a reason: %+v", v.Findings)
			}
		})
	}
}

// beside puts modules into a kernel that are loaded before.
func beside(k *check.Target, list ...kmodtest.Module) {
	var all []kernel.Symbol
	for _, m := range list {
		m.Vermagic = magic
		all = append(all, kernel.ReadModule(m.Name, m.Bytes()).Exports...)
	}
	table := kernel.NewTable("beside", all)
	k.Modules = func(symbol string) (kernel.Symbol, bool) {
		s, answer := table.Lookup(symbol)
		return s, answer == kernel.Found
	}
}

// TestInherited: a module that uses a proprietary one counts as proprietary from there on, in the order of its symbol
// table.
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
		outcome check.Outcome
		log     []string
	}{
		{"no GPL-only symbol", []kmodtest.Import{plain, api}, "", check.LoadsTaints, []string{inherits}},
		{"GPL-only symbol before", []kmodtest.Import{gpl, api}, "", check.Fails,
			[]string{"m: module using GPL-only symbols uses symbols bar_api from proprietary module bar.", "m: Unknown symbol bar_api (err -2)"}},
		{"GPL-only symbol behind", []kmodtest.Import{api, gpl}, "", check.Fails, []string{inherits, "m: Unknown symbol gpl (err -2)"}},
		{"through a module between", []kmodtest.Import{viaBar, plain}, "", check.LoadsTaints,
			[]string{"m: module uses symbols mid_api from proprietary module mid, inheriting taint."}},
		{"itself proprietary", []kmodtest.Import{api}, "Proprietary", check.LoadsTaints, []string{"m: module license 'Proprietary' taints kernel."}},
	} {
		k := own()
		beside(k, bar, mid)
		m := kmodtest.Module{Name: "m", Vermagic: magic, License: tt.license, Info: []string{"intree=Y"}, Imports: append([]kmodtest.Import{layout}, tt.imports...)}
		v := k.Check(kernel.ReadModule("m", m.Bytes()), 0)
		said := slices.DeleteFunc(v.Log, func(l string) bool { return strings.Contains(l, "verification") })
		if v.Outcome != tt.outcome || !slices.Equal(said, tt.log) || v.Outcome == check.Fails && v.Errno != syscall.ENOENT {
			t.Errorf("%s: %v, %v, %q", tt.name, v.Outcome, v.Errno, said)
		}
		if !slices.ContainsFunc(v.Taints, func(x check.Taint) bool { return x.Letter == "P" }) && tt.outcome == check.LoadsTaints {
			t.Errorf("%s: not marked: %v", tt.name, v.Taints)
		}
	}
	// Kernels up to 5.8 do not mind, and 5.10 does not name the symbol.
	k := own()
	k.Words = check.WordsOf(check.TodaysWords(append(newer, "inheriting", "GPL-only")...))
	beside(k, bar)
	both := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, gpl, api}}
	if v := k.Check(kernel.ReadModule("m", both.Bytes()), 0); v.Outcome != check.LoadsTaints {
		t.Errorf("an old kernel: %v %q", v.Outcome, v.Log)
	}
	k.Words = check.WordsOf(strings.Replace(check.TodaysWords(newer...), "uses symbols %s from", "uses symbols from", 2))
	if v := k.Check(kernel.ReadModule("m", both.Bytes()), 0); !slices.Contains(v.Log, "m: module using GPL-only symbols uses symbols from proprietary module bar.") {
		t.Errorf("5.10: %q", v.Log)
	}
}

// TestExportFlags: 7.x does not load a module that exports as modules before did, and does not look at exports for
// GPL modules in a table of their own.
func TestExportFlags(t *testing.T) {
	k := own()
	k.Words = check.WordsOf(check.TodaysWords())
	plain, gpl := kmodtest.Export{Name: "old", CRC: 1}, kmodtest.Export{Name: "old_gpl", CRC: 1, GPL: true}
	for _, tt := range []struct {
		exports []kmodtest.Export
		flags   bool
		want    check.Outcome
	}{{[]kmodtest.Export{plain}, false, check.Fails}, {[]kmodtest.Export{plain, gpl}, false, check.Fails},
		{[]kmodtest.Export{gpl}, false, check.LoadsTaints}, {[]kmodtest.Export{plain, gpl}, true, check.LoadsTaints}} {
		m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}, Exports: tt.exports, FlagsTable: tt.flags}
		v := k.Check(kernel.ReadModule("m", m.Bytes()), modprobe.IgnoreVermagic)
		if v.Outcome != tt.want || v.Outcome == check.Fails && (v.Errno != syscall.ENOEXEC || !slices.Contains(v.Log, "m: no flags for exported symbols")) {
			t.Errorf("%+v: %v %v %q", tt, v.Outcome, v.Errno, v.Log)
		}
	}
	beside(k, kmodtest.Module{Name: "bar", Exports: []kmodtest.Export{gpl}})
	uses := kmodtest.Module{Name: "m", Vermagic: magic, Imports: []kmodtest.Import{layout, {Name: "old_gpl", CRC: 1}}}
	if v := k.Check(kernel.ReadModule("m", uses.Bytes()), 0); v.Errno != syscall.ENOENT {
		t.Errorf("uses an export that is not looked at: %v %v", v.Outcome, v.Errno)
	}
}

// TestNameInSysfs: a module whose folder in /sys/module is there already, or that has no name for one.
func TestNameInSysfs(t *testing.T) {
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}}.Bytes()
	for taken, want := range map[kernel.Tri]check.Outcome{kernel.Yes: check.Fails, kernel.No: check.LoadsTaints, kernel.Maybe: check.Unknown} {
		k := own()
		k.Taken = func(string) kernel.Tri { return taken }
		v := k.Check(kernel.ReadModule("m", m), 0)
		if v.Outcome != want || v.Outcome == check.Fails && (v.Errno != syscall.EINVAL || !slices.Contains(v.Log, "m: module is already loaded")) {
			t.Errorf("%v: %v %v %q", taken, v.Outcome, v.Errno, v.Log)
		}
	}
	f, err := elf.NewFile(bytes.NewReader(m))
	if err != nil {
		t.Fatal(err)
	}
	m[f.Section(".gnu.linkonce.this_module").Offset+24] = 0
	if v := own().Check(kernel.ReadModule("m", m), 0); v.Errno != syscall.EINVAL {
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
	v := own().Check(kernel.ReadModule("m", m), 0)
	if v.Errno != syscall.EINVAL || !slices.Contains(v.Log, "m: no symbol version for plain") || len(v.NotVerified) > 0 {
		t.Errorf("%v %v %q %q", v.Outcome, v.Errno, v.Log, v.NotVerified)
	}
}

// TestSignatureFirst: kernels differ in whether they look at the signature or at the ELF header first, and in the
// errno of a signature that is missing. Their sentences tell, and among those that say nothing of ELF headers the
// release.
func TestSignatureFirst(t *testing.T) {
	const silent, elf = "rejected", "ELF"
	for _, tt := range []struct {
		release string
		lacks   []string
		want    syscall.Errno
	}{{"4.14.0", []string{silent, elf}, syscall.ENOKEY}, {"4.19.0", []string{silent, elf}, syscall.ENOEXEC}, {"5.4.0", []string{elf}, syscall.ENOEXEC},
		{"5.4.0", nil, syscall.EKEYREJECTED}, {"5.10.0", []string{"ELF header"}, syscall.EKEYREJECTED}, {"6.12.0", nil, syscall.EKEYREJECTED}} {
		k := own()
		k.Release, k.Enforce, k.Words = tt.release, true, check.WordsOf(check.TodaysWords(tt.lacks...))
		if v := k.Check(kernel.ReadModule("f", []byte("no module")), 0); v.Errno != tt.want {
			t.Errorf("%s without %q: %v, want %v", tt.release, tt.lacks, v.Errno, tt.want)
		}
	}
}

// TestSentences: what is said is what the kernel's image has; without an image, what differs between kernels is only
// possible.
func TestSentences(t *testing.T) {
	two := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y", "test=Y"}, License: "Proprietary", Imports: []kmodtest.Import{layout}}
	k := own()
	k.Features.LicenceAgain = kernel.Yes
	lacks := func(lines []string, part string) bool {
		return !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, part) })
	}
	m := kernel.ReadModule("m", two.Bytes())
	v := k.Check(m, 0)
	if lacks(v.Log, "m: loading test module taints kernel.") || lacks(v.Log, "m: module license taints kernel.") {
		t.Errorf("all sentences: %q", v.Log)
	}
	constants := strings.Replace(check.TodaysWords("test module"), "%s: module license '%s' taints kernel.", "the module license '%s' taints kernel, said %s!", 1)
	k.Words, k.Features.LicenceAgain = check.WordsOf(constants), kernel.No
	if v = k.Check(m, 0); !lacks(v.Log, "test") || !lacks(v.Log, "license taints") || lacks(v.Log, "the module license 'm' taints kernel, said Proprietary!") {
		t.Errorf("other sentences: %q", v.Log)
	}
	k.Words = check.WordsOf(strings.Replace(check.TodaysWords(), "%s: module license '%s' taints kernel.", "module license '%s' taints kernel", 1))
	if v = k.Check(m, 0); !lacks(v.Log, "license '") || lacks(v.MayLog, "license '") {
		t.Errorf("a sentence that takes less: %q, %q", v.Log, v.MayLog)
	}
	k.Words, k.Features.LicenceAgain = kernel.Words{}, kernel.Maybe
	if v = k.Check(m, 0); !lacks(v.Log, "test") || lacks(v.MayLog, "test") || lacks(v.Log, "m: module license 'Proprietary' taints kernel.") || lacks(v.MayLog, "license taints") {
		t.Errorf("no sentences: %q, %q", v.Log, v.MayLog)
	}
}

// TestBackported: a kernel of an older release that looks at ELF files as newer ones do says what those say.
func TestBackported(t *testing.T) {
	for _, tt := range []struct {
		words kernel.Words
		log   string
	}{
		{check.WordsOf(check.TodaysWords()), "module m: Exactly one .gnu.linkonce.this_module section must exist."},
		{check.WordsOf(strings.Replace(check.TodaysWords(), "Exactly one", "Only one", 1)), "module m: Only one .gnu.linkonce.this_module section must exist."},
	} {
		k := own()
		k.Words, k.Features.SizeCheck = tt.words, kernel.Yes
		image := kmodtest.Module{Name: "m", Vermagic: magic, Imports: []kmodtest.Import{layout}}.Bytes()
		image = bytes.Replace(image, []byte(".gnu.linkonce.this_module\x00"), []byte(".gnu.linkonce.that_module\x00"), 1)
		if v := k.Check(kernel.ReadModule("m", image), 0); v.Errno != syscall.ENOEXEC || !slices.Equal(v.Log, []string{tt.log}) {
			t.Errorf("%v %q, want %q", v.Errno, v.Log, tt.log)
		}
	}
}

// TestUnionUnknown: of a kernel that is known by what its modules were built with, what may be in a namespace, or for
// GPL modules only, is said to be unknown.
func TestUnionUnknown(t *testing.T) {
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y", "import_ns=USB"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}, {Name: "inside", CRC: 3}}}
	bare := kmodtest.Module{Name: "bare", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}}}
	table := kernel.Union("modules", "6.1.0", slices.Values([]*kernel.Module{kernel.ReadModule("m", m.Bytes()), kernel.ReadModule("bare", bare.Bytes())}))
	k := own()
	k.Core = table
	asks := kmodtest.Module{Name: "asks", Vermagic: magic, License: "BSD", Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "inside", CRC: 3}, {Name: "plain", CRC: 1}, {Name: "gone", CRC: 1}}}
	v := k.Check(kernel.ReadModule("asks", asks.Bytes()), 0)
	want := []string{`that the kernel lets a module with the licence "BSD" use inside, plain`, "that inside may be used without importing the namespace USB", "that the kernel exports gone"}
	if v.Outcome != check.Unknown || !slices.Equal(v.NotVerified, want) {
		t.Errorf("%v, %q", v.Outcome, v.NotVerified)
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
		for _, size := range []kernel.Tri{kernel.Yes, kernel.No} {
			for _, words := range []kernel.Words{{}, check.WordsOf(check.TodaysWords("ELF header")), own().Words, check.WordsOf(check.TodaysWords())} {
				k := own()
				k.Words, k.Features.SizeCheck = words, size
				v := k.Check(kernel.ReadModule("f", image), 0)
				// A refusal has an errno and a reason, anything else has neither a fatal reason nor an errno.
				fatal := slices.ContainsFunc(v.Findings, func(r check.Finding) bool { return r.Fatal })
				if failed := v.Outcome == check.Fails; failed != fatal || failed != (v.Errno != 0) {
					t.Fatalf("%v, errno %v, reasons %+v", v.Outcome, v.Errno, v.Findings)
				}
			}
		}
	})
}
