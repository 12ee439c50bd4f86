package elf_test

import (
	"bytes"
	stdelf "debug/elf"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

func TestUnversioned(t *testing.T) {
	for _, shape := range []struct {
		name  string
		class int
		big   bool
	}{{"64-bit", 64, false}, {"32-bit", 32, false}, {"64-bit big-endian", 64, true}, {"32-bit big-endian", 32, true}} {
		t.Run(shape.name, func(t *testing.T) {
			m := kmodtest.Module{
				Name: "mod", Class: shape.class, Big: shape.big, Info: []string{"vermagic=other 1"},
				Imports:  []kmodtest.Import{{Name: "module_layout", CRC: 1, VersionOnly: true}, {Name: "printk", CRC: 2}},
				Sections: []kmodtest.Section{{Name: "__version_ext_crcs", Flags: stdelf.SHF_ALLOC, Data: make([]byte, 4)}, {Name: "__version_ext_names", Flags: stdelf.SHF_ALLOC, Data: []byte("printk\x00")}},
			}
			plain := m.Bytes()
			m.Signature = &kmodtest.Signature{Kind: kmodtest.PKCS7, Signer: "me", KeyID: []byte{1}, Sig: make([]byte, 64)}
			image := m.Bytes()
			before := bytes.Clone(image)
			f, err := elf.Parse(image)
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct{ modversions, vermagic bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
				got, err := f.Unversioned(tt.modversions, tt.vermagic)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(image, before) {
					t.Fatal("the image itself was changed")
				}
				want := len(plain)
				if !tt.modversions && !tt.vermagic {
					want = len(image) // nothing to hide: the signature still fits
				}
				if len(got) != want {
					t.Errorf("%v: %d bytes; want %d", tt, len(got), want)
				}
				e, err := stdelf.NewFile(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range e.Sections {
					if strings.HasPrefix(s.Name, "__version") && (s.Flags&stdelf.SHF_ALLOC == 0) != tt.modversions {
						t.Errorf("%v: %s has flags %v", tt, s.Name, s.Flags)
					}
				}
				info, _ := e.Section(".modinfo").Data()
				if has := bytes.Contains(info, []byte("vermagic=")); has == tt.vermagic {
					t.Errorf("%v: .modinfo is %q", tt, info)
				}
				// Nothing else has changed.
				changed := 0
				for i := range got {
					if got[i] != image[i] {
						changed++
					}
				}
				most := 0
				if tt.modversions {
					most += 3
				}
				if tt.vermagic {
					most += len("vermagic=other 1") + len("vermagic=6.1.0 SMP mod_unload modversions ")
				}
				if changed != most {
					t.Errorf("%v: %d bytes changed; want %d", tt, changed, most)
				}
			}
		})
	}
}
