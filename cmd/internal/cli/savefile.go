package cli

import (
	"errors"
	"io"
	"io/fs"

	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// SaveFile writes a file named on the command line.
func SaveFile(env *Env, name string, data []byte) error {
	return SaveWith(env, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// SaveWith is SaveFile with the content that write writes.
func SaveWith(env *Env, name string, write func(io.Writer) error) error {
	abs, err := Absolute(env, name)
	if err != nil {
		return err
	}
	return trusted.Replace(abs, true, write)
}

// Bare returns the cause of a *fs.PathError, for messages that begin with the name of the file as it was typed.
func Bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
