package kernelabi

import (
	"fmt"
	"strings"
)

// Ignored says, in words for people, what a load of a module with these flags passes over, compared with one without them.
func (k *Kernel) Ignored(m *Module, flags int) (list []string) {
	if flags&IgnoreVermagic != 0 {
		magic, ok := m.Field("vermagic")
		switch diff := DiffVermagic(magic, k.Vermagic); {
		case !ok || k.Vermagic == "":
			list = append(list, "the vermagic")
		case len(diff) == 0:
			list = append(list, "the vermagic, which is that of the kernel")
		default:
			var words []string
			for _, d := range diff {
				words = append(words, fmt.Sprintf("%s %s instead of %s", d.Field, orNone(d.Module), orNone(d.Kernel)))
			}
			list = append(list, "the vermagic: "+strings.Join(words, ", "))
		}
	}
	if flags&IgnoreModversions != 0 && len(m.Versions) > 0 {
		list = append(list, k.ignoredCRCs(m))
	}
	if flags != 0 && m.Signature.Present {
		list = append(list, "the signature: a module that is forced counts as unsigned")
	}
	return list
}

// ignoredCRCs counts the versions of symbols that are not compared.
func (k *Kernel) ignoredCRCs(m *Module) string {
	differ, unknown, layout := 0, 0, ""
	for _, v := range m.Versions {
		s, answer := k.lookup(v.Name)
		switch {
		case answer != Found || !s.HasCRC:
			unknown++
		case uint64(s.CRC) != v.CRC:
			differ++
			if v.Name == LayoutSymbol {
				layout = ", " + LayoutSymbol + " among them"
			}
		}
	}
	text := fmt.Sprintf("the CRCs of %d symbols: %d differ%s", len(m.Versions), differ, layout)
	if unknown > 0 {
		text += fmt.Sprintf(", %d are not known", unknown)
	}
	return text
}
