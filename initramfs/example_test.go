package initramfs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"path"
	"testing/fstest"

	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/internal/kmodtest"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

// system is a file system with two modules, one of which needs the other, and without tables.
func system() fstest.MapFS {
	jbd2 := kmodtest.Module{Name: "jbd2", Exports: []kmodtest.Export{{Name: "jbd2_start"}}}
	ext4 := kmodtest.Module{Name: "ext4", Aliases: []string{"fs-ext4"}, Depends: "jbd2", Imports: []kmodtest.Import{{Name: "jbd2_start"}}}
	return fstest.MapFS{
		"lib/modules/6.1.0/kernel/fs/jbd2.ko": {Data: jbd2.Bytes()},
		"lib/modules/6.1.0/kernel/fs/ext4.ko": {Data: ext4.Bytes()},
	}
}

// An image for a machine that needs ext4: what belongs into it, why, and what is in the archive then.
func Example() {
	ctx, fsys := context.Background(), system()
	tables, err := depmod.Build(ctx, &depmod.Options{FS: fsys, Release: "6.1.0", Config: []string{}})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"modules.dep", "modules.alias", "modules.softdep"} {
		data, err := tables.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		fsys["lib/modules/6.1.0/"+name] = &fstest.MapFile{Data: data}
	}
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: "6.1.0", NoConfig: true})
	if err != nil {
		log.Fatal(err)
	}
	s, err := initramfs.Select(ctx, p, fsys, &initramfs.Options{Add: []string{"fs-ext4"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range s.Modules {
		fmt.Printf("%s: %s\n", m.Name, m.Reasons[0])
	}

	var image bytes.Buffer
	entries, err := s.Entries()
	if err != nil {
		log.Fatal(err)
	}
	entries = append(entries, initramfs.Content("etc/motd", 0o644, []byte("hello\n")))
	if err := initramfs.Write(&image, entries, &initramfs.WriteOptions{Compression: initramfs.Zstd}); err != nil {
		log.Fatal(err)
	}

	fmt.Println("in the image:")
	for r := initramfs.NewReader(&image); ; {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		if path.Ext(f.Path) == ".ko" || path.Dir(f.Path) == "dev" || path.Dir(f.Path) == "etc" {
			fmt.Println(f.Mode, f.Path)
		}
	}
	// Output:
	// ext4: added as fs-ext4
	// jbd2: dependency of ext4
	// in the image:
	// Dcrw------- dev/console
	// Dcrw-rw-rw- dev/null
	// -rw-r--r-- etc/motd
	// -rw-r--r-- lib/modules/6.1.0/kernel/fs/ext4.ko
	// -rw-r--r-- lib/modules/6.1.0/kernel/fs/jbd2.ko
}
