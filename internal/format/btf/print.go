package btf

import (
	"fmt"
	"io"
	"strings"
)

// Print writes a type in C, as pahole does: members with offset and size in bytes, holes between them, and the size
// of all.
func (f *File) Print(out io.Writer, id ID) error {
	p := printer{writer: writer{f: f}}
	t := f.Type(id)
	switch t.Kind {
	case Struct, Union, Enum, Enum64:
		p.whole(t, strings.TrimSuffix(t.Specifier(), " {...}"), "")
	case Typedef:
		if to, qualifiers := p.qualified(t.Ref); to.Kind != Typedef && !to.Named() && isBody(to.Kind) {
			p.whole(to, "typedef "+qualifiers+to.Kind.String(), " "+t.Name())
			break
		}
		p.printf("typedef %s;%s\n", p.declare(t.Ref, t.Name(), 0), p.sizeNote(id))
	case Func, Var:
		p.printf("%s;%s\n", p.declare(t.Ref, t.Name(), 0), p.sizeNote(id))
	default:
		p.printf("%s;%s\n", p.declare(id, "", 0), p.sizeNote(id))
	}
	_, err := io.WriteString(out, p.text.String())
	return err
}

func isBody(k Kind) bool { return k == Struct || k == Union || k == Enum || k == Enum64 }

type printer struct {
	writer
	text strings.Builder
}

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(&p.text, format, args...) }

func (p *printer) sizeNote(id ID) string {
	if n, ok := p.f.Size(id); ok {
		return fmt.Sprintf(" /* size: %d */", n)
	}
	return ""
}

// line writes a declaration with its place beside it.
func (p *printer) line(indent, decl, place string) {
	p.printf("%-*s %s\n", 56-7*len(indent), indent+decl, place)
}

// whole writes a type with braces that is declared for itself.
func (p *printer) whole(t Type, head, name string) {
	p.body("", t, head, 0, 0)
	p.printf("\n\t/* size: %d, members: %d */\n}%s;\n", t.Size, t.Len, name)
}

// body writes a type up to its closing brace. At is where it is in the outermost one, in bits.
func (p *printer) body(indent string, t Type, head string, at uint64, depth int) {
	p.printf("%s%s {\n", indent, head)
	inner := indent + "\t"
	if t.Kind == Struct || t.Kind == Union {
		p.members(inner, t, at, depth)
		return
	}
	for i := range t.Len {
		if p.spent() {
			p.printf("%s...\n", inner)
			return
		}
		e := t.Enumerator(i)
		if t.Kind == Enum64 && !t.Flag {
			p.printf("%s%s = %d,\n", inner, e.Name, uint64(e.Value))
		} else {
			p.printf("%s%s = %d,\n", inner, e.Name, e.Value)
		}
	}
}

// members writes what is between the braces of a structure or union.
func (p *printer) members(indent string, t Type, at uint64, depth int) {
	end := uint64(0) // of the members before, in bits
	for i := range t.Len {
		m := t.Member(i)
		if p.spent() || depth > maxDepth {
			p.printf("%s...\n", indent)
			return
		}
		off := uint64(m.Offset)
		if t.Kind == Struct && off > end {
			p.hole(indent, off-end)
		}
		end = max(end, off+p.width(m))
		d := p.declarator(m.Type, m.Name, 0)
		bits, place := p.place(m, at+off)
		if d.cut || !isBody(d.of.Kind) || d.of.Named() {
			p.line(indent, strings.TrimSuffix(d.head()+" "+d.text, " ")+bits+";", place)
			continue
		}
		start := at + off
		if d.indirect {
			start = 0
		}
		p.body(indent, d.of, d.qualifiers+d.of.Kind.String(), start, depth+1)
		p.line(indent, strings.TrimSuffix("} "+d.text, " ")+bits+";", place)
	}
	if all := uint64(t.Size) * 8; t.Kind == Struct && t.Len > 0 && all > end {
		p.hole(indent, all-end)
	}
}

// width returns the bits of a member.
func (p *printer) width(m Member) uint64 {
	if m.Bits != 0 {
		return uint64(m.Bits)
	}
	size, _ := p.f.Size(m.Type)
	return size * 8
}

// place returns the width of a bit field in C, and where a member at off, in bits, is.
func (p *printer) place(m Member, off uint64) (bits, place string) {
	size, _ := p.f.Size(m.Type)
	if m.Bits == 0 || size == 0 {
		return "", fmt.Sprintf("/* %5d %5d */", off/8, size)
	}
	bit := off % (size * 8) // in the number of its type that it is a part of
	return fmt.Sprintf(":%d", m.Bits), fmt.Sprintf("/* %5d:%2d %2d */", (off-bit)/8, bit, size)
}

func (p *printer) hole(indent string, bits uint64) {
	if bits%8 == 0 {
		p.printf("%s/* hole: %d bytes */\n", indent, bits/8)
		return
	}
	p.printf("%s/* hole: %d bits */\n", indent, bits)
}
