//go:build !kmod_boot

package modinfo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/format/btf"
	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/kernel/types"
)

// diffKernels is modinfo --diff of two boot images, and perhaps symbols. It reports false if the first operand is none.
func diffKernels(env *cli.Env, log *cli.Logger, args *modinfoArgs) (status int, ok bool) {
	if len(args.operands) < 2 {
		return 0, false
	}
	// Expanding an image takes half a second, so both are expanded at the same time.
	var b types.Side
	var errB error
	read := make(chan struct{})
	go func() {
		b, errB = kernelSide(env, args.operands[1])
		close(read)
	}()
	a, err := kernelSide(env, args.operands[0])
	<-read
	switch {
	case err != nil:
		return 0, false // a module, or nothing: the comparison of modules says what is wrong
	case errB != nil:
		log.Errorf("%s: %s", args.operands[1], cli.Strerror(errB))
		return 1, true
	}
	c := types.Compare(a, b)
	r := c.Report(args.operands[2:]...)
	out := bufio.NewWriter(env.Stdout)
	if args.asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		e.Encode(r) // the error stays in out
	} else {
		writeReport(out, args.operands, r)
	}
	if err := out.Flush(); err != nil {
		log.Errorf("could not write: %s", cli.Strerror(err))
		return 1, true
	}
	return 0, true
}

// kernelSide reads a boot image: what the kernel exports, and its types if it has some.
func kernelSide(env *cli.Env, name string) (side types.Side, err error) {
	abs, err := cli.Absolute(env, name)
	if err != nil {
		return side, err
	}
	file, err := cli.FSName(env.FS, path.Clean(abs))
	if err != nil {
		return side, err
	}
	data, err := readWhole(env.FS, file)
	if err != nil {
		return side, err
	}
	im, err := kernel.FromImage(name, data, 0)
	if err != nil {
		return side, err
	}
	if im.Types == nil {
		return side, errNoTypes
	}
	for _, s := range im.Exports.Symbols() {
		side.Exports = append(side.Exports, types.Export{Name: s.Name, CRC: s.CRC, HasCRC: s.HasCRC})
	}
	side.Types, err = btf.Parse(im.Types, nil)
	return side, err
}

// writeReport writes what differs in two kernels.
func writeReport(out *bufio.Writer, operands []string, r *types.Report) {
	fmt.Fprintf(out, "--- %s\n+++ %s\n", operands[0], operands[1])
	for _, t := range r.Types {
		fmt.Fprintf(out, "%s (%v), reached by %d exports: %s\n", t.Type, t.Change, t.Symbols,
			strings.Join(t.Via, " -> "))
		for _, l := range t.Lines() {
			fmt.Fprintf(out, "  %s\n", l)
		}
	}
	for _, t := range r.Prototypes {
		fmt.Fprintf(out, "%s (%v)\n", t.Type, t.Change)
		for _, l := range t.Lines() {
			fmt.Fprintf(out, "  %s\n", l)
		}
	}
	for _, l := range []struct {
		text  string
		names []string
	}{
		{"-export ", r.Gone}, {"+export ", r.New}, {"version differs, types are equal: ", r.CRCOnly},
		{"version differs, no type tells why: ", r.NoType},
	} {
		for _, name := range l.names {
			fmt.Fprintf(out, "%s%s\n", l.text, name)
		}
	}
	d, s := r.Differ, r.Agree
	fmt.Fprintf(out, "%d types and %d declarations changed\n", len(r.Types), len(r.Prototypes))
	fmt.Fprintf(out, "exports whose version differs: a type differs %d, the declaration %d, nothing %d, "+
		"no type %d\n", d.Closure, d.Prototype, d.Equal, d.NoType)
	fmt.Fprintf(out, "other exports: a type differs %d, the declaration %d, nothing %d, no type %d\n",
		s.Closure, s.Prototype, s.Equal, s.NoType)
	if r.TooMuch {
		fmt.Fprintln(out, "the types are too many to be compared: this is not all")
	}
}
