package tool

import (
	"io/fs"
	"os"
)

// hostFS is the file system below a directory of this machine, as os.DirFS, but for how it opens files: see Open.
type hostFS struct {
	hostFiles
	dir string // with a slash behind it
}

// hostFiles is what os.DirFS can do, except for reading whole files, for which it would open them its own way.
type hostFiles interface {
	fs.StatFS
	fs.ReadDirFS
	fs.ReadLinkFS
}

func newHostFS(dir string) hostFS {
	if dir != "/" {
		return hostFS{os.DirFS(dir).(hostFiles), dir + "/"}
	}
	return hostFS{os.DirFS(dir).(hostFiles), dir}
}
