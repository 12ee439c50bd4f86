package confd

import (
	"io/fs"
	"path"
	"strings"
)

// Unread returns the files in folders of configuration that Files passes over since they are not named *.conf, and that
// may have been meant: neither hidden, nor named as editors and package managers name their copies, nor of more than
// 64 KiB.
func Unread(fsys fs.FS, folders []string) (files []File) {
	const most = 64 << 10
	for _, folder := range folders {
		entries, err := fs.ReadDir(fsys, inFS(folder))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			name := entry.Name()
			if wanted(name) || name[0] == '.' || isCopy(name) || !entry.Type().IsRegular() {
				continue
			}
			full := strings.TrimRight(folder, "/") + "/" + name
			if info, err := entry.Info(); err != nil || info.Size() > most {
				continue
			}
			l := list{fsys: fsys}
			if data, info, err := l.read(full, true); err == nil {
				files = append(files, File{name, full, data, info})
			}
		}
	}
	return files
}

// isCopy reports whether a file's name says that it is not to be read.
func isCopy(name string) bool {
	if strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") ||
		strings.HasPrefix(strings.ToUpper(name), "README") {
		return true
	}
	switch path.Ext(name) {
	case ".bak", ".old", ".orig", ".save", ".off", ".disabled", ".example", ".sample", ".swp", ".rej",
		".dpkg-old", ".dpkg-new", ".dpkg-dist", ".dpkg-bak", ".dpkg-tmp", ".dpkg-remove", ".ucf-old",
		".ucf-new", ".ucf-dist", ".rpmsave", ".rpmnew", ".rpmorig", ".pacsave", ".pacnew":
		return true
	}
	return false
}
