package depmod

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Difference says how a table on the disk is not what it should be.
type Difference struct {
	// Table is its name.
	Table string
	// Err is why it cannot be read, or nil.
	Err error
	// Surplus are the lines of a text table that should not be there, Lacking those that should. Both are empty if
	// the lines are the same in another order, and for binary tables.
	Surplus, Lacking []string
}

// Reason says in a few words what the difference is.
func (d Difference) Reason() string {
	switch {
	case errors.Is(d.Err, fs.ErrNotExist):
		return "missing"
	case d.Err != nil:
		return fmt.Sprintf("cannot be read: %v", cause(d.Err))
	case len(d.Surplus)+len(d.Lacking) > 0:
		return fmt.Sprintf("differs: %d lines too many, %d missing", len(d.Surplus), len(d.Lacking))
	}
	return "differs"
}

// Compare compares the tables with those in the folder dir of fsys, and returns what differs, in the order of Names.
func (t *Tables) Compare(fsys fs.FS, dir string) []Difference {
	var list []Difference
	for _, f := range t.files {
		old, err := readSmall(fsys, path.Join(inFS(dir), f.name))
		if err == nil && bytes.Equal(old, f.data) {
			continue
		}
		d := Difference{Table: f.name, Err: err}
		if err == nil && !strings.HasSuffix(f.name, ".bin") {
			d.Surplus, d.Lacking = lineDifference(old, f.data)
		}
		list = append(list, d)
	}
	return list
}

// lineDifference returns the lines that only old has, and those that only next has.
func lineDifference(old, next []byte) (surplus, lacking []string) {
	count := make(map[string]int)
	for line := range bytes.Lines(next) {
		count[string(line)]++
	}
	for line := range bytes.Lines(old) {
		if count[string(line)]--; count[string(line)] < 0 {
			surplus = append(surplus, strings.TrimSuffix(string(line), "\n"))
		}
	}
	for line := range bytes.Lines(next) {
		if count[string(line)] > 0 {
			count[string(line)]--
			lacking = append(lacking, strings.TrimSuffix(string(line), "\n"))
		}
	}
	return surplus, lacking
}
