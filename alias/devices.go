package alias

import (
	"io"
	"io/fs"
	"iter"
	"strings"
)

// Device is a device of a machine that says who it is.
type Device struct {
	// Path is its folder in /sys, without the leading slash: "sys/devices/pci0000:00/0000:00:1f.2".
	Path string
	// Alias is its modalias.
	Alias string
}

// maxModalias is the size up to which a modalias is read. The kernel gives a page.
const maxModalias = 1 << 16

// Devices yields the devices of a machine that have a modalias, and what cannot be read, as errors, in the order of their
// paths: every file named modalias below sys/devices in fsys, the root folder of the machine (os.DirFS("/")). Devices
// without a driver are among them, and several may have the same modalias.
func Devices(fsys fs.FS) iter.Seq2[Device, error] {
	return func(yield func(Device, error) bool) {
		fs.WalkDir(fsys, "sys/devices", func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				if !yield(Device{Path: name}, err) {
					return fs.SkipAll
				}
				return nil
			case entry.IsDir() || entry.Name() != "modalias":
				return nil
			}
			device := Device{Path: strings.TrimSuffix(name, "/modalias")}
			device.Alias, err = readModalias(fsys, name)
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

func readModalias(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxModalias))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line, nil
}
