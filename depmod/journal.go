package depmod

import (
	"errors"
	"hash/crc32"
	"io/fs"
	"strings"
)

// journalName is the last part of the name that a journal has for the time that it exists.
const journalName = "journal"

// journalMagic begins a journal.
const journalMagic = "gomodprobe tables 1\n"

// entry is a table that a journal lists.
type entry struct {
	name      string
	size, crc uint64
}

// is reports whether data is the content of the table.
func (e entry) is(data []byte) bool {
	return uint64(len(data)) == e.size && uint64(crc32.ChecksumIEEE(data)) == e.crc
}

// journal returns the journal of a set of tables: what it takes to know whether all of a set is on the disk, under
// one name or the other.
func journal(files []table) []byte {
	list := make([]entry, len(files))
	for i, f := range files {
		list[i] = entry{f.name, uint64(len(f.data)), uint64(crc32.ChecksumIEEE(f.data))}
	}
	return formatJournal(list)
}

func formatJournal(list []entry) []byte {
	e := encoder{out: []byte(journalMagic)}
	e.uint(uint64(len(list)))
	for _, x := range list {
		e.out = appendString(e.out, x.name)
		e.uint(x.size)
		e.uint(x.crc)
	}
	return sealed(e.out)
}

// parseJournal reads a journal; ok is false if it is none, or a damaged one.
func parseJournal(data []byte) (list []entry, ok bool) {
	text, ok := unsealed(data, journalMagic)
	if !ok {
		return nil, false
	}
	d := decoder{text: text}
	for range d.count() {
		e := entry{d.string(), d.uint(), d.uint()}
		if e.name == "" || strings.ContainsAny(e.name, "/\\") || strings.HasPrefix(e.name, ".") {
			return nil, false
		}
		list = append(list, e)
	}
	return list, !d.bad && d.text == ""
}

// recoverDir is Recover on any disk.
func recoverDir(d disk, dir string) error {
	unlock, ok, err := d.lock(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &InstallError{"open", dir, "", err}
	}
	defer unlock()
	if !ok {
		return nil
	}
	in := installation{disk: d, dir: dir}
	return in.recover()
}

// recover completes a set for which there is a journal, and removes all files of names for a while.
func (in *installation) recover() error {
	names, err := in.list(in.dir)
	if err != nil {
		return &InstallError{"open", in.dir, "", err}
	}
	for _, name := range names {
		if id, ok := strings.CutSuffix(name, "-"+journalName); ok && strings.HasPrefix(name, tempPrefix) {
			if err := in.complete(name, strings.TrimPrefix(id, tempPrefix)); err != nil {
				return err
			}
		}
	}
	return in.clean(tempPrefix)
}

// complete gives the tables of a journal their names, if all of them are there, under one name or the other.
func (in *installation) complete(name, id string) error {
	data, err := in.read(in.path(name))
	if err != nil {
		return nil
	}
	list, ok := parseJournal(data)
	if !ok {
		return nil // killed before it was written
	}
	killed := installation{disk: in.disk, dir: in.dir, id: id}
	var todo []string
	for _, e := range list {
		if data, err := in.read(killed.temp(e.name)); err == nil && e.is(data) {
			todo = append(todo, e.name)
		} else if data, err := in.read(in.path(e.name)); err != nil || !e.is(data) {
			return nil // killed before all were written, or another Install has been here since
		}
	}
	defer in.switching()()
	for _, name := range todo {
		if err := in.rename(killed.temp(name), in.path(name)); err != nil {
			return &InstallError{"rename", in.dir, name, err}
		}
	}
	if err := in.syncDir(in.dir); err != nil {
		return &InstallError{"sync", in.dir, "", err}
	}
	return nil
}
