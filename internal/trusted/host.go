package trusted

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
)

// hoster is a file system of files of the operating system, below a folder of it.
type hoster interface{ HostDir() string }

// rooter is a file system that follows links inside a root folder. Its names are judged by where they lead.
type rooter interface {
	Within(name string) (fs.FS, string, error)
}

// hostPath returns the path of a file of the operating system; ok is false if fsys is not of it.
func hostPath(fsys fs.FS, name string) (path string, ok bool, err error) {
	for {
		r, is := fsys.(rooter)
		if !is {
			break
		}
		if fsys, name, err = r.Within(name); err != nil {
			return "", false, err
		}
	}
	dir, ok := hostDir(fsys)
	return dir + "/" + name, ok, nil
}

// hostDir returns the folder of the operating system that fsys is.
func hostDir(fsys fs.FS) (dir string, ok bool) {
	if h, is := fsys.(hoster); is {
		dir, ok = h.HostDir(), true
	} else if v := reflect.ValueOf(fsys); v.IsValid() && v.Type() == reflect.TypeOf(os.DirFS("")) {
		dir, ok = v.String(), true
	}
	if !ok {
		return "", false
	}
	abs, err := filepath.Abs(dir)
	return abs, err == nil
}

// IsMachine reports whether a file system is all of the files of this machine.
func IsMachine(fsys fs.FS) bool {
	dir, ok := hostDir(fsys)
	return ok && dir == string(filepath.Separator)
}

// Same reports whether two descriptions are of the same file of the same content, as far as its file system tells.
// nil is that there is no file.
func Same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	known := os.SameFile(a, a) // those of other file systems are not
	return (!known || os.SameFile(a, b)) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
