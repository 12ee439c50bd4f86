// Package forcing is what modprobe and insmod say before a module is forced into the kernel, and after the kernel has
// refused one.
package forcing

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
	"github.com/gomodprobe/gomodprobe/modprobe/check"
)

// diskCache is a check.Cache in folders, one file for each key. Files and folders that users other than root and the
// caller can write are ignored: an environment variable that sudo keeps may lead root to the folder of a user.
type diskCache struct {
	env  *cli.Env
	dirs []string // read in this order; the first that can be written is written to
}

// Bounds of the cache.
const (
	maxImage  = 16 << 20 // bytes of a file; most have half a million
	maxImages = 256      // files in a folder; a kernel has up to four
)

// CacheDir returns the cache: that of the system, which root fills, then this user's. XDG_CACHE_HOME stands for both.
func CacheDir(env *cli.Env) check.Cache {
	if env.WriteOwned == nil {
		return nil
	}
	bases := []string{env.Getenv("XDG_CACHE_HOME")}
	if bases[0] == "" {
		bases = []string{"/var/cache"}
		if home := env.Getenv("HOME"); home != "/" && home != "" {
			bases = append(bases, home+"/.cache")
		}
	}
	d := diskCache{env: env}
	for _, b := range bases {
		if strings.HasPrefix(b, "/") {
			d.dirs = append(d.dirs, b+"/gomodprobe/kernels")
		}
	}
	if d.dirs == nil {
		return nil
	}
	return d
}

// imageFile names the file of a boot image.
func imageFile(dir, key string) string {
	h := fnv.New64a()
	h.Write([]byte(key))
	return fmt.Sprintf("%s/image-%016x", dir, h.Sum64())
}

// Get reads the file from the first folder that has it.
func (d diskCache) Get(key string) []byte {
	for _, dir := range d.dirs {
		name, err := cli.FSName(d.env.FS, imageFile(dir, key))
		if err != nil {
			continue
		}
		if data, err := trusted.ReadOwned(d.env.FS, name, maxImage); err == nil {
			return data
		}
	}
	return nil
}

// Put writes a file, and removes the oldest ones. That no folder can be written is no error.
func (d diskCache) Put(key string, data []byte) {
	for _, dir := range d.dirs {
		if d.env.WriteOwned(imageFile(dir, key), data, maxImages) == nil {
			return
		}
	}
}
