package btf

// relocates tells whether a kernel finds each type of a distilled base among its own, by name. Structures that the
// module's own contain must have the same size; of those that are pointed to, the size does not matter.
func (v *validator) relocates(distilled, kernel *File) (Validity, error) {
	wanted := map[string][]Type{}
	for t := range distilled.Types() {
		wanted[t.Name()] = nil
	}
	for t := range kernel.Types() {
		name := t.Name()
		if list, ok := wanted[name]; ok && name != "" {
			wanted[name] = append(list, t)
		}
	}
	parts := v.embedded()
	var unsure error
	for t := range distilled.Types() {
		answer, why := relocatable(t, wanted[t.Name()], parts[t.ID])
		if answer == Invalid {
			return Invalid, badf(t.at, "%s of the distilled base: %s", t.Specifier(), why)
		}
		if answer == NotKnown && unsure == nil {
			unsure = badf(t.at, "%s of the distilled base: %s", t.Specifier(), why)
		}
	}
	if unsure != nil {
		return NotKnown, unsure
	}
	return Valid, nil
}

// How a module's own structures contain a type of the base.
type containment uint8

const (
	pointed  containment = iota // not at all
	indirect                    // in an array, or by another name
	direct                      // as a member
)

// embedded returns what the module's own types contain of the base.
func (v *validator) embedded() map[ID]containment {
	parts := map[ID]containment{}
	note := func(id ID, how containment) {
		parts[id] = max(parts[id], how)
	}
	for t := range v.f.Types() {
		switch t.Kind {
		case Struct, Union:
			for i := range t.Len {
				note(t.Member(i).Type, direct)
			}
		case Array:
			elem, _, _ := t.Array()
			note(elem, indirect)
		case Typedef, Const, Volatile, Restrict, TypeTag, Var:
			note(t.Ref, indirect)
		}
	}
	return parts
}

// relocatable tells whether the kernel finds one type of a distilled base among those of its name.
func relocatable(t Type, kernel []Type, how containment) (answer Validity, why string) {
	found, sized := 0, 0
	for _, k := range kernel {
		if meant(t, k) {
			found++
			if k.Size == t.Size {
				sized++
			}
		}
	}
	structure := t.Kind == Struct || t.Kind == Union
	switch {
	case found == 0:
		return Invalid, "the kernel has none"
	case !structure && t.Kind != Fwd && found > 1, structure && sized > 1:
		return NotKnown, "the kernel has several"
	case t.Kind == Fwd && found > 1:
		return Invalid, "the kernel has several"
	case !structure, sized == 1:
		return Valid, ""
	case how == direct:
		return Invalid, "it has another size in the kernel, and is contained in the module's types"
	case how == indirect, found > 1:
		return NotKnown, "it has another size in the kernel"
	}
	return Valid, ""
}

// meant tells whether a type of the kernel can be the one of a distilled base, which has the same name.
func meant(t, k Type) bool {
	switch t.Kind {
	case Fwd:
		return k.Kind == Fwd || k.Kind == Union || k.Kind == Struct
	case Struct, Union:
		return k.Kind == t.Kind
	case Enum, Enum64:
		return (k.Kind == Enum || k.Kind == Enum64) && k.Size == t.Size
	case Float:
		return k.Kind == Float && k.Size == t.Size
	case Int:
		return k.Kind == Int && k.Size == t.Size && k.f.u32(k.list(0)-4) == t.f.u32(t.list(0)-4)
	}
	return false
}
