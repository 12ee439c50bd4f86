package kernel_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
)

// coreOf makes /proc/kcore and /proc/kallsyms of a kernel with these symbols, sorted, the plain ones first.
func coreOf(s shape, symbols []kernel.Symbol) (kallsyms string, core []byte) {
	const base, rodata = 0xffffffff81000000, "Linux version 6.1.0-9-test (me) #1\n\x006.1.0-9-test SMP mod_unload \x00version magic '%s' should be\x00"
	var order binary.ByteOrder = binary.LittleEndian
	record := s.word * s.fields
	tables := make([]byte, len(symbols)*record)
	crcs := make([]byte, 4*len(symbols))
	var names []byte
	at := func(n string) uint64 {
		names = append(append(names, n...), 0)
		return base + uint64(len(tables)+len(crcs)+len(names)-len(n)-1)
	}
	plain := 0
	for i, y := range symbols {
		if !y.GPL {
			plain++
		}
		for f, target := range []uint64{base, at(y.Name), at(y.Namespace)}[:s.fields] {
			field := i*record + f*s.word
			if s.relative {
				order.PutUint32(tables[field:], uint32(target-base-uint64(field)))
			} else {
				order.PutUint64(tables[field:], target)
			}
		}
		order.PutUint32(crcs[4*i:], y.CRC)
	}
	names = append(names, make([]byte, 4096)...)
	bound := func(name string, off int) string { return fmt.Sprintf("%016x R %s\n", uint64(base)+uint64(off), name) }
	kallsyms = "ffffffff80000000 T _text\n" + bound("__start_rodata", -len(rodata)) +
		bound("__start___ksymtab", 0) + bound("__stop___ksymtab", plain*record) +
		bound("__start___ksymtab_gpl", plain*record) + bound("__stop___ksymtab_gpl", len(tables)) +
		bound("__start___kcrctab", len(tables)) + bound("__stop___kcrctab", len(tables)+4*plain) +
		bound("__start___kcrctab_gpl", len(tables)+4*plain) + bound("__stop___kcrctab_gpl", len(tables)+len(crcs))
	head := make([]byte, 64+2*56)
	copy(head, "\x7fELF\x02\x01\x01")
	order.PutUint64(head[32:], 64)
	order.PutUint16(head[56:], 2)
	all := slices.Concat([]byte(rodata), tables, crcs, names)
	for i, seg := range [][3]uint64{{0, 0xffff800000000000, 16}, {uint64(len(head)) + 100, base - uint64(len(rodata)), uint64(len(all))}} {
		p := head[64+56*i:]
		order.PutUint64(p[8:], seg[0])
		order.PutUint64(p[16:], seg[1])
		order.PutUint64(p[32:], seg[2])
	}
	return kallsyms, slices.Concat(head, make([]byte, 100), all)
}

func TestFromKcore(t *testing.T) {
	for _, s := range []shape{shapes[0], {"absolute", false, 8, 3, false, 4, 0}} {
		_, symbols := shapes[0].raw()
		slices.SortStableFunc(symbols, func(a, b kernel.Symbol) int {
			switch {
			case a.GPL == b.GPL:
				return 0
			case a.GPL:
				return 1
			}
			return -1
		})
		kallsyms, core := coreOf(s, symbols)
		im, err := kernel.FromKcore(strings.NewReader(kallsyms), bytes.NewReader(core))
		if err != nil {
			t.Fatal(s.name, err)
		}
		want := kernel.NewTable("", symbols).Symbols()
		if got := im.Exports.Symbols(); !slices.Equal(got, want) {
			t.Errorf("%s: %s", s.name, firstDiff(got, want))
		}
		if im.Release != "6.1.0-9-test" || im.Vermagic != "6.1.0-9-test SMP mod_unload " || im.Features.ForceLoad != kernel.No || im.Keys != nil {
			t.Errorf("%s: %q, %q, %+v", s.name, im.Release, im.Vermagic, im.Features)
		}
		// Without symbol versions the tables are there, and empty.
		plain, err := kernel.FromKcore(strings.NewReader(strings.ReplaceAll(kallsyms, "__stop___kcrctab", "__nothing")), bytes.NewReader(core))
		if err != nil || plain.Exports.Symbols()[0].HasCRC {
			t.Errorf("%s: without versions: %v", s.name, err)
		}
		zeros := regexp.MustCompile(`(?m)^\w+`).ReplaceAllString(kallsyms, "0000000000000000")
		for name, in := range map[string]struct {
			kallsyms string
			core     []byte
		}{"not root": {zeros, core}, "nothing": {"", core}, "cut": {kallsyms, core[:400]}, "empty": {kallsyms, nil}, "no ELF": {kallsyms, make([]byte, 200)}} {
			if _, err := kernel.FromKcore(strings.NewReader(in.kallsyms), bytes.NewReader(in.core)); err == nil {
				t.Errorf("%s, %s: no error", s.name, name)
			}
		}
	}
}
