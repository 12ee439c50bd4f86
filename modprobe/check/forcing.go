package check

import (
	"fmt"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// Ignored says, in words for people, what the kernel ignores in a load with these flags that it would check without.
func (k *target) Ignored(m *kernel.Module, flags int) (list []string) {
	if flags&modprobe.IgnoreVermagic != 0 {
		magic, ok := m.Field("vermagic")
		switch diff := kernel.DiffVermagic(magic, k.Vermagic); {
		case !ok || k.Vermagic == "":
			list = append(list, "the vermagic")
		case len(diff) == 0:
			list = append(list, "the vermagic, which is that of the kernel")
		default:
			var words []string
			for _, d := range diff {
				words = append(words, fmt.Sprintf("%s %s instead of %s", d.Field, orNone(d.Module),
					orNone(d.Kernel)))
			}
			list = append(list, "the vermagic: "+strings.Join(words, ", "))
		}
	}
	if flags&modprobe.IgnoreModversions != 0 {
		versions, _ := k.seen(m)
		switch {
		case k.Features.Versions == kernel.No:
			list = append(list, "no CRCs: this kernel has no symbol versions, "+
				"and compares no types of symbols")
		case len(versions) > 0:
			list = append(list, k.ignoredCRCs(m))
		}
	}
	if flags != 0 && m.Signature.Present {
		list = append(list, "the signature: a module that is forced counts as unsigned")
	}
	return list
}

// ignoredCRCs counts the CRCs that are not compared, and those of them that differ.
func (k *target) ignoredCRCs(m *kernel.Module) string {
	differ, unknown, layout := 0, 0, ""
	versions, _ := k.seen(m)
	for _, v := range versions {
		s, answer := k.lookup(v.Name)
		switch {
		case answer != kernel.Found || !s.HasCRC:
			unknown++
		case uint64(s.CRC) != v.CRC:
			differ++
			if v.Name == kernel.LayoutSymbol {
				layout = ", " + kernel.LayoutSymbol + " among them"
			}
		}
	}
	text := fmt.Sprintf("the CRCs of %d symbols: %d differ%s", len(versions), differ, layout)
	if unknown > 0 {
		text += fmt.Sprintf(", %d are not known", unknown)
	}
	if lack := k.unversioned(m); len(lack) > 0 {
		text += fmt.Sprintf("; %s", lack[0])
		if more := len(lack) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		text += " without a version in the module"
	}
	return text
}

// unversioned lists the imports for which a module has no version, though the exporter has one.
func (k *target) unversioned(m *kernel.Module) (lack []string) {
	versions, _ := k.seen(m)
	has := make(map[string]bool, len(versions))
	for _, v := range versions {
		has[v.Name] = true
	}
	for _, im := range m.Imports {
		if s, answer := k.lookup(im.Name); !has[im.Name] && answer == kernel.Found && s.HasCRC {
			lack = append(lack, im.Name)
		}
	}
	return lack
}

// orNone returns a field of a vermagic, "absent" if it is empty.
func orNone(text string) string {
	if text == "" {
		return "absent"
	}
	return text
}
