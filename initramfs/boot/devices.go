package boot

import (
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// Device is a block device.
type Device struct {
	// Name in /sys/class/block, such as sda1; a slash is "!" there.
	Name string
	// Node is its path below /dev.
	Node string
	// Number is MAJOR:MINOR.
	Number string
	// Size in bytes; 0 for a drive without a medium and the like.
	Size int64
	// Mapper is the name that the device mapper has for it, if it is one of its devices.
	Mapper string
	// Partition is its number on the disk, 0 for what is no partition.
	Partition int
	// PartUUID and PartLabel are its names in the table of partitions.
	PartUUID, PartLabel string
	// Content is what it holds.
	Content
	// IDs are the names that udev has for it below /dev/disk by what the hardware says: by-id/…, by-path/….
	IDs []string
	// Err is why it could not be read.
	Err error

	start int64 // byte on the disk where the partition begins
}

// Names lists the block devices in sys/class/block of fsys, sorted: disks before their partitions.
func Names(fsys fs.FS) []string {
	entries, err := fs.ReadDir(fsys, "sys/class/block")
	if err != nil {
		return nil // there is none yet
	}
	var names []string
	for _, e := range entries {
		if n := e.Name(); !strings.HasPrefix(n, "ram") && !strings.HasPrefix(n, "fd") {
			// neither the memory disks of the kernel nor floppy drives, which are slow
			names = append(names, n)
		}
	}
	return names
}

// Stat describes a device as far as /sys does.
func Stat(fsys fs.FS, name string) (*Device, error) {
	d := &Device{Name: name, Node: strings.ReplaceAll(name, "!", "/")}
	dir := "sys/class/block/" + name + "/"
	var err error
	if d.Number, err = word(fsys, dir+"dev"); err != nil {
		return nil, err
	}
	const sector = 512 // of the numbers in /sys, whatever the device has
	d.Size = number(fsys, dir+"size") * sector
	d.Partition = int(number(fsys, dir+"partition"))
	d.start = number(fsys, dir+"start") * sector
	d.Mapper, _ = word(fsys, dir+"dm/name")
	return d, nil
}

// Read finds out what the device holds and what its partition is called.
func (d *Device) Read(fsys fs.FS) {
	d.Err = d.read(fsys)
}

func (d *Device) read(fsys fs.FS) error {
	f, err := open(fsys, d.Node)
	if err != nil {
		return err
	}
	defer f.Close()
	d.IDs = hardwareNames(fsys, d)
	d.Content, err = Identify(f.(io.ReaderAt), d.Size)
	if err != nil || d.Partition == 0 {
		return err
	}
	disk, err := d.disk(fsys)
	if err != nil {
		return err
	}
	g, err := open(fsys, disk.Node)
	if err != nil {
		return err
	}
	defer g.Close()
	block := max(number(fsys, "sys/class/block/"+disk.Name+"/queue/logical_block_size"), 512)
	d.PartUUID, d.PartLabel = partitionNames(g.(io.ReaderAt), disk.Size, block, d.Partition, d.start)
	return nil
}

// disk returns what the partition is on: the folder of a partition is in that of its disk.
func (d *Device) disk(fsys fs.FS) (*Device, error) {
	target, err := fs.ReadLink(fsys, "sys/class/block/"+d.Name)
	if err != nil {
		return nil, err
	}
	dir := strings.TrimSuffix(target, "/"+d.Name)
	return Stat(fsys, dir[strings.LastIndexByte(dir, '/')+1:])
}

// neighbour returns the partition of the same disk that is so many behind, or the disk for number 0; nil if there is
// none yet.
func (d *Device) neighbour(fsys fs.FS, offset int) *Device {
	disk, err := d.disk(fsys)
	if err != nil {
		return nil
	}
	if d.Partition+offset == 0 {
		disk.Read(fsys)
		return disk
	}
	for _, name := range Names(fsys) {
		other, err := Stat(fsys, name)
		if err != nil || other.Partition == 0 || other.Partition != d.Partition+offset {
			continue
		}
		if on, err := other.disk(fsys); err == nil && on.Name == disk.Name {
			other.Read(fsys)
			return other
		}
	}
	return nil
}

// open opens a device; it can be read from any byte on.
func open(fsys fs.FS, node string) (fs.File, error) {
	f, err := fsys.Open("dev/" + node)
	if err != nil {
		return nil, err
	}
	if _, ok := f.(io.ReaderAt); !ok {
		f.Close()
		return nil, errors.ErrUnsupported
	}
	return f, nil
}

// word reads a file of one line.
func word(fsys fs.FS, name string) (string, error) {
	data, err := fs.ReadFile(fsys, name)
	return strings.TrimSpace(string(data)), err
}

// number reads a file with a number; 0 if it has none.
func number(fsys fs.FS, name string) int64 {
	text, _ := word(fsys, name)
	n, err := strconv.ParseInt(text, 10, 54)
	if err != nil {
		return 0
	}
	return max(n, 0)
}
