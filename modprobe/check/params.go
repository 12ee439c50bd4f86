package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gomodprobe/gomodprobe/internal/format/elf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/near"
	"github.com/gomodprobe/gomodprobe/internal/params"
)

// parameters sets the module's parameters, each with a value that is not taken on to the last: all failures are
// printed, the last one's errno is returned.
func (l *loader) parameters() bool {
	list, after, dashes := params.Split(l.given)
	if len(list) == 0 && !dashes {
		return true
	}
	var table []elf.Param
	f, err := elf.Parse(l.m.Image)
	if err == nil {
		table, err = f.Params()
	}
	if err != nil {
		l.v.unknown("whether the kernel takes the parameters: %v", err)
		return true
	}
	var failed syscall.Errno
	for _, p := range list {
		if e := l.parameter(table, p); e != 0 {
			failed = e
		}
	}
	if failed != 0 {
		l.v.fail(failed)
		return false
	}
	if dashes {
		l.v.reason(false, KindParameter, "", "take the dashes out", "what stands behind -- is not for the module: %q", after)
		l.say(kernel.SayAfterDashes, l.name, after)
	}
	return true
}

// parameter sets one parameter.
func (l *loader) parameter(table []elf.Param, given params.Param) syscall.Errno {
	i := slices.IndexFunc(table, func(p elf.Param) bool { return params.Plain(p.Name) == params.Plain(given.Name) })
	if i < 0 {
		l.unknownParameter(table, given.Name)
		return 0
	}
	p := table[i]
	if !given.HasValue && !slices.Contains(bare, p.Ops) {
		if p.Own {
			l.v.unknown("whether %s takes %s without a value: it reads that itself", l.name, given.Name)
			return 0
		}
		return l.badValue(given, given.Value, bad{errno: syscall.EINVAL, why: "it has no value"})
	}
	if p.Flags&elf.FlagHardware != 0 && l.k.Lockdown {
		l.v.MayLog = append(l.v.MayLog, "Lockdown: modprobe: Command line-specified device addresses, irqs and dma channels "+
			"is restricted; see man kernel_lockdown.7")
		return l.badValue(given, given.Value, bad{
			errno: syscall.EPERM, why: "the kernel is locked down, and takes no addresses of devices",
		})
	}
	if p.Flags&elf.FlagUnsafe != 0 {
		if !l.v.tainted("U") {
			l.v.Taints = append(l.v.Taints, Taint{"U", "the parameter " + p.Name + " is marked as dangerous"})
		}
		l.say(kernel.SayDangerous, p.Name)
	}
	said := given.Value // what the kernel prints
	var b bad
	known := true
	if p.Ops == elf.ArrayOps {
		b, known = l.setArray(&p, given.Value)
		said, _, _ = strings.Cut(said, ",") // the kernel has ended it there meanwhile
	} else {
		b, known = l.set(p.Ops, &p, given.Value, given.HasValue)
	}
	switch {
	case !known:
		l.v.unknown("whether %s takes %s=%s: it reads that itself", l.name, given.Name, given.Value)
	case b.errno != 0:
		return l.badValue(given, said, b)
	}
	return 0
}

// bare are the kinds of parameters that need no value.
var bare = []string{"param_ops_bool", "param_ops_bint", "param_ops_bool_enable_only"}

// unknownParameter is a parameter that the module does not have: the kernel goes on.
func (l *loader) unknownParameter(table []elf.Param, name string) {
	before, behind, dotted := strings.Cut(name, ".")
	if name == "async_probe" || name == "dyndbg" || behind == "dyndbg" {
		return // of any module
	}
	var names []string
	for _, p := range table {
		names = append(names, p.Name)
	}
	advice := "modinfo -p lists those it has"
	if words := near.Words(name, slices.Values(names)); len(words) > 0 {
		advice = "is " + strings.Join(words, " or ") + " meant?"
	}
	l.v.reason(false, KindParameter, "", advice, "it has no parameter %s: the kernel passes over it", name)
	if dotted { // kernels with dynamic debugging cut the name at the dot
		for _, said := range []string{before, name} {
			line, _ := l.k.Words.Line(kernel.SayUnknownParam, []any{l.name, said})
			l.v.MayLog = append(l.v.MayLog, line)
		}
		return
	}
	l.say(kernel.SayUnknownParam, l.name, name)
}

// bad is what is wrong with a value; errno is 0 for nothing.
type bad struct {
	errno syscall.Errno
	more  kernel.Sentence // a line that comes before the usual one
	args  []any           // what more is filled with; nil: there is no such line
	why   string
}

// badValue says what is wrong with a value, which the kernel prints as said.
func (l *loader) badValue(given params.Param, said string, b bad) syscall.Errno {
	if b.args != nil {
		l.say(b.more, b.args...)
	}
	say := kernel.SayInvalidParam
	if b.errno == syscall.ENOSPC {
		say = kernel.SayLargeParam
	}
	l.say(say, l.name, said, given.Name)
	text := given.Name
	if given.HasValue {
		text += "=" + shorten(given.Value)
	}
	l.v.reason(true, KindParameter, "", "", "the parameter %s: %s", text, b.why)
	return b.errno
}

// shorten cuts a long value.
func shorten(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// setArray sets the elements of an array.
func (l *loader) setArray(p *elf.Param, value string) (bad, bool) {
	n := uint32(0)
	for element := range strings.SplitSeq(value, ",") {
		if n == p.Max {
			why := fmt.Sprintf("it has at most %d values", p.Max)
			return bad{syscall.EINVAL, kernel.SayArrayFull, []any{p.Name, p.Max}, why}, true
		}
		n++
		if b, known := l.set(p.Elem, p, element, true); !known || b.errno != 0 {
			return b, known
		}
	}
	return bad{}, true
}

// integer describes a kind of whole numbers.
type integer struct {
	bits   int // 0: those of a long
	signed bool
	base   int
}

// integerOf returns the kind of numbers that one of the kernel's functions sets.
func integerOf(ops string) (kind integer, ok bool) {
	switch ops {
	case "param_ops_byte":
		kind = integer{bits: 8}
	case "param_ops_short":
		kind = integer{bits: 16, signed: true}
	case "param_ops_ushort":
		kind = integer{bits: 16}
	case "param_ops_int":
		kind = integer{bits: 32, signed: true}
	case "param_ops_uint":
		kind = integer{bits: 32}
	case "param_ops_long":
		kind = integer{signed: true}
	case "param_ops_ulong":
	case "param_ops_ullong":
		kind = integer{bits: 64}
	case "param_ops_hexint":
		kind = integer{bits: 32, base: 16}
	default:
		return kind, false
	}
	return kind, true
}

// set sets a value by the kernel's function for a kind of parameters. It is false if that is not one of those which all
// kernels have.
func (l *loader) set(ops string, p *elf.Param, value string, has bool) (bad, bool) {
	if kind, ok := integerOf(ops); ok {
		bits := kind.bits
		if bits == 0 {
			bits = l.m.Class
		}
		return setInteger(value, bits, kind.signed, kind.base), true
	}
	switch ops {
	case "param_ops_bool", "param_ops_bint", "param_ops_invbool":
		return l.setBool(value, has)
	case "param_ops_charp":
		const most = 1024
		if len(value) > most {
			why := fmt.Sprintf("it has %d bytes, and the kernel takes %d", len(value), most)
			return bad{syscall.ENOSPC, kernel.SayLongString, []any{p.Name}, why}, true
		}
		return bad{}, true
	case elf.StringOps:
		if p.Max == 0 {
			return bad{}, false
		}
		if uint64(len(value)) >= uint64(p.Max) {
			why := fmt.Sprintf("it has %d bytes, and there is room for %d", len(value), p.Max-1)
			return bad{syscall.ENOSPC, kernel.SayNoFit, []any{p.Name, p.Max - 1}, why}, true
		}
		return bad{}, true
	}
	return bad{}, false
}

// setInteger reads a whole number as kernels do: a sign, 0x or 0 before other bases, and one newline behind.
func setInteger(s string, bits int, signed bool, base int) bad {
	kind := "a number from 0"
	if signed {
		kind = "a whole number"
	}
	none := bad{errno: syscall.EINVAL, why: "it is not " + kind}
	high := uint64(1)<<(bits-1)<<1 - 1
	low := uint64(0)
	if signed {
		high, low = high>>1, high>>1+1
	}
	outside := bad{errno: syscall.ERANGE, why: fmt.Sprintf("it is not from 0 to %d", high)}
	if signed {
		outside.why = fmt.Sprintf("it is not from -%d to %d", low, high)
	}
	digits, negative := s, false
	if rest, ok := strings.CutPrefix(digits, "-"); ok && signed {
		digits, negative = rest, true
	} else if rest, ok := strings.CutPrefix(digits, "+"); ok {
		digits = rest
	}
	isHex := func(i int) bool {
		return len(digits) > i && strings.IndexByte("0123456789abcdefABCDEF", digits[i]) >= 0
	}
	prefixed := len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x'
	switch {
	case base == 0 && prefixed && isHex(2):
		base = 16
	case base == 0 && strings.HasPrefix(digits, "0"):
		base = 8
	case base == 0:
		base = 10
	}
	if base == 16 && prefixed {
		digits = digits[2:]
	}
	n := 0
	for n < len(digits) && digitOf(digits[n]) < base {
		n++
	}
	if n == 0 {
		return none
	}
	number, err := strconv.ParseUint(digits[:n], base, 64)
	if err != nil {
		return outside // which the kernel sees before what follows
	}
	if rest := strings.TrimSuffix(digits[n:], "\n"); rest != "" {
		return none
	}
	if negative && number > low || !negative && number > high {
		return outside
	}
	return bad{}
}

// digitOf returns what a digit stands for, or more than any base.
func digitOf(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		return int(c|0x20-'a') + 10
	}
	return 99
}

// setBool reads a word that means yes or no: kernels look at its first letter, or two.
func (l *loader) setBool(s string, has bool) (bad, bool) {
	if !has {
		return bad{}, true
	}
	low := strings.ToLower(s[:min(len(s), 2)])
	switch {
	case low == "":
	case strings.Contains("yn10", low[:1]), low == "on", low == "of":
		return bad{}, true
	case strings.Contains("tf", low[:1]):
		return l.readSince(wordSince{since: [2]int{6, 12}}) // earlier ones have not been asked
	case strings.Contains("ed", low[:1]):
		return l.readSince(wordSince{since: [2]int{7, 2}, before: [2]int{6, 12}})
	}
	return noBool, true
}

var noBool = bad{errno: syscall.EINVAL, why: "it is none of 1, y, on, 0, n, off"}

// wordSince is the first release that is known to read a word, and the last that is known not to.
type wordSince struct{ since, before [2]int }

// readSince judges a word that kernels have learned.
func (l *loader) readSince(r wordSince) (bad, bool) {
	major, minor := kernel.ParseRelease(l.k.Release)
	switch at := [2]int{major, minor}; {
	case major == 0:
	case slices.Compare(at[:], r.since[:]) >= 0:
		return bad{}, true
	case slices.Compare(at[:], r.before[:]) <= 0:
		return noBool, true
	}
	return bad{}, false
}
