package depmod_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// Tables can be made of any file system, here one in memory, and looked at without writing anything.
func ExampleBuild() {
	const dir = "lib/modules/6.12.0/"
	card := modprobetest.File{
		Name: "card", Depends: []string{"bus"}, Info: []string{"alias=pci:v00008086d00001533*"},
	}
	tables, err := depmod.Build(context.Background(), &depmod.Options{
		FS: fstest.MapFS{
			dir + "kernel/bus.ko":      {Data: modprobetest.Module("bus")},
			dir + "kernel/net/card.ko": {Data: card.Bytes()},
		},
		Release: "6.12.0",
		Config:  []string{}, // not the one of this computer
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tables.WriteFile(os.Stdout, "modules.dep")
	tables.WriteFile(os.Stdout, "modules.alias")
	// Output:
	// kernel/net/card.ko: kernel/bus.ko
	// kernel/bus.ko:
	// # Aliases extracted from modules themselves.
	// alias pci:v00008086d00001533* card
}

// The tree of an image and an extension to it are read as one. The extension has a newer module and one that needs a
// symbol nobody exports, which is a Problem and not an error.
func ExampleOptions_overlay() {
	const dir = "lib/modules/6.12.0/"
	image := fstest.MapFS{
		dir + "kernel/disk.ko":          {Data: modprobetest.File{Name: "disk", Info: []string{"alias=old"}}.Bytes()},
		dir + "kernel/net.ko":           {Data: modprobetest.Module("net")},
		dir + "modules.order":           {},
		dir + "modules.builtin":         {},
		"etc/depmod.d/vendor.conf":      {Data: []byte("search vendor built-in\n")},
		"boot/System.map-6.12.0":        {Data: []byte("0 r __ksymtab_printk\n")},
		dir + "modules.builtin.modinfo": {},
	}
	extension := fstest.MapFS{
		dir + "vendor/disk.ko": {Data: modprobetest.File{
			Name: "disk", Info: []string{"alias=new"}, Imports: []modprobetest.Symbol{{Name: "vendor_call"}},
		}.Bytes()},
	}
	symbols, err := image.Open("boot/System.map-6.12.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	tables, err := depmod.Build(context.Background(), &depmod.Options{
		FS:          image,
		Overlay:     []fs.FS{extension},
		Release:     "6.12.0",
		SystemMap:   symbols,
		SymbolsName: "System.map-6.12.0",
	})
	for _, p := range tables.Problems() {
		fmt.Println(p.Kind, p)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	tables.WriteFile(os.Stdout, "modules.dep")
	// Output:
	// unresolved /lib/modules/6.12.0/vendor/disk.ko: needs unknown symbol vendor_call
	// kernel/net.ko:
	// vendor/disk.ko:
}
