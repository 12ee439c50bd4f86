package kmodtest

import (
	"debug/elf"
	"encoding/hex"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Spec is a module tree in a few lines: see [ParseSpec].
type Spec struct {
	// Release is the kernel's release. Default: 6.1.0.
	Release string
	// Modules are the files.
	Modules []Module
	// Builtins go to modules.builtin and modules.builtin.modinfo.
	Builtins []Builtin
	// Order is the content of modules.order, by line. Nil: no such file.
	Order []string
}

// Builtin is a module that is part of the kernel.
type Builtin struct {
	// Path is its line in modules.builtin, for instance kernel/fs/ext4/ext4.ko.
	Path string
	// Info holds its "key=value" strings.
	Info []string
}

// ParseSpec reads the text form of a module tree. A line starting with "module PATH" begins a module (a suffix
// .gz, .xz or .zst compresses it); "builtin PATH" begins a builtin one; the lines after it belong to it.
// Blank lines and lines starting with # are passed over; indentation means nothing.
//
//	release 6.1.0
//	order kernel/a/mod-base.ko
//	module kernel/a/mod-base.ko
//	    export base_sym 0x11223344 [gpl] [nocrc] [ns=NAME]
//	    import printk [0x92997ed8] [weak] [versiononly]   (without a CRC: not in the version table)
//	    alias PATTERN | softdep TEXT | weakdep TEXT | firmware PATH | license TEXT | vermagic TEXT
//	    param NAME [TYPE|-] [description]
//	    paramops NAME OPS [MAX [ELEM]]   (puts it into the table; OPS may be "own")
//	    depends a,b
//	    info key=value          bare          omit SECTION
//	    class 32                big           machine s390
//	    crcs insection|absolute|relative|none          flagstable
//	    versions basic|extended|both                   buildid HEX
//	    this SIZE NAME INIT EXIT                       raw TEXT
//	    sign pkcs7|x509 SIGNER KEYIDHEX
//	builtin kernel/x/bi-one.ko
//	    info license=GPL
func ParseSpec(text string) (*Spec, error) {
	s := &Spec{Release: "6.1.0"}
	var info *[]string // of the module or builtin that is being described
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		var err error
		switch {
		case key == "release":
			s.Release = rest
		case key == "order":
			s.Order = append(s.Order, rest)
		case key == "module":
			s.Modules = append(s.Modules, moduleAt(rest))
			info = &s.Modules[len(s.Modules)-1].Info
		case key == "builtin":
			s.Builtins = append(s.Builtins, Builtin{Path: rest})
			info = &s.Builtins[len(s.Builtins)-1].Info
		case info == nil:
			err = fmt.Errorf("%q before any module", key)
		case key == "info":
			*info = append(*info, rest)
		case len(s.Modules) > 0 && info == &s.Modules[len(s.Modules)-1].Info:
			err = s.Modules[len(s.Modules)-1].set(key, rest)
		default:
			err = fmt.Errorf("%q is not for builtin modules", key)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	for i := range s.Modules {
		if m := &s.Modules[i]; m.Vermagic == "" {
			m.Vermagic = vermagic(s.Release)
		}
	}
	return s, nil
}

// moduleAt returns an empty module for the file at p.
func moduleAt(p string) Module {
	var m Module
	for _, ext := range []string{"gz", "xz", "zst"} {
		if rest, ok := strings.CutSuffix(p, "."+ext); ok {
			p, m.Compress = rest, ext
		}
	}
	m.Path = p
	m.Name = strings.TrimSuffix(path.Base(p), ".ko")
	return m
}

// set applies one line of a module's description.
func (m *Module) set(key, rest string) (err error) {
	words := strings.Fields(rest)
	switch key {
	case "export":
		return m.addExport(words)
	case "import":
		return m.addImport(words)
	case "alias":
		m.Aliases = append(m.Aliases, rest)
	case "softdep":
		m.Softdeps = append(m.Softdeps, rest)
	case "weakdep":
		m.Weakdeps = append(m.Weakdeps, rest)
	case "firmware":
		m.Firmware = append(m.Firmware, rest)
	case "license":
		m.License = rest
	case "vermagic":
		m.Vermagic = rest
	case "param":
		name, rest, _ := strings.Cut(rest, " ")
		typ, desc, _ := strings.Cut(strings.TrimSpace(rest), " ")
		if typ == "-" {
			typ = ""
		}
		m.Params = append(m.Params, Param{Name: name, Type: typ, Desc: strings.TrimSpace(desc)})
	case "paramops":
		return m.setOps(words)
	case "depends":
		m.Depends = rest
	case "bare":
		m.Bare = true
	case "omit":
		m.Omit = append(m.Omit, words...)
	case "class":
		m.Class, err = strconv.Atoi(rest)
	case "big":
		m.Big = true
	case "machine":
		m.Machine, err = lookup(machines, rest)
	case "crcs":
		m.CRCs, err = lookup(crcStyles, rest)
	case "flagstable":
		m.FlagsTable = true
	case "versions":
		m.Versions, err = lookup(versionStyles, rest)
	case "buildid":
		m.BuildID, err = hex.DecodeString(rest)
	case "this":
		_, err = fmt.Sscan(rest, &m.This.Size, &m.This.Name, &m.This.Init, &m.This.Exit)
	case "raw":
		m.Raw = []byte(rest)
	case "sign":
		return m.setSignature(words)
	default:
		return fmt.Errorf("unknown word %q", key)
	}
	return err
}

var machines = map[string]elf.Machine{
	"386": elf.EM_386, "x86-64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "s390": elf.EM_S390,
	"ppc64": elf.EM_PPC64, "mips": elf.EM_MIPS, "riscv": elf.EM_RISCV, "sparc": elf.EM_SPARC,
	"sparcv9": elf.EM_SPARCV9,
}

var crcStyles = map[string]CRCStyle{
	"insection": CRCInSection, "absolute": CRCAbsolute, "relative": CRCRelative, "none": CRCNone,
}

var versionStyles = map[string]VersionStyle{
	"basic": VersionsBasic, "extended": VersionsExtended, "both": VersionsBoth,
}

func lookup[V any](table map[string]V, name string) (V, error) {
	v, ok := table[name]
	if !ok {
		return v, fmt.Errorf("unknown word %q", name)
	}
	return v, nil
}

func (m *Module) addExport(words []string) error {
	if len(words) < 1 {
		return fmt.Errorf("export without a name")
	}
	e := Export{Name: words[0]}
	for _, word := range words[1:] {
		ns, isNS := strings.CutPrefix(word, "ns=")
		switch {
		case isNS:
			e.Namespace = ns
		case word == "gpl":
			e.GPL = true
		case word == "nocrc":
			e.NoCRC = true
		default:
			crc, err := strconv.ParseUint(word, 0, 32)
			if err != nil {
				return err
			}
			e.CRC = uint32(crc)
		}
	}
	m.Exports = append(m.Exports, e)
	return nil
}

func (m *Module) addImport(words []string) error {
	if len(words) < 1 {
		return fmt.Errorf("import without a name")
	}
	im := Import{Name: words[0], NoVersion: true}
	for _, word := range words[1:] {
		switch word {
		case "weak":
			im.Weak = true
		case "versiononly":
			im.VersionOnly = true
		default:
			crc, err := strconv.ParseUint(word, 0, 32)
			if err != nil {
				return err
			}
			im.CRC, im.NoVersion = uint32(crc), false
		}
	}
	m.Imports = append(m.Imports, im)
	return nil
}

func (m *Module) setSignature(words []string) error {
	if len(words) != 3 || words[0] != "pkcs7" && words[0] != "x509" {
		return fmt.Errorf("want sign pkcs7|x509 SIGNER KEYIDHEX")
	}
	s := &Signature{Kind: PKCS7, Signer: words[1], Sig: []byte("not a signature"), Hash: 4}
	if words[0] == "x509" {
		s.Kind = X509
	}
	var err error
	s.KeyID, err = hex.DecodeString(words[2])
	m.Signature = s
	return err
}
