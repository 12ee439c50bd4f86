package kernel_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gomodprobe/gomodprobe/internal/kernel"
	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
)

// TestUnion gathers what a kernel exports out of what its modules were built with.
func TestUnion(t *testing.T) {
	const magic = "6.1.0 SMP mod_unload modversions "
	layout := kmodtest.Import{Name: "module_layout", CRC: 0x11, VersionOnly: true}
	m := kmodtest.Module{Name: "m", Vermagic: magic, Info: []string{"intree=Y", "import_ns=USB", "import_ns=NET"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}, {Name: "inside", CRC: 3}, {Name: "other_sym", CRC: 7}}}
	usb := kmodtest.Module{Name: "usb", Vermagic: magic, Info: []string{"intree=Y", "import_ns=USB"}, Imports: []kmodtest.Import{layout, {Name: "inside", CRC: 3}}}
	other := kmodtest.Module{Name: "other", Vermagic: magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{layout, {Name: "plain", CRC: 1}}, Exports: []kmodtest.Export{{Name: "other_sym", CRC: 7}}}
	foreign := kmodtest.Module{Name: "foreign", Vermagic: "9" + magic, Info: []string{"intree=Y"}, Imports: []kmodtest.Import{{Name: "plain", CRC: 99}, {Name: "alien", CRC: 1}}}
	outside := kmodtest.Module{Name: "outside", Vermagic: magic, Imports: []kmodtest.Import{{Name: "wild", CRC: 99}}}
	var modules []*kernel.Module
	for _, x := range []kmodtest.Module{foreign, outside, m, usb, other} {
		modules = append(modules, kernel.ReadModule("x", x.Bytes()))
	}
	table := kernel.Union("modules", "6.1.0", slices.Values(modules))
	var names []string
	for _, s := range table.Symbols() {
		names = append(names, s.Name+"/"+s.Namespace)
	}
	if got := strings.Join(names, " "); got != "inside/USB module_layout/ plain/" {
		t.Errorf("names %q", got)
	}
	if _, answer := table.Lookup("gone"); answer != kernel.Unknown {
		t.Error("a union knows what is not exported")
	}
}
