package initramfs_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log"
	"path"
	"strings"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// system is a root file system with a kernel of three modules: os.DirFS("/") in real programs.
var system = fstest.MapFS{
	"lib/modules/6.1.0/kernel/virtio_blk.ko": {Data: []byte("module")},
	"lib/modules/6.1.0/kernel/ext4.ko":       {Data: []byte("module")},
	"lib/modules/6.1.0/kernel/jbd2.ko":       {Data: []byte("module")},
	"lib/modules/6.1.0/modules.dep":          {Data: []byte("kernel/virtio_blk.ko:\nkernel/ext4.ko: kernel/jbd2.ko\nkernel/jbd2.ko:\n")},
	"lib/modules/6.1.0/modules.alias":        {Data: []byte("alias virtio:d00000002v* virtio_blk\nalias fs-ext4 ext4\n")},
}

// selectBoot chooses what a machine with a virtio disk and an ext4 root needs.
func selectBoot() *initramfs.Selection {
	p, err := modprobe.New(&modprobe.Options{FS: system, Release: "6.1.0"})
	if err != nil {
		log.Fatal(err)
	}
	s, err := initramfs.Select(context.Background(), p, system, &initramfs.Options{
		Add:     []string{"fs-ext4"},
		Aliases: []string{"virtio:d00000002v00001AF4"},
	})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// Not every device has a module: its driver may be a part of the kernel, or it may need none.
func ExampleSelection_noModule() {
	p, err := modprobe.New(&modprobe.Options{FS: system, Release: "6.1.0"})
	if err != nil {
		log.Fatal(err)
	}
	s, err := initramfs.Select(context.Background(), p, system, &initramfs.Options{
		Aliases: []string{"virtio:d00000002v00001AF4", "pci:v00008086d00001237"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("no module for", s.NoModule)
	// Output: no module for [pci:v00008086d00001237]
}

// A program that has an archive already, as u-root's builder makes one, puts the modules behind it. The kernel unpacks
// both, and /lib stays the link that it is in the first.
func Example_behindAnArchive() {
	var image bytes.Buffer
	userland := []initramfs.Entry{
		initramfs.Content("init", 0o755, []byte("an ELF file")),
		initramfs.Dir("usr/lib"),
		initramfs.Link("lib", "usr/lib"),
	}
	if err := initramfs.Write(&image, userland, nil); err != nil {
		log.Fatal(err)
	}
	base := new(initramfs.Base)
	if err := base.Read(image.Bytes()); err != nil {
		log.Fatal(err)
	}
	entries, err := selectBoot().Entries()
	if err != nil {
		log.Fatal(err)
	}
	if err := initramfs.Write(&image, entries, &initramfs.WriteOptions{Base: base}); err != nil {
		log.Fatal(err)
	}
	for f, err := range initramfs.NewReader(&image).All() {
		if err != nil {
			log.Fatal(err)
		}
		if !f.Mode.IsDir() {
			fmt.Println(f.Member.Index, f.Path)
		}
	}
	// Output:
	// 0 init
	// 0 lib
	// 1 dev/console
	// 1 dev/null
	// 1 usr/lib/modules/6.1.0/kernel/ext4.ko
	// 1 usr/lib/modules/6.1.0/kernel/jbd2.ko
	// 1 usr/lib/modules/6.1.0/kernel/virtio_blk.ko
	// 1 usr/lib/modules/6.1.0/modules.alias.bin
	// 1 usr/lib/modules/6.1.0/modules.dep.bin
	// 1 usr/lib/modules/6.1.0/modules.why
}

// A program with a loader and a layout of its own, as booster has them, takes only the files, and asks why they are
// there.
func Example_ownLayout() {
	s := selectBoot()
	entries, err := s.Entries()
	if err != nil {
		log.Fatal(err)
	}
	files, err := initramfs.NewFS(entries)
	if err != nil {
		log.Fatal(err)
	}
	err = fs.WalkDir(files, strings.TrimPrefix(s.Dir, "/"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && path.Ext(name) == ".ko" {
			module := strings.TrimSuffix(d.Name(), ".ko")
			chain := s.Why(module)
			fmt.Printf("modules/%s: %s\n", d.Name(), chain[len(chain)-1].Reason)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// modules/ext4.ko: added as fs-ext4
	// modules/jbd2.ko: dependency of ext4
	// modules/virtio_blk.ko: for device virtio:d00000002v00001AF4
}
