//go:build !linux

package index

import "os"

func mapFile(*os.File) []byte { return nil }

func unmap([]byte) error { return nil }
