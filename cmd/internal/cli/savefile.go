package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// SaveFile writes a file named on the command line.
func SaveFile(env *Env, name string, data []byte) error {
	abs, err := Absolute(env, name)
	if err != nil {
		return err
	}
	return ReplaceFile(abs, true, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// ReplaceFile writes a file under another name and renames it when it is complete, so that there is always either the old
// one or the new one; with durable it is on the disk before, so that a loss of power does not change that. A link stays, what
// it leads to is replaced, and keeps its permissions. What is no regular file, /dev/null or a pipe, is written to.
func ReplaceFile(name string, durable bool, write func(io.Writer) error) (err error) {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	old, err := os.Stat(name)
	if err == nil && !old.Mode().IsRegular() {
		return writeTo(name, write)
	}
	f, err := createBeside(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, Bare(err))
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
	if old != nil {
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if durable {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// createBeside creates a file with a name that is not taken yet, in name's folder. Unlike that of os.CreateTemp it may be
// read by whom the umask allows to.
func createBeside(name string) (*os.File, error) {
	for i := 0; ; i++ {
		temp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d-%d", filepath.Base(name), os.Getpid(), i))
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) || i == 1000 {
			return f, err
		}
	}
}

// writeTo writes to what is there.
func writeTo(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, Bare(err))
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// Bare takes the name of the file, which the caller puts in front as it was typed, off an error.
func Bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
