package modinfo_test

import (
	"fmt"
	"log"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/modinfo"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// root stands for os.DirFS("/") on a machine with a module and a builtin one.
var root = fstest.MapFS{
	"lib/modules/6.1.0/kernel/fs/sample.ko": {Data: modprobetest.File{
		Name:    "sample",
		License: "GPL v2",
		Depends: []string{"crc16", "jbd2"},
		Info: []string{
			"alias=fs-sample", "alias=sample-*", "parm=debug:how much to say", "parmtype=debug:int",
		},
		Exports: []modprobetest.Symbol{{Name: "sample_open", CRC: 0x11223344, GPL: true}},
		Imports: []modprobetest.Symbol{{Name: "printk", CRC: 0x92997ed8}, {Name: "perhaps", CRC: 0x5, Weak: true}},
		Signer:  "Build time key",
	}.Bytes()},
	"lib/modules/6.1.0/modules.builtin.modinfo": {Data: []byte("unix.license=GPL\x00unix.alias=net-pf-1\x00")},
}

func Example() {
	m, err := modinfo.Open(root, "lib/modules/6.1.0/kernel/fs/sample.ko")
	if err != nil {
		log.Fatal(err)
	}
	license, _ := m.Field("license")
	fmt.Println(m.Name(), "is under the", license)
	fmt.Printf("made for %q\n", m.Vermagic())
	fmt.Println("needs", m.Depends())
	// Output:
	// sample is under the GPL v2
	// made for "6.1.0 SMP mod_unload modversions "
	// needs [crc16 jbd2]
}

func ExampleModule_Fields() {
	m, err := modinfo.Open(root, "lib/modules/6.1.0/kernel/fs/sample.ko")
	if err != nil {
		log.Fatal(err)
	}
	for key, value := range m.Fields() {
		if key == "alias" || key == "depends" {
			fmt.Println(key, value)
		}
	}
	// Output:
	// alias fs-sample
	// alias sample-*
	// depends crc16,jbd2
}

func ExampleModule_Params() {
	m, err := modinfo.Open(root, "lib/modules/6.1.0/kernel/fs/sample.ko")
	if err != nil {
		log.Fatal(err)
	}
	params, err := m.Params()
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range params {
		fmt.Printf("%s (%s): %s\n", p.Name, p.Type, p.Desc)
	}
	// Output: debug (int): how much to say
}

func ExampleModule_Imports() {
	m, err := modinfo.Open(root, "lib/modules/6.1.0/kernel/fs/sample.ko")
	if err != nil {
		log.Fatal(err)
	}
	exports, err := m.Exports()
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range exports[1:] { // the first is sample_call, which all of modprobetest have
		fmt.Printf("offers %s, %#x, GPL only: %v\n", e.Name, e.CRC, e.GPL)
	}
	imports, err := m.Imports()
	if err != nil {
		log.Fatal(err)
	}
	for _, im := range imports[:2] {
		fmt.Printf("needs %s, %#x, weak: %v\n", im.Name, im.CRC, im.Weak)
	}
	// Output:
	// offers sample_open, 0x11223344, GPL only: true
	// needs printk, 0x92997ed8, weak: false
	// needs perhaps, 0x5, weak: true
}

func ExampleModule_Signature() {
	m, err := modinfo.Open(root, "lib/modules/6.1.0/kernel/fs/sample.ko")
	if err != nil {
		log.Fatal(err)
	}
	if s := m.Signature(); s != nil {
		fmt.Printf("signed by %s, key %x, %s\n", s.Signer, s.Key, s.Hash)
	}
	// Output: signed by Build time key, key 12ab, sha256
}

func ExampleBuiltin() {
	m, err := modinfo.Builtin(root, "lib/modules/6.1.0", "unix")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Name(), m.Builtin, m.Aliases())
	// Output: unix true [net-pf-1]
}
