package kernel_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/fuzzseed"
)

func TestParseSymvers(t *testing.T) {
	tests := []struct {
		name, in string
		want     []kernel.Symbol
		problems []string // beginnings
	}{
		{"today", "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n0x00000001\tmii_x\tdrivers/net/mii-a\tEXPORT_SYMBOL_GPL\tNET\n",
			[]kernel.Symbol{sym("mii_x", "NET", "mii_a", 1, true, true, false), sym("phys_base", "", "vmlinux", 0x4c9d28b0, true, false, false)}, nil},
		{"four columns", "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\n", []kernel.Symbol{sym("phys_base", "", "vmlinux", 0x4c9d28b0, true, false, false)}, nil},
		{"three columns", "0x4c9d28b0\tphys_base\tvmlinux\n", []kernel.Symbol{sym("phys_base", "", "vmlinux", 0x4c9d28b0, true, false, false)}, nil},
		{"namespace third", "0x00000002\ta\tUSB\tdrivers/b\tEXPORT_SYMBOL_GPL\n", []kernel.Symbol{sym("a", "USB", "b", 2, true, true, false)}, nil},
		{"old types", "0x2\ta\tvmlinux\tEXPORT_UNUSED_SYMBOL_GPL\n0x3\tb\tvmlinux\tEXPORT_SYMBOL_GPL_FUTURE\r\n",
			[]kernel.Symbol{sym("a", "", "vmlinux", 2, true, true, false), sym("b", "", "vmlinux", 3, true, false, false)}, nil},
		{"zero CRC by hand", "0x00000005\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x00000000\tbar_api\tbar\tEXPORT_SYMBOL\t\n",
			[]kernel.Symbol{sym("a", "", "vmlinux", 5, true, false, false), sym("bar_api", "", "bar", 0, false, false, false)}, []string{"2: 1 of 2 symbols have CRC 0x00000000"}},
		{"all zero is no problem", "0x00000000\ta\tvmlinux\tEXPORT_SYMBOL\t\n", []kernel.Symbol{sym("a", "", "vmlinux", 0, false, false, false)}, nil},
		{"shifted among others", "0x00000005\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x00000007\tb\t\tbar\tEXPORT_SYMBOL\n",
			[]kernel.Symbol{sym("a", "", "vmlinux", 5, true, false, false), sym("b", "", "bar", 7, true, false, false)}, []string{"2: 1 lines have the namespace before"}},
		{"no type", "0x00000005\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x00000007\tb\tx\ty\n",
			[]kernel.Symbol{sym("a", "", "vmlinux", 5, true, false, false)}, []string{"2: no export type"}},
		{"blanks", "0x00000005 a vmlinux EXPORT_SYMBOL\n", []kernel.Symbol{sym("a", "", "vmlinux", 5, true, false, false)}, []string{"1: columns are separated by blanks"}},
		{"contradiction", "0x5\ta\tvmlinux\tEXPORT_SYMBOL\n0x6\ta\tvmlinux\tEXPORT_SYMBOL\n",
			[]kernel.Symbol{sym("a", "", "vmlinux", 5, true, false, false)}, []string{"2: a is listed twice"}},
		{"wide CRC", "0x100000005\ta\tvmlinux\tEXPORT_SYMBOL\n0x6\tb\tvmlinux\tEXPORT_SYMBOL\n",
			[]kernel.Symbol{sym("b", "", "vmlinux", 6, true, false, false)}, []string{`1: "0x100000005" is not a CRC`}},
		{"control characters", "0x5\ta\tUS\r\tb\tEXPORT_SYMBOL\n0x5\ta\x00\tvmlinux\tEXPORT_SYMBOL\n0x6\tb\tvmlinux\tEXPORT_SYMBOL\n",
			[]kernel.Symbol{sym("b", "", "vmlinux", 6, true, false, false)}, []string{"1: a control character", "2: a control character"}},
		{"no module", "0x5\ta\t.ko\tEXPORT_SYMBOL\n0x6\tb\tvmlinux\tEXPORT_SYMBOL\n",
			[]kernel.Symbol{sym("b", "", "vmlinux", 6, true, false, false)}, []string{"1: the module's name is missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, problems, err := kernel.ParseSymvers("f", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(table.Symbols(), tt.want) {
				t.Errorf("symbols %+v; want %+v", table.Symbols(), tt.want)
			}
			if len(problems) != len(tt.problems) {
				t.Fatalf("problems %+v; want %q", problems, tt.problems)
			}
			for i, p := range problems {
				if got := fmt.Sprintf("%d: %s", p.Line, p.Text); !strings.HasPrefix(got, tt.problems[i]) {
					t.Errorf("problem %q; want %q…", got, tt.problems[i])
				}
			}
		})
	}
	for _, in := range []string{"", "\x7fELF", "a\tb\n", "0x1\ta\n"} {
		if _, _, err := kernel.ParseSymvers("f", []byte(in)); !errors.Is(err, kernel.ErrSymvers) {
			t.Errorf("ParseSymvers(%q): %v; want ErrSymvers", in, err)
		}
	}
}

func FuzzParseSymvers(f *testing.F) {
	fuzzseed.Add(f, []byte("0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n0x00000001\tmii_x\tmii\tEXPORT_SYMBOL_GPL\tNET\n"))
	fuzzseed.Add(f, []byte("0x00000002\ta\tUS\r\tb\tEXPORT_SYMBOL\n0x00000003\ta\t.ko\tEXPORT_SYMBOL\n0x00000003\ta\tb\tEXPORT_SYMBOL\n"))
	fuzzseed.Add(f, []byte("0x00000002\ta\tUSB\tdrivers/b\tEXPORT_SYMBOL_GPL\n0x00000000\tb\tx\ty\n0x1 a b c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, _, err := kernel.ParseSymvers("f", data)
		if (table == nil) != (err != nil) {
			t.Fatalf("table %v, error %v", table, err)
		}
		if err != nil {
			return
		}
		// What was read can be written and read again, without a problem but the zero CRCs.
		var b strings.Builder
		if err := kernel.WriteSymvers(&b, table.Symbols(), nil); err != nil {
			t.Fatal(err)
		}
		again, _, err := kernel.ParseSymvers("f", []byte(b.String()))
		if err != nil || !slices.Equal(again.Symbols(), table.Symbols()) {
			t.Fatalf("round trip of %q: %v\n%+v\n%+v", b.String(), err, table.Symbols(), again.Symbols())
		}
	})
}

func TestVermagic(t *testing.T) {
	const k = "6.1.0-50-amd64 SMP preempt mod_unload modversions "
	tests := []struct {
		module           string
		same, sameTail   bool
		field, have, had string
	}{
		{k, true, true, "", "", ""},
		{"6.1.0-47-amd64 SMP preempt mod_unload modversions ", false, true, "release", "6.1.0-47-amd64", "6.1.0-50-amd64"},
		{"6.1.0-50-amd64 SMP mod_unload modversions ", false, false, "preemption", "", "preempt"},
		{"6.1.0-50-amd64 SMP preempt_rt mod_unload modversions ", false, false, "preemption", "preempt_rt", "preempt"},
		{"6.1.0-50-amd64 SMP preempt mod_unload modversions ARMv7 p2v8 ", false, false, "architecture", "ARMv7 p2v8", ""},
		{"6.1.0-50-amd64 SMP preempt mod_unload modversions RANDSTRUCT_ab", false, false, "layout seed", "RANDSTRUCT_ab", ""},
		{"6.1.0-50-amd64 SMP preempt mod_unload modversions", false, false, "", "", ""}, // only a blank: no field differs
		{"", false, false, "release", "", "6.1.0-50-amd64"},
	}
	for _, tt := range tests {
		if got := kernel.SameMagic(tt.module, k, false); got != tt.same {
			t.Errorf("SameMagic(%q, whole) = %v", tt.module, got)
		}
		if got := kernel.SameMagic(tt.module, k, true); got != tt.sameTail {
			t.Errorf("SameMagic(%q, tail) = %v", tt.module, got)
		}
		diff := kernel.DiffVermagic(tt.module, k)
		want := kernel.MagicField{Field: tt.field, Module: tt.have, Kernel: tt.had}
		if tt.field == "" && len(diff) != 0 || tt.field != "" && (len(diff) == 0 || diff[0] != want) {
			t.Errorf("DiffVermagic(%q) = %+v; want %+v", tt.module, diff, want)
		}
	}
}

func sym(name, namespace, owner string, crc uint32, hasCRC, gpl, inTree bool) kernel.Symbol {
	return kernel.Symbol{Name: name, Namespace: namespace, Owner: owner, CRC: crc, HasCRC: hasCRC, GPL: gpl, InTree: inTree}
}
