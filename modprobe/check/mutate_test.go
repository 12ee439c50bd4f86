//go:build linux

package check_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// A mutation is a real module with something changed.
type mutation struct {
	name  string
	image []byte
	flags int
	keep  bool
}

// An editor changes copies of one module. Lengths and places stay.
type editor struct {
	t      testing.TB
	signed []byte // as built
	plain  []byte // without its signature
	f      *elf.File
	out    []mutation
}

// mutations makes all kinds of changed modules of one of a kernel: mii, which imports from the kernel and exports;
// the cloud flavour lacks that.
func mutations(t testing.TB, key string) []mutation {
	base := "mii"
	if strings.HasSuffix(key, "-cloud") {
		base = "fat"
	}
	signed := readModule(t, corpusModules(t, key, func(name string) bool { return name == base })[0])
	e := &editor{t: t, signed: signed, plain: signed}
	if bytes.HasSuffix(signed, []byte(mark)) {
		n := len(signed) - len(mark) - 12
		e.plain = signed[:n-int(binary.BigEndian.Uint32(signed[n+8:]))]
	}
	var err error
	if e.f, err = elf.NewFile(bytes.NewReader(e.plain)); err != nil {
		t.Fatal(err)
	}
	e.signatures()
	e.header()
	e.sections(key)
	e.modinfo()
	e.versions()
	e.symbols()
	e.relocations()
	e.forced()
	return e.out
}

// with adds a mutation of the unsigned module.
func (e *editor) with(name string, change func(b []byte)) []byte {
	b := bytes.Clone(e.plain)
	change(b)
	e.out = append(e.out, mutation{name: name, image: b})
	return b
}

// at returns where something stands, which must be there.
func (e *editor) at(b []byte, s string) int {
	i := bytes.Index(b, []byte(s))
	if i < 0 {
		e.t.Fatalf("%q is not in the module", s)
	}
	return i
}

func (e *editor) signatures() {
	e.out = append(e.out, mutation{name: "as built", image: e.signed}, mutation{name: "unsigned", image: e.plain}, mutation{name: "unsigned again", image: e.plain})
	change := func(name string, f func(b []byte) []byte) {
		e.out = append(e.out, mutation{name: name, image: f(bytes.Clone(e.signed))})
	}
	n := len(e.signed)
	change("signed, padding changed", func(b []byte) []byte { b[9] ^= 1; return b })
	change("signed, vermagic changed", func(b []byte) []byte { b[e.at(b, "vermagic=")+9] ^= 1; return b })
	change("signed, signature's last byte changed", func(b []byte) []byte { b[n-len(mark)-13] ^= 1; return b })
	change("signed, signature's first byte changed", func(b []byte) []byte { b[len(e.plain)] ^= 1; return b })
	change("signed, id type 1", func(b []byte) []byte { b[n-len(mark)-10] = 1; return b })
	change("signed, algo 1", func(b []byte) []byte { b[n-len(mark)-12] = 1; return b })
	change("signed, pad 1", func(b []byte) []byte { b[n-len(mark)-5] = 1; return b })
	change("signed, length huge", func(b []byte) []byte { b[n-len(mark)-4] = 0x7f; return b })
	change("signed, length 0", func(b []byte) []byte { clear(b[n-len(mark)-4 : n-len(mark)]); return b })
	change("mark broken", func(b []byte) []byte { b[n-2] = 'x'; return b })
	change("mark only", func([]byte) []byte { return append(bytes.Clone(e.plain), mark...) })
	change("trailing junk", func([]byte) []byte { return append(bytes.Clone(e.plain), make([]byte, 777)...) })
	change("signed twice", func(b []byte) []byte { return append(b, e.signed[len(e.plain):]...) })
}

func (e *editor) header() {
	le := binary.LittleEndian
	e.with("magic", func(b []byte) { b[1] = 'e' })
	e.with("type 2", func(b []byte) { b[16] = 2 })
	e.with("machine arm64", func(b []byte) { b[18] = 183 })
	e.with("section header size", func(b []byte) { b[58] = 56 })
	e.with("section table beyond the end", func(b []byte) { le.PutUint64(b[40:], uint64(len(b))) })
	e.with("section table cut off", func(b []byte) { le.PutUint64(b[40:], uint64(len(b)-64)) })
	e.with("no section names", func(b []byte) { b[62], b[63] = 0, 0 })
	e.with("section names index", func(b []byte) { b[62], b[63] = 0xff, 0x7f })
	for _, n := range []int{1, 20, 63, 64, 100, 4096} {
		e.out = append(e.out, mutation{name: fmt.Sprint("cut at ", n), image: e.plain[:n]})
	}
	e.out = append(e.out, mutation{name: "last byte cut", image: e.plain[:len(e.plain)-1]}, mutation{name: "text", image: bytes.Repeat([]byte("no module\n"), 100)})
}

// section returns where the header of a section stands.
func (e *editor) section(b []byte, name string) []byte {
	for i, s := range e.f.Sections {
		if s.Name == name {
			return b[binary.LittleEndian.Uint64(b[40:])+uint64(64*i):]
		}
	}
	e.t.Fatalf("no section %s", name)
	return nil
}

// name returns where the second letter of a section's name stands.
func (e *editor) name(b []byte, name string) int {
	return int(e.f.Section(".shstrtab").Offset) + int(binary.LittleEndian.Uint32(e.section(b, name))) + 1
}

func (e *editor) sections(key string) {
	le := binary.LittleEndian
	e.with("section 0 has a type", func(b []byte) { b[le.Uint64(b[40:])+4] = 1 })
	for _, name := range []string{".text", ".modinfo", ".gnu.linkonce.this_module", ".symtab", ".strtab", ".shstrtab"} {
		e.with(name+" beyond the end", func(b []byte) { le.PutUint64(e.section(b, name)[24:], uint64(len(b))) })
		e.with(name+" too long", func(b []byte) { le.PutUint64(e.section(b, name)[32:], 1<<40) })
		// The kernel follows the names of some sections unchecked, and dies.
		if key >= "7" || !strings.HasPrefix(key, "6.12") && e.f.Section(name).Flags&elf.SHF_ALLOC != 0 {
			e.with(name+" name outside", func(b []byte) { le.PutUint32(e.section(b, name), 1<<24) })
		}
	}
	e.with(".shstrtab empty", func(b []byte) { le.PutUint64(e.section(b, ".shstrtab")[32:], 0) })
	e.with(".shstrtab unterminated", func(b []byte) { s := e.f.Section(".shstrtab"); b[s.Offset+s.Size-1] = 'x' })
	e.with(".symtab is none", func(b []byte) { e.section(b, ".symtab")[4] = 1 })
	e.with(".symtab without strings", func(b []byte) { le.PutUint32(e.section(b, ".symtab")[40:], 0) })
	e.with(".strtab is none", func(b []byte) { e.section(b, ".strtab")[4] = 1 })
	e.with(".shstrtab is none", func(b []byte) { e.section(b, ".shstrtab")[4] = 1 })
	e.with(".symtab link outside", func(b []byte) { le.PutUint32(e.section(b, ".symtab")[40:], 999) })
	for _, name := range []string{".modinfo", ".gnu.linkonce.this_module"} {
		e.with(name+" not allocated", func(b []byte) { e.section(b, name)[8] &^= 2 })
		e.with(name+" renamed", func(b []byte) { b[e.name(b, name)] = 'x' })
	}
	for _, d := range []int64{-64, 64} {
		e.with(fmt.Sprintf("struct module %+d bytes", d), func(b []byte) {
			h := e.section(b, ".gnu.linkonce.this_module")
			le.PutUint64(h[32:], uint64(int64(le.Uint64(h[32:]))+d))
		})
	}
}

func (e *editor) modinfo() {
	info := e.f.Section(".modinfo")
	data, err := info.Data()
	if err != nil {
		e.t.Fatal(err)
	}
	edit := func(name, old, new string) {
		if len(old) != len(new) {
			e.t.Fatalf("%q and %q", old, new)
		}
		at := e.at(data, old)
		e.with(name, func(b []byte) { copy(b[int(info.Offset)+at:], new) })
	}
	edit("no licence", "license=", "xicense=")
	edit("licence not GPL", "license=GPL", "license=BSD")
	edit("not in the tree", "intree=", "xntree=")
	edit("no retpoline", "retpoline=", "xetpoline=")
	edit("no name", "name=", "xame=")
	edit("no vermagic", "vermagic=", "xermagic=")
	edit("staging", "intree=Y\x00", "staging=\x00")
	edit("livepatch", "retpoline=", "livepatch=")
	edit("test module", "retpoline=Y", "test=Y\x00\x00\x00\x00\x00")
	for _, ns := range []string{"module:other", "OTHER"} {
		name, _, _ := bytes.Cut(data[e.at(data, "description="):], []byte{0})
		edit("imports namespace "+ns, string(name), string(append([]byte("import_ns="+ns), make([]byte, len(name)-len("import_ns="+ns))...)))
	}
	magic := data[e.at(data, "vermagic="):]
	magic = magic[9:bytes.IndexByte(magic, 0)]
	edit("vermagic release", "vermagic="+string(magic[:1]), "vermagic=9")
	for _, w := range strings.Fields(string(magic))[1:] {
		edit("vermagic without "+w, " "+w, strings.Repeat(" ", len(w)+1))
		edit("vermagic with other "+w, " "+w, " x"+w[1:])
	}
	edit("vermagic without last blank", string(magic)+"\x00", string(magic[:len(magic)-1])+"\x00\x00")
}

func (e *editor) versions() {
	s := e.f.Section("__versions")
	if s == nil {
		return // built without
	}
	data, err := s.Data()
	if err != nil {
		e.t.Fatal(err)
	}
	n := 0
	for i := 0; i < len(data); i += 64 {
		name, _, _ := bytes.Cut(data[i+8:i+64], []byte{0})
		if string(name) != "module_layout" {
			if n++; n > 3 {
				continue
			}
		}
		at := int(s.Offset) + i
		e.with("CRC of "+string(name), func(b []byte) { b[at] ^= 1 })
		e.with("CRC of "+string(name)+", upper half", func(b []byte) { b[at+6] = 1 })
		e.with("no CRC of "+string(name), func(b []byte) { b[at+8] ^= 1 })
	}
	e.with("__versions empty", func(b []byte) { binary.LittleEndian.PutUint64(e.section(b, "__versions")[32:], 0) })
	e.with("__versions not allocated", func(b []byte) { e.section(b, "__versions")[8] &^= 2 })
	e.with("__versions renamed", func(b []byte) { b[e.name(b, "__versions")] = 'x' })
	e.with("all CRCs wrong", func(b []byte) {
		for i := 0; i < len(data); i += 64 {
			b[int(s.Offset)+i] ^= 1
		}
	})
}

func (e *editor) symbols() {
	syms, err := e.f.Symbols()
	if err != nil {
		e.t.Fatal(err)
	}
	table, n := int(e.f.Section(".symtab").Offset), 0
	strs, _ := e.f.Section(".strtab").Data()
	for i, s := range syms {
		if s.Section != elf.SHN_UNDEF || s.Name == "" || strings.HasPrefix(s.Name, "__x86") { // which is called while loading
			continue
		}
		if n++; n > 4 {
			break
		}
		at := table + 24*(i+1)
		name := int(binary.LittleEndian.Uint32(e.plain[at:]))
		if !bytes.HasPrefix(strs[name:], []byte(s.Name+"\x00")) {
			e.t.Fatal("names are not where they should be")
		}
		str := int(e.f.Section(".strtab").Offset) + name
		e.with(s.Name+" renamed", func(b []byte) { b[str] ^= 2 })
		e.with(s.Name+" weak", func(b []byte) { b[at+4] = 2<<4 | b[at+4]&15 })
		e.with(s.Name+" weak and renamed", func(b []byte) { b[at+4] = 2<<4 | b[at+4]&15; b[str] ^= 2 })
		e.with(s.Name+" common", func(b []byte) { binary.LittleEndian.PutUint16(b[at+6:], 0xfff2) })
		e.with(s.Name+" renamed and common "+fmt.Sprint(n), func(b []byte) {
			b[str] ^= 2
			binary.LittleEndian.PutUint16(b[table+24*(len(syms)-n)+6:], uint16(0xfff2))
		})
	}
}

// relocations changes those of the module's text.
func (e *editor) relocations() {
	le := binary.LittleEndian
	var rela *elf.Section
	for _, s := range e.f.Sections {
		if s.Type == elf.SHT_RELA && s.Name == ".rela.text" {
			rela = s
		}
	}
	if rela == nil {
		e.t.Fatal("no .rela.text")
		return
	}
	data, err := rela.Data()
	if err != nil {
		e.t.Fatal(err)
	}
	last := int(rela.Offset) + len(data) - 24
	for _, typ := range []uint32{3, 9, 12, 40, 99} {
		e.with(fmt.Sprint("relocation of type ", typ), func(b []byte) { le.PutUint32(b[last+8:], typ) })
	}
	e.with("relocations without addends", func(b []byte) { le.PutUint32(e.section(b, ".rela.text")[4:], uint32(elf.SHT_REL)) })
	text := e.f.Sections[rela.Info]
	e.with("something where a relocation goes", func(b []byte) { b[text.Offset+le.Uint64(b[last:])] = 1 })
}

// forced repeats what differs with each flag.
func (e *editor) forced() {
	for _, m := range e.out {
		for _, word := range []string{"as built", "unsigned", "vermagic", "CRC", "__versions", "signed,", "renamed", "licence", "struct"} {
			if strings.Contains(m.name, word) && m.flags == 0 {
				for flags := 1; flags <= 3; flags++ {
					e.out = append(e.out, mutation{fmt.Sprintf("%s, flags %d", m.name, flags), m.image, flags, false})
				}
				break
			}
		}
	}
}

// TestMutations counts the kinds of changes, without the force flags that many are tried with as well.
func TestMutations(t *testing.T) {
	kinds := map[string]bool{}
	all := mutations(t, "6.12")
	for _, m := range all {
		name, _, _ := strings.Cut(m.name, ", flags")
		kinds[name] = true
	}
	if t.Logf("%d kinds, %d mutations", len(kinds), len(all)); len(kinds) < 60 {
		t.Error("fewer than 60 kinds")
	}
}
