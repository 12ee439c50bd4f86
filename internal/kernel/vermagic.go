package kernel

import "strings"

// A MagicField is one field of a vermagic string in which a module and a kernel differ.
type MagicField struct {
	Field  string // "release", "SMP", "preemption", "unload", "modversions", "architecture", "layout seed"
	Module string // as the module has it; "" for lacking
	Kernel string // as the kernel has it; "" for lacking
}

// magicFields in the order of the string; what is none of these words belongs to the architecture.
var magicFields = [...]string{"release", "SMP", "preemption", "unload", "modversions", "architecture", "layout seed"}

// splitMagic puts each word of a vermagic string in its field.
func splitMagic(magic string) (fields [len(magicFields)]string) {
	words := strings.Fields(magic)
	for i, w := range words {
		switch {
		case i == 0:
			fields[0] = w
		case w == "SMP":
			fields[1] = w
		case strings.HasPrefix(w, "preempt"):
			fields[2] = w
		case w == "mod_unload":
			fields[3] = w
		case w == "modversions":
			fields[4] = w
		case strings.HasPrefix(w, "RANDSTRUCT"):
			fields[6] = w
		default:
			fields[5] = strings.TrimPrefix(fields[5]+" "+w, " ")
		}
	}
	return fields
}

// DiffVermagic names the fields in which two vermagic strings differ; none if they differ only in blanks or order.
func DiffVermagic(module, kernel string) []MagicField {
	m, k := splitMagic(module), splitMagic(kernel)
	var diff []MagicField
	for i, name := range magicFields {
		if m[i] != k[i] {
			diff = append(diff, MagicField{name, m[i], k[i]})
		}
	}
	return diff
}

// SameMagic compares as the loader does: with versions on both sides everything up to the first blank, the release,
// is left out; the rest must be the same byte for byte.
func SameMagic(module, kernel string, versioned bool) bool {
	if versioned {
		module, kernel = magicTail(module), magicTail(kernel)
	}
	return module == kernel
}

// magicTail is the string from its first blank on.
func magicTail(magic string) string {
	if i := strings.IndexByte(magic, ' '); i >= 0 {
		return magic[i:]
	}
	return ""
}

// MagicRelease is the first word of a vermagic string.
func MagicRelease(magic string) string {
	release, _, _ := strings.Cut(magic, " ")
	return release
}
