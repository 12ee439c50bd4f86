package modprobe_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"syscall"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/internal/test/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
	"github.com/gomodprobe/gomodprobe/modprobe/modprobetest"
)

// image is a file system with two modules and some configuration.
func image() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	return fstest.MapFS{
		"lib/modules/6.1.0/modules.dep":         file("kernel/fs/ext4.ko: kernel/lib/crc16.ko\nkernel/lib/crc16.ko:\n"),
		"lib/modules/6.1.0/modules.alias":       file("alias fs-ext4 ext4\n"),
		"lib/modules/6.1.0/modules.symbols":     file(""),
		"lib/modules/6.1.0/kernel/fs/ext4.ko":   {Data: kmodtest.Module{Name: "ext4"}.Bytes()},
		"lib/modules/6.1.0/kernel/lib/crc16.ko": {Data: kmodtest.Module{Name: "crc16"}.Bytes()},
		"etc/modprobe.d/local.conf":             file("options ext4 a=1\nforbid crc32 has a bug\n"),
	}
}

func Example() {
	ctx := context.Background()
	switch err := modprobe.Load(ctx, "ext4"); {
	case errors.Is(err, modprobe.ErrNotFound):
		log.Print("this kernel has no ext4")
	case err != nil:
		log.Fatal(err)
	}
}

// The same with a kernel that only remembers what it was asked for: a test of a program that loads modules needs
// neither root rights nor a machine.
func ExampleProber_Load() {
	kernel := new(modprobetest.Kernel)
	p, err := modprobe.New(&modprobe.Options{FS: image(), Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Load(context.Background(), "fs-ext4", "b=2"); err != nil {
		log.Fatal(err)
	}
	for _, call := range kernel.Calls() {
		fmt.Println(call)
	}
	// Output:
	// finit_module crc16 "" 0
	// finit_module ext4 "a=1 b=2" 0
}

// An error has the errno and, in words, the reason; here both are those of a made-up kernel.
func ExampleError() {
	kernel := &modprobetest.Kernel{
		Fail: map[string]error{"ext4": syscall.EINVAL},
		Says: map[string][]string{"ext4": {"ext4: `2' invalid for parameter `b'"}},
	}
	p, err := modprobe.New(&modprobe.Options{FS: image(), Kernel: kernel})
	if err != nil {
		log.Fatal(err)
	}
	err = p.Load(context.Background(), "ext4", "b=2")
	var e *modprobe.Error
	if errors.As(err, &e) {
		fmt.Println(e.Module, errors.Is(err, syscall.EINVAL))
		fmt.Println(e.Reason)
	}
	// Output:
	// ext4 true
	// ext4: `2' invalid for parameter `b'
}

func ExampleProber_Plan() {
	p, err := modprobe.New(&modprobe.Options{FS: image(), Kernel: new(modprobetest.Kernel)})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := p.Plan("fs-ext4", &modprobe.PlanOptions{Params: "b=2"})
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range plan {
		fmt.Printf("%s %s with %q\n", step.Op, step.Module.Path, step.Params)
	}
	// Output:
	// insmod /lib/modules/6.1.0/kernel/lib/crc16.ko with ""
	// insmod /lib/modules/6.1.0/kernel/fs/ext4.ko with "a=1 b=2"
}

func ExampleProber_Resolve() {
	p, err := modprobe.New(&modprobe.Options{FS: image(), Kernel: new(modprobetest.Kernel)})
	if err != nil {
		log.Fatal(err)
	}
	modules, err := p.Resolve("fs-ext4")
	fmt.Println(modules[0].Name, modules[0].Depends, err)
	_, err = p.Resolve("fs-nosuch")
	fmt.Println(err)
	// Output:
	// ext4 [crc16] <nil>
	// resolve fs-nosuch: no such module or alias
}

func ExampleProber_Permit() {
	p, err := modprobe.New(&modprobe.Options{FS: image(), Kernel: new(modprobetest.Kernel)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Permit(modprobe.Module{Name: "crc32"}, nil).Err())
	// Output:
	// insert crc32: forbidden: by /etc/modprobe.d/local.conf:2 (has a bug)
}
