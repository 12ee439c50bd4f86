//go:build !kmod_boot

package depmod

import (
	"errors"
	"io/fs"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/depmod"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// cacheName is the name of the cache beside the tables.
const cacheName = ".modules.cache"

// maxCache is the size in bytes up to which a cache is read.
const maxCache = 1 << 28

// cachePath returns where the cache is.
func (r *depmodRun) cachePath() (string, error) {
	if r.cacheFile == "" {
		return join(r.out, cacheName), nil
	}
	return cli.Absolute(r.env, r.cacheFile)
}

// readCache begins with the cache of the last time; with an empty one if there is none, or none that can be used.
// What others than root and the caller can write is not: it would tell them what stands in the tables.
func (r *depmodRun) readCache(options *depmod.Options) {
	options.Cache = new(depmod.Cache)
	data, err := r.cacheData()
	if errors.Is(err, fs.ErrNotExist) {
		r.log.Debugf("no cache: %v", err)
		return
	}
	var cache *depmod.Cache
	if err == nil {
		cache, err = depmod.ParseCache(data)
	}
	if err != nil {
		r.log.Noticef("the cache is not used: %v", err)
		return
	}
	options.Cache = cache
}

func (r *depmodRun) cacheData() ([]byte, error) {
	name, err := r.cachePath()
	if err != nil {
		return nil, err
	}
	if name, err = cli.FSName(r.env.FS, name); err != nil {
		return nil, err
	}
	return trusted.ReadOwned(r.env.FS, name, maxCache)
}

// writeCache writes the cache for the next time, beside its name first. To fail at that is not to fail: the tables are
// in place. Nor is it waited for: a cache that a loss of power has damaged is not used.
func (r *depmodRun) writeCache(options *depmod.Options) {
	if options.Cache.Read() == 0 {
		return
	}
	name, err := r.cachePath()
	if err == nil {
		err = trusted.ReplaceOwned(name, options.Cache.Bytes(), 0)
	}
	if err != nil {
		r.log.Warningf("the cache could not be written: %v", err)
	}
}
