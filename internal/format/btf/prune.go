package btf

import (
	"bytes"
)

// Prune returns the file's data without what nobody asks a kernel's types for: the names of parameters, and those
// functions that keep does not want. Every id and every offset of a string stays what it is, so that a module's types
// are still over it. It is for keeping: what is taken out is zero, and so takes little room when it is compressed.
func (f *File) Prune(keep func(name string) bool) []byte {
	data := bytes.Clone(f.data)
	for t := range f.OfKind(Func, FuncProto) {
		switch {
		case t.Kind == FuncProto:
			for i := range t.Len {
				clear(data[t.list(i):][:4])
			}
		case !keep(t.Name()):
			clear(data[t.at:][:4])
			clear(data[t.at+8:][:4])
		}
	}
	return data
}
