package btf

import (
	"strconv"
	"strings"
)

// maxSteps is how many types one text in C may be made of. The largest structures of kernels need some thousands.
const maxSteps = 1 << 15

// A writer of C counts the types that it has written, as a few bytes of BTF can stand for any number of them.
type writer struct {
	f     *File
	steps int
}

// Declare returns the declaration in C of a variable, member or function of that name and type: "int (*probe)(struct
// device *)". The name may be empty. What is too long or nested too deep ends in "...".
func (f *File) Declare(id ID, name string) string {
	w := writer{f: f}
	return w.declare(id, name, 0)
}

func (w *writer) spent() bool {
	w.steps++
	return w.steps > maxSteps
}

// qualified takes qualifiers and tags off a type.
func (w *writer) qualified(id ID) (t Type, qualifiers string) {
	for range maxDepth {
		t = w.f.Type(id)
		switch t.Kind {
		case Const, Volatile, Restrict:
			qualifiers += t.Kind.String() + " "
		case TypeTag:
		default:
			return t, qualifiers
		}
		id = t.Ref
	}
	return t, qualifiers
}

func (w *writer) declare(id ID, name string, depth int) string {
	d := w.declarator(id, name, depth)
	return strings.TrimSuffix(d.head()+" "+d.text, " ")
}

// A declarator is a declaration in its two parts: what comes first, and the name with all that is around it.
type declarator struct {
	of         Type   // what the declaration begins with
	qualifiers string // of that
	text       string // the rest
	indirect   bool   // there is a pointer or function between
	cut        bool   // it is too long
}

func (d *declarator) head() string {
	if d.cut {
		return "..."
	}
	return d.qualifiers + d.of.Specifier()
}

func (w *writer) declarator(id ID, name string, depth int) (d declarator) {
	d.text = name
	for ; depth < maxDepth && !w.spent(); depth++ {
		d.of, d.qualifiers = w.qualified(id)
		switch t := d.of; t.Kind {
		case Pointer:
			d.indirect = true
			d.text = "*" + d.qualifiers + d.text
			if to, _ := w.qualified(t.Ref); to.Kind == Array || to.Kind == FuncProto {
				d.text = "(" + strings.TrimSuffix(d.text, " ") + ")"
			}
			id = t.Ref
		case Array:
			elem, n, _ := t.Array()
			if n == 0 {
				d.text += "[]"
			} else {
				d.text += "[" + strconv.FormatUint(uint64(n), 10) + "]"
			}
			id = elem
		case FuncProto:
			d.indirect = true
			d.text += "(" + w.params(t, depth+1) + ")"
			id = t.Ref
		case Func:
			id = t.Ref
		default:
			return d
		}
	}
	d.cut = true
	return d
}

// params returns the parameters of a function.
func (w *writer) params(t Type, depth int) string {
	if t.Len == 0 {
		return "void"
	}
	var list []string
	for i := range t.Len {
		p := t.Param(i)
		if p.Type == 0 && p.Name == "" && i == t.Len-1 {
			list = append(list, "...")
			break
		}
		if w.spent() {
			return strings.Join(append(list, "..."), ", ")
		}
		list = append(list, w.declare(p.Type, p.Name, depth))
	}
	return strings.Join(list, ", ")
}

// Specifier returns the words for a type that has a name, as "struct device" or "u32"; for one without name its kind
// and "{...}".
func (t Type) Specifier() string {
	name := t.Name()
	switch t.Kind {
	case Struct, Union, Enum, Enum64:
		if name == "" {
			return t.Kind.String() + " {...}"
		}
		return t.Kind.String() + " " + name
	case Fwd:
		if t.Flag {
			return "union " + name
		}
		return "struct " + name
	case Void:
		return "void"
	}
	return name
}
