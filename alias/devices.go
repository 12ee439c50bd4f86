package alias

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
)

// Device is a device of a machine that says who it is.
type Device struct {
	// Path is its folder in /sys, without the leading slash: "sys/devices/pci0000:00/0000:00:1f.2".
	Path string
	// Alias is its modalias.
	Alias string
}

// maxModalias is the size up to which an attribute is read. The kernel gives a page.
const maxModalias = 1 << 16

// Devices yields the devices of a machine that have a modalias, and what cannot be read, as errors, in the order of
// their paths: every file named modalias below sys/devices in fsys, the root folder of the machine (os.DirFS("/")),
// and the line MODALIAS= of uevent where there is no such file, as some buses have it (mmc, mdio, auxiliary). Devices
// without a driver are among them, and several may have the same modalias.
func Devices(fsys fs.FS) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		fs.WalkDir(fsys, "sys/devices", func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				if !yield(Device{Path: name}, err) {
					return fs.SkipAll
				}
				return nil
			}
			if entry.IsDir() {
				return nil
			}
			device := Device{Path: path.Dir(name)}
			switch entry.Name() {
			case "modalias":
				device.Alias, err = modalias(fsys, name)
			case "uevent":
				if _, missing := fs.Stat(fsys, device.Path+"/modalias"); missing == nil {
					return nil
				}
				device.Alias, err = ueventModalias(fsys, name)
			default:
				return nil
			}
			if err == nil && device.Alias == "" {
				return nil // the device has none after all
			}
			if !yield(device, err) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// DeviceAlias returns the modalias of the device whose folder in /sys is dir, a name in fsys: what its file modalias
// has, or where there is none the line MODALIAS= of uevent. It is empty if the device has none.
func DeviceAlias(fsys fs.FS, dir string) (string, error) {
	text, err := modalias(fsys, dir+"/modalias")
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	text, err = ueventModalias(fsys, dir+"/uevent")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return text, err
}

// modalias reads a file modalias.
func modalias(fsys fs.FS, name string) (string, error) {
	data, err := readAttribute(fsys, name)
	line, _, _ := strings.Cut(data, "\n")
	return strings.TrimSpace(line), err
}

// ueventModalias reads the line MODALIAS= of a file uevent. Some devices let nobody read theirs; they have no
// modalias for us.
func ueventModalias(fsys fs.FS, name string) (string, error) {
	data, err := readAttribute(fsys, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	for line := range strings.Lines(data) {
		if text, ok := strings.CutPrefix(line, "MODALIAS="); ok {
			return strings.TrimSpace(text), nil
		}
	}
	return "", err
}

// readAttribute reads a file of sysfs.
func readAttribute(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxModalias))
	if err != nil {
		return "", err
	}
	return string(data), nil
}
