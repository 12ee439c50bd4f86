package tool

import (
	"io"
	"os"
	"path/filepath"
)

// saveFile writes a file named on the command line.
func saveFile(env *Env, name string, data []byte) error {
	abs, err := absolute(env, name)
	if err != nil {
		return err
	}
	return writeAtomically(abs, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeAtomically writes a file under another name and renames it when it is complete and on the disk, so that there is
// always either the old one or the new one.
func writeAtomically(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
