package coldplug_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"
	"time"

	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/coldplug"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// image is a file system with two modules.
func image() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"lib/modules/6.1.0/modules.dep":         file("kernel/fs/ext4.ko: kernel/lib/crc16.ko\nkernel/lib/crc16.ko:\n"),
		"lib/modules/6.1.0/modules.symbols":     file(""),
		"lib/modules/6.1.0/kernel/fs/ext4.ko":   {Data: modprobetest.Module("ext4", "crc16")},
		"lib/modules/6.1.0/kernel/lib/crc16.ko": {Data: modprobetest.Module("crc16")},
	}
}

// The drivers of all devices of a machine: here one that is only a map, with a kernel that only remembers.
func ExampleRun() {
	machine := image()
	machine["lib/modules/6.1.0/modules.alias"] = &fstest.MapFile{Data: []byte("alias pci:v00001AF4d00001001sv* ext4\n")}
	machine["sys/bus/pci/devices/0000:00:03.0/modalias"] = &fstest.MapFile{Data: []byte("pci:v00001AF4d00001001sv0sd0bc01sc00i00\n")}
	kernel := new(modprobetest.Kernel)
	p, err := modprobe.New(&modprobe.Options{FS: machine, Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}
	report, err := coldplug.Run(context.Background(), p, &coldplug.Options{Settle: time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range report.Modules {
		fmt.Println(m.Name, m.Device+m.By)
	}
	fmt.Println(kernel.Loaded())
	// Output:
	// crc16 ext4
	// ext4 sys/bus/pci/devices/0000:00:03.0
	// [crc16 ext4]
}
