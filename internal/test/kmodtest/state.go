package kmodtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// State is the content of a sandbox by path: a file's text, "-> TARGET" for a link, "/" for a folder.
type State map[string]string

// State returns all files of the sandbox.
func (s *Sandbox) State(t testing.TB) State {
	t.Helper()
	state := make(State)
	err := filepath.WalkDir(s.Root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(s.Root, name)
		switch {
		case rel == programs || rel == "bin":
			return fs.SkipDir
		case rel == "sbin":
		case d.IsDir():
			state[rel] = "/"
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(name)
			state[rel] = "-> " + target
			return err
		case d.Type().IsRegular():
			data, err := os.ReadFile(name)
			state[rel] = "=" + string(data)
			return err
		default:
			state[rel] = d.Type().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// SetState takes the sandbox from the state it is in to another one it was in.
func (s *Sandbox) SetState(t testing.TB, from, to State) {
	t.Helper()
	for name, content := range from {
		if to[name] != content {
			os.RemoveAll(filepath.Join(s.Root, name))
		}
	}
	names := make([]string, 0, len(to))
	for name := range to {
		if from[name] != to[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names) // folders before their content
	for _, name := range names {
		full, content := filepath.Join(s.Root, name), to[name]
		var err error
		switch content[0] {
		case '/':
			err = os.MkdirAll(full, 0o755)
		case '=':
			err = writeFile(full, []byte(content[1:]))
		case '-':
			err = os.Symlink(strings.TrimPrefix(content, "-> "), full)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Diff returns one line for each file that differs.
func (a State) Diff(b State) []string {
	var diff []string
	for name := range b {
		if _, ok := a[name]; !ok {
			diff = append(diff, "second only: "+name)
		}
	}
	for name, content := range a {
		other, ok := b[name]
		switch {
		case !ok:
			diff = append(diff, "first only: "+name)
		case other != content:
			diff = append(diff, fmt.Sprintf("%s: first %.300q, second %.300q", name, content, other))
		}
	}
	slices.Sort(diff)
	return diff
}
