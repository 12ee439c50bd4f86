package initramfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/gomodprobe/gomodprobe/initramfs"
)

// viewed are entries of all kinds that a file system can show.
var viewed = append(initramfs.DeviceNodes(),
	initramfs.Content("usr/lib/modules/6.1/a.ko", 0o644, []byte("module")),
	initramfs.Link("lib", "usr/lib"),
	initramfs.Link("usr/lib/firmware/x.bin", "/usr/lib/modules/6.1/a.ko"),
	initramfs.Link("up", "../../../usr"),
	initramfs.Content("empty", 0o600, nil),
	initramfs.Dir("run"),
)

func TestFS(t *testing.T) {
	fsys, err := initramfs.NewFS(viewed)
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(fsys, "usr/lib/modules/6.1/a.ko", "run", "dev/console", "lib", "empty"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"lib/modules/6.1/a.ko", "lib/firmware/x.bin", "up/lib/modules/6.1/a.ko"} {
		if data, err := fs.ReadFile(fsys, name); err != nil || string(data) != "module" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if target, err := fs.ReadLink(fsys, "lib"); err != nil || target != "usr/lib" {
		t.Errorf("target of lib: %q, %v", target, err)
	}
	fsys, err = initramfs.NewFS(append(viewed, initramfs.Link("loop", "loop"), initramfs.Link("dangling", "nowhere/at/all")))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dangling", "run/x", "lib/modules/6.1/a.ko/x"} {
		if _, err := fs.Stat(fsys, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := fs.Stat(fsys, "loop"); err == nil {
		t.Error("a link to itself leads somewhere")
	}
	if _, err := initramfs.NewFS([]initramfs.Entry{initramfs.Content("a", 0o644, []byte("1")), initramfs.Dir("a")}); err == nil {
		t.Error("a file and a directory of one name: no error")
	}
}

// TestAll: the iterator gives what is in the archive, in its order, and the reader's iterator as well.
func TestAll(t *testing.T) {
	s := selectIn(t, sampleTree(t), "6.1.0", &initramfs.Options{Add: []string{"top"}})
	var image bytes.Buffer
	if _, err := s.WriteTo(&image); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for e, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Path)
	}
	for f, err := range initramfs.NewReader(bytes.NewReader(image.Bytes())).All() {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, f.Path)
	}
	if d := cmp.Diff(want, got); d != "" || len(got) < 10 {
		t.Errorf("%d entries: %s", len(got), d)
	}
	count := 0
	for f, err := range initramfs.NewReader(bytes.NewReader(image.Bytes()[:image.Len()/2])).All() {
		if err != nil {
			count++
		} else if count > 0 {
			t.Errorf("%s after an error", f.Path)
		}
	}
	if count != 1 {
		t.Errorf("%d errors for a file that is cut off, want 1", count)
	}
}

// TestUrootArchive: u-root's image builders take the selection as records of their archive package, and what they
// write has the same files.
func TestUrootArchive(t *testing.T) {
	s := selectIn(t, sampleTree(t), "6.1.0", &initramfs.Options{Add: []string{"top"}, Config: true})
	var out bytes.Buffer
	w := cpio.Newc.Writer(&out)
	records := []cpio.Record{cpio.StaticFile("init", "#!/bin/sh\n", 0o755)}
	var want []string
	for e, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		r, err := record(e)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
		want = append(want, e.Path)
	}
	if err := cpio.WriteRecords(w, records); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	var got []string
	for f, err := range initramfs.NewReader(&out).All() {
		if err != nil {
			t.Fatal(err)
		}
		if f.Path != "init" {
			got = append(got, f.Path)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// The other way round: u-root reads what we write.
	image := new(bytes.Buffer)
	if _, err := s.WriteTo(image); err != nil {
		t.Fatal(err)
	}
	read, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(image.Bytes())))
	if err != nil || len(read) != len(want) {
		t.Errorf("u-root reads %d entries of %d, error %v", len(read), len(want), err)
	}
}

// record turns an entry into a record of u-root's.
func record(e initramfs.Entry) (cpio.Record, error) {
	switch {
	case e.Mode.IsDir():
		return cpio.Directory(e.Path, uint64(e.Mode.Perm())), nil
	case e.Mode&fs.ModeSymlink != 0:
		return cpio.Symlink(e.Path, e.Target), nil
	case e.Mode&fs.ModeDevice != 0:
		return cpio.CharDev(e.Path, uint64(e.Mode.Perm()), uint64(e.Major), uint64(e.Minor)), nil
	}
	f, err := e.Open()
	if err != nil {
		return cpio.Record{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return cpio.StaticFile(e.Path, string(data), uint64(e.Mode.Perm())), err
}
