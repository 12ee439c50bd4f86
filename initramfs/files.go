package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A System is what programs are taken from: its libraries are found as its own loader would find them.
type System struct {
	fsys    fs.FS
	libDirs []string // of ld.so.conf; nil before the first use
}

// NewSystem returns the system with this root.
func NewSystem(fsys fs.FS) *System { return &System{fsys: fsys} }

// Files collects programs and other files for an image, with all they need to run: libraries, interpreters, and the
// links on the way to them.
type Files struct {
	base    *Base
	entries []Entry
	have    map[string]bool // paths in the image
	queue   []packed        // what has not been looked into yet
}

// packed is a file that is in the image.
type packed struct {
	from *System
	name string   // in from
	runs bool     // it can be started
	by   *process // that it is loaded into; nil for one that begins there
	path []string // DT_RPATH of those that need it
}

// process is what is loaded together: a library that is there is not looked for again.
type process struct{ loaded map[string]bool }

// NewFiles returns an empty collection. What base has is not packed again.
func NewFiles(base *Base) *Files { return &Files{base: base, have: make(map[string]bool)} }

// Add puts a file, or a folder with all that is in it, under the path to into the image. What the files need
// is looked for by Entries.
func (f *Files) Add(s *System, name, to string) error {
	info, err := fs.Stat(s.fsys, name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return f.copy(s, name, to, nil, nil)
	}
	return fs.WalkDir(s.fsys, name, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		in := path.Join(to, strings.TrimPrefix(strings.TrimPrefix(at, name), "/"))
		switch {
		case at == name || d.IsDir():
			f.put(Dir(in))
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			return f.link(s, name, at, in)
		}
		return f.copy(s, at, in, nil, nil)
	})
}

// AddProgram puts a program into the image: a path, or a name that is looked for as a shell does. It keeps its path.
func (f *Files) AddProgram(s *System, program string) error {
	if strings.Contains(program, "/") {
		return named(program, f.bring(s, rel(program), nil, nil))
	}
	for _, dir := range [...]string{"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin"} {
		info, err := fs.Stat(s.fsys, dir+"/"+program)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return f.bring(s, dir+"/"+program, nil, nil)
		}
	}
	return fmt.Errorf("the program %s: %w", program, errNoProgram)
}

// What a System may lack.
const (
	errNoProgram = notFound("it is in none of /usr/local/sbin, /usr/local/bin, /usr/sbin, /usr/bin, /sbin and /bin")
	errNoFile    = notFound("no such file")
)

// AddPath puts a file under its own path into the image, with the links that lead to it.
func (f *Files) AddPath(s *System, name string) error {
	info, err := fs.Stat(s.fsys, rel(name))
	if err == nil && info.IsDir() {
		return f.Add(s, rel(name), rel(name))
	}
	return named(name, f.bring(s, rel(name), nil, nil))
}

// AddScript puts a file of one system into the image, as a program whose interpreter is another system's.
func (f *Files) AddScript(s *System, name, to string, interpreters *System) error {
	e, err := Copy(to, 0o755, s.fsys, name)
	if err != nil {
		return err
	}
	f.put(e)
	head, err := readHead(s.fsys, name)
	if err != nil || !bytes.HasPrefix(head, []byte("#!")) {
		return err
	}
	return named("/"+name, f.interpreter(interpreters, head))
}

// Entries looks for what the files need, and returns all. A library or an interpreter that is nowhere is an error that
// names it and the file that needs it.
func (f *Files) Entries() ([]Entry, error) {
	for len(f.queue) > 0 {
		p := f.queue[0]
		f.queue = f.queue[1:]
		if err := f.needs(p); err != nil {
			return nil, fmt.Errorf("/%s: %w", p.name, err)
		}
	}
	return f.entries, nil
}

// put adds an entry, unless its path is taken: what was asked for first is kept, as for a folder that is there.
func (f *Files) put(e Entry) {
	e.Path = rel(e.Path)
	if e.Path == "." || f.have[e.Path] && !e.Mode.IsRegular() {
		return
	}
	f.have[e.Path] = true
	f.entries = append(f.entries, e)
}

// copy puts one regular file into the image. A file that others must not read stays one.
func (f *Files) copy(s *System, name, to string, by *process, rpath []string) error {
	info, err := fs.Stat(s.fsys, name)
	if err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 || to == "init" {
		perm = 0o755
	}
	if info.Mode()&0o044 == 0 {
		perm &= 0o700
	}
	e, err := Copy(to, perm, s.fsys, name)
	if err != nil {
		return err
	}
	f.put(e)
	f.queue = append(f.queue, packed{s, name, perm&0o100 != 0, by, rpath})
	return nil
}

// link puts a link of the folder top into the image, and what it leads to, if that is outside of the folder.
func (f *Files) link(s *System, top, name, to string) error {
	target, err := fs.ReadLink(s.fsys, name)
	if err != nil {
		return err
	}
	absolute := target
	if !path.IsAbs(target) {
		absolute = path.Join("/", path.Dir(name), target)
	}
	inside := strings.HasPrefix(absolute, "/"+top+"/")
	if _, err := fs.Stat(s.fsys, name); err != nil || inside && !path.IsAbs(target) {
		f.put(Link(to, target)) // one that leads nowhere is kept as it is
		return nil
	}
	f.put(Link(to, absolute))
	return f.AddPath(s, absolute)
}

// bring puts a file into the image under the path that it has, with the links on the way.
// What is in the image or its base is left alone.
func (f *Files) bring(s *System, name string, by *process, rpath []string) error {
	if f.have[name] {
		return nil
	}
	var links []Entry
	real, err := followLinks(name, true, func(at string) (string, bool, error) {
		if f.base.has(at) {
			return "", false, nil // a folder there keeps its place
		}
		info, err := fs.Lstat(s.fsys, at)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return "", false, err
		}
		target, err := fs.ReadLink(s.fsys, at)
		links = append(links, Link(at, target))
		return target, true, err
	})
	if err != nil {
		return err
	}
	if f.base.hasFile(name) || f.base.hasFile(real) {
		return nil
	}
	for _, l := range links {
		f.put(l)
	}
	if f.have[real] {
		return nil
	}
	return f.copy(s, real, real, by, rpath)
}

// mostHead is how much of a script is read for its first line, as in the kernel.
const mostHead = 256

// needs looks into a file and brings what it needs.
func (f *Files) needs(p packed) error {
	head, err := readHead(p.from.fsys, p.name)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		if !p.runs {
			return nil // what nobody can start needs no interpreter
		}
		return f.interpreter(p.from, head)
	case !bytes.HasPrefix(head, []byte("\x7fELF")):
		return nil
	}
	file, err := p.from.fsys.Open(p.name)
	if err != nil {
		return err
	}
	defer file.Close()
	at, ok := file.(io.ReaderAt)
	if !ok {
		data, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		at = bytes.NewReader(data)
	}
	return f.program(p, at)
}

// readHead returns the beginning of a file.
func readHead(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, mostHead)
	n, err := io.ReadFull(file, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// interpreter brings what the first line of a script names; for "env NAME" the program of that name as well.
func (f *Files) interpreter(s *System, head []byte) error {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return nil
	}
	if err := f.bring(s, rel(words[0]), nil, nil); err != nil {
		return fmt.Errorf("its interpreter %s: %w", words[0], bare(err))
	}
	if path.Base(words[0]) != "env" {
		return nil
	}
	for _, w := range words[1:] {
		if !strings.HasPrefix(w, "-") && !strings.Contains(w, "=") {
			return f.AddProgram(s, w)
		}
	}
	return nil
}

// rel is a path as names in an image are.
func rel(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// bare leaves out of an error the path, which the message has already.
func bare(err error) error {
	var p *fs.PathError
	switch {
	case errors.As(err, &p) && errors.Is(p.Err, fs.ErrNotExist):
		return errNoFile
	case errors.As(err, &p):
		return p.Err
	}
	return err
}

// named puts a path in front of an error.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, bare(err))
}

// Private reports whether a file is among the entries that only root may read, such as a key.
func Private(entries []Entry) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Mode.IsRegular() && e.Mode.Perm()&0o044 == 0 })
}
