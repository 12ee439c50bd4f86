package depmod_test

import (
	"context"
	"fmt"
	"os"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
)

// Tables can be made of any file system, here one in memory, and looked at without writing anything.
func ExampleBuild() {
	const dir = "lib/modules/6.12.0/"
	bus := kmodtest.Module{Name: "bus", Exports: []kmodtest.Export{{Name: "bus_register", CRC: 0x1234}}}
	card := kmodtest.Module{
		Name: "card", Aliases: []string{"pci:v00008086d00001533*"},
		Imports: []kmodtest.Import{{Name: "bus_register", CRC: 0x1234}},
	}
	tables, err := depmod.Build(context.Background(), &depmod.Options{
		FS: fstest.MapFS{
			dir + "kernel/bus.ko":      {Data: bus.Bytes()},
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
