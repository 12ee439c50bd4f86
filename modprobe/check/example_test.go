package check_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// What will the kernel say to a module? Nothing is loaded to find out, and the kernel need not be the running one.
func ExampleModule() {
	module := func(crc uint32) *fstest.MapFile {
		m := modprobetest.File{
			Name: "card", Release: "6.1.0", Info: []string{"intree=Y"},
			Imports: []modprobetest.Symbol{{Name: "bus_register", CRC: crc}},
		}
		return &fstest.MapFile{Data: m.Bytes()}
	}
	const dir = "lib/modules/6.1.0/"
	fsys := fstest.MapFS{
		dir + "kernel/card.ko":       module(0x1111),
		dir + "modules.dep":          {Data: []byte("kernel/card.ko:\n")},
		dir + "build/Module.symvers": {Data: []byte("0x1111\tbus_register\tvmlinux\tEXPORT_SYMBOL_GPL\n")},
		"srv/card.ko":                module(0x2222),
	}
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: "6.1.0", NoConfig: true, Kernel: &modprobetest.Kernel{Version: "6.12.0"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"card", "/srv/card.ko"} {
		v, err := check.Module(context.Background(), p, name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, v.Outcome)
		for _, f := range v.Findings {
			fmt.Println(" ", f.Text)
		}
	}
	// Output:
	// card LOADS
	// /srv/card.ko FAILS
	//   bus_register: CRC 0x00002222 in the module, 0x00001111 in this kernel
}
