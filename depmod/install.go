package depmod

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gomodprobe/gomodprobe/internal/format/index"
	"github.com/gomodprobe/gomodprobe/internal/trusted"
)

// InstallError says what kept Install from putting the tables in place. The tables that were there are still there.
type InstallError struct {
	// Op is what failed: "mkdir" or "open" for the folder, "create", "write", "sync", "close" or "rename" for a
	// table, or "undo" if after a failed rename an old table could not be put back. After "sync" without a Table,
	// of the folder, the new tables are in place, but after a loss of power the old ones may be back.
	Op string
	// Dir is the folder.
	Dir string
	// Table is the name of the table, or empty.
	Table string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *InstallError) Error() string {
	return fmt.Sprintf("%s %s: %v", e.Op, filepath.Join(e.Dir, e.Table), cause(e.Err))
}

// Unwrap returns e.Err.
func (e *InstallError) Unwrap() error { return e.Err }

// tempPrefix begins the names of the files that Install makes for a while; depmod owns all files of such names.
const tempPrefix = ".depmod-"

// Install puts the tables into a folder of the operating system, which it makes if need be: all of them, or none. They
// are written under other names, with a journal that lists them, brought to the disk, and renamed at the end; if one
// cannot be renamed, those before it are taken back. So whatever fails, a reader finds the tables of before, and also
// after a loss of power no table is empty or cut short. Several at a time wait for each other, a minute for each, where
// the file system has locks.
//
// A folder of tables cannot be exchanged in one step, so that there is one case left: killed in the fraction of a
// millisecond between the first rename and the last, Install leaves some tables of each set, each of them whole.
// The next Install, or Recover, goes by the journal and completes the set. The order makes the best of the time until
// then: modules.dep.bin comes before the tables whose names lead to it, and modules.dep last, so that depmod -A knows
// that it is not done.
//
// A table that is there already, byte for byte, is not written again; modules.dep then gets the present time, as the
// sign that all is up to date. The error is an *InstallError.
func (t *Tables) Install(dir string) error { return t.InstallWith(dir, nil) }

// InstallOptions say how to wait for another Install into the same folder.
type InstallOptions struct {
	// Wait is how long to wait for one process, and a tenth of the time for all one after the other; then Install goes
	// on without the lock. Default: a minute.
	Wait time.Duration
	// Log is called with a *LockError when waiting begins, and once more if it was in vain.
	Log func(error)
}

// LockError says that another process has the lock of a folder.
type LockError struct {
	// Dir is the folder, and Process the number of the process, or 0 if that is not known.
	Dir     string
	Process int
	// Gone reports that it was waited for in vain.
	Gone bool
}

// Error implements error.
func (e *LockError) Error() string {
	who := "another depmod"
	if e.Process > 0 {
		who = fmt.Sprintf("process %d", e.Process)
	}
	if e.Gone {
		return fmt.Sprintf("%s: %s still holds the lock; going on without it", e.Dir, who)
	}
	return fmt.Sprintf("%s: waiting for %s, which is writing the tables", e.Dir, who)
}

// InstallWith is Install with options, which may be nil.
func (t *Tables) InstallWith(dir string, o *InstallOptions) error {
	if len(t.files) == 0 {
		return &InstallError{Op: "open", Dir: dir, Err: errors.New("there are no tables to install")}
	}
	d := osDisk{wait: time.Minute, log: func(error) {}}
	if o != nil {
		d.wait = cmp.Or(o.Wait, d.wait)
		if o.Log != nil {
			d.log = o.Log
		}
	}
	return t.install(d, dir)
}

// Recover completes what an Install that was killed while it gave the tables their names has left undone in a folder,
// and removes what one that was killed before has left behind. Install does it too; Recover is for those who have
// nothing to install yet. Where an Install is at work it leaves that to it. The error is an *InstallError; that there
// is no such folder is none.
func Recover(dir string) error { return recoverDir(osDisk{log: func(error) {}}, dir) }

// disk is what Install does to a file system, so that tests can have it fail.
type disk interface {
	mkdirAll(dir string) error
	// lock takes the lock of a folder; ok is false if another process keeps it.
	lock(dir string) (unlock func(), ok bool, err error)
	list(dir string) ([]string, error)
	read(name string) ([]byte, error)
	same(name string, data []byte) bool
	create(name string) (diskFile, error)
	link(old, new string) error
	rename(old, new string) error
	remove(name string) error
	touch(name string) error
	syncDir(dir string) error
}

// diskFile is a file that is being written.
type diskFile interface {
	io.WriteCloser
	Chmod(mode fs.FileMode) error
	Sync() error
}

// installation is an Install under way.
type installation struct {
	disk
	dir   string
	id    string // of this one, in the names of its files
	files []table
	old   map[string]error // for each table that is replaced, the error of giving the old one a second name
}

// install is Install on any disk.
func (t *Tables) install(d disk, dir string) error {
	id := strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	in := installation{disk: d, dir: dir, id: id}
	if err := d.mkdirAll(dir); err != nil {
		return &InstallError{"mkdir", dir, "", err}
	}
	unlock, ok, err := d.lock(dir)
	if err != nil {
		return &InstallError{"open", dir, "", err}
	}
	defer unlock()
	if ok { // else these are the files of the process that has the lock
		if err := in.recover(); err != nil {
			return err
		}
	}
	first := t.files[0]
	for _, f := range append(slices.Clone(t.files[1:]), first) {
		if !d.same(in.path(f.name), f.data) {
			in.files = append(in.files, f)
		}
	}
	if len(in.files) > 0 {
		if err := in.replace(); err != nil {
			return err
		}
	}
	if n := len(in.files); n == 0 || in.files[n-1].name != first.name {
		d.touch(in.path(first.name)) // if it fails, the next depmod -A does more than needed
	}
	return nil
}

// replace puts the tables that have changed in place.
func (in *installation) replace() error {
	defer in.clean(tempPrefix + in.id) // what is left of it, in case of failure; the next run tries again
	if err := in.writeAll(); err != nil {
		return err
	}
	if err := in.renameAll(); err != nil {
		return err
	}
	if err := in.syncDir(in.dir); err != nil {
		return &InstallError{"sync", in.dir, "", err}
	}
	return nil
}

func (in *installation) path(name string) string { return filepath.Join(in.dir, name) }

// temp and backup return the names for a while of the new table and of the old one.
func (in *installation) temp(name string) string   { return in.path(tempPrefix + in.id + "-" + name) }
func (in *installation) backup(name string) string { return in.temp(name) + "~" }

// clean removes files whose names begin with prefix.
func (in *installation) clean(prefix string) error {
	names, err := in.list(in.dir)
	if err != nil {
		return &InstallError{"open", in.dir, "", err}
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			in.remove(in.path(name)) // what cannot be removed does no harm
		}
	}
	return nil
}

// writeAll writes the new tables and the journal under their names for a while and waits until they are on the disk.
func (in *installation) writeAll() error {
	var wg sync.WaitGroup
	files := append(slices.Clone(in.files), table{journalName, journal(in.files)})
	failed := make([]error, len(files))
	for i, f := range files {
		wg.Go(func() { failed[i] = in.write(f) })
	}
	wg.Wait()
	for i, f := range files {
		if errors.Is(failed[i], syscall.EMFILE) { // not so many at once
			failed[i] = in.write(f)
		}
	}
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *installation) write(f table) error {
	file, err := in.create(in.temp(f.name))
	if err != nil {
		return &InstallError{"create", in.dir, f.name, err}
	}
	op := "write"
	_, err = file.Write(f.data)
	if err == nil {
		err = file.Chmod(0o644) // whatever the umask says
	}
	if err == nil {
		op, err = "sync", file.Sync()
	}
	if e := file.Close(); err == nil && e != nil {
		op, err = "close", e
	}
	if err != nil {
		return &InstallError{op, in.dir, f.name, err}
	}
	return nil
}

// renameAll gives the new tables their names. The old ones are kept by a second name until all is done.
func (in *installation) renameAll() error {
	defer in.switching()()
	in.old = make(map[string]error, len(in.files))
	for _, f := range in.files {
		in.old[f.name] = in.link(in.path(f.name), in.backup(f.name))
	}
	for i, f := range in.files {
		if err := in.rename(in.temp(f.name), in.path(f.name)); err != nil {
			err = &InstallError{"rename", in.dir, f.name, err}
			for _, f := range in.files[:i] {
				if e := in.undo(f.name); e != nil {
					err = fmt.Errorf("%w: %w", err, &InstallError{"undo", in.dir, f.name, e})
				}
			}
			return err
		}
	}
	return nil
}

// switching tells those who read tables, by a file, that they are being exchanged until the result is called. Without
// it they may get an answer of both sets, as with kmod; so that it cannot be made is no error.
func (in *installation) switching() (done func()) {
	name := in.path(index.SwitchName)
	if f, err := in.create(name); err == nil {
		f.Close()
	}
	return func() { in.remove(name) }
}

// undo puts the old table of that name back, or removes the new one if there was none. On a file system without links
// there is no way back.
func (in *installation) undo(name string) error {
	switch err := in.old[name]; {
	case err == nil:
		return in.rename(in.backup(name), in.path(name))
	case errors.Is(err, fs.ErrNotExist):
		return in.remove(in.path(name))
	default:
		return err
	}
}

// osDisk is the disk of the operating system.
type osDisk struct {
	wait time.Duration // for a lock
	log  func(error)   // who is waited for
}

func (osDisk) mkdirAll(dir string) error    { return os.MkdirAll(dir, 0o755) }
func (osDisk) link(old, new string) error   { return os.Link(old, new) }
func (osDisk) rename(old, new string) error { return os.Rename(old, new) }
func (osDisk) remove(name string) error     { return os.Remove(name) }

func (osDisk) read(name string) ([]byte, error) { return os.ReadFile(name) }

// lockName is the name of the lock in a folder, for as long as somebody holds it. Only who makes tables can open it, so
// that nobody else can hold it. It does not begin with tempPrefix.
const lockName = ".depmod.lock"

// lockHolder is another process that has the lock.
type lockHolder struct {
	file    fs.FileInfo // of its lock
	process func() int  // its number, or 0 if that is not known
}

func (d osDisk) lock(dir string) (unlock func(), ok bool, err error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, false, err
	}
	// Whoever is next begins a new file. While the lock goes from hand to hand nobody hangs, and to go on without it
	// would mix two sets.
	end, last := time.Now().Add(d.wait), time.Now().Add(10*d.wait)
	var before fs.FileInfo
	for told := false; ; told = true {
		f, held, err := tryLock(filepath.Join(dir, lockName))
		if f != nil {
			return func() { os.Remove(f.Name()); f.Close() }, true, nil
		}
		if err != nil { // a file system that cannot be written to, or without locks: nobody to wait for
			return func() {}, true, nil
		}
		now := time.Now()
		if told && !trusted.Same(held.file, before) && now.Before(last) {
			end = now.Add(d.wait)
		}
		before = held.file
		if late := !now.Before(end); late || !told {
			d.log(&LockError{Dir: dir, Process: held.process(), Gone: late})
			if late {
				return func() {}, false, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (osDisk) list(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// same reports whether a file is there, is a plain one that everybody may read and nobody else may write, under this
// name alone, and has that content.
func (osDisk) same(name string, data []byte) bool {
	if info, err := os.Lstat(name); err != nil || info.Mode() != 0o644 || info.Size() != int64(len(data)) {
		return false
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode() != 0o644 || !onlyOurs(info) {
		return false
	}
	piece := make([]byte, min(len(data), 64<<10))
	for len(data) > 0 {
		piece = piece[:min(len(data), len(piece))]
		if _, err := io.ReadFull(f, piece); err != nil || !bytes.Equal(piece, data[:len(piece)]) {
			return false
		}
		data = data[len(piece):]
	}
	return true
}

func (osDisk) create(name string) (diskFile, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

func (osDisk) touch(name string) error {
	now := time.Now()
	return os.Chtimes(name, now, now)
}

// syncDir brings renames to the disk.
func (osDisk) syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	var failed *trusted.SyncError
	if errors.As(trusted.SyncFolder(f), &failed) {
		return failed.Err // the InstallError says the rest
	}
	return nil
}
