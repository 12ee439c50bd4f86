// Package getopt reads a command line the way glibc's getopt_long(3) does: clusters of short options, values in
// the same or the next argument, long options by any unique prefix, options after operands, and the same words for
// what is wrong.
//
// Scripts depend on all of it ("modprobe -abq x", "modprobe -rvd DIR x", "modprobe x -q"), and on options that get a
// longer name in a later version not becoming ambiguous: see [Option.Exact].
package getopt

import "strings"

// Arg says whether an option takes a value.
type Arg uint8

const (
	// None is an option without a value.
	None Arg = iota
	// Required is an option whose value is in the same argument or is the next one.
	Required
	// Optional is an option that has only a long name, and a value only in the form --name=value.
	Optional
)

// Option describes one option. Two names of one option are two Options with the same ID.
type Option struct {
	// Long is the name after "--"; empty when there is only a short one.
	Long string
	// Short is the letter after "-"; 0 when there is only a long name.
	Short byte
	// Arg says whether a value follows.
	Arg Arg
	// ID is returned when the option is met. Long options of equal ID and Arg are never ambiguous among themselves.
	ID int
	// Exact keeps a long name out of prefix matching and of the list of possibilities. The options that kmod does
	// not have are Exact, so that every abbreviation that works with kmod goes on working.
	Exact bool
}

// Order is what happens at an operand.
type Order uint8

const (
	// Permute goes on looking for options after operands.
	Permute Order = iota
	// Posix stops at the first operand, as with POSIXLY_CORRECT in the environment.
	Posix
)

// A Parser walks over the arguments of a command. The zero value is not useful; see [New].
type Parser struct {
	options  []Option
	order    Order
	args     []string // what is still to be looked at
	cluster  string   // the rest of a cluster of short options
	operands []string
	left     int // Left
}

// New returns a parser of args, which do not include the command's own name.
func New(options []Option, order Order, args []string) *Parser {
	return &Parser{options: options, order: order, args: args}
}

// Error is a mistake on the command line. Its text is glibc's without the "PROGRAM: " in front.
type Error string

// Error returns glibc's words.
func (e Error) Error() string { return string(e) }

// Next returns the next option and its value; o is nil when there are no more. After an error the parser goes on
// with the next option, as getopt_long does after returning '?'.
func (p *Parser) Next() (o *Option, value string, err error) {
	if p.cluster != "" {
		return p.short()
	}
	for len(p.args) > 0 {
		arg := p.args[0]
		if len(arg) < 2 || arg[0] != '-' {
			if p.order == Posix {
				break
			}
			p.operands = append(p.operands, arg)
			p.args = p.args[1:]
			continue
		}
		p.left, p.args = len(p.args), p.args[1:]
		if arg == "--" {
			break
		}
		if arg[1] == '-' {
			return p.long(arg[2:])
		}
		p.cluster = arg[1:]
		return p.short()
	}
	p.operands = append(p.operands, p.args...)
	p.args = nil
	return nil, "", nil
}

// Left returns how many arguments were left when the last option was met, that with the option in it included.
func (p *Parser) Left() int { return p.left }

// Operands returns what is not an option nor an option's value, in order. It is complete once [Parser.Next] has
// returned no option.
func (p *Parser) Operands() []string { return p.operands }

// short takes one letter off the cluster.
func (p *Parser) short() (*Option, string, error) {
	c := p.cluster[0]
	p.cluster = p.cluster[1:]
	for i := range p.options {
		o := &p.options[i]
		if o.Short != c || c == 0 {
			continue
		}
		if o.Arg == None {
			return o, "", nil
		}
		if value := p.cluster; value != "" {
			p.cluster = ""
			return o, value, nil
		}
		value, ok := p.shift()
		if !ok {
			return nil, "", Error("option requires an argument -- '" + string([]byte{c}) + "'")
		}
		return o, value, nil
	}
	return nil, "", Error("invalid option -- '" + string([]byte{c}) + "'")
}

// long handles an argument whose text after "--" is text.
func (p *Parser) long(text string) (*Option, string, error) {
	name, value, hasValue := strings.Cut(text, "=")
	o, err := p.find(name, text)
	if err != nil {
		return nil, "", err
	}
	switch {
	case o.Arg == None && hasValue:
		return nil, "", Error("option '--" + o.Long + "' doesn't allow an argument")
	case o.Arg == Required && !hasValue:
		if value, hasValue = p.shift(); !hasValue {
			return nil, "", Error("option '--" + o.Long + "' requires an argument")
		}
	}
	return o, value, nil
}

// find looks a long name up: in full first, then as a prefix. text is the argument as typed, for the messages.
func (p *Parser) find(name, text string) (*Option, error) {
	var first *Option
	var others []string
	for i := range p.options {
		o := &p.options[i]
		if o.Long == "" || !strings.HasPrefix(o.Long, name) {
			continue
		}
		if o.Long == name {
			return o, nil
		}
		switch {
		case o.Exact:
		case first == nil:
			first = o
		case o.ID != first.ID || o.Arg != first.Arg:
			others = append(others, o.Long)
		}
	}
	if first == nil {
		return nil, Error("unrecognized option '--" + text + "'")
	}
	if others != nil {
		return nil, Error("option '--" + text + "' is ambiguous; possibilities: '--" + first.Long + "' '--" +
			strings.Join(others, "' '--") + "'")
	}
	return first, nil
}

// shift takes the next argument, whatever it looks like.
func (p *Parser) shift() (string, bool) {
	if len(p.args) == 0 {
		return "", false
	}
	arg := p.args[0]
	p.args = p.args[1:]
	return arg, true
}
