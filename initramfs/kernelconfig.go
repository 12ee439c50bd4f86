package initramfs

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/gomodprobe/gomodprobe/internal/moduledir"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// KernelConfig is what the kernel of an image was built with, as far as it matters for the image. The nil
// KernelConfig is that of an unknown kernel, which is taken to be able to do everything.
type KernelConfig struct {
	set map[string]bool
}

// ReadKernelConfig reads the configuration of a kernel: boot/config-RELEASE, or config in the module folder. The
// error is fs.ErrNotExist if there is neither.
func ReadKernelConfig(fsys fs.FS, release string) (*KernelConfig, error) {
	var first error
	for _, name := range []string{"boot/config-" + release, "lib/modules/" + release + "/config",
		"usr/lib/modules/" + release + "/config"} {
		data, err := trusted.ReadFile(fsys, name, moduledir.MaxTable)
		if err == nil {
			return ParseKernelConfig(data), nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// ParseKernelConfig reads lines of the form CONFIG_NAME=y; others are passed over.
func ParseKernelConfig(data []byte) *KernelConfig {
	c := &KernelConfig{make(map[string]bool)}
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if name, is := strings.CutPrefix(name, "CONFIG_"); ok && is && (value == "y" || value == "m") {
			c.set[name] = true
		}
	}
	return c
}

// Has reports whether an option, spelled without CONFIG_, is y or m.
func (c *KernelConfig) Has(option string) bool { return c == nil || c.set[option] }

// firmwareCompressions are the suffixes of compressed firmware in the order in which the kernel tries them, and the
// options that it needs for them.
var firmwareCompressions = [...]struct{ suffix, option string }{
	{".zst", "FW_LOADER_COMPRESS_ZSTD"},
	{".xz", "FW_LOADER_COMPRESS_XZ"},
}

// FirmwareSuffixes returns the suffixes of compressed firmware that the kernel reads, in its order, for
// Options.FirmwareSuffixes.
func (c *KernelConfig) FirmwareSuffixes() []string {
	suffixes := []string{}
	for _, f := range firmwareCompressions {
		if c.Has(f.option) {
			suffixes = append(suffixes, f.suffix)
		}
	}
	return suffixes
}

// Check returns what in an image the kernel could not use: a compression of the archive that it was built without,
// or everything if it takes no image at all.
func (c *KernelConfig) Check(compression Compression) error {
	if !c.Has("BLK_DEV_INITRD") {
		return fmt.Errorf("the kernel takes no image at boot: it was built without CONFIG_BLK_DEV_INITRD")
	}
	option := map[Compression]string{Gzip: "RD_GZIP", Xz: "RD_XZ", Zstd: "RD_ZSTD"}[compression]
	if option != "" && !c.Has(option) {
		return fmt.Errorf("the kernel cannot unpack %s: it was built without CONFIG_%s", compression, option)
	}
	return nil
}
