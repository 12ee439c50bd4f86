package depmod

import "github.com/gomodprobe/gomodprobe/alias"

// Forget has a cache forget a module, as if its file had changed.
func Forget(c *Cache, name string) {
	for file := range c.known {
		if alias.FromPath(file) == name {
			delete(c.known, file)
		}
	}
}
