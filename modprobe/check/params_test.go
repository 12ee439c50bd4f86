package check_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// given is a module with parameters of all kinds, and what kernel symbols it uses.
func given() kmodtest.Module {
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout}}
	add := func(p kmodtest.Param) {
		m.Params = append(m.Params, p)
		for _, ops := range []string{p.Ops, p.Elem} {
			known := func(im kmodtest.Import) bool { return im.Name == ops }
			if ops != "" && ops != "own" && !slices.ContainsFunc(m.Imports, known) {
				m.Imports = append(m.Imports, kmodtest.Import{Name: ops, CRC: 7})
			}
		}
	}
	for _, kind := range []string{"byte", "short", "ushort", "int", "uint", "long", "ulong", "ullong", "hexint", "bool", "bint", "invbool", "charp", "new"} {
		add(kmodtest.Param{Name: kind, Ops: "param_ops_" + kind})
	}
	add(kmodtest.Param{Name: "text_here", Ops: "param_ops_string", Max: 4})
	add(kmodtest.Param{Name: "ints", Ops: "param_array_ops", Max: 3, Elem: "param_ops_int"})
	add(kmodtest.Param{Name: "owns", Ops: "param_array_ops", Max: 3, Elem: "own"})
	add(kmodtest.Param{Name: "mine", Ops: "own"})
	add(kmodtest.Param{Name: "risky", Ops: "param_ops_int", Flags: 1})
	add(kmodtest.Param{Name: "port", Ops: "param_ops_int", Flags: 2})
	return m
}

// TestParameters has a row for each rule. Real kernels have judged the same rules in TestParameterTrials.
func TestParameters(t *testing.T) {
	module := kernel.ReadModule("m.ko", given().Bytes())
	long := strings.Repeat("a", 1025)
	for _, tt := range []struct {
		given string
		errno syscall.Errno // ^0: UNKNOWN
		log   string
		set   func(k *check.Target)
	}{
		{given: "byte=255 short=-32768 ushort=65535 int=-0x80000000 uint=0xffffffff long=-1 ulong=+1 ullong=010 hexint=ff"},
		{given: "bool bint bool=yes bint=off invbool=N ints=1,-2,3 charp= text_here=abc"},
		{given: "byte=256", errno: syscall.ERANGE, log: "m: `256' invalid for parameter `byte'"},
		{given: "byte=-1", errno: syscall.EINVAL},
		{given: "short=32768", errno: syscall.ERANGE},
		{given: "short=-32769", errno: syscall.ERANGE},
		{given: "int=2147483648", errno: syscall.ERANGE},
		{given: "uint=4294967296", errno: syscall.ERANGE},
		{given: "long=9223372036854775808", errno: syscall.ERANGE},
		{given: "ullong=18446744073709551616", errno: syscall.ERANGE},
		{given: "ullong=99999999999999999999x", errno: syscall.ERANGE},
		{given: "hexint=xyz", errno: syscall.EINVAL},
		{given: "int=08", errno: syscall.EINVAL},
		{given: "int=0x", errno: syscall.EINVAL},
		{given: "int=1_0", errno: syscall.EINVAL},
		{given: "int= uint=1", errno: syscall.EINVAL, log: "m: `' invalid for parameter `int'"},
		{given: "int", errno: syscall.EINVAL},
		{given: "invbool", errno: syscall.EINVAL},
		{given: "bool=maybe", errno: syscall.EINVAL},
		{given: "bool=2", errno: syscall.EINVAL},
		{given: "bool=enable", errno: syscall.EINVAL},
		{given: "bool=enable", errno: ^syscall.Errno(0), set: func(k *check.Target) { k.Release = "6.18.1" }},
		{given: "bool=enable", set: func(k *check.Target) { k.Release = "7.2.13+deb14-amd64" }},
		{given: "bool=true", set: func(k *check.Target) { k.Release = "6.12.1" }},
		{given: "bool=true", errno: ^syscall.Errno(0), set: func(k *check.Target) { k.Release = "vendor" }},
		{given: "charp=" + long[1:]},
		{given: "charp=" + long, errno: syscall.ENOSPC, log: "charp: string parameter too long"},
		{given: "text-here=abcd", errno: syscall.ENOSPC, log: "m: `abcd' too large for parameter `text-here'"},
		{given: "ints=1,2,3,4", errno: syscall.EINVAL, log: "ints: can only take 3 arguments"},
		{given: "ints=1,x,3", errno: syscall.EINVAL, log: "m: `1' invalid for parameter `ints'"},
		{given: "ints=1,", errno: syscall.EINVAL},
		{given: "int=x byte=256", errno: syscall.ERANGE, log: "m: `x' invalid for parameter `int'"},
		{given: "byte=256 int=x", errno: syscall.EINVAL},
		{given: "nosuch=1", log: "m: unknown parameter 'nosuch' ignored"},
		{given: "async_probe dyndbg=+p m.dyndbg=+p"},
		{given: "int=1 -- int=x", log: "m: parameters 'int=x' after `--' ignored"},
		{given: "mine=1", errno: ^syscall.Errno(0)},
		{given: "mine", errno: ^syscall.Errno(0)},
		{given: "owns=1,2", errno: ^syscall.Errno(0)},
		{given: "new=1", errno: ^syscall.Errno(0)},
		{given: "mine=1 int=x", errno: syscall.EINVAL},
		{given: "risky=1", log: "Setting dangerous option risky - tainting kernel"},
		{given: "port=1"},
		{given: "port=1", errno: syscall.EPERM, set: func(k *check.Target) { k.Lockdown, k.Features.Signatures = true, kernel.No }},
	} {
		k := own()
		for _, im := range given().Imports[1:] {
			k.Core = kernel.NewTable("test", append(k.Core.Symbols(), kernel.Symbol{Name: im.Name, Owner: kernel.Core, CRC: 7, HasCRC: true}))
		}
		if tt.set != nil {
			tt.set(k)
		}
		v := k.CheckWith(module, 0, tt.given)
		outcome, errno := check.LoadsTaints, tt.errno // it is not signed
		switch {
		case tt.errno == ^syscall.Errno(0):
			outcome, errno = check.Unknown, 0
		case tt.errno != 0:
			outcome = check.Fails
		}
		if v.Outcome != outcome || v.Errno != errno {
			t.Errorf("%.60q: %v, %v; want %v, %v\n%+v", tt.given, v.Outcome, v.Errno, outcome, errno, v)
		}
		if tt.log != "" && !slices.Contains(v.Log, tt.log) {
			t.Errorf("%.60q: the log %q lacks %q", tt.given, v.Log, tt.log)
		}
	}
}
