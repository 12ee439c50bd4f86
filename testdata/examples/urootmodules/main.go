// Command urootmodules is an example of package initramfs for those who make u-root images: it writes the modules
// that are named, what they need, and the tables of modprobe, as an archive that u-root puts its commands into.
//
//	urootmodules -kernel 6.1.0 -o modules.cpio virtio_blk fs-ext4 'drivers/net/phy/*'
//	u-root -base modules.cpio -o image.cpio core ./cmd/modprobe
//
// The archive is written by u-root's own package, so that a builder that is a Go program itself takes the records as
// they are, without a file in between.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/gomodprobe/gomodprobe/initramfs"
	"github.com/gomodprobe/gomodprobe/modprobe"
)

func main() {
	root := flag.String("root", "/", "the system to take modules from")
	kernel := flag.String("kernel", "", "release of the kernel that the image is for; default: the running one")
	output := flag.String("o", "modules.cpio", "archive to write")
	flag.Parse()
	if err := run(*root, *kernel, *output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "urootmodules:", err)
		os.Exit(1)
	}
}

func run(root, kernel, output string, names []string) error {
	fsys := os.DirFS(root)
	p, err := modprobe.New(&modprobe.Options{FS: fsys, Release: kernel})
	if err != nil {
		return err
	}
	s, err := initramfs.Select(context.Background(), p, fsys, &initramfs.Options{Add: names, Firmware: true, Config: true})
	if err != nil {
		return err
	}
	for _, m := range s.Missing {
		fmt.Fprintln(os.Stderr, "urootmodules: missing:", m)
	}
	var records []cpio.Record
	for e, err := range s.All() {
		if err != nil {
			return err
		}
		r, err := record(e)
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	out, err := os.Create(output)
	if err != nil {
		return err
	}
	w := cpio.Newc.Writer(out)
	if err := cpio.WriteRecords(w, records); err != nil {
		return err
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return err
	}
	return out.Close()
}

// record turns an entry into one of u-root's records.
func record(e initramfs.Entry) (cpio.Record, error) {
	perm := uint64(e.Mode.Perm())
	switch {
	case e.Mode.IsDir():
		return cpio.Directory(e.Path, perm), nil
	case e.Mode&fs.ModeSymlink != 0:
		return cpio.Symlink(e.Path, e.Target), nil
	case e.Mode&fs.ModeDevice != 0:
		return cpio.CharDev(e.Path, perm, uint64(e.Major), uint64(e.Minor)), nil
	case e.Size == 0:
		return cpio.StaticFile(e.Path, "", perm), nil
	}
	f, err := e.Open()
	if err != nil {
		return cpio.Record{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return cpio.StaticFile(e.Path, string(data), perm), err
}
