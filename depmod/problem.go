package depmod

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/format/confd"
)

// Kind says what a Problem is about.
type Kind int

// The kinds of problems. What is said to be passed over is left out of the tables, and the rest is as good as without
// it.
const (
	// Config: the configuration file Path cannot be read or is not a file; Err has the cause. Passed over.
	Config Kind = iota + 1
	// ConfigLine: line Line of Path, which begins with the word Text, is not understood. Passed over.
	ConfigLine
	// ConfigNote: line Line of Path has no effect, and Text says why. Nothing is wrong.
	ConfigNote
	// Directory: the folder Path cannot be listed; Err has the cause.
	Directory
	// Entry: the entry Path, of the name Text, cannot be examined: mostly a link that leads nowhere. Passed over.
	Entry
	// FileType: Path is neither a file nor a folder but what Mode says. Passed over.
	FileType
	// Loop: the folder Path leads back to one that it is in, by a link. Not entered.
	Loop
	// Missing: the file Text in the folder Path cannot be read; Err has the cause.
	Missing
	// OrderLine: line Line of modules.order, Path, does not end. The file is disregarded.
	OrderLine
	// Unreadable: the module Path cannot be read or is not sound; Err has the cause.
	Unreadable
	// SymbolLine: line Line of System.map or Module.symvers, Path, is not understood; Text is the line, or the
	// number in it that is none. Passed over.
	SymbolLine
	// NoSymbols: System.map, Path, names nothing that the kernel exports, so that what modules need and nobody
	// exports is not reported: it would be nearly all of it.
	NoSymbols
	// Unresolved: the module Path needs the symbol Symbol, which neither a module nor the kernel exports. Found
	// only if the kernel's symbols are known.
	Unresolved
	// Disagrees: the module Path needs Symbol with another checksum than it is exported with.
	Disagrees
	// Cycle: the modules Modules need each other in turn, the last the first.
	Cycle
	// Bracket: the alias Text of Module has a '[' without ']' or the reverse. It is in the text table only.
	Bracket
	// DevName: the module Module has the device node Text but no number for it. Passed over.
	DevName
	// BuiltinLine: the line Text of modules.builtin is not the name of a module. Passed over.
	BuiltinLine
	// BadKey: Text, wanted in the table Table, is not 7-bit ASCII. Passed over.
	BadKey
	// Duplicate: the table Table has the value Text for the key Symbol twice. Nothing is wrong.
	Duplicate
)

// String returns a short name for the kind, the same in every version: "unreadable", "builtin-line".
func (k Kind) String() string {
	switch k {
	case Config:
		return "config"
	case ConfigLine:
		return "config-line"
	case ConfigNote:
		return "config-note"
	case Directory:
		return "directory"
	case Entry:
		return "entry"
	case FileType:
		return "file-type"
	case Loop:
		return "loop"
	case Missing:
		return "missing"
	case OrderLine:
		return "order-line"
	case Unreadable:
		return "unreadable"
	case SymbolLine:
		return "symbol-line"
	case NoSymbols:
		return "no-symbols"
	case Unresolved:
		return "unresolved"
	case Disagrees:
		return "disagrees"
	case Cycle:
		return "cycle"
	case Bracket:
		return "bracket"
	case DevName:
		return "devname"
	case BuiltinLine:
		return "builtin-line"
	case BadKey:
		return "bad-key"
	case Duplicate:
		return "duplicate"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Problem is something that Build met with. Which of the fields are set depends on Kind.
type Problem struct {
	// Kind says what happened.
	Kind Kind
	// Path is the file it happened in, as Options.Shown and the configuration spell it.
	Path string
	// Line is the number of the line from 1; 0 for none.
	Line int
	// Module is the name of a module.
	Module string
	// Modules are the names of several.
	Modules []string
	// Symbol is the name of a symbol.
	Symbol string
	// Text is what is wrong: see Kind.
	Text string
	// Table is the table that was being made, for what concerns only one.
	Table string
	// Mode is the type of the file.
	Mode fs.FileMode
	// Err is the cause, or nil.
	Err error
}

// Dangling reports whether nothing is there: a Problem of kind Entry is a link that leads nowhere, one of kind
// Directory a folder that the configuration names and that does not exist.
func (p Problem) Dangling() bool {
	return errors.Is(p.Err, fs.ErrNotExist) || errors.Is(p.Err, syscall.ELOOP) || errors.Is(p.Err, syscall.ENOTDIR)
}

// String returns the problem in a sentence.
func (p Problem) String() string {
	at := p.Path
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", p.Path, p.Line)
	}
	switch p.Kind {
	case Config:
		return fmt.Sprintf("%s: not used: %v", at, cause(p.Err))
	case ConfigLine:
		return fmt.Sprintf("%s: line beginning with %q not understood", at, p.Text)
	case ConfigNote:
		return fmt.Sprintf("%s: %s", at, p.Text)
	case Directory:
		return fmt.Sprintf("%s: folder cannot be listed: %v", at, cause(p.Err))
	case Entry:
		return fmt.Sprintf("%s: %v", at, cause(p.Err))
	case FileType:
		return fmt.Sprintf("%s: neither file nor folder (%v)", at, p.Mode)
	case Loop:
		return fmt.Sprintf("%s: link back to a folder above it", at)
	case Missing:
		return fmt.Sprintf("%s: %v", join(p.Path, p.Text), cause(p.Err))
	case OrderLine:
		return fmt.Sprintf("%s: line does not end; the order of the modules is not used", at)
	case Unreadable:
		return fmt.Sprintf("%s: module cannot be read: %v", at, cause(p.Err))
	case SymbolLine:
		return fmt.Sprintf("%s: not understood: %q", at, strings.TrimSuffix(p.Text, "\n"))
	case NoSymbols:
		return fmt.Sprintf("%s: names no symbol that the kernel exports; unknown symbols are not looked for",
			at)
	case Unresolved:
		return fmt.Sprintf("%s: needs unknown symbol %s", at, p.Symbol)
	case Disagrees:
		return fmt.Sprintf("%s: needs symbol %s with another checksum", at, p.Symbol)
	case Cycle:
		return fmt.Sprintf("modules depend on each other: %s", strings.Join(p.Modules, " -> "))
	case Bracket:
		return fmt.Sprintf("%s: alias %q has a bracket without its partner", p.Module, p.Text)
	case DevName:
		return fmt.Sprintf("%s: device node %q without major and minor number", p.Module, p.Text)
	case BuiltinLine:
		return fmt.Sprintf("modules.builtin: %q is not the name of a module", p.Text)
	case BadKey:
		return fmt.Sprintf("%s: %q is not 7-bit ASCII", p.Table, p.Text)
	case Duplicate:
		return fmt.Sprintf("%s: %s %s is there twice", p.Table, p.Symbol, p.Text)
	}
	return p.Kind.String()
}

// Error implements error, for those who want to return a problem as one.
func (p Problem) Error() string { return p.String() }

// Unwrap returns p.Err.
func (p Problem) Unwrap() error { return p.Err }

// cause takes the name of the file off an error, since a Problem has it anyway.
func cause(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case confd.Problem:
		return cause(e.Err)
	}
	return err
}
