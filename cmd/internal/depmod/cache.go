//go:build !kmod_boot

package depmod

import (
	"io"
	"io/fs"

	"github.com/gomodprobe/gomodprobe/cmd/internal/cli"
	"github.com/gomodprobe/gomodprobe/depmod"
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
func (r *depmodRun) readCache(options *depmod.Options) {
	options.Cache = new(depmod.Cache)
	data, err := r.cacheData()
	if err != nil {
		r.log.Debugf("no cache: %v", err)
		return
	}
	cache, err := depmod.ParseCache(data)
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
	f, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxCache {
		return nil, fs.ErrInvalid
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err
}

// writeCache writes the cache for the next time, beside its name first. To fail at that is not to fail: the tables are
// in place. Nor is it waited for: a cache that a loss of power has damaged is not used.
func (r *depmodRun) writeCache(options *depmod.Options) {
	if options.Cache.Read() == 0 {
		return
	}
	name, err := r.cachePath()
	if err == nil {
		err = cli.ReplaceFile(name, false, func(w io.Writer) error {
			_, err := w.Write(options.Cache.Bytes())
			return err
		})
	}
	if err != nil {
		r.log.Warningf("the cache could not be written: %v", err)
	}
}
