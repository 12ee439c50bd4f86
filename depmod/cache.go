package depmod

// Cache is what earlier Builds have read.
type Cache struct{}
